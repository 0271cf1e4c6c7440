"""Options of EDNS, read and written."""

from __future__ import annotations

from resolver.options import ede_option, read_ede, read_options


def test_ede_is_found_among_options() -> None:
    """The first EDE counts; shorter ones than two octets are none."""
    assert read_ede([(10, b"x"), (15, b"\0"), (15, b"\0\x16why\0"), (15, b"\0\1")]) == (22, "why")
    assert read_ede([]) == (-1, "")
    assert read_options(b"__\0\x0a\0\1x\0\x0f\0\0", 2, 11) == [(10, b"x"), (15, b"")]


def test_ede_is_read_as_it_was_written() -> None:
    """Its text is cut at a whole letter; a negative code is no option."""
    for text in ("", "denied by rule", "ä" * 150):
        option = ede_option(15, text)
        ((code, _),) = options = read_options(option, 0, len(option))
        assert (code, read_ede(options)) == (15, (15, text[:100] if text[:1] == "ä" else text))
    assert ede_option(-1, "why") == b""
