"""YAML in, objects or every error out; objects out as YAML that reads back the same."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.documents import find_twice, plain, read_documents, write_documents
from schemas.objects import API_VERSION, PolicyObject, Tenant

GOOD = """
# nothing here
---
apiVersion: nameward.io/v1
kind: Tenant
metadata: {name: acme, annotations: {owner: "on"}}
spec:
  default: allow
  clients: [{subnets: [10.1.0.0/16, "fd00:1::/48"]}]
  workloads: [{name: web, subnets: [10.1.7.0/24], labels: {enabled: yes, level: "1"}}]
  feedback: {mode: off}
---
---
apiVersion: nameward.io/v1
kind: DNSPolicy
metadata: {name: p}
spec:
  tier: tenant
  tenants: [acme]
  rules:
  - {name: r, action: deny, match: {qname: ["*.com"], not: [ok.com]}, expires: 2030-01-31T12:00:00Z, log: true}
"""


def told(text: str) -> list[str]:
    """Errors of a text as shown to people."""
    return [str(error) for error in read_documents(text, "f.yaml")[1]]


def test_objects_and_their_places() -> None:
    """Objects come with file and document number; empty documents count but are passed over."""
    documents, errors = read_documents(GOOD, "f.yaml")
    assert errors == []
    assert [(found.number, found.key) for found in documents] == [(1, "Tenant/acme/acme"), (3, "DNSPolicy/-/p")]


def test_words_are_words() -> None:
    """`off`, `yes` and `on` are text as YAML 1.2 has it, not truth values."""
    documents, _ = read_documents(GOOD, "f.yaml")
    acme = documents[0].obj
    assert isinstance(acme, Tenant)
    assert acme.spec.feedback.mode == "off"
    assert acme.spec.workloads[0].labels == {"enabled": "yes", "level": "1"}


def test_all_errors_at_once() -> None:
    """Every mistake of a text is told with document, key path and what was expected."""
    text = """
apiVersion: nameward.io/v1
kind: Tenant
metadata: {name: Acme, labels: {a: b}}
spec:
  default: maybe
  clients: [{subnets: []}]
  workloads: [{name: x, subnets: [10.0.0.0/8], labels: {a: 1}}]
  feedback: {maxEntries: -1}
---
apiVersion: v1
kind: DNSPolicy
metadata: {name: p}
spec:
  tier: tenant
  rules:
  - {name: r, action: deni, match: {qname: ["*.com", 3], qtyp: [A]}, expires: 2026-01-01}
  - {action: deny, answer: {ede: 3}}
