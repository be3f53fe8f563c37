"""Logs and step timings."""
