"""No tenant ever sees an answer, a name, an effect of a cache or an error text that belongs to another.

Random tenants, objects, swaps, signals, overlays and queries; what a tenant is told by the resolver it shares is what it
would be told if no other tenant existed. And what is hidden looks like what does not exist.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from compose.summaries import tenants_of
from schemas.objects import PolicyObject, Tenant, key_of
from schemas.signals import Overlay, OverlayEntry
from tests.resolver.path import ask
from tests.resolver.worlds import World, Worlds, renamed, subnet

LOCAL = ("a.internal", "b.internal", "shop.t0.internal", "shop.t1.internal", "www.example.org", "db.internal")
INTERNAL = tuple(name for name in LOCAL if name.endswith(".internal"))
REMOTE = ("www.example.org", "alias.example.org", "api.example.net", "text.example.net", "inside.example.org", "none.example")
NAMES = sorted({*LOCAL, *REMOTE, "c.internal", "www", "_pg._tcp.db.internal", "x.www.example.org"})
PATTERNS = (".internal", "*.example.org", "www.example.org", ".example.net", "*", "a*.internal")
QTYPES = ("A", "A", "A", "AAAA", "TXT", "SRV", "CNAME", "PTR", "HTTPS", "ANY")
HOSTS = (1, 10, 20)
ADDRESSES = ("192.0.2.9", "10.0.0.9", "127.0.0.9")
KINDS = ("deny", "allow", "redirect", "tag", "log", "continue")
MODES = st.sampled_from(("enforce", "enforce", "audit"))


def some(values: tuple[str, ...], most: int = 2, least: int = 0) -> st.SearchStrategy[list[str]]:
    """A few of these."""
    return st.lists(st.sampled_from(values), min_size=least, max_size=most, unique=True)


def made(kind: str, name: str, spec: dict[str, Any]) -> PolicyObject:
    """An object as operators write it."""
    document = {"apiVersion": "nameward.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
    return msgspec.convert(document, PolicyObject)


@st.composite
def tenants(draw: st.DrawFn, name: str) -> Tenant:
    """A tenant with clients of its own, and two workloads."""
    first = subnet(name)
    spec = {
        "default": draw(st.sampled_from(("allow", "allow", "deny"))),
        "mode": draw(MODES),
        "clients": [{"subnets": [f"{first}.0/24"]}],
        "workloads": [
            {"name": "frontend", "subnets": [f"{first}.10"], "labels": {"env": "prod", "zone": "eu-1"}},
            {"name": "backend", "subnets": [f"{first}.20"], "labels": {"env": "dev", "zone": "eu-2"}},
        ],
        "visible": draw(some(("t0/*", "*/pg", "t1/web"))),
        "search": draw(some(("search.example", "internal"))),
        "rebinding": {"mode": draw(st.sampled_from(("enforce", "audit", "off")))},
        "upstreams": [{"servers": ["udp://127.0.0.1:5399"]}] if draw(st.booleans()) or name == "t0" else [],
        "feedback": {"mode": "enforce", "minSeverity": "low"},
    }
    found = made("Tenant", name, spec)
    assert isinstance(found, Tenant)
    return found


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    """One rule."""
    action = draw(st.sampled_from(KINDS))
    match: dict[str, Any] = {"qname": draw(some(PATTERNS))}
    if draw(st.booleans()):
        match["signal"] = [{"kind": "mark", "values": draw(some(("hot",), 1))}]
    if draw(st.booleans()):
        match["domainSets"] = ["feed"]
    if action in {"deny", "tag"} and draw(st.booleans()):
        match["addresses"] = ["192.0.2.0/24"]
    found: dict[str, Any] = {"name": "r", "action": action, "match": match, "mode": draw(MODES)}
    if action == "deny":
        form = draw(st.sampled_from(("nxdomain", "nodata", "refused", "addresses")))
        found["answer"] = {"form": form} | ({"addresses": ["192.0.2.66"]} if form == "addresses" else {})
    if action == "redirect":
        found["answer"] = {"target": draw(st.sampled_from(LOCAL))}
    if action == "tag":
        found["tag"] = "seen"
    found["clients"] = {"matchLabels": draw(st.sampled_from(({}, {"env": "prod"})))}
    return found


@st.composite
def objects(draw: st.DrawFn, names: tuple[str, ...]) -> PolicyObject:
    """An object for one tenant, for some, or for all."""
    kind = draw(st.sampled_from(("DNSPolicy", "VirtualName", "VirtualName", "Service", "DiscoveryRule", "DomainSet", "EgressRule")))
    whom = draw(st.one_of(st.sampled_from(names).map(lambda name: [name]), st.lists(st.sampled_from(names), max_size=2, unique=True)))
    if kind == "DomainSet":
        return made(kind, "feed", {"names": draw(some(PATTERNS, least=1))})
    if kind == "Service":
        owner, name = draw(st.sampled_from(names)), draw(st.sampled_from(("pg", "web")))
        ends = draw(some(ADDRESSES))
        return made(kind, f"{name}-{owner}", {
            "tenant": owner, "exports": draw(some((*names, "*"))), "port": {"name": "pg"},
            "labels": {"app": name, "env": draw(st.sampled_from(("prod", "dev")))},
            "endpoints": [{"address": end, "port": 5432, "zone": draw(st.sampled_from(("eu-1", "eu-2")))} for end in ends],
        })  # fmt: skip
    label = f"{kind[0].lower()}-{'-'.join(whom) or 'all'}-{draw(st.integers(0, 1))}"
    if kind == "DNSPolicy":
        tier = draw(st.sampled_from(("platform", "tenant", "baseline")))
        return made(kind, label, {"tier": tier, "tenants": whom, "rules": [draw(rules())]})
    if kind == "EgressRule":
        return made(kind, label, {"action": "allow", "tenants": whom})
    if kind == "DiscoveryRule":
        selector = draw(st.sampled_from(({"app": "pg"}, {"app": "web", "env": "${client.env}"}, {"env": "!dev"})))
        return made(kind, label, {"name": draw(st.sampled_from(("db.internal", "{app}.internal"))), "tenants": whom,
                                  "selector": selector})  # fmt: skip
    spec: dict[str, Any] = {"name": draw(st.sampled_from(LOCAL)), "tenants": whom}
    if draw(st.booleans()):
        spec["records"] = [{"type": "A", "data": draw(st.sampled_from(ADDRESSES)), "ttl": draw(st.integers(1, 90))}]
    else:
        targets = draw(st.lists(st.sampled_from((*LOCAL, *REMOTE)), min_size=1, max_size=2, unique=True))
        spec |= {"targets": [{"name": name} for name in targets], "answer": draw(st.sampled_from(("flatten", "cname")))}
    return made(kind, label, spec)


class Isolation(RuleBasedStateMachine):
    """Two to five tenants on one resolver, each compared with a resolver of its own."""

    @initialize(data=st.data(), count=st.integers(2, 5))
    def begin(self, data: st.DataObject, count: int) -> None:
        """Tenants."""
        self.names = tuple(f"t{number}" for number in range(count))
        self.worlds = Worlds({name: data.draw(tenants(name)) for name in self.names})
        self.revision = 0
        for obj in data.draw(st.lists(objects(self.names), min_size=3, max_size=8)):
            self.worlds.put(key_of(obj), obj)

    @rule(data=st.data())
    def change(self, data: st.DataObject) -> None:
        """Somebody applies an object, for anybody."""
        obj = data.draw(objects(self.names))
        self.worlds.put(key_of(obj), obj)

    @rule(data=st.data())
    def change_tenant(self, data: st.DataObject) -> None:
        """A tenant is changed."""
        obj = data.draw(tenants(data.draw(st.sampled_from(self.names))))
        self.worlds.put(key_of(obj), obj)

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        """An object goes."""
        keys = [key for key in self.worlds.objects if not key.startswith("Tenant/")]
        if keys:
            self.worlds.put(data.draw(st.sampled_from(keys)), None)

    @rule(data=st.data(), pattern=st.sampled_from(PATTERNS), seconds=st.integers(1, 100))
    def block(self, data: st.DataObject, pattern: str, seconds: int) -> None:
        """Streams put a tenant's overlay in force."""
        self.revision += 1
        now = datetime.fromtimestamp(self.worlds.shared.path.now, UTC)
        entry = OverlayEntry(
            id="o", pattern=pattern, action="deny", mode="enforce", severity="high", reason="r", detector="d",
            created=now, expires=now + timedelta(seconds=seconds),
        )  # fmt: skip
        name = data.draw(st.sampled_from(self.names))
        self.worlds.overlay(Overlay(tenant=name, revision=self.revision, entries=(entry,), changed=now))

    @rule(data=st.data(), kind=st.sampled_from(("mark", "health")), seconds=st.integers(1, 100))
    def tell(self, data: st.DataObject, kind: str, seconds: int) -> None:
        """A signal, about a name, a target or an endpoint, for one tenant or all."""
        subject = data.draw(st.sampled_from((*LOCAL, *REMOTE, "192.0.2.9:5432")))
        tenant = data.draw(st.sampled_from((*self.names, "")))
        self.worlds.signal(tenant, kind, subject, {"mark": "hot", "health": "down"}[kind], seconds)

    @rule(seconds=st.sampled_from((0.4, 1.0, 5.0, 41.0, 300.0)))
    def wait(self, seconds: float) -> None:
        """Time passes; TTLs count down, entries expire."""
        self.worlds.wait(seconds)

    @rule(
        names=st.lists(st.sampled_from(NAMES), min_size=1, max_size=6, unique=True), qtype=st.sampled_from(QTYPES),
        host=st.sampled_from(HOSTS), edns=st.booleans(), times=st.integers(1, 3),
    )  # fmt: skip
    def query(self, names: list[str], qtype: str, host: int, edns: bool, times: int) -> None:
        """Each tenant in turn asks the same, up to three times: from upstream, from the cache, by the fast path."""
        for name in names:
            for tenant in self.names:
                for _ in range(times):
                    self.worlds.compare(tenant, host, name, qtype, edns=edns)

    def teardown(self) -> None:
        """At the end everybody asks for everything, whichever rules this run was made of."""
        for name in NAMES:
            for tenant in getattr(self, "names", ()):
                for _ in range(2):
                    self.worlds.compare(tenant, 10, name)


