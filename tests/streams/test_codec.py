"""Records of dns.events that can be trusted, and those that cannot."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.batches import BatchError, encode_batch
from schemas.signals import encode_signal
from streams.codec import dead_letter, read_batch
from tests.streams.store import batch

GOOD = encode_batch(*batch(5, 20))


def test_a_good_record_comes_back_as_it_was() -> None:
    """Header and rows."""
    header, columns = read_batch(GOOD)
    assert (header.first_sequence, columns.num_rows) == (5, 20)


def test_a_heartbeat_has_no_rows() -> None:
    """Counters only."""
    header, columns = read_batch(encode_batch(*batch(25, 0, closed=True)))
    assert (header.closed, columns.num_rows) == (True, 0)


@pytest.mark.parametrize("value", [None, b"", b"{}", b"\x00" * 100, GOOD[: len(GOOD) // 2], GOOD[:40]])
def test_bytes_that_are_no_batch_are_refused(value: bytes | None) -> None:
    """With the error that goes to dns.dead."""
    with pytest.raises(BatchError):
        read_batch(value)


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
@example(at=103, flip=128)
def test_a_flipped_byte_is_refused_or_harmless(at: int, flip: int) -> None:
    """Damage never gets past the codec as anything but its error."""
    damaged = bytearray(GOOD)
    damaged[at] ^= flip
    try:
        header, columns = read_batch(bytes(damaged))
    except BatchError:
        return
    assert columns.num_rows == header.count


@pytest.mark.parametrize(
    "wrong", [{"source": "r2"}, {"epoch": 7}, {"partition": 3}, {"first_sequence": 6}, {"first_sequence": 4}]
)
def test_rows_must_agree_with_their_header(wrong: dict[str, object]) -> None:
    """Otherwise the high-water of somebody else would rise."""
    header, columns = batch(5, 20)
    with pytest.raises(BatchError, match="the header"):
        read_batch(encode_batch(msgspec.structs.replace(header, **wrong), columns))


def test_a_dead_letter_keeps_origin_reason_and_the_first_64_kib() -> None:
    """The value is base64 in JSON."""
    letter = dead_letter("dns.events", 3, 99, error="broken", value=b"x" * 100_000, now=datetime.now(UTC))
    said = msgspec.json.decode(encode_signal(letter))
    assert (said["topic"], said["partition"], said["offset"], said["error"]) == ("dns.events", 3, 99, "broken")
    assert base64.b64decode(said["value"]) == b"x" * 65536
