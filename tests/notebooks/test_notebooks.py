"""Every notebook runs from top to bottom on a day of traffic, shows that tenant's figures, and is honest where there are none."""

from __future__ import annotations

import ast
import importlib
import os
import re
import sys
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import packages_distributions
from pathlib import Path
from urllib.parse import quote

import nbformat
import pytest
from nbclient import NotebookClient

from streams.warehouse import accounts
from streams.warehouse.loopback import Loopback
from tests.notebooks.day import BEACON, OTHERS, TUNNEL, fill
from tests.streams.store import Store, running

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))
CONNECTION = "NAMEWARD_CLICKHOUSE_URL", "NAMEWARD_TENANT", "NAMEWARD_ALERT"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store that holds a day of two tenants, acme the busier one."""
    with running(tmp_path_factory.mktemp("store")) as process:
        warehouse = Loopback(process.url)
        fill(warehouse, datetime.now(UTC).replace(second=0, microsecond=0))
        warehouse.close()
        yield process


def told(path: Path, **environment: str) -> tuple[dict[str, str], dict[str, int]]:
    """Run a notebook: text that each section put out, figures in each; sections by their headings."""
    notebook = nbformat.read(path, as_version=4)
    inherited = {name: value for name, value in os.environ.items() if name not in CONNECTION}
    runner = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(path.parent)}})
    runner.execute(env=inherited | environment)
    texts, figures, section = {"": ""}, {"": 0}, ""
    for cell in notebook.cells:
        if heading := re.match(r"## (.+)", cell.source):
            section = heading[1]
            texts[section], figures[section] = "", 0
        for output in cell.get("outputs", ()):
            shown = output.get("data", {})
            figures[section] += "image/png" in shown
            texts[section] += output.get("text", "") + shown.get("text/html", "") + shown.get("text/markdown", "")
    return texts, figures


EXPECTED: dict[str, dict[str, tuple[int, tuple[str, ...]]]] = {
    "01_tenant_overview": {
        "How much is asked, and how much goes wrong?": (2, ()),
        "Who asks?": (1, ("10.1.1.13", "laptops")),
        "What is asked for?": (1, ()),
        "How fast are the answers?": (1, ()),
        "What was denied, and by which rule?": (1, ("house/advertising", "adnet.example")),
        "What do the detectors say?": (0, (TUNNEL, "critical", "learning", "off")),
        "Is all of it here?": (0, ("r1",)),
    },
    "02_investigate_alert": {
        "What does it say?": (0, ("17300", "threshold", TUNNEL)),
        "How did it grow?": (1, ("medium", "high", "critical")),
        "When did it happen?": (1, ()),
        "Who is involved?": (0, ("10.1.1.13", "TXT")),
        "What exactly was asked?": (0, (TUNNEL,)),
        "What did policy do about it?": (0, ("enforce", f".{TUNNEL}")),
        "What else did these clients do?": (0, ("news.example",)),
        "What now?": (0, ("nameward alerts mute 5f0c5d1c9a", "nameward alerts close 5f0c5d1c9a")),
    },
    "03_policy_change": {
        "Which versions decided?": (0, ("before: v1   after: v2",)),
        "When did it change, and what became of denials?": (1, ()),
        "How did the mix of verdicts change?": (1, ()),
        "Which rules do it?": (1, ()),
        "Which names are denied now that were not?": (0, ("play.streams.example", "house/streaming")),
        "What would rules in audit mode deny?": (1, ("house/streaming",)),
        "What did analytics say of the change?": (0, ("No alert of the detector policy_shift (it is active",)),
    },
    "04_hunting": {
        "What is newly observed?": (1, ("start.fresh-17.example", "first 30 hours")),
        "What beats like a clock?": (1, (BEACON, "10.1.2.12")),
        "Where might data leave?": (1, (TUNNEL,)),
        "Who asks for names that do not exist?": (0, ("10.1.1.15",)),
        "Which record types are unusual here?": (0, ("TXT",)),
        "What did the detectors say of all this?": (0, ("heavy_hitters", "beaconing is learning")),
    },
    "05_service_map": {
        "Who depends on what?": (1, ()),
        "Which dependencies are shared?": (1, ()),
        "Who would notice if a service went away?": (0, ("db.acme.internal", "batch")),
        "What is new in the last hours?": (0, ("start.fresh-",)),
        "How do the upstream servers behind it do?": (1, ("192.0.2.53",)),
    },
}


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_it_answers_its_questions(store: Store, path: Path) -> None:
    """Without an error, each section with its figures and rows, of the busiest tenant alone."""
    texts, figures = told(path, NAMEWARD_CLICKHOUSE_URL=store.url)
    assert "Tenant **acme**" in texts[""]
    assert {section: figures[section] for section in EXPECTED[path.stem]} == {
        section: count for section, (count, _) in EXPECTED[path.stem].items()
    }
    missing = {section: word for section, (_, words) in EXPECTED[path.stem].items() for word in words if word not in texts[section]}
    assert not missing, {section: texts[section][-2000:] for section in missing}
    assert OTHERS not in "".join(texts.values())


def test_an_alert_is_named_by_the_beginning_of_its_id(store: Store) -> None:
    """Here a group, which is about a client and has parts."""
    texts, figures = told(NOTEBOOKS / "02_investigate_alert.ipynb", NAMEWARD_CLICKHOUSE_URL=store.url, NAMEWARD_ALERT="c0ffee")
    assert "a1b2c3d4e5" in texts["What does it say?"]
    assert "10.1.1.15" in texts["Who is involved?"]
    assert figures["When did it happen?"] == 1
    assert "nameward alerts show c0ffee0000" in texts["What now?"]


PASSWORD = "p@ss: word"  # noqa: S105 - of an account made here; what a URL has to escape


def test_an_analyst_sees_their_tenant_alone(store: Store) -> None:
    """With user and password in the URL, without the ledger, which is of all tenants."""
    accounts.write(store.directory / "store", {"ada": accounts.account("globex", PASSWORD)})
    url = store.url.replace("//", f"//ada:{quote(PASSWORD, safe='')}@")
    texts, figures = told(NOTEBOOKS / "01_tenant_overview.ipynb", NAMEWARD_CLICKHOUSE_URL=url)
    assert "Tenant **globex**" in texts[""]
    assert figures["What is asked for?"] == 1
    assert "Nothing was denied" in texts["What was denied, and by which rule?"]
    assert "No detector has said how it stands" in texts["What do the detectors say?"]
    assert "This account may not read" in texts["Is all of it here?"]
    assert "No resolver has told" not in texts["Is all of it here?"]
    assert TUNNEL not in "".join(texts.values())


@pytest.mark.parametrize(
    ("name", "sentences"),
    [
        ("02_investigate_alert", ("No alerts of this tenant", "the cells below have nothing to show")),
        ("04_hunting", ("the first 24 hours of this tenant",)),
        ("03_policy_change", ("nothing to compare yet", "No rule in audit mode matched", "it has not said how it stands")),
    ],
)
def test_where_there_is_nothing_it_says_so(store: Store, name: str, sentences: tuple[str, ...]) -> None:
    """For a tenant without alerts and with one version of policy."""
    texts, _ = told(NOTEBOOKS / f"{name}.ipynb", NAMEWARD_CLICKHOUSE_URL=store.url, NAMEWARD_TENANT="globex")
    for sentence in sentences:
        assert sentence in "".join(texts.values())


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"NAMEWARD_CLICKHOUSE_URL": "127.0.0.1:8123"}, ConnectionError, "expected http://host:8123"),
        ({"NAMEWARD_CLICKHOUSE_URL": "http://127.0.0.1:1"}, ConnectionError, r"no ClickHouse answers at http://127\.0\.0\.1:1; is the stack up"),
        ({"NAMEWARD_CLICKHOUSE_URL": "http://eve:guess@"}, ConnectionError, "refuses: .*Authentication failed"),
        ({"NAMEWARD_TENANT": "nobody"}, LookupError, "tenant 'nobody' has no queries; those that have: acme, globex"),
    ],
)
def test_what_is_wrong_with_the_connection_is_one_sentence(
    store: Store, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], error: type[Exception], said: str
) -> None:
    """A mistake in the URL, a stack that is not up, a wrong password, a tenant nobody knows."""
    monkeypatch.syspath_prepend(str(NOTEBOOKS))
    for name, value in ({"NAMEWARD_CLICKHOUSE_URL": store.url} | changes).items():
        monkeypatch.setenv(name, value.replace("@", f"@127.0.0.1:{store.port}"))
    with pytest.raises(error, match=said):
        importlib.import_module("nameward_notebook").look()


def imported() -> set[str]:
    """Top-level modules that the notebooks and the module beside them import, but for the standard library's and their own."""
    texts = [(NOTEBOOKS / "nameward_notebook.py").read_text()]
    for path in PATHS:
        texts += [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    found = set()
    for node in (node for text in texts for node in ast.walk(ast.parse(text))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found - sys.stdlib_module_names - {"nameward_notebook", "schemas"}


def test_the_extra_names_what_they_need() -> None:
    """`make notebooks` installs it with the project and nothing else: what is imported, JupyterLab with its kernel (IPython), and what pandas needs for HTML tables."""
    project = tomllib.loads((NOTEBOOKS.parent / "pyproject.toml").read_text())["project"]
    named = project["optional-dependencies"]["notebooks"]
    packages = {re.split("[^a-z0-9-]", line)[0] for line in (*named, *project["dependencies"])}
    known = packages_distributions()
    needed = {name.lower() for module in imported() for name in known[module]}
    assert needed - packages == {"ipython"}
    assert {"jupyterlab", "jinja2"} <= {re.split("[^a-z0-9-]", line)[0] for line in named}


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_no_outputs_are_kept(path: Path) -> None:
    """Data of a tenant never gets into the repository by way of a saved notebook."""
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    kept = [number for number, cell in enumerate(cells) if cell.outputs or cell.execution_count is not None]
    assert not kept, f"{path.name} was saved with outputs: run `make strip` before you commit it"


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_values_never_become_text_of_a_query(path: Path) -> None:
    """SQL stands in plain strings, with parameters; and every question is about one tenant."""
    code = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code")
    assert not re.search(r'ask\(\s*[rRfFbB]+"', code)
    queries = re.findall(r'ask\(\s*"+(.*?)"+', code, re.DOTALL)
    assert len(queries) == code.count(".ask(")
    assert not [sql for sql in queries if "{tenant:String}" not in sql and "nameward.ledger" not in sql]
