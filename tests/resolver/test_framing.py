"""Messages in a byte stream."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.framing import Deframer, frame


@given(st.lists(st.binary(max_size=300), max_size=6), st.lists(st.integers(1, 50), min_size=1, max_size=20))
def test_any_cut_gives_the_messages(messages: list[bytes], cuts: list[int]) -> None:
    """However the stream is cut into chunks, the messages come out whole and in order."""
    stream = b"".join(map(frame, messages))
    deframer, found, at, turn = Deframer(), [], 0, 0
    while at < len(stream):
        size = cuts[turn % len(cuts)]
        found += deframer.receive_data(stream[at : at + size])
        at, turn = at + size, turn + 1
    assert found == messages
    assert deframer.unfinished == 0


def test_unfinished_is_bounded_by_one_message() -> None:
    """Of a message that is not whole only its bytes are held."""
    deframer = Deframer()
    assert deframer.receive_data(frame(b"a" * 9) + b"\xff\xff" + b"x" * 100) == [b"a" * 9]
    assert deframer.unfinished == 102


def test_too_long_for_a_frame() -> None:
    """A message over 65535 bytes has no frame."""
    assert frame(bytes(65535))[:2] == b"\xff\xff"
    with pytest.raises(OverflowError):
        frame(bytes(65536))
