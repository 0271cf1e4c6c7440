"""Policy over a real broker, without a stack: topics -> stores -> status -> `nameward policy`, on both brokers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from click.testing import CliRunner, Result

from compose import broker as embedded
from compose import topics
from compose.policy_commands import policy
from compose.policy_topic import read_present
from resolver import policy_feed
from resolver.policy.store import PolicyStore
from resolver.policy_feed import PolicyFeed
from resolver.tenant_view import Signals
from schemas.documents import read_documents
from schemas.objects import encode_object
from schemas.signals import encode_signal
from tests.integration.kafka import ApacheKafka
from tests.patience import PROCESS_S, patient
from tests.peers.ports import free_port
from tests.resolver.policy.written import entry, objects, overlay, rules, signal, tenant

pytestmark = pytest.mark.usefixtures("quiet")


class EmbeddedBroker:
    """The broker of the wheel; start, stop (it forgets everything) and start again on the same port."""

    def __init__(self) -> None:
        self.port = free_port()
        self.bootstrap = f"127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; those who need it wait for its port."""
        command = embedded.command(embedded.binary(), "127.0.0.1", self.port)
        environment = {**os.environ, **embedded.ENVIRONMENT}
        self._process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PROCESS_S)


@pytest.fixture
def quiet() -> Iterator[None]:
    """Without what aiokafka tells of every attempt to reach a broker that is away."""
    logger = logging.getLogger("aiokafka")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(before)


@pytest.fixture(scope="module")
def node(broker: ApacheKafka | None) -> Iterator[EmbeddedBroker | ApacheKafka]:
    """A running broker of either kind with our topics."""
    if broker is not None:
        asyncio.run(topics.create(broker.bootstrap))
        yield broker
        return
    own = EmbeddedBroker()
    own.start()
    try:
        asyncio.run(listening(own))
        asyncio.run(topics.create(own.bootstrap))
        yield own
    finally:
        own.stop()


async def listening(node: EmbeddedBroker) -> None:
    """Wait for the port of a starting broker."""
    deadline = time.monotonic() + patient(10)
    while not await embedded.listens("127.0.0.1", node.port):
        assert time.monotonic() < deadline, "the embedded broker did not start"
        await asyncio.sleep(0.02)


