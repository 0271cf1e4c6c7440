"""Search lists: what a name may have been asked as, and what is wrong with a list."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.policy.search import SearchList, compile_search
from schemas.objects import TenantSpec

LIST = SearchList(("svc.acme.internal", "acme.internal"))


@pytest.mark.parametrize(
    ("qname", "before"),
    [
        ("www.com.svc.acme.internal", ["www.com", "www.com.svc"]), ("www.acme.internal", ["www"]), ("acme.internal", []),
        ("svc.acme.internal", ["svc"]), ("www.com", []), ("wwwacme.internal", []), (".", []),
    ],
)  # fmt: skip
def test_without(qname: str, before: list[str]) -> None:
    """Whatever stands before a suffix may be what was asked; the suffix itself never is."""
    assert LIST.without(qname) == before


labels = st.lists(st.text("abc", min_size=1, max_size=2), min_size=1, max_size=4)


@given(labels, st.lists(labels, max_size=4))
def test_every_expansion_is_seen_through(name: list[str], suffixes: list[list[str]]) -> None:
    """A name that any stub resolver with this list makes of another one leads back to that one."""
    search = SearchList(tuple(dict.fromkeys(".".join(suffix) for suffix in suffixes)))
    for suffix in search.suffixes:
        assert ".".join(name) in search.without(".".join(name) + "." + suffix)


@pytest.mark.parametrize(
    ("spec", "problems"),
    [
        (TenantSpec(default="allow", search=["Svc.Acme.Internal.", "corp"], ndots=3), []),
        (
            TenantSpec(default="allow", search=["a..b"]),
            [("spec.search[0]", "expected a domain such as svc.example.internal, got 'a..b': a label is empty (two dots in a row)")],
        ),
        (
            TenantSpec(default="allow", search=["a.b", "A.b."]),
            [("spec.search[1]", "a.b stands above already")],
        ),
        (
            TenantSpec(default="allow", search=["."]),
            [("spec.search[0]", "every name is tried as it is in the end, the root needs no place in a search list")],
        ),
        (TenantSpec(default="allow", ndots=2), [("spec.ndots", "only with a search list are names told apart by their dots")]),
    ],
)
def test_lists(spec: TenantSpec, problems: list[tuple[str, str]]) -> None:
    """Suffixes are read as names are; what is wrong is told with its key path."""
    found: list[tuple[str, str]] = []
    search = compile_search(spec, lambda path, why: found.append((path, why)))
    assert found == problems
    assert problems or search == SearchList(("svc.acme.internal", "corp"), 3)
