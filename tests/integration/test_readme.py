"""What the documents say is true: YAML loads, links lead somewhere, commands exist, and the README's tour runs as pasted."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from compose.cli import COMMANDS
from compose.layout import Endpoints
from resolver.policy.compiler import compile_policy
from schemas.documents import read_documents
from tests import peers
from tests.integration.stack import Stack

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(ROOT.glob("*.md"))
TOUR = "Five minutes"
SECONDS_OF_FOREVER = 4

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")
_COMMAND = re.compile(r"(?<![\w./-])nameward ([a-z]+)(?=[ `|]|$)", re.MULTILINE)
_PROMISE = re.compile(r"^dig .*# +(\d+\.\d+\.\d+\.\d+|[A-Z]{5,})", re.MULTILINE)
_TARGET = re.compile(r"`make ([a-z]+)`|^make ([a-z]+)", re.MULTILINE)


def blocks(text: str, *languages: str) -> list[str]:
    """Fenced blocks in one of the languages."""
    return [body for language, body in _FENCE.findall(text) if language in languages]


def section(text: str, title: str) -> str:
    """A second-level section."""
    return next((part for part in text.split("\n## ") if part.startswith(title)), "")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_policy_in_documents_loads_and_compiles(document: Path) -> None:
    """Every YAML block that holds objects is accepted whole by the reader and by the policy compiler."""
    for text in blocks(document.read_text(), "yaml", "yml"):
        if "apiVersion: nameward.io/" not in text:
            continue
        documents, errors = read_documents(text, document.name)
        assert not errors
        compile_policy({item.key: item.obj for item in documents}, {}, now=0.0, version="readme", epoch=1)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    """Every relative link names a file of the project."""
    assert not [link for link in _LINK.findall(document.read_text()) if not (ROOT / link).exists()]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_and_targets_exist(document: Path) -> None:
    """Every `nameward X` and `make X` that is written about can be called."""
    text = document.read_text()
    assert set(_COMMAND.findall(text)) <= COMMANDS.keys()
    targets = {first or second for first, second in _TARGET.findall(text)}
    known = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert targets <= known


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack with the demo's objects, as `make up` starts it."""
    running = Stack(tmp_path_factory.mktemp("readme") / "nw")
    running.start()
    yield running
    running.stop()
    assert not running.traces()


def pasted(block: str, stack: Stack) -> str:
    """A block of the tour for this stack's ports and this interpreter."""
    usual = Endpoints()
    for there, here in ((usual.admin, stack.admin), (usual.clickhouse, stack.clickhouse), (usual.kafka, stack.kafka), ("-p 5300", f"-p {stack.port}")):
        block = block.replace(there, here)
    return f'nameward() {{ {sys.executable} -m compose.cli "$@" --directory {stack.directory}; }}\n{block}'


def test_tour_runs_as_pasted(demo: Stack, tmp_path: Path) -> None:
    """Every block of the README's tour succeeds against a fresh stack, and says what the comments beside it promise."""
    bash = peers.require("bash")
    tour = [block for block in blocks(section((ROOT / "README.md").read_text(), TOUR), "sh") if not block.startswith("make ")]
    for word in ("dig ", "curl ", "nameward policy apply", "nameward sql", "nameward ledger"):
        assert any(word in block for block in tour), word
    for block in tour:
        done = subprocess.run([bash, "-eu"], input=pasted(block, demo), capture_output=True, text=True, check=False, timeout=60,
                              cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)})
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        missing = [word for word in _PROMISE.findall(block) if word not in done.stdout]
        assert not missing, f"{block}\n{done.stdout}"


def test_tour_that_up_prints_runs_as_pasted(demo: Stack) -> None:
    """The tour printed by `nameward up` runs as well, and denies the frontend as it says."""
    bash = peers.require("bash")
    lines = [line.strip() for line in demo.output.read_text().splitlines() if line.startswith("  ") and re.match(r" +(dig|curl|nameward) ", line)]
    assert len(lines) >= 7
    replies = {}
    for line in lines:
        text = re.sub(r"^nameward ", f"{sys.executable} -m compose.cli ", line)
        seconds = [shutil.which("timeout") or "timeout", str(SECONDS_OF_FOREVER)] if " tail " in line else []
        done = subprocess.run([*seconds, bash, "-euc", text], capture_output=True, text=True, check=False, timeout=60, cwd=ROOT)
        assert done.returncode in ((0, 124) if seconds else (0,)), f"{line}\n{done.stdout}\n{done.stderr}"
        replies[line] = done.stdout
    denied = next(text for line, text in replies.items() if "denied" in line)
    assert "NXDOMAIN" in denied
    assert "EDE: 15" in denied
