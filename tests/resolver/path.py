"""A whole path without sockets or Kafka: policy from YAML, an upstream that answers from a table, events in a list."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
import yaml
from dnslib import EDNS0, QTYPE, RR, DNSHeader, DNSRecord, EDNSOption

from resolver.background import Background
from resolver.bindings import Bindings
from resolver.cache import Caches
from resolver.errors import UpstreamError
from resolver.excess import Excess
from resolver.fastpath import FastPath
from resolver.handler import Handler
from resolver.limits import Meters
from resolver.policy.store import PolicyStore
from resolver.rendering import Rendering
from resolver.resolution import Resolution
from resolver.rows import Template
from resolver.tenant_view import UpstreamGroupView
from schemas.objects import PolicyObject, key_of
from schemas.tenant_spec import Limits

NOW = 1_800_000_000.0
POLICY = """
apiVersion: nameward.io/v1
kind: Tenant
metadata: {name: acme}
spec:
  default: allow
  clients: [{subnets: [127.0.1.0/24]}]
  workloads: [{name: frontend, subnets: [127.0.1.10], labels: {app: frontend}}]
  upstreams:
  - {servers: ["udp://127.0.0.1:5399"]}
  - {name: corp, suffixes: [.corp.example], servers: ["udp://127.0.0.1:5398"]}
---
apiVersion: nameward.io/v1
kind: Tenant
metadata: {name: globex}
spec:
  default: allow
  clients: [{subnets: [127.0.2.0/24]}]
  upstreams: [{servers: ["udp://127.0.0.1:5399"]}]
---
apiVersion: nameward.io/v1
kind: Tenant
metadata: {name: island}
spec: {default: deny, clients: [{subnets: [127.0.3.0/24]}]}
---
apiVersion: nameward.io/v1
kind: DNSPolicy
metadata: {name: rules}
spec:
  tier: tenant
  tenants: [acme]
  rules:
  - {name: no-com, clients: {matchLabels: {app: frontend}}, match: {qname: ["*.com"]}, action: deny, log: true}
  - {name: nodata, match: {qname: [nodata.bad]}, action: deny, answer: {form: nodata}}
  - {name: refused, match: {qname: [refused.bad]}, action: deny, answer: {form: refused}}
  - {name: drop, match: {qname: [drop.bad]}, action: deny, answer: {form: drop}}
  - {name: hole, match: {qname: [hole.bad]}, action: deny, answer: {form: addresses, addresses: [10.6.6.6, "fd00::6"]}}
  - {name: away, match: {qname: [away.bad]}, action: redirect, answer: {target: www.example.org}}
  - {name: home, match: {qname: [home.bad]}, action: redirect, answer: {target: portal.internal}}
  - {name: watch, match: {qname: [watched.example.org]}, action: deny, mode: audit}
---
apiVersion: nameward.io/v1
kind: DNSPolicy
metadata: {name: tagged}
spec:
  tier: platform
  rules: [{name: tag, match: {qname: [.example.org]}, action: tag, tag: seen}]
