"""DomainSet objects: what is wrong in one, and which names it holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.policy.compiler import verify
from resolver.policy.domain_sets import SetContents, compile_domain_set
from resolver.tenants import identify
from schemas.objects import DomainSet
from schemas.patterns import matches
from tests.resolver.policy.written import BACKEND, compiled, objects, rules, tenant

SET = "apiVersion: nameward.io/v1\nkind: DomainSet\nmetadata: {{name: bad}}\nspec: {spec}\n---\n"
WRONG = [
    ("{}", "DomainSet/bad spec: expected one of names, file and zone, got none"),
    ("{names: [a.com], file: {path: x}}", "DomainSet/bad spec: expected one of names, file and zone, got names and file"),
    ('{names: [a.com, "b..c"]}',
     "DomainSet/bad spec.names[1]: expected a pattern such as *.example.com, got 'b..c': a label is empty (two dots in a row)"),
]  # fmt: skip
LABELS = st.sampled_from(["a", "b", "ab", "aab", "*", "a*", "*b", "a*b"])
PATTERNS = st.builds(
    lambda lead, labels: lead + ".".join(labels), st.sampled_from(["", "", "*.", "."]), st.lists(LABELS, min_size=1, max_size=3)
).filter(lambda pattern: pattern[0] != "." or "*" not in pattern)
QNAMES = st.lists(st.sampled_from(["a", "b", "ab", "aab", "c"]), min_size=1, max_size=4).map(".".join)


@pytest.mark.parametrize(("spec", "message"), WRONG)
def test_a_wrong_set_is_named_with_its_key_path(spec: str, message: str) -> None:
    """A mistake in a set is told once, with the set and its key path."""
    assert [str(problem) for problem in verify(objects(SET.format(spec=spec)))] == [message]


def test_a_set_that_does_not_exist_is_reported_by_its_key_path() -> None:
    """A rule that names a set nobody wrote is told so; the rest of its object stays in force."""
    named = "name: a, action: deny, match: {domainSets: [bad, worse], notDomainSets: [none]}"
    problems = verify(objects(tenant() + rules(named) + SET.format(spec="{names: [a.com]}")))
    assert [(str(problem), problem.dangling) for problem in problems] == [
        ("DNSPolicy/p spec.rules[0].match.domainSets[1]: there is no DomainSet 'worse'", True),
        ("DNSPolicy/p spec.rules[0].match.notDomainSets[0]: there is no DomainSet 'none'", True),
    ]


def test_an_asker_has_the_sets_in_force() -> None:
    """Whoever asks is given the domain sets by name."""
    asker = identify(compiled(tenant() + SET.format(spec="{names: [.a.com]}")), BACKEND)
    assert asker is not None
    assert asker.sets["bad"].holds(["b.a.com", "a.com", "com"])


@given(st.lists(PATTERNS, max_size=5), QNAMES)
def test_a_set_holds_what_its_patterns_cover(patterns: list[str], qname: str) -> None:
    """A set is its patterns, one by one, as the truth table has them."""
    assert _held(patterns, qname) == any(matches(pattern, qname) for pattern in patterns)


def _held(patterns: list[str], qname: str) -> bool:
    wrong: list[str] = []
    (obj,) = objects(SET.format(spec="{names: [x]}")).values()
    assert isinstance(obj, DomainSet)
    spec = type(obj.spec)(names=patterns)
    entry = compile_domain_set(DomainSet(api_version="nameward.io/v1", metadata=obj.metadata, spec=spec), lambda at, why: wrong.append(why))
    assert isinstance(entry.contents, SetContents)
    assert patterns == [] or not wrong
    return entry.matches(qname)
