"""Damaged input of every format: nothing crashes, nothing hangs, and what is bad is counted."""

from __future__ import annotations

from io import BytesIO

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compose.imports import FormatError, read
from tests.compose.imports.dnstap_bytes import dnstap, message
from tests.compose.imports.test_event_lines import ONE
from tests.compose.imports.test_zeek import RECORD, as_json, tsv
from tests.compose.imports.wire import CLIENT, SERVER, START, asked, ethernet, pcap, pcapng, query, response, tcp

PACKETS = [*asked("www.example.com", records=["www.example.com 60 A 192.0.2.7", "www.example.com 60 TXT hello"]), *asked("b.example", START + 1, six=True)]
SEGMENTS = [(START + 2, tcp(b"\0\x1b" + query("a.example"), (CLIENT, 6000), (SERVER, 53), 9, flags=2))]
FRAMES = [(time, ethernet(packet, [4])) for time, packet in [*PACKETS, *SEGMENTS]]
SAMPLES = {
    "pcap": pcap(FRAMES),
    "pcapng": pcapng(FRAMES, resolution=9),
    "dnstap": dnstap(message(query("a.example")), message(response("a.example"), answers=True)),
    "zeek": tsv(RECORD, RECORD),
    "zeek-json": as_json(RECORD, RECORD),
    "json": msgspec.json.encode(ONE) + b"\n",
}
CHANGES = st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=6)


def check(content: bytes, given_format: str) -> None:
    """Everything comes out as columns, or not at all, and the counts agree."""
    reading = read(BytesIO(content), given=given_format, most=2)
    try:
        rows = sum(columns.num_rows for columns in reading)
    except FormatError:
        return
    assert rows == reading.report.events


@pytest.mark.parametrize("name", SAMPLES)
@settings(max_examples=60, deadline=None)
@given(changes=CHANGES, end=st.integers(0, 2000))
def test_changed_bytes_never_crash(name: str, changes: list[tuple[int, int]], end: int) -> None:
    """Some bytes of a sound input are changed, and it is cut off somewhere."""
    content = bytearray(SAMPLES[name])
    for at, value in changes:
        content[at % len(content)] = value
    check(bytes(content), "auto")
    check(bytes(content[: end % len(content)]), name)


@pytest.mark.parametrize("name", SAMPLES)
@settings(max_examples=40, deadline=None)
@given(rest=st.binary(max_size=300))
def test_garbage_behind_a_sound_beginning_never_crashes(name: str, rest: bytes) -> None:
    """The sound part is read; what follows may be anything."""
    check(SAMPLES[name] + rest, "auto")
    check(rest, name)
