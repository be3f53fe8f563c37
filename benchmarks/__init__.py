"""Every number about speed that the README states, one command each: `python -m benchmarks.NAME --help`."""
