"""A real tunnel (dns2tcp) through the resolver: found within 10 s, watched by default, stopped where the tenant opted in.

What the client said is taken from the resolver's own events, so the moment at which the tunnel crossed the threshold is
known exactly: distinct left-hand parts of the domain, summed over the detector's shortest window.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import peers
from tests.integration.conftest import POLICIES
from tests.integration.stack import Stack, eventually
from tests.patience import patient
from tests.peers import tunnel
from tests.peers.authority import Authority

THRESHOLD_BYTES = 400
WINDOW_S = 120
BLOCKED_S = 12
FOUND_WITHIN_S = 10.0
STOPPED_WITHIN_S = 2.0
QUIET_S = 3.0
WATCHED, GUARDED = "watched-tunnel.test", "guarded-tunnel.test"

LATEST_ALERT = """
SELECT id, state, severity, detector, subject, toUnixTimestamp64Milli(changed) / 1000 AS changed
FROM nameward.alerts WHERE tenant = {tenant:String} AND position(subject, {domain:String}) > 0 ORDER BY changed DESC LIMIT 1
"""
ASKED = """
SELECT toUnixTimestamp64Micro(time) / 1e6 AS at, qname FROM nameward.query_events
WHERE tenant = {tenant:String} AND registered_domain = {domain:String} ORDER BY time
"""


@dataclass
class Scene:
    """A tenant with a tunnel server behind its upstream, and where the transferred bytes end up."""

    tenant: str
    domain: str
    client: str
    stub: str
    sink: tunnel.Sink
    directory: Path

    @contextlib.contextmanager
    def transfer(self) -> Iterator[None]:
        """Move bytes through the tunnel for the time of a with block."""
        running = tunnel.Client(self.directory, self.domain, self.stub)
        try:
            yield
        finally:
            running.close()


@pytest.fixture(scope="module")
def scenes(stack: Stack, upstream: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Scene]]:
    """Both tenants, their tunnel servers and their stubs, running."""
    peers.require("dns2tcpc")
    directory = tmp_path_factory.mktemp("tunnel")
    directory.chmod(0o755)
    places: dict[str, object] = {"upstream": upstream.address}
    found = {}
    with contextlib.ExitStack() as opened:
        for number, (tenant, domain) in enumerate((("watched", WATCHED), ("guarded", GUARDED)), start=3):
            sink = tunnel.Sink()
            opened.callback(sink.close)
            places[f"{tenant}_domain"] = domain
            places[f"{tenant}_port"] = opened.enter_context(tunnel.server(directory / tenant, domain, sink))
            client, stub = f"127.0.{number}.10", f"127.0.{number}.53"
            try:
                opened.callback(tunnel.Relay(stub, client, stack.port).close)
            except PermissionError:
                pytest.skip("binding port 53 on loopback needs privileges here")
            found[tenant] = Scene(tenant, domain, client, stub, sink, directory)
        stack.apply((POLICIES / "tunnel.yaml").read_text(), **places)
        yield found


def crossed(stack: Stack, scene: Scene, since: float) -> float:
    """Unix time at which the distinct left-hand parts asked since then summed up past the threshold; inf if they did not."""
    seen: set[str] = set()
    for row in stack.sql(ASKED, tenant=scene.tenant, domain=scene.domain):
        if row["at"] >= since:
            seen.add(row["qname"].removesuffix("." + scene.domain))
            if sum(map(len, seen)) > THRESHOLD_BYTES:
                return float(row["at"])
    return float("inf")


def wait_for_alert(stack: Stack, scene: Scene) -> tuple[dict[str, object], float]:
    """The alert on the tunnel and the Unix time at which it could be read in ClickHouse."""
    (row,) = eventually(lambda: stack.sql(LATEST_ALERT, tenant=scene.tenant, domain=scene.domain), within=40, what="an alert")
    return row, time.time()


def test_audit_finds_the_tunnel_and_blocks_nothing(stack: Stack, scenes: dict[str, Scene]) -> None:
    """By default the alert comes within 10 s of the crossing, bytes go on flowing, and events carry the audit verdict."""
    scene = scenes["watched"]
    began = time.time()
    with scene.transfer():
        alert, seen = wait_for_alert(stack, scene)
        assert (alert["state"], alert["severity"] in ("medium", "high", "critical")) == ("open", True)
        assert seen - crossed(stack, scene, began) <= patient(FOUND_WITHIN_S)
        query = ("SELECT count() AS n FROM nameward.query_events WHERE tenant = 'watched' AND has(audits.verdict, 'deny')"
                 " AND has(audits.tier, 'overlay') AND verdict = 'allow'")
        eventually(lambda: stack.sql(query)[0]["n"] > 0, within=10, what="events with the overlay's audit verdict")
        before = scene.sink.total
        eventually(lambda: scene.sink.total > before + 4000, within=10, what="bytes still flow")
    denied = stack.sql("SELECT count() AS n FROM nameward.query_events WHERE tenant = 'watched' AND verdict = 'deny'")
    assert denied == [{"n": 0}]


def denied(stack: Stack, scene: Scene) -> bool:
    """Whether a new name of the domain is denied to the tunnel's client now."""
    reply = stack.dig(f"probe{time.monotonic_ns()}.{scene.domain}", "TXT", client=scene.client)
    return (reply.rcode, reply.ede) == ("NXDOMAIN", 15)


