"""Which domains many clients use: told in classes, kept over a restart, never made by one client, a denial or a failure."""

from __future__ import annotations

from streams.columns import TenantRows
from streams.parts import Parts
from streams.popularity import HOUR, KIND, Popularity
from tests.streams.events import START, batch, event

CLIENTS = 40


def hour(number: int, domains: dict[str, int], **fields: str) -> TenantRows:
    """One hour in which each domain is asked by so many clients, twice each."""
    at = START + number * HOUR
    asked = [(domain, client) for domain, clients in domains.items() for client in range(clients)] * 2
    return TenantRows.of(batch([
        event(at + i / 100, f"www.{domain}", 100_000 * number + i, client=f"10.0.0.{client}", **fields)
        for i, (domain, client) in enumerate(asked)
    ]))  # fmt: skip


def busy(hours: int, domains: dict[str, int]) -> Popularity:
    """After so many hours of this."""
    found = Popularity("acme")
    for number in range(hours):
        found.add(hour(number, domains))
    return found


def test_domains_are_told_by_how_many_clients_ask_them() -> None:
    """The ten first are top10; nothing before the first hour is over; not again before it is needed."""
    domains = {f"d{number:02}.test": 30 - number for number in range(14)}
    assert busy(1, domains).due(START) == []
    found = busy(2, domains)
    told = {signal.subject: signal.value for signal in found.due(START)}
    assert {name for name, value in told.items() if value == "top10"} == {f"d{number:02}.test" for number in range(10)}
    assert told["d13.test"] == "top100"
    assert found.due(START + 61) == []
    assert len(found.due(START + HOUR + 1)) == 14


def test_what_many_clients_ask_for_hours_is_left_alone() -> None:
    """A fifth of the clients and ten of them; a domain of one client never is, however often it asks."""
    found = busy(8, {"crm.test": CLIENTS, "rare.test": 5, "tunnel.test": 1})
    assert found.common == {"crm.test"}
    assert busy(4, {"crm.test": CLIENTS}).common == frozenset()


def test_denied_and_failed_queries_make_nothing_popular() -> None:
    """What was blocked or does not exist."""
    found = Popularity("acme")
    for number in range(8):
        found.add(hour(number, {"blocked.test": CLIENTS}, verdict="deny"))
        found.add(hour(number, {"gone.test": CLIENTS}, rcode="NXDOMAIN"))
        found.add(hour(number, {"crm.test": 2}))
    assert [signal.subject for signal in found.due(START)] == ["crm.test"]


def test_it_goes_on_from_its_part() -> None:
    """A client counted before a restart is not counted again in that hour."""
    found, parts, again = busy(7, {"crm.test": CLIENTS}), Parts(), Popularity("acme")
    found.save(parts)
    written = parts.flush()
    _, values = Parts.load(written.get)
    again.load(values)
    for one in (found, again):
        one.add(hour(6, {"crm.test": CLIENTS}))
        one.add(hour(7, {"crm.test": CLIENTS}))
    assert again.common == found.common == {"crm.test"}
    assert again.due(START) == found.due(START)
    empty = Parts()
    Popularity("acme").save(empty)
    assert KIND not in empty.names()
