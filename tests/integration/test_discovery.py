"""Discovery by context with a running resolver and a broker: who asks decides, and signals move answers and let them back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from compose.signal_commands import signal
from schemas.objects import encode_object
from tests.integration.dns import dig
from tests.integration.kafka import ApacheKafka
from tests.integration.test_policy_feed import EmbeddedBroker, clean, node, quiet, write
from tests.resolver.policy.written import discovery, objects, service
from tests.resolver.worker import WorkerProcess, eventually

__all__ = ["node", "quiet"]
pytestmark = pytest.mark.usefixtures("quiet")

TENANT = """
apiVersion: nameward.io/v1
kind: Tenant
metadata: {name: acme}
spec:
  default: allow
  clients: [{subnets: [127.0.1.0/24]}]
  workloads:
  - {name: prod, subnets: [127.0.1.10], labels: {env: prod}}
  - {name: dev, subnets: [127.0.1.20], labels: {env: dev}}
  - {name: gold, subnets: [127.0.1.30], labels: {env: prod, tier: gold}}
---
"""
OBJECTS = (
    TENANT
    + service("prod", labels="{app: api, env: prod}", endpoints="[{address: 10.9.0.1}, {address: 10.9.0.2}]")
    + service("dev", labels="{app: api, env: dev}", endpoints="[{address: 10.9.1.1}]")
    + discovery("{app}.svc.internal", selector="{app: '${name.app}', env: '${client.env}'}", more="order: [health]")
    + discovery(
        "{app}.svc.internal",
        owner="gold",
        selector="{app: '${name.app}', env: '${client.env}'}",
        more="clients: {matchLabels: {tier: gold}}\n  priority: 1",
    )
)
PROD, DEV, GOLD = "127.0.1.10", "127.0.1.20", "127.0.1.30"
BOTH = ["10.9.0.1", "10.9.0.2"]
IN_FORCE_S = 2.0


@pytest.fixture(scope="module")
def worker(node: EmbeddedBroker | ApacheKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerProcess]:
    """A resolver worker with these objects in force."""

    async def fill() -> None:
        await clean(node.bootstrap)
        await write(node.bootstrap, "policy.objects", *((key, encode_object(obj)) for key, obj in objects(OBJECTS).items()))

    asyncio.run(fill())
    running = WorkerProcess(tmp_path_factory.mktemp("worker"), node.bootstrap).start().wait_listening()
    try:
        eventually(lambda: told(running, DEV))
        yield running
    finally:
        running.end()


def told(worker: WorkerProcess, client: str) -> list[str]:
    """Addresses of api.svc.internal for a client, sorted."""
    return dig(worker.port, "api.svc.internal", client=client).data


def say(node: EmbeddedBroker | ApacheKafka, kind: str, subject: str, value: str, span: str = "60s") -> float:
    """`nameward signal set`; the time at which it returned."""
    words = ["set", "--tenant", "acme", "--kind", kind, "--subject", subject, "--value", value, "--for", span]
    result = CliRunner().invoke(signal, [*words, "--reason", "measured", "--kafka", node.bootstrap])
    assert result.exit_code == 0, result.output
    return time.monotonic()


def test_one_name_means_another_service_for_each_environment(worker: WorkerProcess) -> None:
    """A prod and a dev frontend ask for the same name; a client without the label gets what a missing name gets."""
    assert (told(worker, PROD), told(worker, DEV)) == (BOTH, ["10.9.1.1"])
    nobody = dig(worker.port, "api.svc.internal", client="127.0.1.99")
    missing = dig(worker.port, "none.svc.internal", client="127.0.1.99")
    assert (nobody.rcode, nobody.answer, nobody.ede) == (missing.rcode, [], missing.ede)


def test_gold_clients_get_the_endpoints_of_low_latency(worker: WorkerProcess, node: EmbeddedBroker | ApacheKafka) -> None:
    """A latency signal moves those whose rule orders by latency, and nobody else, until it is taken back."""
    assert told(worker, GOLD) == BOTH
    say(node, "latency", "10.9.0.2:443", "5")
    eventually(lambda: told(worker, GOLD) == ["10.9.0.2"], within=IN_FORCE_S)
    assert told(worker, PROD) == BOTH
    say(node, "latency", "10.9.0.2:443", "5", "0s")
    eventually(lambda: told(worker, GOLD) == BOTH, within=IN_FORCE_S)


def test_a_health_signal_moves_answers_and_lets_them_back(worker: WorkerProcess, node: EmbeddedBroker | ApacheKafka) -> None:
    """Down within two seconds of the signal, back when it expires; explain says why as long as it holds."""
    said = say(node, "health", "10.9.0.1:443", "down", "4s")
    eventually(lambda: told(worker, PROD) == ["10.9.0.2"], within=IN_FORCE_S)
    story = worker.json(f"/explain?client={PROD}&name=api.svc.internal&type=A&transport=udp")
    assert (story["answer_source"], story["discovery"]["rules"][1]["taken"]) == ("discovery", True)
    down = next(one for one in story["discovery"]["endpoints"] if one["endpoint"] == "10.9.0.1:443")
    assert (down["told"], down["why"], down["health"]["why"]) == (False, "down, and another is left", "measured")
    listed = CliRunner().invoke(signal, ["list", "--json", "--kafka", node.bootstrap])
    assert '"subject":"10.9.0.1:443","value":"down"' in listed.stdout
    eventually(lambda: told(worker, PROD) == BOTH, within=4 + IN_FORCE_S)
    assert time.monotonic() - said > 3  # not before it expired
    assert CliRunner().invoke(signal, ["list", "--kafka", node.bootstrap]).stdout.count("10.9.0.1:443") == 0


def test_what_is_told_is_not_refused(worker: WorkerProcess) -> None:
    """The worker refused nothing of what the command wrote."""
    assert worker.metric("nameward_signals_refused_total") == 0


def test_the_table_of_signals(node: EmbeddedBroker | ApacheKafka) -> None:
    """For people: tenant, kind, subject, value, how long, who says so and why."""
    say(node, "weather", "Roof.Example.", "rain")
    shown = CliRunner().invoke(signal, ["list", "--tenant", "acme", "--kafka", node.bootstrap], terminal_width=160).stdout
    assert all(word in shown for word in ("TENANT", "acme", "weather", "rain", "measured"))
