"""`enrich serve`: one text at a time through the worker's own pipeline, with what each word did to the label.

For trying out, not for throughput: no topic, no queue, no record leaves it. Knows nothing of Kafka.
"""
