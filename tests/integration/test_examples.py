"""Each example under compose/config/examples, put in force as a user would and asked with dig."""

from __future__ import annotations

import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from resolver.policy.compiler import compile_policy
from resolver.policy.engine import decide
from resolver.tenants import identify
from schemas.documents import read_documents
from tests.integration.stack import Stack, eventually
from tests.peers.authority import Authority, Stream
from tests.peers.certificates import Issuer

EXAMPLES = Path(__file__).parents[2] / "compose" / "config" / "examples"
PLAIN = "192.0.2.53"
Use = Callable[..., Stack]
pytestmark = pytest.mark.broker


class OverTls(socketserver.ThreadingTCPServer):
    """The authority's answers over TLS."""

    allow_reuse_address = daemon_threads = True

    def __init__(self, authority: Authority, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), Stream)
        self.authority, self.context = authority, context
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def get_request(self) -> tuple[Any, Any]:
        """A connection with TLS on it."""
        connection, client = super().get_request()
        return self.context.wrap_socket(connection, server_side=True), client


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack beside whose demo the examples are put in force."""
    stack = Stack(tmp_path_factory.mktemp("stack") / "nw", workers=1)
    stack.start()
    yield stack
    stack.stop()
    assert not stack.traces()


@pytest.fixture
def use(running: Stack, upstream: Authority, tmp_path_factory: pytest.TempPathFactory) -> Use:
    """Puts one example in force, in place of the one before, with the servers of the tests in place of its own."""
    directory = running.directory.parent / "examples"
    directory.mkdir(exist_ok=True)

    def put(name: str, **places: str) -> Stack:
        text = (EXAMPLES / f"{name}.yaml").read_text()
        for url in (f"udp://{PLAIN}", f"tcp://{PLAIN}"):
            text = text.replace(url, upstream.address.replace("udp", url[:3]))
        for place, value in places.items():
            assert place in text
            text = text.replace(place, value)
        (directory / "example.yaml").write_text(text)
        running.nameward("policy", "sync", str(directory))
        return running

    return put


def addresses(stack: Stack, name: str, client: str, kind: str = "A") -> list[str]:
    """Addresses in an answer; the rcode where it holds none."""
    reply = stack.dig(name, kind, client=client)
    return [data for _, _, of, data in sorted(reply.answer, key=lambda record: record[3]) if of == kind] or [reply.rcode]


def say(stack: Stack, tenant: str, subject: str, **fact: str) -> None:
    """`nameward signal set` of one kind and its value."""
    ((kind, value),) = fact.items()
    words = ["--tenant", tenant, "--kind", kind, "--subject", subject, "--value", value, "--for", "60s"]
    stack.nameward("signal", "set", *words)


def test_every_example_is_asked() -> None:
    """No example is without a test here."""
    tests = {name.removeprefix("test_").replace("_", "-") for name in globals() if name.startswith("test_")}
    assert {path.stem for path in EXAMPLES.glob("*.yaml")} <= tests


def test_isolation(use: Use) -> None:
    """Each tenant has its own names; what is hidden is missing; what is exported and visible is there."""
    stack = use("isolation")
    assert addresses(stack, "db.internal", "127.1.1.10") == ["10.1.0.5"]
    assert addresses(stack, "db.internal", "127.1.2.10") == ["10.2.0.5"]
    assert addresses(stack, "ledger.blue.internal", "127.1.2.10") == ["10.2.0.6"]
    hidden, missing = (stack.dig(name, client="127.1.1.10") for name in ("ledger.blue.internal", "lodger.blue.internal"))
    assert (hidden.rcode, hidden.data, hidden.authority, hidden.ede) == (missing.rcode, missing.data, missing.authority, missing.ede)
    assert addresses(stack, "mail.shared.internal", "127.1.1.10") == ["10.3.0.25"]
    assert addresses(stack, "mail.shared.internal", "127.1.2.10") != ["10.3.0.25"]


def test_frontend_no_com(use: Use) -> None:
    """The frontend gets NXDOMAIN with the rule's name for names below com; others get answers."""
    stack = use("frontend-no-com")
    denied = stack.dig("www.example.com", client="127.1.4.10")
    assert (denied.rcode, denied.ede, denied.ede_text) == ("NXDOMAIN", 15, "webshop-frontend/no-com")
    assert addresses(stack, "www.example.com", "127.1.4.20") == ["192.0.2.1"]
    assert addresses(stack, "www.example.net", "127.1.4.10") == ["192.0.2.1"]
    query = "SELECT qname FROM nameward.query_events WHERE tenant = 'webshop' AND has(tags, 'log')"
    eventually(lambda: [row["qname"] for row in stack.sql(query)] == ["www.example.com"], within=10, what="the log")


