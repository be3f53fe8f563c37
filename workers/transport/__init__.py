"""Kafka and its stand-ins."""
