"""Cutting texts into sentences and windows, languages and offsets. Knows no model."""
