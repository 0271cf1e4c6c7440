"""The JSON Schemas in json/ are current and say the same as the types."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import msgspec
import pytest

from schemas.documents import plain, read_documents
from schemas.json_schema import DIRECTORY, schemas

DEMO = Path(__file__).parents[2] / "compose" / "config" / "demo.yaml"
WRONG = {"apiVersion": "nameward.io/v1", "kind": "Tenant", "metadata": {"name": "a"}, "spec": {"default": "maybe"}}


def test_files_are_current() -> None:
    """`python -m schemas.json_schema` would change nothing."""
    assert {path.name: path.read_bytes() for path in DIRECTORY.glob("*.json")} == schemas()


@pytest.mark.parametrize("name", sorted(schemas()))
def test_files_are_json_schema(name: str) -> None:
    """Each file is a valid schema of the draft it names."""
    jsonschema.Draft202012Validator.check_schema(msgspec.json.decode(schemas()[name]))


def test_the_demo_is_valid_and_a_mistake_is_not() -> None:
    """The schema of any object takes the demo's objects and refuses a wrong value."""
    validator = jsonschema.Draft202012Validator(msgspec.json.decode(schemas()["objects.json"]))
    documents, _ = read_documents(DEMO.read_text("utf-8"), "demo.yaml")
    assert len(documents) > 3
    assert all(validator.is_valid(plain(document.obj)) for document in documents)
    assert not validator.is_valid(WRONG)