def test_migration(use: Use) -> None:
    """Some clients are in the cloud, each always; testers all are; a signal takes the cloud out."""
    stack = use("migration")
    onprem, cloud = ["10.5.0.1"], ["198.51.100.1"]
    clients = [f"127.1.5.{host}" for host in range(1, 101)]
    first = {client: addresses(stack, "orders.internal", client) for client in clients}
    moved = [client for client, found in first.items() if found == cloud]
    assert 1 <= len(moved) <= 30
    assert all(found in (onprem, cloud) for found in first.values())
    assert {client: addresses(stack, "orders.internal", client) for client in clients[:20]}.items() <= first.items()
    assert addresses(stack, "next.orders.internal", "127.1.5.200") == cloud
    assert addresses(stack, "next.orders.internal", "127.1.5.1") == onprem
    say(stack, "mover", "orders.cloud.internal", health="down")
    eventually(lambda: addresses(stack, "orders.internal", moved[0]) == onprem, within=10, what="on-premises again")


def test_split_horizon(use: Use) -> None:
    """Inside and outside get different addresses for the same name."""
    stack = use("split-horizon")
    assert addresses(stack, "www.example.org", "127.1.6.10") == ["10.6.0.80"]
    assert addresses(stack, "www.example.org", "127.1.6.10", "AAAA") == ["fd00:6::80"]
    assert addresses(stack, "www.example.org", "127.1.7.10") == ["192.0.2.1"]


def test_gold_silver(use: Use) -> None:
    """Gold gets the endpoint with the least latency, silver all of prod, dev its own."""
    stack = use("gold-silver")
    both = ["10.8.0.1", "10.8.0.2"]
    assert addresses(stack, "api.svc.internal", "127.1.8.20") == both
    assert addresses(stack, "api.svc.internal", "127.1.8.30") == ["10.8.9.1"]
    say(stack, "market", "10.8.0.1:443", latency="2")
    say(stack, "market", "10.8.0.2:443", latency="90")
    eventually(lambda: addresses(stack, "api.svc.internal", "127.1.8.10") == both[:1], within=10, what="the fast one")
    assert addresses(stack, "api.svc.internal", "127.1.8.20") == both


@pytest.mark.parametrize(
    ("moment", "denied"),
    [("2026-11-23T08:00", True), ("2026-11-23T12:30", False), ("2026-11-23T13:30", True), ("2026-11-23T15:30", False),
     ("2026-11-22T10:00", False), ("2026-07-06T08:00", True), ("2026-07-06T07:59", False)],
)  # fmt: skip
def test_school_hours_by_the_clock(moment: str, denied: bool) -> None:
    """Lessons are Monday to Friday by the clock on the wall, in winter and in summer."""
    documents, errors = read_documents((EXAMPLES / "school-hours.yaml").read_text(), "school-hours.yaml")
    assert not errors
    now = datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo("Europe/Berlin")).timestamp()
    policy = compile_policy({found.key: found.obj for found in documents}, {}, now=now, version="v", epoch=1)
    pupil, teacher = (identify(policy, address) for address in ("127.1.9.10", "127.1.9.200"))
    assert pupil is not None
    assert teacher is not None
    assert (decide(pupil, "play.games.example", "A", "udp", now).verdict == "deny") is denied
    assert decide(teacher, "play.games.example", "A", "udp", now).verdict == "allow"