---
apiVersion: nameward.io/v1
kind: VirtualName
metadata: {name: portal-acme}
spec: {name: portal.internal, tenants: [acme], records: [{type: A, data: 10.1.0.1, ttl: 60}, {type: A, data: 10.1.0.2, ttl: 60}]}
---
apiVersion: nameward.io/v1
kind: VirtualName
metadata: {name: portal-globex}
spec: {name: portal.internal, tenants: [globex], records: [{type: A, data: 10.2.0.1}]}
---
apiVersion: nameward.io/v1
kind: VirtualName
metadata: {name: shop-globex}
spec: {name: shop.globex.internal, tenants: [globex], records: [{type: A, data: 10.2.0.9}]}
---
apiVersion: nameward.io/v1
kind: VirtualName
metadata: {name: one}
spec: {name: one.internal, tenants: [acme], records: [{type: CNAME, data: Two.Internal.}]}
---
apiVersion: nameward.io/v1
kind: VirtualName
metadata: {name: two}
spec: {name: two.internal, tenants: [acme], records: [{type: CNAME, data: portal.internal}]}
---
apiVersion: nameward.io/v1
kind: VirtualName
metadata: {name: out}
spec: {name: out.internal, tenants: [acme], records: [{type: CNAME, data: www.example.org, ttl: 20}]}
---
apiVersion: nameward.io/v1
kind: VirtualName
metadata: {name: loop-a}
spec: {name: a.loop, tenants: [acme], records: [{type: CNAME, data: b.loop}]}
---
apiVersion: nameward.io/v1
kind: VirtualName
metadata: {name: loop-b}
spec: {name: b.loop, tenants: [acme], records: [{type: CNAME, data: a.loop}]}
---
apiVersion: nameward.io/v1
kind: VirtualName
metadata: {name: deep}
spec: {name: a.b.deep.example, tenants: [acme], records: [{type: TXT, data: '"hi there"'}]}
"""
SOA = "{zone} 900 IN SOA ns.{zone} admin.{zone} 7 3600 600 86400 60"


def objects(text: str) -> list[PolicyObject]:
    """Objects of a YAML text."""
    return [msgspec.convert(document, PolicyObject) for document in yaml.safe_load_all(text)]


def ask(
    name: str, qtype: str = "A", *, ident: int = 7, edns: bool = False, do: bool = False, payload: int = 1232, rd: bool = True
) -> bytes:
    """A query as dnslib makes it."""
    record = DNSRecord.question(name, qtype)
    record.header = DNSHeader(id=ident, rd=rd, q=1)
    if edns or do:
        record.add_ar(EDNS0(flags="do" if do else "", udp_len=payload))
    return bytes(record.pack())


def ede_of(answer: DNSRecord) -> tuple[int, str] | None:
    """Extended DNS Error of an answer."""
    for record in answer.ar:
        if record.rtype == QTYPE.OPT:
            for option in record.rdata:
                if option.code == 15:
                    return int.from_bytes(option.data[:2], "big"), option.data[2:].decode()
    return None


def texts(records: list[RR]) -> list[str]:
    """Records as "name ttl type data"."""
    return [f"{r.rname} {r.ttl} {QTYPE[r.rtype]} {r.rdata}" for r in records]


@dataclass
class Table:
    """An upstream that answers from zone lines; other names get NXDOMAIN with the root-like SOA of `example`."""

    zone: list[str] = field(default_factory=list)
    asked: list[DNSRecord] = field(default_factory=list)
    before_answer: Callable[[], None] = lambda: None
    options: list[EDNSOption] = field(default_factory=list)
    rcode: int | None = None
    broken: bool = False

    async def query(
        self, group: UpstreamGroupView, message: bytes, timeout: float, check: Callable[[bytes], object] = bytes  # noqa: ASYNC109 - the protocol's
    ) -> tuple[bytes, str, int]:
        """Answer as Upstreams.query does."""
        question = DNSRecord.parse(message)
        self.asked.append(question)
        self.before_answer()
        server = group.servers[0].url
        if self.broken:
            raise UpstreamError("timeout", upstream=server, elapsed_us=1000)
        reply = question.reply(ra=1, aa=0)
        reply.ar = []
        records = RR.fromZone("\n".join(self.zone)) if self.zone else []
        here = [r for r in records if r.rname == question.q.qname]
        found = [r for r in here if r.rtype in {question.q.qtype, QTYPE.CNAME}]
        for record in found:
            reply.add_answer(record)
            if record.rtype == QTYPE.CNAME and question.q.qtype != QTYPE.CNAME:
                reply.add_answer(*[r for r in records if str(r.rname) == str(record.rdata) and r.rtype == question.q.qtype])
        if not any(r.rtype == question.q.qtype for r in reply.rr):
            reply.header.rcode = 0 if here or found else 3
            reply.add_auth(*RR.fromZone(SOA.format(zone="example.")))
        if self.rcode is not None:
            reply.rr, reply.auth, reply.header.rcode = [], [], self.rcode
        reply.add_ar(EDNS0(udp_len=1232, opts=self.options))
        return bytes(reply.pack()), server, 1500


def show(privacy: str, address: str) -> str:
    """A client as events of tests show it."""
    return f"{privacy}:{address}"


class Path:
    """The resolver of tests: time stands still until it is moved."""

    def __init__(self, policy: str = POLICY, *, capacity: int = 100, unknown: Limits | None = None) -> None:
        self.now = NOW
        self.store = PolicyStore()
        self.apply(policy)
        self.upstream = Table(["www.example.org. 300 IN A 192.0.2.1", "alias.example.org. 40 IN CNAME www.example.org."])
        self.events: list[Template] = []
        self.numbers: list[tuple[int, int, int]] = []
        self.draws = deque([0.0])
        self.fastpath = FastPath(capacity)
        self.caches = Caches(1000)
        self.background = Background()
        self.meters, self.bindings = Meters(unknown), Bindings("r1")
        self.resolution = Resolution(self.caches, self.upstream, self.background, self.clock)
        self.handler = Handler(
            self.store, self.resolution, Rendering(self.offer, self.fastpath, self.bindings, show, self.clock),
            clock=self.clock, draw=self.draw, meters=self.meters, excess=Excess(self.store, self.offer, show),
        )  # fmt: skip

    def apply(self, policy: str) -> None:
        """Put objects in force."""
        for obj in objects(policy):
            self.store.put(key_of(obj), obj)
        assert self.store.swap(self.now) == []

    def clock(self) -> int:
        """Unix nanoseconds."""
        return int(self.now * 1e9)

    def draw(self) -> float:
        """The next of `draws`, around and around."""
        self.draws.rotate(-1)
        return self.draws[-1]

    def offer(self, template: Template, time_ns: int, latency_us: int, upstream_us: int = 0) -> None:
        """Keep an event."""
        self.events.append(template)
        self.numbers.append((time_ns, latency_us, upstream_us))

    async def raw(self, message: bytes, client: str = "127.0.1.1", transport: str = "udp") -> bytes | None:
        """Answer of a message, whether or not upstream is asked."""
        answer = self.handler.handle(message, client, 4711, transport, self.clock())
        return answer if answer is None or isinstance(answer, bytes) else await answer

    async def get(self, name: str, qtype: str = "A", client: str = "127.0.1.1", **options: object) -> DNSRecord:
        """Parsed answer of a question."""
        answer = await self.raw(ask(name, qtype, **options), client)  # type: ignore[arg-type]
        assert answer is not None
        return DNSRecord.parse(answer)
