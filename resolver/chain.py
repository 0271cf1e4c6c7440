"""Chains of CNAMEs: local records in front of the answer for their target, or the target's answer without any chain.

Used for a virtual name or a redirect whose target lives elsewhere: the target's answer was compressed against its own
question and has to be written out before it can stand in a message with another question (RFC 1035 section 4.1.4).
What comes out is as old as `now`: local TTLs begin to count there, those of the answer have been counted down to it.
This module must not know where either part came from.
"""

from __future__ import annotations

from dataclasses import replace
from struct import Struct

from resolver.errors import ResponseError
from resolver.mnemonics import type_number
from resolver.names import MalformedNameError, labels_wire, read_labels, skip_name
from resolver.query import Query, Record, Response
from resolver.wire import HEADER, rdata_wire

_fixed = Struct("!HHIH")
_NAMES_AT = {2: (0, 1), 5: (0, 1), 6: (0, 2), 12: (0, 1), 15: (2, 1), 18: (2, 1), 33: (6, 1), 39: (0, 1)}
"""type -> octets before the first name in its data, and how many: what may be compressed (RFC 3597 section 4)."""


def record_wire(owner: bytes, record: Record) -> bytes:
    """One record on the wire.

    Args:
        owner: owner name on the wire, whole or a pointer.
        record: class IN; its name is not looked at.

    Raises:
        ValueError: if its data is not data of its type.
    """
    data = rdata_wire(record.type, record.data)
    return owner + _fixed.pack(type_number(record.type), 1, record.ttl, len(data)) + data


def prepend(
    aliases: tuple[tuple[bytes, Record], ...], target_question: bytes, answer: Response, now: float
) -> Response:
    """The answer for a target behind the CNAMEs that lead to it.

    Args:
        aliases: (owner on the wire, CNAME record), in order; the last one's data is the target.
        target_question: question the answer was given to.
        answer: response for the target; its policy bounds are kept.
        now: Unix seconds.

    Raises:
        ResponseError: if the answer holds a malformed name.
    """
    body = bytearray()
    offsets: list[int] = []
    age = _age(answer, now)
    for owner, record in aliases:
        offsets.append(len(body) + len(owner) + 4)
        body += record_wire(owner, record)
    try:
        ends = _write_out(body, offsets, target_question, answer, age)
    except MalformedNameError as error:
        raise ResponseError(f"malformed response: {error}") from error
    answers, authority, additional = answer.counts
    lifetime = min([answer.lifetime - age, *(record.ttl for _, record in aliases)])
    return replace(
        answer, body=bytes(body), counts=(answers + len(aliases), authority, additional), ends=ends, ad=False,
        ttl_offsets=tuple(offsets), records=(*(record for _, record in aliases), *_aged(answer.records, age)),
        lifetime=max(0, lifetime), born=_reborn(answer, age),
    )  # fmt: skip


def flatten(query: Query, target_question: bytes, answer: Response, ttl: int, now: float) -> Response:
    """The records of the type asked at the end of the target's chain as the name's own, nothing else of the answer.

    Signatures, CNAMEs and the other sections are about other names; without them nothing is left to vouch for (no AD).

    Args:
        query: for the name whose records they become.
        target_question: question the answer was given to.
        answer: response for the target; its policy bounds are kept.
        ttl: caps the TTLs, seconds.
        now: Unix seconds.

    Returns:
        A response without records where the answer has none of that type, its rcode kept.

    Raises:
        ResponseError: if the answer holds a malformed name.
    """
    age, chain = _age(answer, now), [record.ttl for record in answer.records if record.type == "CNAME"]
    body = bytearray()
    offsets: list[int] = []
    records = []
    for record, data in zip(answer.records, _answer_data(target_question, answer), strict=True):
        if record.type == query.qtype_name:
            left = min(ttl, max(0, min([record.ttl, *chain]) - age))
            records.append(Record(query.qname, record.type, record.data, left))
            offsets.append(len(body) + 6)
            body += b"\xc0\x0c" + _fixed.pack(type_number(record.type), 1, left, len(data)) + data
    return replace(
        answer, body=bytes(body), counts=(len(records), 0, 0), ends=(len(body), len(body)), ad=False,
        ttl_offsets=tuple(offsets), records=tuple(records), born=_reborn(answer, age),
        lifetime=max(0, min([answer.lifetime - age, ttl, *(record.ttl for record in records)])),
    )  # fmt: skip


def _answer_data(question: bytes, answer: Response) -> list[bytes]:
    """Data of each record of the answer section, without compression."""
    message = bytes(HEADER) + question + answer.body
    at, found = HEADER + len(question), []
    try:
        for _ in range(answer.counts[0]):
            at = skip_name(message, at)
            kind, _, _, length = _fixed.unpack_from(message, at)
            found.append(_data(message, at + 10, length, kind))
            at += 10 + length
    except MalformedNameError as error:
        raise ResponseError(f"malformed response: {error}") from error
    return found


def _age(answer: Response, now: float) -> int:
    """Whole seconds by which the answer's TTLs have to be counted down."""
    return 0 if answer.born is None else max(0, int(now - answer.born))


def _reborn(answer: Response, age: int) -> float | None:
    return None if answer.born is None else answer.born + age


def _aged(records: tuple[Record, ...], age: int) -> tuple[Record, ...]:
    return records if not age else tuple(record._replace(ttl=max(0, record.ttl - age)) for record in records)


def _write_out(body: bytearray, offsets: list[int], question: bytes, answer: Response, age: int) -> tuple[int, int]:
    """Append the answer's records without compression; returns where its answer and authority sections end."""
    message = bytes(HEADER) + question + answer.body
    at = HEADER + len(question)
    ends = []
    for count in answer.counts:
        for _ in range(count):
            owner, rest, at = written_out(message, at, age)
            offsets.append(len(body) + len(owner) + 4)
            body += owner + rest
        ends.append(len(body))
    return ends[0], ends[1]


def written_out(message: bytes, at: int, age: int = 0) -> tuple[bytes, bytes, int]:
    """One record of a message without compression, its TTL counted down by `age` seconds.

    Returns:
        its owner on the wire, the rest of it from its type on, and the offset behind it.

    Raises:
        MalformedNameError: if it holds a malformed name.
    """
    labels, after = read_labels(message, at)
    kind, rclass, ttl, length = _fixed.unpack_from(message, after)
    data = _data(message, after + 10, length, kind)
    return labels_wire(labels), _fixed.pack(kind, rclass, max(0, ttl - age), len(data)) + data, after + 10 + length


def _data(message: bytes, start: int, length: int, kind: int) -> bytes:
    before, names = _NAMES_AT.get(kind, (0, 0))
    at = start + before
    data = message[start:at]
    for _ in range(names):
        labels, at = read_labels(message, at)
        data += labels_wire(labels)
    return data + message[at : start + length]
