"""Answers for names that exist because an operator says so, per tenant.

One of the leaves that the handler calls, after policy and before the cache. A name that is virtual for another tenant
only is not here at all, so it takes the same way as any other name. This module must not know upstreams or caches.
"""

from __future__ import annotations

from functools import lru_cache

from resolver.answers.local import QNAME_POINTER, Alias, absolute, negative, positive
from resolver.errors import Ede, Rcode
from resolver.mnemonics import type_number
from resolver.names import labels_text, name_wire, text_labels
from resolver.query import Query, Record, Response
from resolver.sections import data_text
from resolver.tenants import TenantView, VirtualEntry
from resolver.wire import rdata_wire
from schemas.objects import VirtualRecord

MAX_ALIASES = 8
"""CNAMEs followed from one virtual name to the next."""
NEGATIVE_TTL = 30


def answer_virtual(tenant: TenantView, query: Query) -> Response | Alias | None:
    """The tenant's virtual answer; an Alias where a virtual CNAME leaves the virtual names; None for other names."""
    entry = tenant.virtual.get(query.qname)
    if entry is None:
        return None
    found: list[tuple[bytes, Record]] = []
    owner = QNAME_POINTER
    while not (records := entry.records.get(query.qtype_name)) and (aliases := entry.records.get("CNAME")):
        if len(found) == MAX_ALIASES:
            return Response(Rcode.SERVFAIL, "error", ede=Ede.OTHER, ede_text="too many aliases")
        target = labels_text(text_labels(aliases[0].data))
        found.append((owner, Record(entry.name, "CNAME", absolute(target), aliases[0].ttl)))
        owner, following = name_wire(target), tenant.virtual.get(target)
        if following is None:
            return Alias(tuple(found), target, "virtual")
        entry = following
    if not records:
        return _nodata(query, found, entry)
    return positive("virtual", [*found, *((owner, _record(entry.name, written)) for written in records)])


def _record(name: str, written: VirtualRecord) -> Record:
    """A record with its data spelt as in answers of upstream, however the operator spelt it."""
    return Record(name, written.type, _spelling(written.type, written.data), written.ttl)


@lru_cache(maxsize=4096)
def _spelling(kind: str, text: str) -> str:
    data = rdata_wire(kind, text)
    return data_text(type_number(kind), data, 0, len(data))


def _nodata(query: Query, found: list[tuple[bytes, Record]], entry: VirtualEntry) -> Response:
    """The name exists, the type does not; behind CNAMEs these are answered too."""
    ttl = min((record.ttl for records in entry.records.values() for record in records), default=NEGATIVE_TTL)
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
