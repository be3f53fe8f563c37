"""Stream workers: documents from Kafka, enriched by language models, back to Kafka exactly once."""
