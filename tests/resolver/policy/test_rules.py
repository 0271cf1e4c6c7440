"""What can be wrong in a rule beside its parts: contradictions, and actions in the wrong place; word for word."""

from __future__ import annotations

import pytest

from resolver.policy.compiler import verify
from schemas.documents import read_documents
from tests.resolver.policy.written import objects, rules, tenant

SET = "apiVersion: nameward.io/v1\nkind: DomainSet\nmetadata: {name: ads}\nspec: {names: [.ads.test]}\n---\n"
WRONG = [
    ("action: deny, match: {qname: [a.test, .b.test], not: [.b.test]}", "match.not[0]: takes out '.b.test', which qname[1] names"),
    ("action: deny, match: {domainSets: [ads], notDomainSets: [ads]}",
     "match.notDomainSets[0]: takes out 'ads', which domainSets[0] names"),
    ("action: rpz", "match.domainSets: action rpz does what zones say, expected the domain sets that hold them"),
    ("action: rpz, match: {domainSets: [ads]}, answer: {form: nodata}",
     "answer: only actions deny and redirect take an answer, this rule's action is rpz"),
    ("action: log, answer: {form: drop}", "answer: only actions deny and redirect take an answer, this rule's action is log"),
    ("action: pass", "action: 'pass' leaves the verdict to the tenant, so it belongs in tier platform, not tenant"),
    ("action: redirect, answer: {target: a.test, form: nodata}",
     "answer: action redirect takes a target only (form and addresses belong to action deny)"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "message"), WRONG)
def test_contradictions_are_told_with_their_key_path(line: str, message: str) -> None:
    """Each is told once, under the rule's place."""
    told = [str(problem) for problem in verify(objects(tenant() + SET + rules(f"name: a, {line}")))]
    assert told == [f"DNSPolicy/p spec.rules[0].{message}"]


SHAPES = [
    ('schedule: {timeZone: UTC, hours: ["08:00-25:00"]}', "spec.rules[0].schedule.hours[0]: expected a time span such as 08:00-16:30"),
    ('schedule: {timeZone: UTC, hours: ["8-16"]}', "spec.rules[0].schedule.hours[0]: expected a time span such as 08:00-16:30"),
    ("schedule: {timeZone: UTC, days: [monday]}", "spec.rules[0].schedule.days[0]: expected one of mon, tue, wed, thu, fri, sat, sun"),
    ("schedule: {days: [mon]}", "spec.rules[0].schedule.timeZone"),
    ("match: {transport: [quic]}", "spec.rules[0].match.transport[0]: expected one of udp, tcp, tls, https"),
    ("match: {signal: [{values: [high]}]}", "spec.rules[0].match.signal[0].kind"),
]


@pytest.mark.parametrize(("part", "message"), SHAPES)
def test_wrong_shapes_are_told_with_their_key_path(part: str, message: str) -> None:
    """What cannot be read at all is told by key path and what was expected."""
    documents, errors = read_documents(rules(f"name: a, action: deny, {part}"), "test")
    assert documents == []
    (told,) = map(str, errors)
    assert message in told