def test_enforce_stops_the_tunnel_until_the_entry_expires(stack: Stack, scenes: dict[str, Scene]) -> None:
    """Where the tenant opted in, no byte arrives from soon after the first denial to the last; then bytes flow again."""
    scene = scenes["guarded"]
    began, alerted = time.time(), list[float]()

    def stopped() -> bool:
        if not alerted and stack.sql(LATEST_ALERT, tenant=scene.tenant, domain=scene.domain):
            alerted.append(time.time())
        return denied(stack, scene)

    with scene.transfer():
        eventually(stopped, within=40, what="the domain is denied")
        denials = [time.time()]

        def expired() -> bool:
            now = time.time()
            if denied(stack, scene):
                denials.append(now)
            return denials[-1] != now

        eventually(expired, within=BLOCKED_S + 10, what="the entry expires", every=0.2)
    assert scene.sink.bytes_between(began, denials[0]) > 0
    assert denials[-1] - denials[0] >= STOPPED_WITHIN_S + QUIET_S
    # The last denial but one: a worker may deny while its neighbour's entry has just expired.
    assert scene.sink.bytes_between(denials[0] + STOPPED_WITHIN_S, denials[-2]) == 0
    wait_for_alert(stack, scene)
    assert denials[0] - (alerted or denials)[0] <= STOPPED_WITHIN_S + QUIET_S
    assert denials[0] - crossed(stack, scene, began) <= patient(FOUND_WITHIN_S)
    before = scene.sink.total
    with scene.transfer():
        eventually(lambda: scene.sink.total > before, within=15, what="bytes flow again")


def test_every_entry_and_its_end_is_in_clickhouse(stack: Stack, scenes: dict[str, Scene]) -> None:
    """Overlays are stored as they were put in force, with their reason and expiry."""
    rows = stack.sql("SELECT * FROM nameward.overlays WHERE tenant = 'guarded'")
    assert rows
    assert any(GUARDED in str(row) for row in rows)


def test_neighbours_of_the_tunnel_are_not_blocked(stack: Stack, scenes: dict[str, Scene]) -> None:
    """The entry is for the tunnel's registered domain only, and for that tenant only."""
    assert stack.dig("www.example.com", client=scenes["guarded"].client).data == ["192.0.2.1"]
    assert stack.dig(f"www.{GUARDED}", client="127.0.1.20").rcode == "NOERROR"
