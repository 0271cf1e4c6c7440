"""dnstap: frames made here by the specification; files of real servers are test_real_dnstap's."""

from __future__ import annotations

import pytest

from compose.imports.capture import CUT, DAMAGED
from compose.imports.dnstap import EMPTY, NOT_DNSTAP, OTHERS
from compose.imports.frame_streams import STOPLESS
from compose.imports.messages import SHORT
from tests.compose.imports.dnstap_bytes import content, dnstap, message, number
from tests.compose.imports.wire import CLIENT, START, events, names, query, reasons, response

ANSWER = response("a.example", records=["a.example 30 A 192.0.2.1"])


def test_query_and_response_are_one_event() -> None:
    """Paired by client, port, id and name; latency is between their times."""
    (event,), report = events(dnstap(message(query("a.example")), message(ANSWER, START + 0.25, answers=True)))
    made = event.template
    assert (event.time_ns, event.latency_us) == (int(START) * 10**9, 250_000)
    assert (made.client, made.transport, made.qname, made.rcode, made.answers) == (CLIENT, "udp", "a.example", "NOERROR", (("A", "192.0.2.1", 30),))
    assert (report.format, report.records, reasons(report)) == ("dnstap", 2, {})


def test_a_response_alone_knows_when_it_was_asked() -> None:
    """Servers that log responses only give the query's time with them."""
    (event,), report = events(dnstap(message(ANSWER, START + 0.25, answers=True, asked=START)))
    assert (event.time_ns, event.latency_us, report.unasked) == (int(START) * 10**9, 250_000, 1)


@pytest.mark.parametrize("kind", [3, 7, 9, 11, 13])
def test_questions_of_the_server_itself_are_passed_over(kind: int) -> None:
    """As a resolver, forwarder or stub, of tools, updates: none of them is a client's."""
    found, report = events(dnstap(message(query("a.example"), kind=kind), message(query("b.example"))))
    assert (names(found), reasons(report)) == (["b.example"], {OTHERS: 1})


@pytest.mark.parametrize(("asked", "told"), [(1, 2), (1, 6), (5, 2)])
def test_what_an_authority_is_asked_is_a_clients_question(asked: int, told: int) -> None:
    """AUTH messages pair with each other, and with CLIENT messages: BIND names the two halves of version.bind differently."""
    (event,), report = events(dnstap(message(query("a.example"), kind=asked), message(ANSWER, START + 0.25, answers=True, kind=told)))
    assert (event.latency_us, event.template.rcode, report.unanswered, report.unasked, reasons(report)) == (250_000, "NOERROR", 0, 0, {})


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"hello", NOT_DNSTAP),
        (number(15, 1), NOT_DNSTAP),
        (content(14, content(1, b"x")) + number(15, 1), OTHERS),
        (content(14, number(1, 5)) + number(15, 1), EMPTY),
        (message(response("a.example")), EMPTY),
        (message(b"short"), SHORT),
        (content(14, number(1, 5) + content(4, b"12345") + content(10, query("a.example"))) + number(15, 1), NOT_DNSTAP),
    ],
)
def test_frames_that_hold_something_else_are_counted(frame: bytes, reason: str) -> None:
    """The next one is read all the same."""
    found, report = events(dnstap(frame, message(query("a.example"))))
    assert (names(found), reasons(report)) == (["a.example"], {reason: 1})


def test_a_stream_without_its_end_is_told() -> None:
    """All frames are there; only the writer's last word is missing."""
    found, report = events(dnstap(message(query("a.example")), stop=False))
    assert (len(found), reasons(report)) == (1, {STOPLESS: 1})


@pytest.mark.parametrize(("tail", "reason"), [(b"\0\0\0\x09abc", CUT), (b"\0\0", CUT), (b"\x7f\xff\xff\xff", DAMAGED)])
def test_a_stream_that_breaks_off_keeps_what_came_before(tail: bytes, reason: str) -> None:
    """The broken frame is counted."""
    found, report = events(dnstap(message(query("a.example")), stop=False) + tail)
    assert (len(found), reasons(report)) == (1, {reason: 1})