# Hypothesis takes up to five minutes to make a failure small. Were it cut short in between, it would tell of its own
# examples being flaky, and not of what failed.
TestIsolation = pytest.mark.timeout(420)(Isolation.TestCase)
TestIsolation.settings = settings(
    max_examples=50, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), qtype=st.sampled_from(QTYPES), edns=st.booleans(), host=st.sampled_from(HOSTS), times=st.integers(1, 3))
def test_hidden_looks_missing(data: st.DataObject, qtype: str, edns: bool, host: int, times: int) -> None:
    """A name that exists for others only is answered like one that does not exist: the same bytes but for id and qname."""
    people = {name: data.draw(tenants(name)) for name in ("t0", "t1", "t2")}
    theirs = data.draw(st.lists(objects(("t1", "t2")).filter(lambda obj: tenants_of(obj) != "all"), max_size=6))
    hidden, twin = data.draw(st.sampled_from([(name, f"{'q' * name.index('.')}{name[name.index('.'):]}") for name in INTERNAL]))
    answers = []
    for name in (hidden, twin):
        world = World()
        for obj in (*people.values(), *theirs):
            world.path.store.put(key_of(obj), obj)
        world.path.store.swap(world.path.now)
        answers.append([world.ask(ask(name, qtype, edns=edns), f"{subnet('t0')}.{host}") for _ in range(times)])
    for (there, seen), (absent, unseen) in zip(*answers, strict=True):
        assert renamed(there, hidden, twin) == renamed(absent, twin, twin)
        assert {**seen, "qname": "", "registered_domain": ""} == {**unseen, "qname": "", "registered_domain": ""}
