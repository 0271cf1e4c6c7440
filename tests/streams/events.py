"""Batches of query events for the tests of streams: short ways to say who asked what, and the captures that may lie beside the project."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import dnslib
import msgspec
import pyarrow as pa
import pytest

from schemas.batches import columns_of
from schemas.domains import registered_domain
from schemas.events import AnswerRecord, QueryEvent

START = 1_700_000_040.0
"""A full minute (and a full 120 s and 600 s), Unix seconds."""

CAPTURES = Path(__file__).resolve().parents[3] / "shared" / "data"


def event(time: float, qname: str, sequence: int, **fields: Any) -> QueryEvent:
    """One event, resolved upstream and allowed unless told otherwise."""
    values = {
        "source": "r1", "epoch": 1, "partition": 0, "tenant": "acme", "workload": "", "labels": {}, "client": "10.1.0.1", "transport": "udp",
        "registered_domain": registered_domain(qname), "qtype": "A", "qclass": "IN", "rcode": "NOERROR", "flags": 0x8180, "answers": (),
        "answer_source": "upstream", "upstream": "udp://192.0.2.53:53", "latency_us": 900, "upstream_latency_us": 800, "query_size": 50,
        "response_size": 90, "verdict": "allow", "rule": "", "tier": "default", "audits": (), "tags": (), "ede": -1, "ede_text": "",
        "policy_version": "1",
    }
    return QueryEvent(time=datetime.fromtimestamp(time, UTC), qname=qname, sequence=sequence, **(values | fields))


def batch(events: Sequence[QueryEvent]) -> pa.RecordBatch:
    """Events as columns."""
    return columns_of(list(events))


def numbered(events: Sequence[QueryEvent], first: int) -> list[QueryEvent]:
    """The same events with sequences counting on from `first`."""
    return [msgspec.structs.replace(item, sequence=first + index) for index, item in enumerate(events)]


def names(time: float, qnames: Sequence[str], first: int = 0, **fields: Any) -> pa.RecordBatch:
    """A batch of these names asked at one moment."""
    return batch([event(time, qname, first + index, **fields) for index, qname in enumerate(qnames)])


@lru_cache(maxsize=4)
def capture(name: str) -> list[QueryEvent]:
    """Events of a capture, or a skip that says why."""
    path = CAPTURES / name
    if not path.exists():
        pytest.skip(f"capture {name} is not in {CAPTURES}: it may not be shipped with the project")
    found = list(_zeek(path) if path.suffix == ".gz" else _pcapng(path))
    return numbered(sorted(found, key=lambda item: item.time), 0)


def _pcapng(path: Path) -> Iterator[QueryEvent]:
    waiting: dict[tuple[Any, ...], tuple[float, int]] = {}
    for time, source, destination, payload in _datagrams(path.read_bytes()):
        try:
            message = dnslib.DNSRecord.parse(payload)
        except (dnslib.DNSError, dnslib.buffer.BufferError):
            continue
        if not message.questions:
            continue
        qname, qtype = str(message.q.qname).rstrip(".").lower() or ".", str(dnslib.QTYPE.get(message.q.qtype))
        asker = destination if message.header.qr else source
        key = (asker, message.header.id, qname, qtype)
        if not message.header.qr:
            waiting[key] = (time, len(payload))
        elif key in waiting:
            asked, size = waiting.pop(key)
            answers = tuple(AnswerRecord(str(dnslib.QTYPE.get(item.rtype)), str(item.rdata), item.ttl) for item in message.rr)
            yield event(asked, qname, 0, client=asker[0], qtype=qtype, rcode=str(dnslib.RCODE.get(message.header.rcode)), answers=answers,
                        query_size=size, response_size=len(payload))


def _datagrams(data: bytes) -> Iterator[tuple[float, tuple[str, int], tuple[str, int], bytes]]:
    """UDP payloads on port 53 of a pcapng file of Ethernet frames: (Unix time, source, destination, payload)."""
    offset = 0
    while offset + 12 <= len(data):
        kind, length = struct.unpack_from("<II", data, offset)
        if kind == 6:
            high, low, size = struct.unpack_from("<III", data, offset + 12)
            packet = data[offset + 42 : offset + 28 + size]
            if data[offset + 40 : offset + 42] == b"\x08\x00" and packet[9] == 17:
                header = (packet[0] & 15) * 4
                ports = struct.unpack_from(">HH", packet, header)
                if 53 in ports:
                    hosts = [".".join(map(str, packet[at : at + 4])) for at in (12, 16)]
                    yield ((high << 32) | low) / 1e6, (hosts[0], ports[0]), (hosts[1], ports[1]), packet[header + 8 :]
        offset += length


def _zeek(path: Path) -> Iterator[QueryEvent]:
    with gzip.open(path, "rt") as lines:
        for line in lines:
            cells = line.rstrip("\n").split("\t")
            if line.startswith("#") or cells[9] == "-":
                continue
            records = () if cells[21] == "-" else tuple(AnswerRecord(_type_of(item), item, 60) for item in cells[21].split(","))
            yield event(float(cells[0]), cells[9].lower(), 0, client=cells[2], qtype=cells[13], rcode=cells[15].strip("-"), answers=records)


def _type_of(data: str) -> str:
    if data.startswith("TXT"):
        return "TXT"
    if ":" in data:
        return "AAAA"
    return "A" if data.replace(".", "").isdigit() else "CNAME"


def slices(events: Sequence[QueryEvent], seconds: float = 1.0, most: int = 500) -> Iterator[list[QueryEvent]]:
    """Events as batches of at most so many seconds and rows."""
    part: list[QueryEvent] = []
    for item in events:
        if part and (len(part) >= most or (item.time - part[0].time).total_seconds() > seconds):
            yield part
            part = []
        part.append(item)
    if part:
        yield part
