"""Publishing: order, exact counts, bounds, absence of the broker, the last word about an epoch."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from resolver.counters import Counters
from resolver.publisher import Limits, Publisher
from schemas.topics import partition_of
from tests.patience import patient
from tests.resolver.broker import MemoryBroker
from tests.resolver.templates import moment, template

QUICK = Limits(flush_ms=10, batch_events=50)


async def eventually(probe: Callable[[], object], within: float = 10.0) -> None:
    """Poll until the probe is true."""
    async with asyncio.timeout(patient(within)):
        while not probe():  # noqa: ASYNC110 (any state may be waited for)
            await asyncio.sleep(0.005)


@asynccontextmanager
async def publishing(
    directory: Path, broker: MemoryBroker, limits: Limits = QUICK, epoch: int = 1000
) -> AsyncIterator[Publisher]:
    """A publisher that runs; whoever uses it closes it."""
    publisher = Publisher(Counters(directory, "r1", epoch), "r1", broker, limits)
    running = asyncio.create_task(publisher.run())
    try:
        yield publisher
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


def offer(publisher: Publisher, count: int, start: int = 0) -> None:
    """Offer events of several tenants; their latency is their number."""
    templates = [template(number) for number in range(12)]
    for number in range(start, start + count):
        publisher.offer(templates[number % 12], moment(number), number)


@pytest.fixture
def broker() -> MemoryBroker:
    """A broker that answers."""
    made = MemoryBroker()
    made.present.set()
    return made


async def test_every_event_arrives_once_in_its_partition(tmp_path: Path, broker: MemoryBroker) -> None:
    """Sequences are contiguous over all partitions and rise within each; rows are in their tenant's partition."""
    async with publishing(tmp_path, broker) as publisher:
        for start in range(0, 1000, 100):
            offer(publisher, 100, start)
            await asyncio.sleep(0.01)
        await eventually(lambda: publisher.buffer.held() == 0)
        assert publisher.counters.acknowledged.value == 1000
    assert await publisher.close(5) == 0
    assert broker.sequences(1000) == list(range(1000))
    latencies = []
    last = dict.fromkeys(range(4), -1)
    for partition, header, rows in broker.batches():
        assert header.count <= QUICK.batch_events
        if not header.count:
            continue
        assert header.partition == partition
        assert set(rows["partition"].to_pylist()) == {partition}
        assert {partition_of(tenant, 4) for tenant in rows["tenant"].to_pylist()} == {partition}
        assert rows["sequence"].to_pylist() == list(range(header.first_sequence, header.first_sequence + header.count))
        assert header.first_sequence > last[partition]
        last[partition] = header.first_sequence
        latencies += rows["latency_us"].to_pylist()
    assert sorted(latencies) == list(range(1000))


async def test_the_last_word_of_a_clean_end(tmp_path: Path, broker: MemoryBroker) -> None:
    """Closing flushes, says the final counts with closed=True, and leaves nothing for a successor to say."""
    async with publishing(tmp_path, broker) as publisher:
        offer(publisher, 77)
    assert await publisher.close(5) == 0
    word = broker.last_word(1000)
    assert (word.count, word.offered, word.dropped, word.acknowledged) == (0, 77, 0, 77)
    async with publishing(tmp_path, broker, epoch=2000) as successor:
        assert successor.counters.predecessors() == []
    await successor.close(5)


@pytest.mark.parametrize("turns", range(6))
async def test_a_clean_end_between_two_partitions(
    tmp_path: Path, broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch, turns: int
) -> None:
    """Whenever the end comes while events are handed out partition by partition: all of them arrive, once."""
    async with publishing(tmp_path, broker) as publisher:
        await eventually(lambda: publisher.delivery.reachable and publisher._partitions)
        routed, route = asyncio.Event(), publisher._route

        async def announced() -> None:
            if publisher._unrouted:
                routed.set()
            await route()

        monkeypatch.setattr(publisher, "_route", announced)
        offer(publisher, 40)
        await routed.wait()
        for _ in range(turns):
            await asyncio.sleep(0)
        assert await publisher.close(5) == 0
    assert publisher.counters.acknowledged.value == 40
    assert broker.sequences(1000) == list(range(40))


@pytest.mark.parametrize("turns", [*range(0, 40, 3), 60, 90, 120])
async def test_a_clean_end_in_the_middle_of_encoding(
    tmp_path: Path, broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch, turns: int
) -> None:
    """Whichever column the end comes at, of whichever partition: every event arrives once, under contiguous sequences."""
    monkeypatch.setattr("resolver.publisher._TURN", 0.0)  # queries have their turn after every column
    async with publishing(tmp_path, broker) as publisher:
        await eventually(lambda: publisher.delivery.reachable and publisher._partitions)
        offer(publisher, 30)
        async with asyncio.timeout(5):
            while not publisher._encoding.locked():  # noqa: ASYNC110 - it is for moments only
                await asyncio.sleep(0)
        offer(publisher, 120, 30)
        for _ in range(turns):
            await asyncio.sleep(0)
        assert await publisher.close(5) == 0
    assert (publisher.counters.acknowledged.value, publisher.counters.dropped.value) == (150, 0)
    assert broker.sequences(1000) == list(range(150))


