"""pcap and pcapng: every layer that is read, made byte by byte, and what is passed over and said to be."""

from __future__ import annotations

import gzip
import struct

import pytest
import zstandard

from compose.imports import FormatError
from compose.imports.capture import CUT, DAMAGED
from compose.imports.messages import ANSWER, NAME, QUESTIONS, SHORT
from compose.imports.packet_capture import PORT, SNAPPED
from compose.imports.packets import FRAGMENT, HEADERS, LINK, NOT_IP, NOT_TRANSPORT
from compose.imports.segments import GAP
from tests.compose.imports.wire import (
    CLIENT,
    CLIENT6,
    SERVER,
    START,
    asked,
    ethernet,
    events,
    ip,
    names,
    pcap,
    pcapng,
    query,
    reasons,
    response,
    tcp,
    udp,
)

ASKED = asked("www.Example.com", records=["www.example.com 60 A 192.0.2.7"])
FRAMES = [(time, ethernet(packet)) for time, packet in ASKED]
HERE, THERE = (CLIENT, 5000), (SERVER, 53)


def test_a_query_and_its_answer_are_one_event() -> None:
    """Everything an event can know of a query that somebody else answered."""
    (event,), report = events(pcap(FRAMES))
    made = event.template
    assert (event.time_ns, event.latency_us) == (int(START) * 10**9, 20_000)
    assert (made.client, made.transport, made.qname, made.registered_domain) == (CLIENT, "udp", "www.example.com", "example.com")
    assert (made.qtype, made.qclass, made.rcode, made.flags) == ("A", "IN", "NOERROR", 0x8180)
    assert made.answers == (("A", "192.0.2.7", 60),)
    assert (made.query_size, made.response_size) == (33, len(ASKED[1][1]) - 28)
    assert (made.verdict, made.tier, made.answer_source, made.policy_version) == ("allow", "default", "import", "")
    assert (report.format, report.records, report.events, report.unanswered, report.unasked) == ("pcap", 2, 1, 0, 0)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    "write",
    [
        lambda frames, order: pcap(frames, order=order),
        lambda frames, order: pcap(frames, order=order, nano=True),
        lambda frames, order: pcapng(frames, order=order),
        lambda frames, order: pcapng(frames, order=order, resolution=9),
        lambda frames, order: pcapng(frames, order=order, resolution=0x80 | 20),
        lambda frames, order: gzip.compress(pcap(frames, order=order)),
        lambda frames, order: zstandard.compress(pcapng(frames, order=order)),
    ],
    ids=["pcap", "pcap-nano", "pcapng", "pcapng-nano", "pcapng-binary", "gzip", "zstd"],
)
def test_every_container_tells_the_same(write: object, order: str) -> None:
    """Both formats, both byte orders, every resolution of the clock, packed or not."""
    (event,), report = events(write(FRAMES, order))  # type: ignore[operator]
    assert (event.time_ns, event.template.qname) == (int(START) * 10**9, "www.example.com")
    assert event.latency_us in {19_999, 20_000}  # 20 ms are no whole number of binary ticks
    assert reasons(report) == {}


@pytest.mark.parametrize(
    ("link", "wrap"),
    [
        (1, ethernet),
        (1, lambda packet: ethernet(packet, [7])),
        (1, lambda packet: ethernet(packet, [7, 8])),
        (101, bytes),
        (12, bytes),
        (0, lambda packet: struct.pack("<I", 2 if packet[0] >> 4 == 4 else 30) + packet),
        (108, lambda packet: struct.pack(">I", 2 if packet[0] >> 4 == 4 else 30) + packet),
        (113, lambda packet: bytes(14) + (b"\x08\x00" if packet[0] >> 4 == 4 else b"\x86\xdd") + packet),
        (276, lambda packet: (b"\x08\x00" if packet[0] >> 4 == 4 else b"\x86\xdd") + bytes(18) + packet),
    ],
)
@pytest.mark.parametrize("six", [False, True])
def test_every_link_type_carries_both_versions_of_ip(link: int, wrap: object, six: bool) -> None:
    """Ethernet with and without VLANs, raw IP, loopback, and Linux's cooked captures."""
    (event,), report = events(pcap([(time, wrap(packet)) for time, packet in asked("a.example", six=six)], link))  # type: ignore[operator]
    assert (event.template.qname, event.template.client) == ("a.example", CLIENT6 if six else CLIENT)
    assert reasons(report) == {}


