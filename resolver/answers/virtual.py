"""Answers for names that exist because an operator says so, per tenant.

One of the leaves that the handler calls, after policy and before the cache. A name that is virtual for another tenant
only is not here at all, so it takes the same way as any other name. This module must not know upstreams or caches.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from resolver.answers.local import QNAME_POINTER, Alias, absolute, negative, positive
from resolver.errors import Ede, Rcode
from resolver.mnemonics import type_number
from resolver.names import labels_text, name_wire, text_labels
from resolver.policy.targets import Draw, choose
from resolver.query import Query, Record, Response
from resolver.sections import data_text
from resolver.tenant_view import TenantView, VirtualEntry
from resolver.tenants import Asker
from resolver.wire import rdata_wire
from schemas.objects import VirtualRecord

MAX_ALIASES = 8
"""CNAMEs and targets followed from one virtual name to the next."""
NEGATIVE_TTL = 30
OF_ITS_OWN = frozenset({"CNAME", "DNAME", "NS", "SOA", "DS", "DNSKEY", "RRSIG", "NSEC", "NSEC3", "NSEC3PARAM", "ANY"})
"""Types that say where a name stands and who vouches for it: another name's would be wrong under this one."""


def answer_virtual(asker: Asker, query: Query, now: float, draw: Draw) -> Response | Alias | None:
    """The virtual answer of the asker's tenant; an Alias where the name stands for another; None for other names.

    Args:
        asker: who asks.
        query: what is asked.
        now: Unix seconds.
        draw: a number in [0, 1) for choices that are not sticky.
    """
    virtual = asker.tenant.virtual
    entry = virtual.get(query.qname)
    if entry is None:
        return None
    if entry.targets:
        return _by_target(entry, asker, query, now, draw)
    found: list[tuple[bytes, Record]] = []
    owner = QNAME_POINTER
    while not (records := entry.records.get(query.qtype_name)) and (aliases := entry.records.get("CNAME")):
        if len(found) == MAX_ALIASES:
            return too_many_aliases()
        target = labels_text(text_labels(aliases[0].data))
        found.append((owner, Record(entry.name, "CNAME", absolute(target), aliases[0].ttl)))
        owner, following = name_wire(target), virtual.get(target)
        if following is None or following.targets:
            return Alias(tuple(found), target, "virtual")
        entry = following
    if not records:
        return _nodata(query, found, entry)
    return positive("virtual", [*found, *((owner, _record(entry.name, written)) for written in records)])


def too_many_aliases() -> Response:
    """What names that lead to each other in a circle get."""
    return Response(Rcode.SERVFAIL, "error", ede=Ede.OTHER, ede_text="too many aliases")


def _by_target(entry: VirtualEntry, asker: Asker, query: Query, now: float, draw: Draw) -> Response | Alias:
    """The way to the name that this one stands for; NODATA for a client that none of its targets is for."""
    choice = choose(entry, asker, now, draw)
    target, until = choice.target, choice.valid_until
    if target is None or (entry.flatten and query.qtype_name in OF_ITS_OWN):
        return replace(_nodata(query, [], entry), valid_until=until)
    if entry.flatten:
        return Alias((), target.name, "virtual", flat=entry.ttl, valid_until=until)
    record = QNAME_POINTER, Record(entry.name, "CNAME", absolute(target.name), entry.ttl)
    if query.qtype_name == "CNAME":
        return replace(positive("virtual", [record]), valid_until=until)
    return Alias((record,), target.name, "virtual", valid_until=until)


def _record(name: str, written: VirtualRecord) -> Record:
    """A record with its data spelt as in answers of upstream, however the operator spelt it."""
    return Record(name, written.type, _spelling(written.type, written.data), written.ttl)


@lru_cache(maxsize=4096)
def _spelling(kind: str, text: str) -> str:
    data = rdata_wire(kind, text)
    return data_text(type_number(kind), data, 0, len(data))


def _nodata(query: Query, found: list[tuple[bytes, Record]], entry: VirtualEntry) -> Response:
    """The name exists, the type does not; behind CNAMEs these are answered too."""
    ttl = min((record.ttl for records in entry.records.values() for record in records), default=entry.ttl)
    if not found:
        return negative("virtual", Rcode.NOERROR, query, min(ttl, NEGATIVE_TTL))
    # The SOA of a NODATA behind a CNAME would belong to the target's zone; the CNAMEs alone say NODATA just as well.
    return positive("virtual", found)


class Enclosing:
    """Names above virtual names, per tenant: they exist too, if only as empty non-terminals (RFC 8020 section 2).

    They are not answered ahead of upstream, for a virtual name may stand inside a real domain; only a name error is
    turned into NODATA, since it would deny the virtual name below. Holds one set per tenant, of its latest view.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[TenantView, frozenset[str]]] = {}

    def holds(self, tenant: TenantView, qname: str) -> bool:
        """Whether a virtual name of the tenant lies below this name."""
        if not tenant.virtual:
            return False
        view, names = self._known.get(tenant.name, (None, frozenset[str]()))
        if view is not tenant:
            names = frozenset(ancestor for name in tenant.virtual for ancestor in _ancestors(name))
            self._known[tenant.name] = tenant, names
        return qname in names

    def mend(self, tenant: TenantView, query: Query, response: Response) -> Response:
        """The answer of upstream, or NODATA in place of a name error about an empty non-terminal."""
        if response.rcode == Rcode.NXDOMAIN and not response.counts[0] and self.holds(tenant, query.qname):
            return negative("virtual", Rcode.NOERROR, query, NEGATIVE_TTL)
        return response


def _ancestors(name: str) -> list[str]:
    labels = text_labels(name)
    return [labels_text(labels[start:]) for start in range(1, len(labels))]
