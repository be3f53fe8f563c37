"""The pipeline and the worker's loop."""
