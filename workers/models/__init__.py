"""Models and where they come from."""
