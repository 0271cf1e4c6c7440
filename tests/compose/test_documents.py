"""Every YAML and command in the documents is true: objects load, commands and make targets exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
import pytest
import yaml

from compose.cli import COMMANDS, nameward
from resolver.config import Settings
from schemas.documents import read_documents
from streams.config import WorkerSettings
from streams.delivery.settings import DeliverySettings

SETTINGS = {"# resolver.yaml": Settings, "# sink.yaml": WorkerSettings, "# delivery.yaml": DeliverySettings}
ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CHANGELOG.md")]


def snippets(language: str) -> Iterator[tuple[str, str]]:
    """Fenced blocks of a language: where, text."""
    for path in DOCUMENTS:
        text = path.read_text("utf-8") if path.exists() else ""
        for found in re.finditer(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            yield f"{path.name}:{text[: found.start()].count(chr(10)) + 1}", found.group(1)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_documents_exist(path: Path) -> None:
    """The documents that newcomers look for are there."""
    assert len(path.read_text("utf-8").splitlines()) > 10


def test_yaml_in_documents_is_valid_policy() -> None:
    """Every YAML block that has objects reads without an error."""
    for where, text in snippets("yaml"):
        if text.split(",")[0] in SETTINGS:
            continue  # below
        _, errors = read_documents(text, where)
        assert not errors, [str(error) for error in errors]


def test_settings_in_documents_are_accepted() -> None:
    """Every YAML block that begins with a comment as in SETTINGS is such settings."""
    blocks = [(text.split(",")[0], text) for _, text in snippets("yaml") if text.split(",")[0] in SETTINGS]
    assert {name for name, _ in blocks} == SETTINGS.keys()
    for name, text in blocks:
        msgspec.convert(yaml.safe_load(text), SETTINGS[name])


def test_commands_in_documents_exist() -> None:
    """Every `nameward COMMAND --option` in a shell block is a command with that option."""
    for where, text in [*snippets("sh"), *snippets("bash"), *snippets("console"), *snippets("")]:
        for line in text.replace("\\\n", " ").splitlines():
            for called in re.finditer(r"\bnameward ([a-z]+)((?: [a-z]+)?)([^|;#]*)", line):
                check_command(where, called)


def check_command(where: str, called: re.Match[str]) -> None:
    """A command line's command, subcommand and long options are known."""
    name, sub, rest = called.group(1), called.group(2).strip(), called.group(3)
    assert name in COMMANDS, f"{where}: nameward {name}"
    context = click.Context(nameward)
    command = nameward.get_command(context, name)
    if isinstance(command, click.Group) and sub:
        command = command.get_command(context, sub)
    assert command is not None, f"{where}: nameward {name} {sub}"
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    quoted = re.sub(r"'[^']*'|\"[^\"]*\"", "", rest)
    if name not in {"resolver", "streams"}:
        assert set(re.findall(r"--[a-z][a-z-]*", quoted)) <= known, f"{where}: {called.group(0)}"


def test_make_targets_in_documents_exist() -> None:
    """Every `make TARGET` is in the Makefile."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for path in DOCUMENTS:
        for target in re.findall(r"`make ([a-z]+)", path.read_text("utf-8")):
            assert target in targets, f"{path.name}: make {target}"
