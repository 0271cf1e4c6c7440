"""Apache Kafka from its artifacts."""
