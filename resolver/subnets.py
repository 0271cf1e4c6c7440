"""Networks and what belongs to them: the value of the longest network that holds an address.

One dict lookup a prefix length in use. This module must not know what the values are.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class SubnetIndex(Generic[T]):
    """Longest-prefix match: one dict per prefix length, longest first."""

    __slots__ = ("_families", "_tables")

    def __init__(self, entries: Iterable[tuple[Network, T]] = ()) -> None:
        """Of networks and their values."""
        self._tables: dict[int, dict[int, dict[int, T]]] = {4: {}, 6: {}}
        self._families: dict[int, list[tuple[int, dict[int, T]]]] = {4: [], 6: []}
        for network, value in entries:
            self.add(network, value)

    def add(self, network: Network, value: T) -> None:
        """Add a network; of two values for the same one the first stays."""
        shift, tables = network.max_prefixlen - network.prefixlen, self._tables[network.version]
        table = tables.get(shift)
        if table is None:
            table = tables[shift] = {}
            self._families[network.version] = sorted(tables.items())
        table.setdefault(int(network.network_address) >> shift, value)

    def __len__(self) -> int:
        return sum(len(table) for tables in self._tables.values() for table in tables.values())

    def get(self, version: int, number: int) -> T | None:
        """Value of the longest network that holds the address, given as a number."""
        for shift, table in self._families[version]:
            value = table.get(number >> shift)
            if value is not None:
                return value
        return None

    def shift(self, version: int, number: int) -> int:
        """How many bits do not belong to the longest network that holds the address; all where none does."""
        for shift, table in self._families[version]:
            if number >> shift in table:
                return shift
        return 32 if version == 4 else 128

    def inside(self, version: int, shift: int, prefix: int) -> Iterator[tuple[int, int, T]]:
        """(shift, prefix, value) of the longer networks inside one; looks at every network that is longer."""
        for inner, table in self._families[version]:
            if inner >= shift:
                return
            for number, value in table.items():
                if number >> (shift - inner) == prefix:
                    yield inner, number, value
