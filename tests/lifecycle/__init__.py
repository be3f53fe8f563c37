"""Tests of making models."""
