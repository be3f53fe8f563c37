"""Which windows go through the device together, and when."""
