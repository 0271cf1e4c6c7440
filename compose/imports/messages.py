"""DNS messages of others -> what events say of them, in the words and with the functions of our own resolver.

Looser than the resolver: a capture shows what was sent, so a truncated answer or a foreign class is no error here;
bytes that cannot be read are. Must not know where messages come from.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from struct import error as StructError  # noqa: N812 - struct's name for it says nothing

from resolver.errors import FormatError
from resolver.mnemonics import type_name
from resolver.names import MalformedNameError, labels_text, read_labels, skip_name
from resolver.options import read_ede, read_options
from resolver.sections import data_text
from resolver.wire import HEADER, OPT, QR

SHORT = "shorter than a DNS header"
QUESTIONS = "not exactly one question"
NAME = "the name asked cannot be read"
ANSWER = "the answer section cannot be read"

_header = Struct("!HHHHHH")
_pair = Struct("!HH")
_fixed = Struct("!HHIH")


class MessageError(ValueError):
    """Bytes that are no DNS message; the text is a reason for the report."""


@dataclass(slots=True)
class Message:
    """Header and question of a message.

    Attributes:
        flags: header flags word. counts: records in the answer, authority and additional sections.
        end: offset behind the question.
    """

    id: int
    flags: int
    counts: tuple[int, int, int]
    qname: str
    qtype: int
    qclass: int
    end: int
    wire: bytes

    @property
    def answers(self) -> bool:
        """Whether it is a response."""
        return bool(self.flags & QR)


@dataclass(slots=True)
class Answer:
    """What a response says: rcode, its answer section as (type, data, TTL), Extended DNS Error (-1 without)."""

    rcode: int
    records: tuple[tuple[str, str, int], ...] = ()
    ede: int = -1
    ede_text: str = ""


def read_message(wire: bytes) -> Message:
    """Read header and question.

    Raises:
        MessageError: if there is no header, or not exactly one question (RFC 9619).
    """
    if len(wire) < HEADER:
        raise MessageError(SHORT)
    ident, flags, questions, *counts = _header.unpack_from(wire)
    if questions != 1:
        raise MessageError(QUESTIONS)
    try:
        labels, end = read_labels(wire, HEADER)
        qtype, qclass = _pair.unpack_from(wire, end)
    except (MalformedNameError, StructError) as error:
        raise MessageError(NAME) from error
    return Message(ident, flags, (counts[0], counts[1], counts[2]), labels_text(labels), qtype, qclass, end + 4, wire)


def read_answer(message: Message) -> Answer:
    """Read what a response says.

    Raises:
        MessageError: if its records cannot be walked.
    """
    try:
        return _walk(message)
    except (MalformedNameError, StructError, FormatError, IndexError) as error:
        raise MessageError(ANSWER) from error


def _walk(message: Message) -> Answer:
    wire, offset, records = message.wire, message.end, []
    answer = Answer(message.flags & 15)
    first, second, third = message.counts
    for number in range(first + second + third):
        offset = skip_name(wire, offset)
        kind, _, ttl, length = _fixed.unpack_from(wire, offset)
        offset += _fixed.size
        if offset + length > len(wire):
            raise FormatError
        if number < first:
            records.append((type_name(kind), data_text(kind, wire, offset, length), ttl))
        elif kind == OPT and number >= first + second:
            # RFC 6891 section 6.1.3: the upper eight bits of the rcode lie in the OPT record.
            answer.rcode |= ttl >> 24 << 4
            answer.ede, answer.ede_text = read_ede(read_options(wire, offset, offset + length))
        offset += length
    answer.records = tuple(records)
    return answer