---
kind: Servant
---
- 1
"""
    assert told(text) == [
        "f.yaml: document 1: metadata.labels: unknown key, expected one of name, annotations, created, resourceVersion",
        "f.yaml: document 1: metadata.name: expected lower case, at most 63 characters, got 'Acme'",
        "f.yaml: document 1: spec.default: expected one of allow, deny, got 'maybe'",
        "f.yaml: document 1: spec.workloads[0].labels.a: expected text, got 1",
        "f.yaml: document 1: spec.feedback.maxEntries: expected a whole number >= 0, got -1",
        "f.yaml: document 2: apiVersion: expected 'nameward.io/v1', got 'v1'",
        "f.yaml: document 2: spec.rules[0].action: expected one of allow, deny, redirect, rpz, pass, log, tag, route, continue, "
        "got 'deni'",
        "f.yaml: document 2: spec.rules[0].match.qtyp: unknown key, expected one of qname, domainSets, not, notDomainSets, qtype, transport, cname, addresses, rcode, newlyObserved, signal",
        "f.yaml: document 2: spec.rules[0].match.qname[1]: expected text, got 3",
        "f.yaml: document 2: spec.rules[0].expires: expected a time such as 2030-01-31T12:00:00Z, got 2026-01-01",
        "f.yaml: document 2: spec.rules[1].name: is missing",
        "f.yaml: document 2: spec.rules[1].answer.ede: expected one of 4, 15, 16, 17, got 3",
        "f.yaml: document 3: apiVersion: expected 'nameward.io/v1', got nothing",
        "f.yaml: document 3: kind: expected one of Tenant, DNSPolicy, VirtualName, Service, DiscoveryRule, DomainSet, EgressRule, got 'Servant'",
        "f.yaml: document 4: expected an object with apiVersion, kind, metadata and spec, got [1]",
    ]


BROKEN = [
    ("a: b: c", "line 1, column 5"),
    ("a: {x: 1", "line 2"),
    ("a: 1\na: 2", "key 'a' is given twice"),
    ("a: &x [*x]", "recursive"),
    ("\x00", "not YAML"),
    ("!!python/object:os.system {}", "could not determine a constructor"),
    ("? [1]\n: 2", "key [1] is not text"),
    ("[" * 5000, ""),
    ("a: *nowhere", "undefined alias"),
]


@pytest.mark.parametrize(("text", "why"), BROKEN)
def test_text_that_is_not_yaml(text: str, why: str) -> None:
    """Broken or hostile YAML is one error with its place, never an exception, never executed."""
    (error,) = told(text)
    assert error.startswith("f.yaml: ")
    assert why in error


def test_an_object_twice() -> None:
    """The same object twice, in one text or in two, is an error at the second."""
    once = "apiVersion: nameward.io/v1\nkind: Tenant\nmetadata: {name: acme}\nspec: {default: deny}\n"
    assert told(f"{once}---\n{once}") == [
        "f.yaml: document 2: metadata.name: Tenant acme is written in document 1 of f.yaml already"
    ]
    both = [*read_documents(once, "a.yaml")[0], *read_documents(once, "b.yaml")[0]]
    assert [str(error) for error in find_twice(both)] == [
        "b.yaml: document 1: metadata.name: Tenant acme is written in document 1 of a.yaml already"
    ]


def test_a_list_of_objects() -> None:
    """The items of a List are objects, with their place in key paths; JSON is YAML."""
    items = [plain(document.obj) for document in read_documents(GOOD, "f.yaml")[0]]
    value = {"apiVersion": "v1", "kind": "List", "items": [*items, {"kind": "Tenant"}]}
    documents, errors = read_documents(msgspec.json.encode(value).decode(), "f.json")
    assert [document.key for document in documents] == ["Tenant/acme/acme", "DNSPolicy/-/p"]
    assert {error.path for error in errors} == {"items[2].apiVersion", "items[2].metadata", "items[2].spec"}


def test_objects_written_read_back_the_same() -> None:
    """What write_documents writes is what a person would, and reads back to equal objects."""
    objects = [document.obj for document in read_documents(GOOD, "f.yaml")[0]]
    text = write_documents(objects)
    assert [document.obj for document in read_documents(text, "again")[0]] == objects
    assert "mode: 'off'" in text
    assert list(plain(objects[0])) == ["apiVersion", "kind", "metadata", "spec"]


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)


@given(TEXT, TEXT, st.sampled_from(["allow", "deny"]))
def test_any_label_survives_writing(key: str, value: str, default: str) -> None:
    """Whatever text stands in labels and annotations, YAML gives it back."""
    spec = {"default": default, "workloads": [{"name": "w", "subnets": ["10.0.0.1"], "labels": {key: value}}]}
    whole = {
        "apiVersion": API_VERSION,
        "kind": "Tenant",
        "metadata": {"name": "a", "annotations": {value: key}},
        "spec": spec,
    }
    obj = msgspec.convert(whole, PolicyObject)
    documents, errors = read_documents(write_documents([obj]), "f")
    assert errors == []
    assert [document.obj for document in documents] == [obj]


@given(st.text(max_size=60))
def test_any_text_is_answered(text: str) -> None:
    """No text raises; what is no object is told."""
    documents, errors = read_documents(text, "f")
    assert all(isinstance(str(error), str) for error in errors)
    assert not documents


def test_keys_and_values_may_not_be_empty_where_some_are_needed() -> None:
    """A selector that selects nothing in particular is told with its key path."""
    text = "apiVersion: nameward.io/v1\nkind: DiscoveryRule\nmetadata: {name: d}\nspec: {name: a.internal, selector: {}}\n"
    _, errors = read_documents(text, "f.yaml")
    assert [str(error) for error in errors] == ["f.yaml: document 1: spec.selector: expected keys and values of length >= 1, got {}"]
