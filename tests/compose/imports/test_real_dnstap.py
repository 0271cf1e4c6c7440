"""dnstap of real servers, made while the test runs: each question that dig asked is one event, with the answer that dig was given."""

from __future__ import annotations

import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from compose.imports import Observed
from compose.imports.dnstap import OTHERS
from tests import peers
from tests.compose.imports.wire import events, reasons
from tests.patience import PROCESS_S
from tests.peers import authority, taps

QUESTIONS = [
    ("a.example.com", "A", ()),
    ("a.example.com", "A", ("+norecurse",)),  # of the cache; BIND calls it a question to an authority
    ("b.example.com", "AAAA", ("+tcp", "+noedns")),
    ("Mixed.Case.Example.com", "TXT", ()),
    ("none.missing.test", "A", ()),
    ("nothing.empty.test", "HTTPS", ()),
    ("odd.empty.test", "TYPE65280", ()),
    ("broken.failing.test", "A", ()),
    ("large.big.test", "TXT", ("+ignore",)),
    ("large.big.test", "TXT", ("+tcp",)),
    ("late.slow.test", "A", ()),
    ("version.bind", "TXT", ("-c", "CH")),  # BIND's own; it calls the question one to an authority, the answer one to a client
]
_CLIENTS = {"127.0.0.1": ("127.0.0.1", "127.0.0.7"), "::1": ("::1",)}


@dataclass(frozen=True)
class Dug:
    """What dig asked and was told. key: who asked what, and what came back. span: Unix seconds before and after."""

    key: tuple[object, ...]
    span: tuple[float, float]


def dig(server: str, port: int, client: str, question: tuple[str, str, tuple[str, ...]]) -> Dug:
    """Ask, and read what dig shows."""
    name, kind, flags = question
    options = [peers.require("dig"), f"@{server}", "-b", client, "-p", str(port), name, kind, *flags]
    began = time.time()
    shown = subprocess.run([*options, "+tries=1", "+timeout=10"], capture_output=True, text=True, timeout=PROCESS_S, check=True).stdout
    span = (began, time.time())
    status = re.search(r"status: (\w+)", shown)
    size = re.search(r"MSG SIZE  rcvd: (\d+)", shown)
    assert status is not None, shown
    assert size is not None, shown
    records = [line.split(None, 4) for line in shown.partition(";; ANSWER SECTION:\n")[2].partition("\n\n")[0].splitlines()]
    answers = tuple((record[3], record[4], int(record[1])) for record in records)
    return Dug((client, "tcp" if "+tcp" in flags else "udp", name.lower(), kind, status[1], answers, int(size[1])), span)


def key(event: Observed) -> tuple[object, ...]:
    """As of Dug."""
    made = event.template
    return (made.client, made.transport, made.qname, made.qtype, made.rcode, made.answers, made.response_size)


@pytest.mark.parametrize("producer", list(taps.PRODUCERS))
def test_every_question_is_one_event(producer: str, tmp_path: Path) -> None:
    """Over UDP and TCP, of every client: rcode, answers and sizes as dig saw them, at the time and as fast as it asked; nothing else is there."""
    with authority.running() as upstream, taps.running(producer, tmp_path, upstream.port) as (port, file):
        dug = [
            dig(server, port, client, question) for server in taps.ADDRESSES for client in _CLIENTS[server] for question in QUESTIONS
        ]
    found, report = events(file.read_bytes())
    found = [event for event in found if event.template.qname not in {taps.UP, taps.LAST}]
    assert [key(event) for event in found] == [one.key for one in dug]
    for event, one in zip(found, dug, strict=True):
        began, ended = event.time_ns / 1e9, event.time_ns / 1e9 + event.latency_us / 1e6
        assert one.span[0] - 0.01 <= began <= ended <= one.span[1] + 0.01  # BIND's clock ticks every 4 ms
        assert event.latency_us >= 95_000 or event.template.qname != "late.slow.test"
    assert (report.format, report.unanswered, report.unasked, report.disordered) == ("dnstap", 0, 0, 0)
    assert set(reasons(report)) <= {OTHERS}
