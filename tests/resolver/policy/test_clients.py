"""Client selectors: labels and networks, and what is told of a client that is not selected."""

from __future__ import annotations

import pytest

from resolver.policy.clients import Clients, compile_clients
from resolver.tenants import Asker, identify
from schemas.spec import ClientSelector
from tests.resolver.policy.written import compiled, tenant


def selector(labels: dict[str, str] | None = None, subnets: list[str] | None = None) -> Clients:
    """A selector that is right."""
    wrong: list[tuple[str, str]] = []
    found = compile_clients(
        ClientSelector(match_labels=labels or {}, subnets=subnets or []), "spec.clients", lambda *at: wrong.append(at)
    )
    assert not wrong
    return found


def client(address: str) -> Asker:
    """A client of tenant acme (10.0.1.0/24); 10.0.1.10 has the label app: frontend."""
    asker = identify(compiled(tenant()), address)
    assert asker is not None
    return asker


SELECTIONS = [
    ({}, [], "10.0.1.20", True),
    ({"app": "frontend"}, [], "10.0.1.10", True),
    ({"app": "frontend"}, [], "10.0.1.20", False),
    ({"app": "backend"}, [], "10.0.1.10", False),
    ({"app": "frontend", "env": "prod"}, [], "10.0.1.10", False),
    ({}, ["10.0.1.10"], "10.0.1.10", True),
    ({}, ["10.0.1.10"], "10.0.1.11", False),
    ({}, ["192.0.2.0/24", "10.0.0.0/15"], "10.0.1.11", True),
    ({}, ["10.0.1.0/24"], "::ffff:10.0.1.20", True),
    ({}, ["::/0"], "10.0.1.20", False),
    ({"app": "frontend"}, ["10.0.1.20"], "10.0.1.10", False),
]


@pytest.mark.parametrize(("labels", "subnets", "address", "expected"), SELECTIONS)
def test_every_label_must_be_equal_and_one_network_hold(
    labels: dict[str, str], subnets: list[str], address: str, expected: bool
) -> None:
    """A client is selected when it has all labels and lies in one of the networks; obstacles agree."""
    clients, asker = selector(labels, subnets), client(address)
    assert clients.match(asker) is expected
    assert (not list(clients.obstacles(asker))) is expected
    assert bool(clients) is bool(labels or subnets)


def test_each_obstacle_is_told() -> None:
    """What stands between a client and a selector is named: the label, what it is, the networks."""
    obstacles = selector({"app": "backend", "env": "prod"}, ["192.0.2.0/24", "2001:db8::/32"]).obstacles(
        client("10.0.1.10")
    )
    assert list(obstacles) == [
        "label app of the client is 'frontend', not 'backend'",
        "the client has no label env, expected 'prod'",
        "client 10.0.1.10 is in none of 192.0.2.0/24, 2001:db8::/32",
    ]


def test_a_wrong_network_is_named_with_its_key_path() -> None:
    """A network that cannot be read is reported below the selector's path and left out."""
    wrong: list[tuple[str, str]] = []
    clients = compile_clients(
        ClientSelector(subnets=["10.0.0.0/8", "10.0.0.1/8"]), "spec.clients", lambda *at: wrong.append(at)
    )
    assert wrong == [
        (
            "spec.clients.subnets[1]",
            "expected an address or a CIDR block such as 10.1.0.0/16, got '10.0.0.1/8': 10.0.0.1/8 has host bits set",
        )
    ]
    assert clients.networks == ("10.0.0.0/8",)
