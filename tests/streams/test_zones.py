"""Which names are a tenant's own."""

from __future__ import annotations

import pytest

from streams.columns import TenantRows
from streams.zones import SPECIAL_USE, is_expansion, is_own, own_zone, zones_of
from tests.streams.events import START, names


def test_rows_are_found_in_the_first_zone_that_holds_them() -> None:
    """The tenant's own suffixes come before special-use zones."""
    zones = zones_of((".svc.corp.test", "*.corp.test", "*", "a*.odd.test"))
    assert zones == (".svc.corp.test", ".corp.test", *SPECIAL_USE)
    rows = TenantRows.of(names(START, ["a.svc.corp.test", "b.corp.test", "c.test", "x.local", "b.corp.test", "notcorp.test"]))
    assert own_zone(rows, zones).tolist() == [0, 1, -1, 2, 1, -1]


@pytest.mark.parametrize(("domain", "own"), [("acme.internal", True), ("cluster.local", True), ("lan", True), ("corp.test", True),
                                             ("xcorp.test", False), ("example.test", False), ("local.example", False)])
def test_domains_of_ones_own(domain: str, *, own: bool) -> None:
    """Special-use zones and the tenant's patterns; .test and .example are the Internet's as far as we know."""
    assert is_own(domain, (".corp.test",)) == own


@pytest.mark.parametrize(("qname", "expansion"), [("www.google.com.corp.test", True), ("google.com.corp.test", True), ("com.corp.test", False),
                                                  ("abcdef0123.corp.test", False), ("abcdef.0123.corp.test", False)])
def test_expansions_of_a_search_list_end_in_a_public_suffix(qname: str, *, expansion: bool) -> None:
    """A tunnel's labels do not."""
    assert is_expansion(qname, "corp.test") == expansion
