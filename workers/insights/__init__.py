"""Insights: a Faust application that counts what was enriched, watches its quality, and shows both on a page.

Reads what the workers publish and nothing else: it can be down without touching delivery. Never imports torch, a model
or the pipeline, so that it runs in a small environment of its own (decision 0015).
"""
