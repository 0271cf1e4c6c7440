"""DNS messages in a byte stream: two octets of length before each message (RFC 1035 section 4.2.2, RFC 7766 section 8).

Pure: bytes in, messages out. This module must not know connections.
"""

from __future__ import annotations

from dataclasses import dataclass, field

MAX_MESSAGE = 65535


def frame(message: bytes) -> bytes:
    """The message with its length before it, in one piece so that it leaves in one segment (RFC 7766 section 8).

    Raises:
        OverflowError: if the message is longer than 65535 bytes.
    """
    return len(message).to_bytes(2, "big") + message


@dataclass(slots=True)
class Deframer:
    """Cuts a stream into messages; holds at most one unfinished message (and its two octets) between calls."""

    _rest: bytearray = field(default_factory=bytearray)

    def receive_data(self, chunk: bytes) -> list[bytes]:
        """Take bytes as they came, return the messages they complete, in order."""
        rest = self._rest
        rest += chunk
        messages = []
        at = 0
        while len(rest) - at >= 2:
            end = at + 2 + (rest[at] << 8 | rest[at + 1])
            if end > len(rest):
                break
            messages.append(bytes(rest[at + 2 : end]))
            at = end
        del rest[:at]
        return messages

    @property
    def unfinished(self) -> int:
        """Bytes held of a message that is not whole yet."""
        return len(self._rest)
