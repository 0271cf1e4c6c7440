"""Answers for names that mean services with certain labels, chosen by who asks.

One of the leaves that the handler calls, behind virtual names and before the cache. Where nothing that the client may
discover has the labels there is no answer here, and the name takes the same way as any name that was never heard of: a
service that is hidden and one that does not exist cannot be told apart. This module must not know upstreams or caches.
"""

from __future__ import annotations

from collections.abc import Mapping
from struct import pack

from resolver.answers.local import QNAME_POINTER, absolute, negative, positive
from resolver.errors import Ede, Rcode
from resolver.names import name_wire
from resolver.policy.catalog import Catalog
from resolver.policy.discovery import DiscoveryEntry, Reading, readings
from resolver.policy.selection import Selection, chosen, hidden, named, select
from resolver.policy.services import ServiceEntry
from resolver.query import Query, Record, Response
from resolver.strings import quoted
from resolver.tenants import Asker

_HEADER = 12
_NEGATIVE_TTL = 30
_SOURCE = "discovery"


def answer_discovery(asker: Asker, query: Query) -> Response | None:
    """What the tenant's discovery rules say to this client; None where they say nothing."""
    catalog: Catalog = asker.tenant.discovery
    if not catalog:
        return None
    met = [(reading, one) for reading in readings(query.qname) if (one := chosen(asker, reading.base)) is not None]
    for reading, (rule, values) in met:
        answer = _endpoint if reading.label else _selected
        found = answer(asker, query, reading, rule, values)
        if found is not None:
            return found
    if any(hidden(asker, rule, values) for _, (rule, values) in met):
        # RFC 8914 section 4.19; only for a tenant that asked for it (discloseHidden)
        prohibited = negative(_SOURCE, Rcode.NXDOMAIN, query, 0)
        prohibited.ede, prohibited.ede_text = Ede.PROHIBITED, "not visible to this tenant"
        return prohibited
    return None


def _endpoint(
    asker: Asker, query: Query, reading: Reading, rule: DiscoveryEntry, values: Mapping[str, str]
) -> Response | None:
    """The address of one endpoint, under the name that SRV records call it by."""
    endpoint = named(asker, rule, values, reading.label)
    if endpoint is None:
        return None
    if endpoint.family != query.qtype_name:
        return negative(_SOURCE, Rcode.NOERROR, query, min(rule.ttl, _NEGATIVE_TTL))
    return positive(_SOURCE, [(QNAME_POINTER, Record(query.qname, endpoint.family, endpoint.address, rule.ttl))])


def _selected(
    asker: Asker, query: Query, reading: Reading, rule: DiscoveryEntry, values: Mapping[str, str]
) -> Response | None:
    selection = select(asker, rule, values, reading.port)
    if selection is None:
        return None
    texts, additional = _data(query, reading, selection)
    records = [(QNAME_POINTER, Record(query.qname, query.qtype_name, text, rule.ttl)) for text in dict.fromkeys(texts)]
    if records:
        response = positive(_SOURCE, records, additional)
    else:
        response = negative(_SOURCE, Rcode.NOERROR, query, min(rule.ttl, _NEGATIVE_TTL))
    response.valid_until = selection.valid_until
    return response


def _data(query: Query, reading: Reading, selection: Selection) -> tuple[list[str], list[tuple[bytes, Record]]]:
    """Data of the records asked for, and records that go with them."""
    kind = query.qtype_name
    if kind == "SRV":
        return _locations(query, reading, selection)
    if reading.port:
        return [], []
    if kind in {"A", "AAAA"}:
        return [one.endpoint.address for one in selection.told(kind)], []
    return [_described(service) for service in selection.services] if kind == "TXT" else [], []


def _locations(query: Query, reading: Reading, selection: Selection) -> tuple[list[str], list[tuple[bytes, Record]]]:
    """SRV data (RFC 2782): priority is the class of an endpoint; and the addresses of the targets."""
    told, order = selection.told(), selection.rule.classes
    priorities = {place: priority for priority, place in enumerate(sorted({one.place(order) for one in told}))}
    base = pack("!H", 0xC000 | _HEADER + len(query.question) - 4 - len(name_wire(reading.base)))
    texts, addresses = [], {}
    for one in told:
        endpoint, target = one.endpoint, f"{one.endpoint.label}.{reading.base}"
        texts.append(f"{priorities[one.place(order)]} {endpoint.weight} {endpoint.port} {absolute(target)}")
        owner = bytes((len(endpoint.label),)) + endpoint.label.encode() + base
        addresses[owner] = Record(target, endpoint.family, endpoint.address, selection.rule.ttl)
    return texts, list(addresses.items())


def _described(service: ServiceEntry) -> str:
    """TXT data: a character string ``key=value`` for each label (RFC 6763 section 6.3)."""
    texts = [f"{key}={value}" for key, value in sorted(service.labels.items())] or [""]
    return " ".join(quoted(text.encode()) for text in texts)
