"""The event of a query."""

from __future__ import annotations

from dataclasses import fields

from resolver.event import Visit, aged, template_of
from resolver.query import Record, Response
from resolver.rows import Template
from resolver.wire import decode_query
from tests.resolver.path import Path, ask


async def test_everything_of_an_answered_query() -> None:
    """Question, decision, answer and sizes are those of what was asked and sent."""
    path = Path()
    answer = await path.raw(ask("www.Example.com", edns=True), "127.0.1.10")
    assert answer is not None
    (event,) = path.events
    expected = Template(
        tenant="acme", workload="frontend", labels=(("app", "frontend"),), client="clear:127.0.1.10", transport="udp",
        qname="www.example.com", registered_domain="example.com", qtype="A", qclass="IN", rcode="NXDOMAIN",
        flags=int.from_bytes(answer[2:4], "big"), answers=(), answer_source="policy", upstream="", verdict="deny",
        rule="rules/no-com", tier="tenant", policy_version=path.store.version, query_size=44, response_size=len(answer), tags=("log",),
        ede=15, ede_text="rules/no-com",
    )  # fmt: skip
    assert {f.name: getattr(event, f.name) for f in fields(event)} == {f.name: getattr(expected, f.name) for f in fields(expected)}


async def test_an_unanswered_query_is_an_event() -> None:
    """A dropped query has no rcode, no size, and the query's own flags."""
    path = Path()
    assert await path.raw(ask("drop.bad")) is None
    (event,) = path.events
    assert (event.rcode, event.response_size, event.flags, event.answer_source, event.verdict) == ("", 0, 0x0100, "none", "deny")


def test_a_truncated_answer_shows_no_records() -> None:
    """Answers are shown as sent: with TC there are none."""
    query = decode_query(ask("a.example"))[0]
    response = Response(0, "cache", counts=(1, 0, 0), records=(Record("a.example", "A", "192.0.2.1", 9),))
    visit = Visit(query, b"", "127.0.0.1", "udp", 0)
    truncated = b"\0\7\x83\x80\0\1\0\0\0\0\0\0"
    assert template_of(visit, response, truncated, shown="", age=0).answers == ()
    assert template_of(visit, response, b"\0\7\x81\x80\0\1\0\1\0\0\0\0", shown="", age=4).answers == (("A", "192.0.2.1", 5),)


def test_an_older_event_is_a_template_of_its_own() -> None:
    """The buffer tells templates apart by its bookkeeping, which a later template must not inherit."""
    query = decode_query(ask("a.example"))[0]
    records = (Record("a.example", "A", "192.0.2.1", 9),)
    visit = Visit(query, b"", "127.0.0.1", "udp", 0)
    first = template_of(visit, Response(0, "cache", records=records), b"\0\7\x81\x80\0\1\0\1\0\0\0\0", shown="", age=0)
    first.generation, first.slot = 5, 7
    later = aged(first, records, 2)
    assert (later.answers, later.generation, later.slot) == ((("A", "192.0.2.1", 7),), 0, 0)


async def test_no_ede_in_the_event_when_none_was_sent() -> None:
    """Without EDNS no EDE leaves, so none is recorded."""
    path = Path()
    await path.raw(ask("www.example.com"), "127.0.1.10")
    assert (path.events[0].ede, path.events[0].ede_text) == (-1, "")
