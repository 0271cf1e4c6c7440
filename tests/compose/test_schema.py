"""The JSON Schema as editors use it: every example is valid, and what it refuses is refused when it is read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compose.schema import command
from schemas.documents import _load, read_documents
from schemas.json_schema import DIRECTORY
from schemas.objects import KINDS

ROOT = Path(__file__).parents[2]
ANY = jsonschema.Draft202012Validator(json.loads((DIRECTORY / "objects.json").read_bytes()))


def texts() -> Iterator[tuple[str, str]]:
    """YAML of policy objects: where, text. Files of the project and blocks of the README."""
    for path in sorted([*(ROOT / "compose").rglob("*.y*ml"), *(ROOT / "tests").rglob("*.y*ml")]):
        if "kind:" in (text := path.read_text("utf-8")):
            yield str(path.relative_to(ROOT)), re.sub(r"\{\{\w+\}\}", "udp://127.0.0.1", text)
    for found in re.finditer(r"^```yaml\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL):
        if re.search(r"^kind:", found[1], re.MULTILINE):  # settings of processes have kinds further in
            yield f"README.md, character {found.start()}", found[1]


def as_json(value: Any) -> Any:
    """A value of YAML as an editor sees it: times are text."""
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_json(item) for item in value]
    return value.isoformat() if isinstance(value, date) else value


def values(text: str) -> list[Any]:
    """Documents of a text."""
    return [as_json(value) for _, value in _load(text) if value is not None]


EXAMPLES = [value for _, text in texts() for value in values(text)]


@pytest.mark.parametrize(("where", "text"), list(texts()), ids=lambda value: value if len(value) < 60 else "")
def test_every_example_is_valid(where: str, text: str) -> None:
    """No editor underlines what we ship."""
    wrong = [f"{where}: {error.json_path}: {error.message}" for value in values(text) for error in ANY.iter_errors(value)]
    assert not wrong


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of everything inside a value."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*path, key)
        yield from places(item, (*path, key))


PLAIN = st.one_of(st.none(), st.booleans(), st.integers(-2, 70000), st.sampled_from(["", "x", "A", "/", "*", "deny", "10.0.0.1"]), st.just([]), st.just({}), st.just(["x"]), st.just({"x": "y"}))  # fmt: skip


@st.composite
def spoilt(draw: st.DrawFn) -> Any:
    """An example with one thing put in, replaced or taken out."""
    value = deepcopy(draw(st.sampled_from(EXAMPLES)))
    *path, last = draw(st.sampled_from(list(places(value))))
    inner = value
    for key in path:
        inner = inner[key]
    change = draw(st.sampled_from(["replace", "take", "add"]))
    if change == "replace":
        inner[last] = draw(PLAIN)
    elif change == "take":
        del inner[last]
    elif isinstance(inner, dict):
        inner["extra"] = draw(PLAIN)
    return value


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(spoilt())
def test_what_the_schema_refuses_is_refused(value: Any) -> None:
    """An editor never underlines what would be taken."""
    if not ANY.is_valid(value):
        _, errors = read_documents(yaml.safe_dump(value), "spoilt.yaml")
        assert errors, list(ANY.iter_errors(value))


def test_the_command_prints_the_schema() -> None:
    """Of all kinds, or of one however it is written."""
    assert json.loads(CliRunner().invoke(command, []).stdout) == ANY.schema
    for kind in KINDS:
        shown = json.loads(CliRunner().invoke(command, [kind.lower()]).stdout)
        assert shown["title"].endswith(kind)
    assert "kinds are Tenant, " in CliRunner().invoke(command, ["nope"]).stderr
