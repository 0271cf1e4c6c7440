"""Character strings of TXT data between wire and presentation format."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.strings import quoted, strings_text, strings_wire


@given(st.lists(st.binary(max_size=255), min_size=1))
def test_there_and_back(texts: list[bytes]) -> None:
    """Any octets survive both ways."""
    wire = b"".join(bytes((len(text),)) + text for text in texts)
    assert strings_text(wire) == " ".join(map(quoted, texts))
    assert strings_wire(strings_text(wire)) == wire


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        ("plain", b"\x05plain"),
        ("two words", b"\x03two\x05words"),
        ('"one string"  two', b"\x0aone string\x03two"),
        (r'"say \"hi\" \\ \195\188"', b'\x0dsay "hi" \\ \xc3\xbc'),
        (r"a\ b", b"\x03a b"),
        ('""', b"\0"),
        ('"ü"', b"\x02\xc3\xbc"),
    ],
)
def test_as_operators_write_it(text: str, wire: bytes) -> None:
    """Quoted or not; a backslash and three decimal digits are an octet."""
    assert strings_wire(text) == wire


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected character strings such as \"text\", got ''"),
        ('"open', "expected character strings such as \"text\", got '\"open'"),
        ('"a""b"', "expected character strings such as \"text\", got '\"a\"\"b\"'"),
        (r"\256", r"\256 is no octet"),
        ("x" * 256, "a character string is longer than 255 octets"),
    ],
)
def test_what_is_none(text: str, message: str) -> None:
    """Said in one sentence."""
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        strings_wire(text)
