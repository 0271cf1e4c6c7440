"""The consumer with which the feeds read topics: from their beginning, in no group, remembering nothing at the broker.

This module must not know what is read.
"""

from __future__ import annotations

from aiokafka import AIOKafkaConsumer


def topic_reader(bootstrap: str) -> AIOKafkaConsumer:
    """A consumer, not started; whoever starts it assigns the partitions and seeks.

    Args:
        bootstrap: host:port of the broker.
    """
    return AIOKafkaConsumer(
        bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest", retry_backoff_ms=500
    )
