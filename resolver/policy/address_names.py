"""Virtual names with the addresses they have got: address records, and reverse names that lead back.

Between verification and views, off the query path; who gets which address is addresses.py's. This module must not know
tenants or how answers are built.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import inf
from typing import Literal, TypeVar

from resolver.policy.addresses import Address, Claim, Ranges, allocating
from resolver.policy.steps import Steps, slices
from resolver.tenant_view import VirtualEntry
from schemas.objects import PolicyObject, VirtualAddress, VirtualName, VirtualRecord

T = TypeVar("T")
_TYPE: Mapping[int, Literal["A", "AAAA"]] = {4: "A", 6: "AAAA"}


def claims_of(objects: Iterable[PolicyObject]) -> list[Claim]:
    """What the virtual names among these objects ask for."""
    return [_claim(obj) for obj in objects if isinstance(obj, VirtualName) and obj.spec.address is not None]


def _claim(obj: VirtualName) -> Claim:
    created, address = obj.metadata.created, obj.spec.address or VirtualAddress()
    fixed = tuple(dict.fromkeys(map(ipaddress.ip_address, address.fixed)))
    return Claim(obj.metadata.name, created.timestamp() if created else inf, fixed, tuple(address.families))


def used_up(objects: Mapping[str, PolicyObject], ranges: Ranges) -> Iterator[tuple[str, str, str] | None]:
    """Key, key path and message for every family in which an object gets no address; None between slices."""
    claims = claims_of(objects.values())
    if not claims:
        return
    given = yield from allocating(claims, ranges)
    for key, obj in objects.items():
        if isinstance(obj, VirtualName) and obj.spec.address is not None:
            families, got = obj.spec.address.families, given[obj.metadata.name]
            for place, family in enumerate(families):
                if got[place - len(families)] is None:
                    why = f"no address is left in {getattr(ranges, family)}, older names have all"
                    yield key, f"spec.address.families[{place}]", why


@dataclass(slots=True, eq=False)
class Settlement:
    """Entries with their addresses, each kept as long as object and addresses are the same."""

    made: dict[str, tuple[object, tuple[Address | None, ...], VirtualEntry]] = field(default_factory=dict)

    def settle(
        self, objects: Mapping[str, tuple[PolicyObject, T]], ranges: Ranges
    ) -> Steps[Mapping[str, tuple[PolicyObject, T | VirtualEntry]]]:
        """The same objects, the entries of those with an address replaced by ones that have it, and reverse names.

        In slices.
        """
        claims = claims_of(obj for obj, _ in objects.values())
        if not claims:
            self.made.clear()
            return dict(objects)
        given = yield from allocating(claims, ranges)
        made: dict[str, tuple[object, tuple[Address | None, ...], VirtualEntry]] = {}
        settled: dict[str, tuple[PolicyObject, T | VirtualEntry]] = dict(objects)
        for part in slices(objects.items()):
            yield
            for key, (obj, entry) in part:
                if isinstance(obj, VirtualName) and obj.spec.address is not None and isinstance(entry, VirtualEntry):
                    made[key] = self._made(key, obj, entry, given[obj.metadata.name])
                    settled[key] = obj, made[key][2]
        self.made = made
        return settled

    def _made(
        self, key: str, obj: VirtualName, entry: VirtualEntry, addresses: tuple[Address | None, ...]
    ) -> tuple[object, tuple[Address | None, ...], VirtualEntry]:
        known = self.made.get(key)
        if known is not None and known[0] is obj and known[1] == addresses:
            return known
        return obj, addresses, _entry(entry, [address for address in addresses if address is not None])


def _entry(entry: VirtualEntry, addresses: list[Address]) -> VirtualEntry:
    records: dict[str, tuple[VirtualRecord, ...]] = {}
    for address in addresses:
        kind = _TYPE[address.version]
        made = VirtualRecord(type=kind, data=str(address), ttl=entry.ttl)
        records[kind] = (*records.get(kind, ()), made)
    pointer = VirtualRecord(type="PTR", data=entry.name + ".", ttl=entry.ttl)
    back = VirtualEntry("", {"PTR": (pointer,)}, entry.owner, ttl=entry.ttl)
    return replace(
        entry, records=records, reverse=tuple(replace(back, name=address.reverse_pointer) for address in addresses)
    )


def by_name(entries: Iterable[VirtualEntry]) -> dict[str, VirtualEntry]:
    """Entries by name, reverse names among them: what an operator wrote for a reverse name goes before these.

    Two names that share a fixed address share its reverse name (RFC 2181 section 10.2).
    """
    entries = tuple(entries)
    found: dict[str, VirtualEntry] = {}
    for pointer in (pointer for entry in entries for pointer in entry.reverse):
        first = found.get(pointer.name)
        if first is None:
            found[pointer.name] = pointer
        else:
            found[pointer.name] = replace(first, records={"PTR": first.records["PTR"] + pointer.records["PTR"]})
    found.update((entry.name, entry) for entry in entries)
    return found