def test_messages_over_tcp_are_joined_and_split() -> None:
    """A query in two segments with one sent twice, and two pipelined responses in one segment."""
    first, second = (struct.pack("!H", len(wire)) + wire for wire in (query("one.example", ident=1), query("two.example", ident=2)))
    answers = b"".join(struct.pack("!H", len(wire)) + wire for wire in (response("two.example", ident=2), response("one.example", ident=1)))
    stream = first + second
    segments = [
        tcp(b"", HERE, THERE, 2**32 - 6, flags=2),
        tcp(stream[:9], HERE, THERE, 2**32 - 5),
        tcp(stream[:9], HERE, THERE, 2**32 - 5),
        tcp(stream[9:], HERE, THERE, 4),
        tcp(answers, THERE, HERE, 900),
    ]
    found, report = events(pcap([(START + number / 100, packet) for number, packet in enumerate(segments)], 101))
    assert names(found) == ["one.example", "two.example"]
    assert {event.template.transport for event in found} == {"tcp"}
    assert {event.template.rcode for event in found} == {"NOERROR"}
    assert reasons(report) == {}


def test_a_gap_in_tcp_is_counted_and_ends_that_direction() -> None:
    """What is behind missing bytes cannot be told apart any more; the answers still are."""
    wire = struct.pack("!H", len(query("a.example"))) + query("a.example")
    answer = struct.pack("!H", len(response("a.example"))) + response("a.example")
    segments = [tcp(wire[:5], HERE, THERE, 100), tcp(wire[9:], HERE, THERE, 109), tcp(answer, THERE, HERE, 5)]
    found, report = events(pcap([(START, packet) for packet in segments], 101))
    assert (names(found), report.unasked, reasons(report)) == (["a.example"], 1, {GAP: 1})


def test_what_stays_alone_is_an_event_and_is_counted() -> None:
    """A query without answer has an empty rcode; an answer without query stands for both."""
    lone = asked("lost.example", START)[:1] + asked("late.example", START + 30, rcode=3)[1:]
    (lost, late), report = events(pcap(lone, 101))
    assert (lost.template.qname, lost.template.rcode, lost.template.response_size, lost.latency_us) == ("lost.example", "", 0, 0)
    assert (late.template.qname, late.template.rcode, late.template.query_size) == ("late.example", "NXDOMAIN", 30)
    assert (report.unanswered, report.unasked) == (1, 1)


def test_an_answer_that_comes_too_late_belongs_to_nobody() -> None:
    """After 15 s of the capture's time a query is given up, so that nothing waits for ever."""
    packets = asked("slow.example")
    found, report = events(pcap([packets[0], (START + 10, asked("x.example")[0][1]), (START + 20, packets[1][1])], 101))
    assert [event.template.rcode for event in found] == ["", "", "NOERROR"]
    assert (report.unanswered, report.unasked) == (2, 1)


def test_packets_in_disorder_are_put_in_order() -> None:
    """Responses before queries and the last query first: events come out in order of time all the same."""
    packets = [one for number in range(20) for one in asked(f"n{number:02}.example", START + number, ident=number)]
    found, report = events(pcap(reversed(packets), 101))
    assert names(found) == [f"n{number:02}.example" for number in range(20)]
    assert (report.unanswered, report.unasked, report.disordered) == (0, 0, 0)