def test_school_hours(use: Use) -> None:
    """The running resolver says what the clock says; teachers and other names are not concerned."""
    stack = use("school-hours")

    def lessons() -> bool:
        now = datetime.now(UTC).astimezone(ZoneInfo("Europe/Berlin"))
        clock = now.strftime("%H:%M")
        return now.weekday() < 5 and ("08:00" <= clock < "12:30" or "13:30" <= clock < "15:30")

    before, reply, after = lessons(), stack.dig("play.games.example", client="127.1.9.10"), lessons()
    assert before is not after or (reply.rcode == "NXDOMAIN", reply.ede) == (before, 17 if before else -1)
    assert addresses(stack, "play.games.example", "127.1.9.200") == ["192.0.2.1"]
    assert addresses(stack, "www.example.org", "127.1.9.10") == ["192.0.2.1"]


def test_corporate(use: Use, upstream: Authority, tmp_path: Path) -> None:
    """The corporate suffix goes to its own server, short names too; the rest goes over TLS to a server that is checked."""
    issuer, outside = Issuer(tmp_path), Authority()
    over_tls = OverTls(outside, issuer.server("dns.example.net"))
    try:
        port = over_tls.server_address[1]
        server = f'"tls://127.0.0.1:{port}#dns.example.net"], caFile: {issuer.ca_file}'
        stack = use("corporate", **{'"tls://192.0.2.54#dns.example.net"]': server})
        assert addresses(stack, "wiki.corp.example", "127.1.10.10") == ["192.0.2.1"]
        assert addresses(stack, "wiki", "127.1.10.10") == ["192.0.2.1"]
        assert addresses(stack, "www.example.org", "127.1.10.10") == ["192.0.2.1"]
        assert outside.asked["www.example.org", "A"] == 1
        assert upstream.asked["wiki.corp.example", "A"] >= 1
        assert not [name for name, _ in outside.asked if name.endswith("corp.example")]
    finally:
        over_tls.shutdown()
        over_tls.server_close()
        outside.close()


def test_rpz_feed(use: Use, running: Stack) -> None:
    """What the zone says is done: name error, pass, NODATA, local data; the rest is answered as ever."""
    sets = running.directory / "domain-sets"
    sets.mkdir(exist_ok=True)
    (sets / "threats.rpz").write_text((EXAMPLES / "feeds" / "threats.rpz").read_text())
    stack = use("rpz-feed")
    client = "127.1.11.10"
    expected = {
        "bad.example": ["NXDOMAIN"], "any.bad.example": ["NXDOMAIN"], "good.bad.example": ["192.0.2.1"],
        "quiet.example": ["NOERROR"], "ads.example": ["192.0.2.80"], "www.example.org": ["192.0.2.1"],
    }  # fmt: skip
    assert {name: addresses(stack, name, client) for name in expected} == expected
    (sets / "draft").write_text((sets / "threats.rpz").read_text().replace("ads.example", "advertising.example"))
    (sets / "draft").replace(sets / "threats.rpz")
    eventually(lambda: addresses(stack, "advertising.example", client) == ["192.0.2.80"], within=15, what="the new zone")
    assert addresses(stack, "ads.example", client) == ["192.0.2.1"]


def test_sinkhole(use: Use) -> None:
    """Names of malware lead to our machine, in both families, and other types to nothing; EDE 4 says so."""
    stack = use("sinkhole")
    reply = stack.dig("control.malware.example", client="127.1.12.10")
    assert (reply.data, reply.ede) == (["192.0.2.66"], 4)
    assert addresses(stack, "control.malware.example", "127.1.12.10", "AAAA") == ["2001:db8::66"]
    assert addresses(stack, "control.malware.example", "127.1.12.10", "MX") == ["NOERROR"]
    assert addresses(stack, "www.example.org", "127.1.12.10") == ["192.0.2.1"]


def test_audit_first(use: Use) -> None:
    """Nothing is denied, and the event says what would have been."""
    stack = use("audit-first")
    assert addresses(stack, "update.vendor.example", "127.1.13.10") == ["192.0.2.1"]
    query = "SELECT audits.verdict AS verdicts FROM nameward.query_events WHERE has(audits.rule, 'vendors/no-telemetry')"
    eventually(lambda: [row["verdicts"] for row in stack.sql(query)] == [["deny"]], within=10, what="the audit verdict")
