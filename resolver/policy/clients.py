"""Which clients of a tenant something is for: labels that must be equal, networks of which one must hold the client.

Used by whatever has a `clients` selector: rules, targets of virtual names, discovery, egress. On the path it is asked
once a rule that matched by name. This module must not know what is selected for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from resolver.policy.reading import Report, parse_networks
from resolver.tenants import Asker
from schemas.spec import ClientSelector


@dataclass(frozen=True, slots=True)
class Clients:
    """A compiled selector; falsy when it selects every client.

    Attributes:
        labels: key and value, all of which the client must have.
        subnets: (IP version, shift, prefix): one of them must hold the client, unless there is none.
        networks: the same as shown to people.
    """

    labels: tuple[tuple[str, str], ...] = ()
    subnets: tuple[tuple[int, int, int], ...] = ()
    networks: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.labels or self.subnets)

    def match(self, asker: Asker) -> bool:
        """Whether this client is selected."""
        if self.labels:
            labels = asker.labels
            for key, value in self.labels:
                if labels.get(key) != value:
                    return False
        return not self.subnets or self._holds(asker)

    def _holds(self, asker: Asker) -> bool:
        version, number = asker.version, asker.number
        return any(of == version and number >> shift == prefix for of, shift, prefix in self.subnets)

    def obstacles(self, asker: Asker) -> Iterator[str]:
        """Each reason why this client is not selected, as a clause for an explanation; none when it is."""
        for key, value in self.labels:
            if key not in asker.labels:
                yield f"the client has no label {key}, expected {value!r}"
            elif asker.labels[key] != value:
                yield f"label {key} of the client is {asker.labels[key]!r}, not {value!r}"
        if self.subnets and not self._holds(asker):
            yield f"client {asker.address} is in none of {', '.join(self.networks)}"


EVERY_CLIENT = Clients()


def compile_clients(selector: ClientSelector, path: str, report: Report) -> Clients:
    """The compiled form of a selector.

    Args:
        selector: as written.
        path: its key path, such as ``.clients`` below a rule; what is wrong is reported below it and left out.
        report: takes what is wrong.
    """
    networks = parse_networks(selector.subnets, f"{path}.subnets", report)
    prefixes = [(network.max_prefixlen - network.prefixlen, network) for network in networks]
    return Clients(
        labels=tuple(sorted(selector.match_labels.items())),
        subnets=tuple((of.version, shift, int(of.network_address) >> shift) for shift, of in prefixes),
        networks=tuple(map(str, networks)),
    )
