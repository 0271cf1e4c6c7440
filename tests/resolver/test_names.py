"""Names between wire and text."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.names import MalformedNameError, labels_text, labels_wire, name_wire, read_name, skip_name, text_labels

LABELS = st.lists(st.binary(min_size=1, max_size=20), max_size=8)


@pytest.mark.parametrize(
    ("wire", "text"),
    [
        (b"\0", "."),
        (b"\3wWw\7ExAmple\3com\0", "www.example.com"),
        (b"\4_dns\4_udp\1x\0", "_dns._udp.x"),
        (b"\3a.b\1c\0", "a\\.b.c"),
        (b"\4a\\ \xff\0", "a\\\\\\032\\255"),
        (b"\2\0\1\0", "\\000\\001"),
        (b'\3"()\0', '\\"\\(\\)'),
    ],
)
def test_known_names(wire: bytes, text: str) -> None:
    """Letter case goes, everything special is escaped as RFC 1035 section 5.1 says."""
    assert read_name(wire, 0) == (text, len(wire))
    assert name_wire(text) == wire.translate(bytes(range(65)) + bytes(range(97, 123)) + bytes(range(91, 256)))


@given(LABELS)
def test_text_and_wire_say_the_same(labels: list[bytes]) -> None:
    """Any labels survive the way to text and back, but for their letter case."""
    assert text_labels(labels_text(labels)) == [label.lower() for label in labels]


@given(LABELS)
def test_wire_is_read_back(labels: list[bytes]) -> None:
    """A name written is the name read, wherever in a message it stands."""
    wire = labels_wire(labels)
    assert read_name(b"x" * 5 + wire + b"rest", 5) == (labels_text(labels), 5 + len(wire))
    assert skip_name(wire, 0) == len(wire)


@given(st.binary(max_size=300), st.integers(0, 300))
def test_hostile_bytes(message: bytes, offset: int) -> None:
    """Any bytes give a name or the one error, and the reader ends."""
    for reader in (read_name, skip_name):
        with suppress(MalformedNameError):
            assert reader(message, offset)


@pytest.mark.parametrize(
    "message",
    [
        b"\xc0\x00",  # points at itself
        b"\xc0\x02\xc0\x00",  # points forward
        b"\1a\xc0\x00",  # a loop over a label
        b"\x40a\0",  # reserved label type
        b"\3ab",  # cut off
        b"",
        b"\xc0",
        (b"\x3f" + b"a" * 63) * 4 + b"\0",  # 257 octets
    ],
)
def test_malformed(message: bytes) -> None:
    """Loops, pointers that do not point back, unknown labels and names over 255 octets are refused."""
    with pytest.raises(MalformedNameError):
        read_name(message, 0)


def test_longest_name() -> None:
    """255 octets are still a name."""
    wire = (b"\x3f" + b"a" * 63) * 3 + b"\x3d" + b"b" * 61 + b"\0"
    assert len(wire) == 255
    text, _ = read_name(wire, 0)
    assert name_wire(text) == wire


@pytest.mark.parametrize("text", ["a..b", ".a", "a" * 64, "\\25", "\\256", "x\\", ".".join(["a" * 63] * 4)])
def test_text_that_is_no_name(text: str) -> None:
    """Empty and overlong labels, overlong names and broken escapes are refused."""
    with pytest.raises(MalformedNameError):
        name_wire(text)
