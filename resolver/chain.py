"""Chains of CNAMEs: local records put in front of the answer for their target.

Used for a virtual name or a redirect whose target lives elsewhere: the target's answer was compressed against its own
question and has to be written out before it can stand in a message with another question (RFC 1035 section 4.1.4).
This module must not know where either part came from.
"""

from __future__ import annotations

from dataclasses import replace
from struct import Struct

from resolver.errors import ResponseError
from resolver.mnemonics import type_number
from resolver.names import MalformedNameError, labels_wire, read_labels
from resolver.query import Record, Response
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


def prepend(aliases: tuple[tuple[bytes, Record], ...], target_question: bytes, answer: Response) -> Response:
    """The answer for a target behind the CNAMEs that lead to it.

    Args:
        aliases: (owner on the wire, CNAME record), in order; the last one's data is the target.
        target_question: question the answer was given to.
        answer: response for the target; `born` and policy bounds are kept.

    Raises:
        ResponseError: if the answer holds a malformed name.
    """
    body = bytearray()
    offsets: list[int] = []
    for owner, record in aliases:
        offsets.append(len(body) + len(owner) + 4)
        body += record_wire(owner, record)
    try:
        ends = _write_out(body, offsets, target_question, answer)
    except MalformedNameError as error:
        raise ResponseError(f"malformed response: {error}") from error
    answers, authority, additional = answer.counts
    lifetime = min([answer.lifetime, *(record.ttl for _, record in aliases)])
    return replace(
        answer, body=bytes(body), counts=(answers + len(aliases), authority, additional), ends=ends, ad=False,
        ttl_offsets=tuple(offsets), records=(*(record for _, record in aliases), *answer.records), lifetime=lifetime,
    )  # fmt: skip


def _write_out(body: bytearray, offsets: list[int], question: bytes, answer: Response) -> tuple[int, int]:
    """Append the answer's records without compression; returns where its answer and authority sections end."""
    message = bytes(HEADER) + question + answer.body
    at = HEADER + len(question)
    ends = []
    for count in answer.counts:
        for _ in range(count):
            labels, after = read_labels(message, at)
            kind, rclass, ttl, length = _fixed.unpack_from(message, after)
            at = after + 10 + length
            data = _data(message, after + 10, length, kind)
            body += labels_wire(labels)
            offsets.append(len(body) + 4)
            body += _fixed.pack(kind, rclass, ttl, len(data)) + data
        ends.append(len(body))
    return ends[0], ends[1]


def _data(message: bytes, start: int, length: int, kind: int) -> bytes:
    before, names = _NAMES_AT.get(kind, (0, 0))
    at = start + before
    data = message[start:at]
    for _ in range(names):
        labels, at = read_labels(message, at)
        data += labels_wire(labels)
    return data + message[at : start + length]
