"""Apache Kafka as one KRaft node, from its Maven Central artifacts: the other broker of the stack and of the tests."""
