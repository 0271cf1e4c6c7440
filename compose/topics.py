"""Creates the topics of schemas.topics on a broker, before anyone produces to them or reads them.

Brokers that make up missing topics make them with the wrong number of partitions, so this runs first and, on the
embedded broker, replaces a topic that somebody's early message made up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError

from compose.failure import Failure
from schemas.topics import TOPICS, Topic


async def connect(bootstrap: str, *, timeout_s: float = 10.0) -> AIOKafkaAdminClient:
    """Admin client of a broker that answers.

    Raises:
        Failure: if none answers within timeout_s.
    """
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=int(timeout_s * 1000))
    try:
        await asyncio.wait_for(client.start(), timeout_s)
    except (KafkaError, OSError, TimeoutError) as error:
        await client.close()
        raise Failure(f"no Kafka broker answers at {bootstrap}") from error
    return client


async def create(
    bootstrap: str,
    *,
    topics: Iterable[Topic] = TOPICS,
    replication: int = 1,
    replace: bool = False,
    timeout_s: float = 10.0,
) -> list[str]:
    """Create the topics that are missing; return their names.

    Args:
        bootstrap: host:port of the broker.
        topics: the contract.
        replication: replication factor of new topics.
        replace: delete and re-create a topic with another number of partitions than the contract says; only right
            for a broker that holds nothing worth keeping.
        timeout_s: patience with the broker.

    Raises:
        Failure: if the broker does not answer or refuses.
    """
    client = await connect(bootstrap, timeout_s=timeout_s)
    try:
        wrong = await _wrong(client, topics) if replace else []
        if wrong:
            await client.delete_topics(wrong)
        response = await client.create_topics(
            [NewTopic(topic.name, topic.partitions, replication, topic_configs=dict(topic.config)) for topic in topics]
        )
    except (KafkaError, OSError, TimeoutError) as error:
        raise Failure(f"the broker at {bootstrap} refused to create topics: {error}") from error
    finally:
        await client.close()
    made = []
    for name, code, *reason in response.topic_errors:
        if code == 0:
            made.append(name)
        elif code != TopicAlreadyExistsError.errno:
            raise Failure(f"the broker at {bootstrap} refused topic {name}: {reason[0] if reason else code}")
    return made


async def _wrong(client: AIOKafkaAdminClient, topics: Iterable[Topic]) -> list[str]:
    wanted = {topic.name: topic.partitions for topic in topics}
    known = set(await client.list_topics()) & wanted.keys()
    if not known:
        return []
    return [
        entry["topic"]
        for entry in await client.describe_topics(sorted(known))
        if len(entry["partitions"]) != wanted[entry["topic"]]
    ]
