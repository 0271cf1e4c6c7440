"""One question and the response that belongs to it: what both transports to upstream check and what can go wrong.

Pure: bytes in, verdicts out. This module must not know sockets.
"""

from __future__ import annotations

from resolver.errors import Ede, Rcode

_HEADER = 12
_QR, _TC, _OPCODE = 0x80, 0x02, 0x78
_OPT_SIZE = 11


class ExchangeError(Exception):
    """One server gave no usable response in one attempt.

    Args:
        reason: one clause for the EDE's text; names neither server nor name.
        ede: Extended DNS Error it amounts to when no other server does better.
    """

    def __init__(self, reason: str, ede: Ede = Ede.NETWORK_ERROR) -> None:
        super().__init__(reason)
        self.reason, self.ede = reason, ede


class NoAnswerError(ExchangeError):
    """Nothing came in time."""

    def __init__(self) -> None:
        super().__init__("timeout", Ede.NO_REACHABLE_AUTHORITY)


def question_of(message: bytes) -> bytes:
    """Question section of a query with one question and a name without compression."""
    at = _HEADER
    while message[at]:
        at += message[at] + 1
    return message[_HEADER : at + 5]


def belongs(response: bytes, question: bytes) -> bool:
    """Whether a response (its id already looked at) answers this question (RFC 5452 section 9.1).

    Args:
        response: the whole message.
        question: as sent; letter case is not compared.
    """
    if len(response) < _HEADER or not response[2] & _QR or response[2] & _OPCODE:
        return False
    if response[4:6] == b"\0\0":
        return rcode_of(response) in {Rcode.FORMERR, Rcode.NOTIMP}  # servers that did not get as far as the question
    end = _HEADER + len(question)
    return response[4:6] == b"\0\1" and (response[_HEADER:end] == question or _same(response[_HEADER:end], question))


def _same(response: bytes, question: bytes) -> bool:
    return response[:-4].lower() + response[-4:] == question[:-4].lower() + question[-4:]


def truncated(response: bytes) -> bool:
    """Whether TC is set."""
    return bool(response[2] & _TC)


def rcode_of(response: bytes) -> int:
    """The rcode's four bits in the header."""
    return response[3] & 15


def without_edns(message: bytes) -> bytes:
    """The query without its OPT record, which is its last and has no options (see wire.encode_query)."""
    return message[:10] + b"\0\0" + message[12:-_OPT_SIZE]


def rejects_edns(response: bytes) -> bool:
    """Whether a server that does not know EDNS says so (RFC 6891 section 7)."""
    return rcode_of(response) in {Rcode.FORMERR, Rcode.NOTIMP} and response[10:12] == b"\0\0"