async def eventually(holds: Callable[[], object], within: float = 15) -> None:
    """Poll until it holds."""
    deadline = time.monotonic() + patient(within)
    while not holds():
        assert time.monotonic() < deadline, "it did not come to hold"
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def resolver(bootstrap: str, snapshot: Path, name: str = "r1") -> AsyncIterator[tuple[PolicyStore, PolicyFeed]]:
    """What a resolver worker runs of policy: a store and its feed."""
    store = PolicyStore()
    feed = PolicyFeed(store, name=name, epoch=time.time_ns() // 1_000_000, bootstrap=bootstrap, snapshot=snapshot)
    task = asyncio.create_task(feed.run())
    try:
        yield store, feed
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def write(bootstrap: str, topic: str, *records: tuple[str, bytes | None]) -> None:
    """Records on a policy topic."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    for key, value in records:
        await producer.send_and_wait(topic, value, key=key.encode(), partition=0)
    await producer.stop()


async def clean(bootstrap: str) -> None:
    """No objects and no overlays."""
    present = await read_present(bootstrap)
    await write(bootstrap, "policy.objects", *((key, None) for key in [*present.objects, *present.unreadable]))
    await write(bootstrap, "policy.overlays", ("acme", None))


async def nameward(*arguments: str | Path) -> Result:
    """`nameward policy` beside the running feeds."""
    words = [str(argument) for argument in arguments]
    return await asyncio.to_thread(CliRunner().invoke, policy, words)


async def test_apply_returns_when_every_worker_has_the_change(
    node: EmbeddedBroker | ApacheKafka, tmp_path: Path
) -> None:
    """Created, changed, unchanged and deleted: in force in both workers when the command returns."""
    await clean(node.bootstrap)
    path = tmp_path / "p.yaml"
    where = ("--kafka", node.bootstrap)
    async with (
        resolver(node.bootstrap, tmp_path / "s") as (one, a),
        resolver(node.bootstrap, tmp_path / "s", "r2") as (two, b),
    ):
        await eventually(lambda: a.connected and b.connected)
        path.write_text(tenant() + rules("name: a, action: deny"))
        result = await nameward("apply", path, *where)
        assert result.exit_code == 0, result.output
        assert "in force in 2 resolvers: r1, r2" in result.stdout
        assert list(one.objects) == list(two.objects) == ["Tenant/acme/acme", "DNSPolicy/-/p"]
        version = one.version
        path.write_text(tenant() + rules("name: a, action: allow"))
        result = await nameward("apply", path, *where)
        assert ("Tenant acme unchanged" in result.stdout, "DNSPolicy p changed" in result.stdout) == (True, True)
        assert one.version == two.version != version
        result = await nameward("delete", "DNSPolicy", "p", *where)
        assert result.exit_code == 0, result.output
        assert list(one.objects) == list(two.objects) == ["Tenant/acme/acme"]


async def test_a_bad_file_changes_nothing(node: EmbeddedBroker | ApacheKafka, tmp_path: Path) -> None:
    """One mistake among right objects: nothing is published, the error names file, document and key path."""
    await clean(node.bootstrap)
    before = await read_present(node.bootstrap)
    path = tmp_path / "p.yaml"
    path.write_text(tenant() + rules("name: a, action: deny, match: {qname: [b..c]}"))
    result = await nameward("apply", path, "--kafka", node.bootstrap)
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"{path}: document 2: DNSPolicy/p spec.rules[0].match.qname[0]: " in result.stderr
    assert await read_present(node.bootstrap) == before


async def test_what_get_shows_can_be_applied_again(node: EmbeddedBroker | ApacheKafka, tmp_path: Path) -> None:
    """As YAML and as JSON, of all objects and of one; nobody live is a warning, not a failure."""
    await clean(node.bootstrap)
    where = ("--kafka", node.bootstrap)
    path = tmp_path / "p.yaml"
    path.write_text(tenant() + rules("name: a, action: deny"))
    await nameward("apply", path, *where, "--timeout", "0")
    for arguments in (("-o", "yaml"), ("-o", "json"), ("dnspolicies", "-o", "yaml"), ("tenant", "acme", "-o", "json")):
        shown = await nameward("get", *arguments, *where)
        documents, errors = read_documents(shown.stdout, "shown")
        assert (errors, bool(documents)) == ([], True)
        assert all(document.obj.metadata.resource_version for document in documents)
        again = tmp_path / "again.yaml"
        again.write_text(shown.stdout)
        applied = await nameward("apply", again, *where, "--timeout", "0")
        assert (applied.exit_code, applied.stdout.count("unchanged")) == (0, len(documents)), applied.output
    table = await nameward("get", *where)
    assert all(word in table.stdout for word in ("Tenant", "acme", "DNSPolicy", "tier tenant"))
    missing = await nameward("get", "Tenant", "nobody", *where)
    assert (missing.exit_code, "no Tenant named 'nobody'" in missing.stderr) == (1, True)


async def test_a_refusal_is_told_and_the_last_good_stays(node: EmbeddedBroker | ApacheKafka, tmp_path: Path) -> None:
    """Whatever somebody else writes to the topic: the worker keeps what it had and says why."""
    await clean(node.bootstrap)
    good = objects(tenant() + rules("name: a, action: deny"))
    await write(node.bootstrap, "policy.objects", *((key, encode_object(obj)) for key, obj in good.items()))
    async with resolver(node.bootstrap, tmp_path / "s") as (store, _):
        await eventually(lambda: len(store.objects) == 2)
        (bad,) = objects(rules("name: a, action: pass")).values()
        await write(node.bootstrap, "policy.objects", ("DNSPolicy/-/p", encode_object(bad)), ("junk", b"{"))
        await eventually(lambda: {refusal.key for refusal in store.refusals} == {"DNSPolicy/-/p", "junk"})
        assert store.objects["DNSPolicy/-/p"] == good["DNSPolicy/-/p"]


async def test_an_overlay_comes_and_expires_by_itself(node: EmbeddedBroker | ApacheKafka, tmp_path: Path) -> None:
    """An entry is in force soon after it was written and gone when it expires, without another word from anyone."""
    await clean(node.bootstrap)
    await write(
        node.bootstrap, "policy.objects", *((key, encode_object(obj)) for key, obj in objects(tenant()).items())
    )
    async with resolver(node.bootstrap, tmp_path / "s") as (store, _):
        await eventually(lambda: store.objects)
        life = time.time() - 1_800_000_000.0 + 1.5
        brief = overlay(entry("*", life=life, age=-life + 1.5))
        await write(node.bootstrap, "policy.overlays", ("acme", encode_signal(brief)))
        await eventually(lambda: len(store.current.tenants["acme"].rules.ordered()) == 1)
        epoch = store.epoch
        await eventually(lambda: not store.current.tenants["acme"].rules.ordered())
        assert store.epoch > epoch


async def test_a_signal_comes_and_expires_by_itself(node: EmbeddedBroker | ApacheKafka, tmp_path: Path) -> None:
    """A signal that a rule uses is in force soon after it was written and gone when it expires; others cost no swap."""
    await clean(node.bootstrap)
    text = tenant() + rules("name: r, action: deny, match: {signal: [{kind: risk}]}")
    await write(node.bootstrap, "policy.objects", *((key, encode_object(obj)) for key, obj in objects(text).items()))

    def board() -> Signals:
        return store.current.tenants["acme"].signals

    async with resolver(node.bootstrap, tmp_path / "s") as (store, _):
        await eventually(lambda: store.objects)
        life = time.time() - 1_800_000_000.0 + 3
        unused = signal("unused", "a.test", "high", life=life)
        await write(node.bootstrap, "dns.context", ("acme", b"{"), ("acme", encode_signal(unused)))
        await eventually(lambda: store.signals.held)
        epoch = store.epoch
        await write(node.bootstrap, "dns.context", ("acme", encode_signal(signal("risk", "a.test", "high", life=life))))
        await eventually(lambda: board().value("risk", "a.test"), within=2)
        assert (store.epoch, store.signals.refused) == (epoch + 1, 1)
        await eventually(lambda: not board(), within=5)
        assert (board().value("unused", "a.test"), store.signals.due) == (None, False)
    async with resolver(node.bootstrap, tmp_path / "s") as (later, _):
        await eventually(lambda: later.signals.refused)
        assert later.signals.held == 0  # read from the beginning, and what has expired is dropped


async def test_records_of_one_batch_are_read_once(
    node: EmbeddedBroker | ApacheKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Overlays of several tenants come in one batch, whose end the embedded broker tells too low: no reason to reread."""
    await clean(node.bootstrap)
    checks = []
    check = PolicyFeed._check

    async def counted(feed: PolicyFeed, consumer: AIOKafkaConsumer) -> None:
        await check(feed, consumer)
        checks.append(feed._store.epoch)

    monkeypatch.setattr(policy_feed, "_CHECK_S", 0.0)
    monkeypatch.setattr(PolicyFeed, "_check", counted)
    text = tenant() + tenant("globex", 2)
    await write(node.bootstrap, "policy.objects", *((key, encode_object(obj)) for key, obj in objects(text).items()))
    async with resolver(node.bootstrap, tmp_path / "s") as (store, _):
        await eventually(lambda: store.objects)
        producer = AIOKafkaProducer(bootstrap_servers=node.bootstrap, linger_ms=100)
        await producer.start()
        life = time.time() - 1_800_000_000.0 + 600
        sent = [
            await producer.send("policy.overlays", encode_signal(overlay(entry("*", life=life), name=name)), key=name.encode(), partition=0)
            for name in ("acme", "globex")
        ]
        await asyncio.gather(*sent)
        await producer.stop()
        await eventually(lambda: all(view.rules.ordered() for view in store.current.tenants.values()))
        done = len(checks)
        await eventually(lambda: len(checks) >= done + 3)
        assert len(set(checks[done + 1 :])) == 1
    await write(node.bootstrap, "policy.overlays", ("globex", None))


async def test_a_worker_starts_without_a_broker(tmp_path: Path) -> None:
    """The snapshot of an earlier run is in force at once while the broker is away."""
    earlier = PolicyStore()
    for key, obj in objects(tenant()).items():
        earlier.put(key, obj)
    earlier.swap(0)
    (tmp_path / "s").write_bytes(earlier.snapshot())
    async with resolver(f"127.0.0.1:{free_port()}", tmp_path / "s") as (store, feed):
        await eventually(feed.loaded.is_set, within=2)
        assert (store.version, feed.connected) == (earlier.version, False)


async def test_a_useless_snapshot_is_passed_over(tmp_path: Path) -> None:
    """A snapshot that cannot be read leaves the worker closed, not dead."""
    (tmp_path / "s").write_text("{")
    store = PolicyStore()
    feed = PolicyFeed(store, name="r1", epoch=1, bootstrap="127.0.0.1:1", snapshot=tmp_path / "s")
    feed.restore()
    assert (feed.loaded.is_set(), store.epoch, len(store.objects)) == (False, 0, 0)


async def test_a_broker_that_forgets(tmp_path: Path) -> None:
    """The embedded broker starts anew with nothing: policy stays in force, and what is written then replaces it."""
    node = EmbeddedBroker()
    node.start()
    try:
        await listening(node)
        async with resolver(node.bootstrap, tmp_path / "s") as (store, feed):
            await topics.create(node.bootstrap)
            both = objects(tenant() + tenant("globex", 2))
            await write(node.bootstrap, "policy.objects", *((key, encode_object(obj)) for key, obj in both.items()))
            await eventually(lambda: len(store.objects) == 2 and store.objects_offset == 2)
            node.stop()
            node.start()
            await listening(node)
            await topics.create(node.bootstrap)
            await eventually(lambda: store.objects_offset == 0, within=30)
            assert len(store.objects) == 2
            await write(
                node.bootstrap, "policy.objects", *((key, encode_object(obj)) for key, obj in list(both.items())[:1])
            )
            await eventually(lambda: list(store.objects) == ["Tenant/acme/acme"])
            assert (store.objects_offset, feed.connected) == (1, True)
    finally:
        node.stop()
