"""The broker goes away for a minute: answers and latency stay, memory is bounded, the drops are counted and told afterwards."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration import kafka, load
from tests.integration.kafka import ApacheKafka
from tests.integration.stack import Stack, eventually
from tests.integration.test_ledger import settled

AWAY_S = 60
RATE = 9000  # more than two workers may hold back in a minute
WORKER_LIMIT_MB = 150

COUNTERS = "SELECT sum(m) AS dropped FROM (SELECT source, epoch, max(dropped) AS m FROM nameward.source_counters GROUP BY source, epoch)"


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Names that are in the cache after the first round."""
    return load.write_names(tmp_path_factory.mktemp("load") / "names", [f"n{number}.away.test" for number in range(500)], 20_000)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheKafka]:
    """Apache Kafka only: the embedded broker is a child of the stack, which starts it again at once (tests/compose/test_broker_memory.py)."""
    with kafka.running(tmp_path_factory.mktemp("kafka")) as node:
        yield node


@pytest.mark.slow
@pytest.mark.timeout(420)
def test_a_minute_without_the_broker(stack: Stack, broker: ApacheKafka, names: Path) -> None:
    """Answers come as before, workers stay within their memory, and ClickHouse tells the exact number of dropped events."""
    options = ("-Q", str(RATE), "-c", "8", "-t", "1")
    load.run(stack.port, names, "-n", "1", *options)
    usual = load.run(stack.port, names, "-l", "6", "-v", *options)
    broker.stop()
    try:
        running = load.start(stack.port, names, "-l", str(AWAY_S), "-v", *options)
        peak = 0.0
        until = time.monotonic() + AWAY_S - 5
        while time.monotonic() < until:
            peak = max(peak, *(size for name, size in stack.resident().items() if name.startswith("r")))
            time.sleep(1)
        away = running.finish(within=60)
    finally:
        broker.start()
    assert away.completed >= away.sent * 0.999
    # Whoever waited for the broker would wait for seconds; what other programs take of the machine is less.
    assert away.percentile(0.5) <= usual.percentile(0.5) * 3 + 5
    assert away.percentile(0.99) <= usual.percentile(0.99) * 3 + 100
    assert peak < WORKER_LIMIT_MB

    eventually(stack.ready, within=60, what="the stack is ready again")
    rows = eventually(lambda: settled(stack), within=120, what="the ledger closes", every=1)
    dropped = sum(row["dropped"] for row in rows)
    assert dropped == sum(row["produced"] - row["stored"] for row in rows)
    assert dropped > 0, "the buffers were never full: nothing was shown"
    assert sum(row["tail"] for row in rows) == 0
    assert stack.sql(COUNTERS)[0]["dropped"] == dropped
    print(f"usual p50 {usual.percentile(0.5):.3f} p99 {usual.percentile(0.99):.3f} ms, away p50 {away.percentile(0.5):.3f} "
          f"p99 {away.percentile(0.99):.3f} ms, {dropped:,} of {away.sent:,} events dropped, a worker took {peak:.0f} MB")


def test_events_flow_again(stack: Stack) -> None:
    """After the return a new query is in ClickHouse as quickly as before."""
    name = f"back-{time.monotonic_ns()}.away.test"
    stack.dig(name, client="127.0.1.20")
    query = "SELECT 1 AS one FROM nameward.query_events WHERE qname = {name:String}"
    eventually(lambda: stack.sql(query, name=name), within=5, what="the event of a new query")
