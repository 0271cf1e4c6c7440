"""Mnemonics."""

from __future__ import annotations

import pytest

from resolver.mnemonics import class_name, rcode_name, type_name, type_number


@pytest.mark.parametrize(("number", "name"), [(1, "A"), (28, "AAAA"), (65, "HTTPS"), (64, "SVCB"), (255, "ANY"), (65280, "TYPE65280")])
def test_types(number: int, name: str) -> None:
    """Types go by mnemonic, unknown ones by number, both ways."""
    assert type_name(number) == name
    assert type_number(name) == number


@pytest.mark.parametrize("name", ["NOTATYPE", "TYPE", "TYPE65536", "a"])
def test_no_type(name: str) -> None:
    """What is no type is a KeyError."""
    with pytest.raises(KeyError):
        type_number(name)


def test_classes_and_rcodes() -> None:
    """Classes and rcodes go by mnemonic, unknown ones by number."""
    assert [class_name(number) for number in (1, 3, 255, 77)] == ["IN", "CH", "ANY", "CLASS77"]
    assert [rcode_name(number) for number in (0, 3, 16, 3000)] == ["NOERROR", "NXDOMAIN", "BADVERS", "RCODE3000"]
