"""What people are told of a change: each field by its path, what it was and what it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compose.differences import change_of, differences
from compose.policy_versions import shown, stored
from tests.compose.test_policy_change import NOW
from tests.resolver.policy.written import objects, rules, tenant, virtual

RULES = rules("name: a, action: deny, match: {qname: [a.com, b.com]}", "name: b, action: allow")
TABLE = [
    (tenant(), tenant(default="deny"), ["spec.default: allow -> deny"]),
    (tenant(), tenant(mode="audit"), ["spec.mode: + audit"]),
    (tenant(), tenant().replace("[{subnets: [10.0.1.0/24]}]", "[]"), ['spec.clients: - [{"subnets":["10.0.1.0/24"]}]']),
    (RULES, RULES.replace("a.com, b.com", "b.com, c.com"), ["spec.rules[a].match.qname[0]: - a.com", "spec.rules[a].match.qname[1]: + c.com"]),
    (RULES, RULES.replace("a.com, b.com", "b.com, a.com"), ['spec.rules[a].match.qname: ["a.com","b.com"] -> ["b.com","a.com"]']),
    (RULES, rules("name: b, action: allow", "name: a, action: deny, match: {qname: [a.com, b.com]}"), ['spec.rules (order): ["a","b"] -> ["b","a"]']),
    (RULES, rules("name: b, action: allow"), ['spec.rules[a]: - {"name":"a","action":"deny","match":{"qname":["a.com","b.com"]}}']),
    (
        virtual("v.internal", "type: A, data: 10.0.0.1"),
        virtual("v.internal", "type: A, data: 10.0.0.2", "type: A, data: 10.0.0.3"),
        ["spec.records[0].data: 10.0.0.1 -> 10.0.0.2", 'spec.records[1]: + {"type":"A","data":"10.0.0.3"}'],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "told"), TABLE)
def test_fields_that_differ(old: str, new: str, told: list[str]) -> None:
    """Entries with names are compared by name, others by place, plain values by what was put in and taken out."""
    (before,), (after,) = objects(old).values(), objects(new).values()
    assert list(map(str, differences(before, after))) == told


def test_what_is_written_for_the_author_is_no_difference() -> None:
    """Versions and times of creation never show."""
    (key, obj), *_ = objects(RULES).items()
    assert change_of(key, obj, shown(stored(obj, None, NOW))).change == "unchanged"


@given(st.lists(st.sampled_from(["a.com", "b.com", "c.com"])), st.lists(st.sampled_from(["a.com", "b.com", "c.com"])))
def test_no_change_is_missed(old: list[str], new: list[str]) -> None:
    """Two objects that are not equal differ in some field, and equal ones in none."""
    one, other = (
        next(iter(objects(rules(f"name: a, action: deny, match: {{qname: {names}}}")).values())) for names in (old, new)
    )
    assert bool(list(differences(one, other))) == (one != other)
