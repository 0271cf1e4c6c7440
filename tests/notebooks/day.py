"""A small day of two tenants as a warehouse holds it: ordinary queries, a tunnel, a beacon, a change of policy, and what streams said."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

from schemas.batches import BatchHeader, columns_of
from schemas.detection_spec import Detection, NewlyObservedSpec
from schemas.domains import registered_domain
from schemas.events import AuditVerdict
from schemas.objects import Metadata, Tenant, object_key
from schemas.signals import Alert, Binding, ContextSignal, Overlay, OverlayEntry, SuggestedEntry
from schemas.tenant_spec import TenantSpec
from schemas.topics import ALERTS, BINDINGS, CONTEXT, OBJECTS, OVERLAYS
from streams.warehouse import Warehouse
from streams.warehouse.event_store import EventStore
from streams.warehouse.signal_rows import Record
from streams.warehouse.signal_tables import SIGNAL_TABLES
from tests.streams.store import event

CLIENTS = {
    **{f"10.1.1.{host}": "laptops" for host in range(11, 19)},
    **{f"10.1.2.{host}": "web" for host in range(11, 15)},
    **{f"10.1.3.{host}": "batch" for host in range(11, 13)},
}
WEB = [f"{host}.{name}.example" for name in ("news", "mail", "maps", "forum", "wiki", "shop", "bank", "travel") for host in ("www", "cdn", "api")]
INTERNAL = {"web": ["db.acme.internal", "cache.acme.internal"], "batch": ["db.acme.internal", "queue.acme.internal"], "laptops": ["intranet.acme.internal"]}
UPSTREAMS = ("udp://192.0.2.53:53", "udp://198.51.100.53:53")
TUNNEL, BEACON, OTHERS = "relay-sync.example", "pulse.metrics-edge.example", "secret-of-globex.example"


class Day:
    """Events of 24 hours before `end`; times are told as shares of the day."""

    def __init__(self, end: datetime) -> None:
        self.start, self._chance = end - timedelta(days=1), random.Random(7)

    def at(self, share: float) -> datetime:
        """The moment at which so much of the day is over."""
        return self.start + timedelta(days=share)

    def events(self) -> Iterator[dict[str, object]]:
        """Fields of each event, in no order."""
        for number in range(6000):
            share = self._chance.betavariate(2.2, 1.6) if number % 3 else self._chance.random()
            yield self._ordinary(share, *self._chance.choice(list(CLIENTS.items())))
        for number in range(400):
            name = f"{self._chance.randbytes(25).hex()}.{self._chance.randbytes(20).hex()}.{TUNNEL}"
            yield self._asked(0.52 + number * 1e-5, "10.1.1.13", name, qtype="TXT", response_size=380)
        for number in range(288):
            yield self._asked((number + self._chance.uniform(0.4, 0.5)) / 288, "10.1.2.12", BEACON, answer_source="upstream")
        for number in range(70):
            name = "".join(self._chance.choices("bcdfghjkmnpqrtvwxz", k=13)) + ".example"
            yield self._asked(0.62 + number * 1e-4, "10.1.1.15", name, rcode="NXDOMAIN")
        for number in range(18):
            yield self._asked(0.93 + number * 1e-3, "10.1.1.16", f"start.fresh-{number}.example")
        for _ in range(300):
            yield self._asked(self._chance.random(), "10.2.1.11", f"www.{OTHERS}", tenant="globex", workload="desks")

    def _ordinary(self, share: float, client: str, workload: str) -> dict[str, object]:
        luck = self._chance.random()
        if luck < 0.04:
            return self._denied(share, client, f"ads{luck * 100:.0f}.adnet.example", "house/advertising")
        if luck < 0.08:
            if share > 0.8:
                return self._denied(share, client, "play.streams.example", "house/streaming")
            return self._asked(share, client, "play.streams.example", audits=(AuditVerdict("house/streaming", "deny", "tenant"),))
        if luck < 0.25:
            name = self._chance.choice(INTERNAL[workload])
            return self._asked(share, client, name, answer_source="virtual", tier="default", latency_us=45)
        return self._asked(share, client, self._chance.choices(WEB, weights=[1 / n for n in range(1, len(WEB) + 1)])[0])

    def _denied(self, share: float, client: str, qname: str, rule: str) -> dict[str, object]:
        said = {"verdict": "deny", "rule": rule, "tier": "tenant", "rcode": "NXDOMAIN", "answer_source": "policy"}
        return self._asked(share, client, qname, **said)

    def _asked(self, share: float, client: str, qname: str, **changes: object) -> dict[str, object]:
        fields: dict[str, object] = {
            "time": self.at(share), "tenant": "acme", "client": client, "workload": CLIENTS.get(client, ""), "labels": {}, "qname": qname,
            "registered_domain": registered_domain(qname), "answer_source": self._chance.choice(("cache", "cache", "upstream")),
            "latency_us": int(self._chance.lognormvariate(4.4, 0.4)), "audits": (), "policy_version": "v1" if share < 0.8 else "v2",
            "query_size": 29 + len(qname), "response_size": 80 + len(qname),
        }  # fmt: skip
        fields |= changes
        if fields["answer_source"] == "upstream":
            waited = int(self._chance.lognormvariate(9.6, 0.6) * (8 if 0.3 < share < 0.34 else 1))
            fields |= {"upstream": self._chance.choice(UPSTREAMS), "upstream_latency_us": waited, "latency_us": 90 + waited}
        return fields

    def alerts(self) -> list[Alert]:
        """Every word about three alerts: a critical one, one that was closed, and the group it is part of."""
        opened = self.at(0.521)
        tunnel = Alert(
            id="5f0c5d1c9a5e4b1d", tenant="acme", detector="heavy_hitters", subject=TUNNEL, state="open", revision=1, severity="medium",
            severity_reason="812 different bytes in 120 s, 2.0 times the threshold of 400", title=f"812 different bytes in names under {TUNNEL} within 120 s",
            first_seen=self.at(0.52), last_seen=opened, changed=opened,
            evidence={"bytes": 812, "threshold": 400, "window_seconds": 120, "direction": "query", "learning": "active"},
            samples=(f"aabbcc.{TUNNEL}",), workloads=("laptops",), clients=("10.1.1.13",), suggested=SuggestedEntry(pattern=f".{TUNNEL}"),
        )  # fmt: skip
        words = [tunnel]
        for severity, size in (("high", 6400), ("critical", 17300)):
            last = words[-1]
            change = {"state": "updated", "revision": last.revision + 1, "severity": severity, "changed": last.changed + timedelta(minutes=2)}
            said = {
                "title": f"{size} different bytes in names under {TUNNEL} within 120 s",
                "severity_reason": f"{size} different bytes in 120 s, {size / 400:.1f} times the threshold of 400",
                "evidence": {**tunnel.evidence, "bytes": size},
                "last_seen": self.at(0.524),
            }
            words.append(msgspec.structs.replace(last, **change, **said))
        names = msgspec.structs.replace(
            tunnel, id="a1b2c3d4e5f60718", detector="nxdomain_storm", subject="10.1.1.15", severity="low", title="10.1.1.15 asks many names that do not exist",
            severity_reason="70 failing names", samples=(), clients=("10.1.1.15",), suggested=None, evidence={"names": 70, "threshold": 30},
        )  # fmt: skip
        group = msgspec.structs.replace(names, id="c0ffee0000000001", detector="group", subject="client 10.1.1.15", title="2 findings about client 10.1.1.15")
        names = msgspec.structs.replace(names, parent=group.id)
        closed = msgspec.structs.replace(names, state="closed", revision=2, changed=self.at(0.66), ending="quiet for 15 min")
        return [*words, group, names, closed]

    def signals(self) -> list[ContextSignal]:
        """How the detectors stand, and a name that is new."""
        standings = {"heavy_hitters": "active", "newly_observed": "active", "policy_shift": "active", "beaconing": "learning", "dga": "off"}
        said = [("detector", name, state, name) for name, state in standings.items()]
        said.append(("newly_observed", "fresh-3.example", "new", "newly_observed"))
        return [
            ContextSignal(tenant="acme", kind=kind, subject=subject, value=value, source=source, reason=f"{subject} is {value}",
                          created=self.at(0.99), expires=self.at(0.99) + timedelta(minutes=3))
            for kind, subject, value, source in said
        ]  # fmt: skip

    def overlays(self) -> list[Overlay]:
        """An entry for the tunnel, first audited, then enforced, then run out."""
        entry = OverlayEntry(id="5f0c5d1c9a5e4b1d", pattern=f".{TUNNEL}", action="deny", mode="audit", severity="high", reason="6,400 B of distinct names",
                             detector="heavy_hitters", created=self.at(0.522), expires=self.at(0.532))  # fmt: skip
        entries = [(entry,), (msgspec.structs.replace(entry, mode="enforce", severity="critical"),), ()]
        return [Overlay(tenant="acme", revision=n, entries=told, changed=self.at(0.522 + n * 0.002)) for n, told in enumerate(entries)]

    def objects(self) -> list[Tenant]:
        """What acme's operator wrote."""
        detection = Detection(newly_observed=NewlyObservedSpec(learning_hours=30))
        return [Tenant(api_version="nameward.io/v1", metadata=Metadata(name="acme"), spec=TenantSpec(default="allow", detection=detection))]

    def bindings(self) -> list[Binding]:
        """Addresses that the web workload learnt."""
        learnt = {"db.acme.internal": "10.9.0.5", "cache.acme.internal": "10.9.0.6", "www.news.example": "192.0.2.80"}
        return [Binding(tenant="acme", workload="web", name=name, address=address, until=self.at(1.0)) for name, address in learnt.items()]


def fill(warehouse: Warehouse, end: datetime) -> None:
    """Put a day into a warehouse, as the sink does."""
    day = Day(end)
    asked = sorted(day.events(), key=lambda fields: fields["time"])
    rows = [event(sequence, **{"tags": (), **fields}) for sequence, fields in enumerate(asked)]
    count = len(rows)
    header = BatchHeader(source="r1", epoch=1000, partition=0, first_sequence=0, count=count, offered=count, acknowledged=count, closed=True)
    events = EventStore(warehouse)
    events.store([(header, columns_of(rows))])
    events.note([header], end)
    for topic, told in ((ALERTS, day.alerts()), (CONTEXT, day.signals()), (OVERLAYS, day.overlays()), (BINDINGS, day.bindings()), (OBJECTS, day.objects())):
        keys = [object_key("Tenant", "acme") if topic is OBJECTS else "" for _ in told]
        records = [Record(key, msgspec.json.encode(message), 1000 + number, number) for number, (key, message) in enumerate(zip(keys, told, strict=True))]
        table = SIGNAL_TABLES[topic.name]
        warehouse.insert_arrow(table.name, table.rows(records))