def test_a_repeated_query_is_two_events() -> None:
    """A client that asks again with the same id is answered twice, first come first served."""
    first, second = asked("a.example", START), asked("a.example", START + 1)
    found, report = events(pcap([first[0], second[0], first[1], second[1]], 101))
    assert ([event.time_ns // 10**9 - int(START) for event in found], report.unanswered) == ([0, 1], 0)


BAD = {
    "fragment": (1, ethernet(ip(17, bytes(40), CLIENT, SERVER, fragment=0x2000)), FRAGMENT),
    "last fragment": (1, ethernet(ip(17, bytes(40), CLIENT, SERVER, fragment=3)), FRAGMENT),
    "arp": (1, bytes(12) + b"\x08\x06" + bytes(46), NOT_IP),
    "icmp": (1, ethernet(ip(1, bytes(40), CLIENT, SERVER)), NOT_TRANSPORT),
    "web": (1, ethernet(udp(b"x", (CLIENT, 5000), (SERVER, 443))), PORT),
    "wlan": (105, bytes(60), LINK),
    "headers": (101, udp(b"x", HERE, THERE)[:25], HEADERS),
    "datagram longer than the packet": (101, udp(bytes(90), HERE, THERE)[:60], HEADERS),
    "empty": (101, b"", HEADERS),
    "no header": (101, udp(b"hello", HERE, THERE), SHORT),
    "two questions": (101, udp(bytes(4) + b"\0\2" + bytes(40), HERE, THERE), QUESTIONS),
    "pointer loop": (101, udp(query("a.example")[:12] + b"\xc0\x0c\0\1\0\1", HERE, THERE), NAME),
    "answer cut off": (101, udp(response("a.example", records=["a.example 60 A 192.0.2.1"])[:-3], THERE, HERE), ANSWER),
}


@pytest.mark.parametrize("name", BAD)
def test_what_makes_no_event_is_counted_with_its_reason(name: str) -> None:
    """Each reason with its place, and a sound query behind it is read all the same."""
    link, frame, reason = BAD[name]
    _, report = events(pcap([(START, frame)], link))
    assert reasons(report) == {reason: 1}
    (finding,) = [*report.bad.values(), *report.skipped.values()]
    assert finding.examples == ["packet 1 at byte 24"]


def test_ipv6_extension_headers_are_walked() -> None:
    """Destination options and an atomic fragment stand before UDP; a real fragment is passed over."""
    datagram = struct.pack("!HHHH", 5000, 53, 8 + len(query("a.example")), 0) + query("a.example")
    atomic = struct.pack("!BB6x", 44, 0) + struct.pack("!BBHI", 17, 0, 0, 9)
    real = struct.pack("!BB6x", 44, 0) + struct.pack("!BBHI", 17, 0, 1, 9)
    frames = [(START, ip(17, datagram, CLIENT6, "2001:db8::53", extensions=headers)) for headers in (atomic, real)]
    found, report = events(pcap(frames, 101))
    assert (names(found), reasons(report)) == (["a.example"], {FRAGMENT: 1})


def test_a_snapshot_length_is_told_apart_from_damage() -> None:
    """Packets that the capture cut off are bad for that reason."""
    _, report = events(pcap(FRAMES, snap=50))
    assert reasons(report) == {SNAPPED: 2}


@pytest.mark.parametrize("write", [pcap, pcapng])
def test_a_file_that_ends_early_keeps_what_came_before(write: object) -> None:
    """The last packet is bad, the others are events."""
    content = write([*FRAMES, *FRAMES])[:-5]  # type: ignore[operator]
    found, report = events(content)
    assert (len(found), report.unanswered, reasons(report)) == (2, 1, {CUT: 1})


def test_an_impossible_length_ends_the_reading() -> None:
    """Behind it nothing can be found, and the report says so."""
    found, report = events(pcap(FRAMES) + struct.pack("<IIII", 0, 0, 0x7FFFFFFF, 0) + bytes(99))
    assert (len(found), reasons(report)) == (1, {DAMAGED: 1})


def test_another_port_can_be_asked_for() -> None:
    """Servers that listen elsewhere."""
    packets = [(START, udp(query("a.example"), HERE, (SERVER, 5300)))]
    assert names(events(pcap(packets, 101), port=5300)[0]) == ["a.example"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"hello\n", b"\0\0"])
def test_an_unknown_format_is_refused(content: bytes) -> None:
    """The error names what could be read."""
    with pytest.raises(FormatError, match=r"pcap, pcapng, dnstap, Zeek's dns\.log nor JSON lines"):
        events(content)
