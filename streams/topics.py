"""Topics a worker needs before Faust starts: those of the contract are waited for, changelogs of its tables are made.

Faust would create changelogs itself, but while it starts: a consumer that asks the broker for its topics in that moment
knows a changelog of no partitions, and the worker ends with PartitionsMismatch. So they are there, whole, before.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from aiokafka import AIOKafkaClient
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.cluster import ClusterMetadata
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from schemas.topics import EVENTS, TOPICS

_LOG = logging.getLogger(__name__)
_RETRY_S = 0.5
_CHANGELOG = {"cleanup.policy": "compact"}  # as Faust would make them

T = TypeVar("T")


class TopicError(Exception):
    """A topic no worker can use as it is, in one sentence."""


class _NotYetError(Exception):
    """Why the broker is worth asking again."""


async def partitions_of_events(bootstrap: str) -> int:
    """Partitions of dns.events; waits for the broker and the topics of the contract as long as it takes."""

    def look(known: ClusterMetadata) -> int:
        missing = sorted({topic.name for topic in TOPICS} - known.topics(exclude_internal_topics=False))
        if missing:
            raise _NotYetError(f"topics are missing: {', '.join(missing)}")
        return len(known.partitions_for_topic(EVENTS.name))

    async def ask() -> int:
        return look(await _metadata(bootstrap))

    return await _patiently(bootstrap, ask)


async def make_changelogs(bootstrap: str, names: Iterable[str], partitions: int) -> None:
    """Create the changelogs that are missing; return when clients of the broker see all of their partitions.

    Raises:
        TopicError: one exists with another number of partitions.
    """
    wanted = list(names)

    async def ask() -> None:
        known = await _metadata(bootstrap)
        if any(_size(known, name, partitions) == 0 for name in wanted):
            await _create(bootstrap, wanted, partitions)
            known = await _metadata(bootstrap)
        for name in wanted:
            if not _size(known, name, partitions) or len(known.available_partitions_for_topic(name)) < partitions:
                raise _NotYetError(f"topic {name} is being created")

    await _patiently(bootstrap, ask)


def _size(known: ClusterMetadata, name: str, partitions: int) -> int:
    size = len(known.partitions_for_topic(name) or ())
    if size not in {0, partitions}:
        raise TopicError(
            f"topic {name} has {size} partitions and {EVENTS.name} has {partitions}; "
            "delete that topic and the worker's tables, and it starts anew"
        )
    return size


async def _create(bootstrap: str, names: Iterable[str], partitions: int) -> None:
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await client.start()
        response = await client.create_topics(
            [NewTopic(name, partitions, 1, topic_configs=_CHANGELOG) for name in names]
        )
    finally:
        await client.close()
    for _, code, *_ in response.topic_errors:
        if code not in {0, TopicAlreadyExistsError.errno}:
            raise for_code(code)


async def _metadata(bootstrap: str) -> ClusterMetadata:
    client = AIOKafkaClient(bootstrap_servers=bootstrap)
    try:
        await client.bootstrap()
        # bootstrap() alone learns no topics of Apache Kafka.
        return await client.fetch_all_metadata()
    finally:
        await client.close()


async def _patiently(bootstrap: str, ask: Callable[[], Awaitable[T]]) -> T:
    """Ask until there is an answer; each reason for waiting is said once."""
    said = ""
    while True:
        try:
            return await ask()
        except (KafkaError, OSError, _NotYetError) as error:
            reason = str(error)
        if reason != said:
            said = reason
            _LOG.warning("waiting for the broker at %s: %s", bootstrap, reason)
        await asyncio.sleep(_RETRY_S)