async def test_one_batch_is_encoded_at_a_time(
    tmp_path: Path, broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lanes that fill while others are encoded, some ahead: each partition gets its tenants' events in their order."""
    monkeypatch.setattr("resolver.publisher._TURN", 0.0)
    async with publishing(tmp_path, broker, Limits(flush_ms=1, batch_events=20)) as publisher:
        for start in range(0, 2000, 20):
            offer(publisher, 20, start)
            await asyncio.sleep(0)
        await eventually(lambda: publisher.buffer.held() == 0)
    assert await publisher.close(5) == 0
    assert broker.sequences(1000) == list(range(2000))
    told: dict[int, list[int]] = {}
    for partition, _, rows in broker.batches():
        told.setdefault(partition, []).extend(rows["latency_us"].to_pylist())
    assert all(numbers == sorted(numbers) for numbers in told.values())


async def test_a_successor_speaks_for_the_killed(tmp_path: Path, broker: MemoryBroker) -> None:
    """The counts of a worker that never closed are published once, closed, under its own epoch."""
    killed = Counters(tmp_path, "r1", 1000)
    killed.offered.value, killed.dropped.value, killed.acknowledged.value = 500, 30, 420
    killed.close()
    async with publishing(tmp_path, broker, epoch=2000) as publisher:
        await eventually(lambda: not publisher.counters.predecessors())
    await publisher.close(5)
    word = broker.last_word(1000)
    assert (word.source, word.count, word.offered, word.dropped, word.acknowledged) == ("r1", 0, 500, 30, 420)


async def test_the_broker_comes_late(tmp_path: Path) -> None:
    """Events of the time before the broker was there are published, within the bounds, and counted beyond."""
    broker = MemoryBroker()
    limits = Limits(flush_ms=10, batch_events=50, max_events=300)
    async with publishing(tmp_path, broker, limits) as publisher:
        for start in range(0, 500, 50):
            offer(publisher, 50, start)
            await asyncio.sleep(0.005)
        assert (publisher.buffer.held(), publisher.counters.dropped.value) == (300, 200)
        assert not publisher.delivery.reachable
        broker.present.set()
        await eventually(lambda: publisher.buffer.held() == 0)
        assert publisher.delivery.reachable
    await publisher.close(5)
    assert broker.sequences(1000) == list(range(300))


async def test_the_broker_goes_and_comes_back(
    tmp_path: Path, broker: MemoryBroker, caplog: pytest.LogCaptureFixture
) -> None:
    """Offering goes on, memory is bounded, drops are exact; one line says it is away, one that it is back."""
    caplog.set_level(logging.WARNING)
    limits = Limits(flush_ms=10, batch_events=50, max_events=400)
    async with publishing(tmp_path, broker, limits) as publisher:
        offer(publisher, 100)
        await eventually(lambda: publisher.buffer.held() == 0)
        broker.present.clear()
        for start in range(100, 1000, 100):
            offer(publisher, 100, start)
            await asyncio.sleep(0.02)
        assert (publisher.buffer.held(), publisher.counters.dropped.value) == (400, 500)
        await eventually(lambda: not publisher.delivery.reachable)
        assert publisher.delivery.trouble == "nobody there"
        broker.present.set()
        await eventually(lambda: publisher.buffer.held() == 0)
        offer(publisher, 50, 1000)
    await publisher.close(5)
    assert broker.sequences(1000) == list(range(550))
    word = broker.last_word(1000)
    assert (word.offered, word.dropped, word.acknowledged) == (1050, 500, 550)
    said = [record.message for record in caplog.records if "Kafka" in record.message]
    assert len(said) == 2
    assert said[0].startswith("Kafka is away")
    assert said[1].startswith("Kafka is back")


async def test_a_lost_acknowledgement_repeats_the_same_batch(tmp_path: Path, broker: MemoryBroker) -> None:
    """What arrives twice carries the same sequences, so that the reader can tell; nothing is counted twice."""
    broker.swallow = 3
    async with publishing(tmp_path, broker) as publisher:
        offer(publisher, 200)
        await eventually(lambda: publisher.buffer.held() == 0)
    await publisher.close(5)
    assert len(broker.sequences(1000)) > 200
    assert sorted(set(broker.sequences(1000))) == list(range(200))
    assert publisher.counters.acknowledged.value == 200


async def test_a_batch_too_large_is_cut(tmp_path: Path, broker: MemoryBroker) -> None:
    """Halves carry their own sequences; every event still arrives exactly once."""
    broker.largest = 24_000
    async with publishing(tmp_path, broker, Limits(flush_ms=10, batch_events=2000)) as publisher:
        for number in range(600):
            publisher.offer(template(number * 3), moment(number), number)
        await eventually(lambda: publisher.buffer.held() == 0)
        assert publisher.counters.dropped.value == 0
    await publisher.close(5)
    assert broker.sequences(1000) == list(range(600))
    counts = [header.count for _, header, _ in broker.batches() if header.count]
    assert max(counts) < 600


async def test_a_single_event_too_large_is_dropped_and_counted(tmp_path: Path, broker: MemoryBroker) -> None:
    """It holds nothing up: the others arrive."""
    broker.largest = 40_000
    async with publishing(tmp_path, broker, Limits(flush_ms=10, batch_events=10)) as publisher:
        publisher.offer(template(3, ede_text=random.Random(1).randbytes(60_000).hex()), moment(0), 0)
        offer(publisher, 9, 1)
        await eventually(lambda: publisher.buffer.held() == 0)
        assert publisher.counters.dropped.value == 1
        assert publisher.counters.acknowledged.value == 9
        assert publisher.buffer.held_bytes() == 0
    await publisher.close(5)


async def test_heartbeats_tell_of_drops_without_batches(tmp_path: Path, broker: MemoryBroker) -> None:
    """Counters that changed are told within about a second though no batch is due; unchanged ones are not repeated."""
    async with publishing(tmp_path, broker) as publisher:
        offer(publisher, 10)
        await eventually(lambda: any(h.acknowledged == 10 and h.count == 0 for _, h, _ in broker.batches()), within=5)
        told = len(broker.batches())
        await asyncio.sleep(1.5)
        assert len(broker.batches()) == told
    await publisher.close(5)


async def test_closing_without_a_broker_ends_in_time_and_leaves_the_word_to_the_successor(
    tmp_path: Path, broker: MemoryBroker
) -> None:
    """Bounded time; the number of unsent events is returned; the successor closes the epoch."""
    async with publishing(tmp_path, broker) as publisher:
        offer(publisher, 10)
        await eventually(lambda: publisher.buffer.held() == 0)
        broker.present.clear()
        offer(publisher, 25, 10)
    loop = asyncio.get_running_loop()
    start = loop.time()
    assert await publisher.close(0.3) == 25
    assert loop.time() - start < patient(2)
    broker.present.set()
    async with publishing(tmp_path, broker, epoch=2000) as successor:
        await eventually(lambda: not successor.counters.predecessors())
    await successor.close(5)
    word = broker.last_word(1000)
    assert (word.offered, word.dropped, word.acknowledged) == (35, 0, 10)


@pytest.mark.parametrize("seed", range(5))
async def test_counts_add_up_in_any_weather(tmp_path: Path, seed: int) -> None:
    """A broker that comes and goes and loses acknowledgements: offered = dropped + distinct events stored, always."""
    dice = random.Random(seed)
    broker = MemoryBroker(count=dice.choice([1, 3, 8]))
    limits = Limits(flush_ms=10, batch_events=dice.choice([1, 20, 100]), max_events=300)
    total = 0
    async with publishing(tmp_path, broker, limits) as publisher:
        for _ in range(60):
            if dice.random() < 0.3:
                (broker.present.clear if broker.present.is_set() else broker.present.set)()
            broker.swallow = dice.choice([0, 0, 1])
            count = dice.randrange(60)
            offer(publisher, count, total)
            total += count
            await asyncio.sleep(dice.choice([0, 0.005, 0.02]))
        broker.present.set()
        broker.swallow = 0
        await eventually(lambda: publisher.buffer.held() == 0, within=20)
    assert await publisher.close(5) == 0
    word = broker.last_word(1000)
    assert word.offered == total
    assert sorted(set(broker.sequences(1000))) == list(range(total - word.dropped))
    assert word.acknowledged == total - word.dropped


async def test_events_that_cannot_be_encoded_are_dropped_and_counted(tmp_path: Path, broker: MemoryBroker) -> None:
    """A template with nonsense in it takes its batch with it, counted; what comes later arrives."""
    async with publishing(tmp_path, broker) as publisher:
        publisher.offer(template(1, answers=(("A", "192.0.2.1", 2**40),)), moment(0), 0)
        await eventually(lambda: publisher.counters.dropped.value == 1)
        offer(publisher, 10)
        await eventually(lambda: publisher.buffer.held() == 0)
        assert publisher.counters.acknowledged.value == 10
    assert await publisher.close(5) == 0
    assert broker.sequences(1000) == list(range(10))
