"""Every panel's query runs: SQL against the store of a live stack, PromQL in a real Prometheus that scrapes it."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import peers
from tests.integration.conftest import POLICIES
from tests.integration.stack import Stack, eventually
from tests.peers.authority import Authority
from tests.peers.ports import free_port

DASHBOARDS = Path(__file__).parents[2] / "compose" / "grafana" / "dashboards"
QUERIES = 40
QUIET = {"Overlay entries", "Open alerts", "Alerts opened"}
"""Panels that a stack in peace leaves empty."""
FAILING = {"Questions and failures", "Over a limit", "Started again", "Refused objects"}
"""Panels of counters some of which no query of the test moves."""


def panels(name: str) -> list[dict[str, Any]]:
    """Panels of a dashboard that ask something."""
    return [panel for panel in json.loads((DASHBOARDS / name).read_text())["panels"] if panel["type"] != "row"]


def expanded(sql: str, tenants: str = "'acme', 'globex'") -> str:
    """A query as Grafana's ClickHouse plugin sends it: its macros and the variable `tenant` filled in."""
    start = int(time.time()) - 3600 * 24
    sql = re.sub(r"\$__timeFilter\(([\w.]+)\)", rf"\1 >= toDateTime({start}) AND \1 <= toDateTime({int(time.time()) + 60})", sql)
    sql = re.sub(r"\$__timeInterval\(([\w.]+)\)", r"toStartOfInterval(toDateTime(\1), INTERVAL 60 second)", sql)
    sql = sql.replace("$__interval_s", "60").replace("${tenant:singlequote}", tenants)
    assert "$" not in sql, f"a macro this test does not know: {sql}"
    return sql


@pytest.fixture(scope="module")
def busy(upstream: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose tenants have asked, and whose store has it."""
    stack = Stack(tmp_path_factory.mktemp("dashboards") / "nw")
    stack.start()
    try:
        stack.apply((POLICIES / "tenants.yaml").read_text(), upstream=upstream.address)
        for number in range(QUERIES):
            stack.dig(f"www{number % 5}.example.com", client=f"127.0.{1 + number % 2}.{10 + number % 3}")
        count = "SELECT toInt32(count()) AS n FROM nameward.query_events"
        eventually(lambda: stack.sql(count)[0]["n"] >= QUERIES, within=60, what="the queries are stored")
        yield stack
    finally:
        stack.stop()


@pytest.mark.parametrize("board", ["tenants.json", "ledger.json"])
def test_every_panel_of_a_clickhouse_dashboard_answers(busy: Stack, board: str) -> None:
    """Time series have a time and a number, nothing is refused, and what was asked is seen."""
    for panel in panels(board):
        for target in panel["targets"]:
            rows = eventually(lambda sql=target["rawSql"]: busy.sql(expanded(sql)) or None, within=20, what=panel["title"]) if (
                panel["title"] not in QUIET) else busy.sql(expanded(target["rawSql"]))  # fmt: skip
            for row in rows[:1]:
                if panel["type"] == "timeseries":
                    assert "time" in row
                    assert any(isinstance(value, int | float) for value in row.values()), panel["title"]


def test_the_list_of_tenants_is_asked_for(busy: Stack) -> None:
    """The variable of the dashboard."""
    (variable,) = [item for item in json.loads((DASHBOARDS / "tenants.json").read_text())["templating"]["list"] if item["name"] == "tenant"]
    assert [row["tenant"] for row in busy.sql(variable["query"])] == ["acme", "globex"]


@contextlib.contextmanager
def prometheus(target: str, directory: Path) -> Iterator[str]:
    """A Prometheus that scrapes the target every second; its address."""
    program, address = peers.require("prometheus"), f"127.0.0.1:{free_port()}"
    scrape = {"job_name": "nameward", "static_configs": [{"targets": [target]}]}
    settings = directory / "prometheus.yaml"
    settings.write_text(yaml.safe_dump({"global": {"scrape_interval": "1s"}, "scrape_configs": [scrape]}))
    command = [program, f"--config.file={settings}", f"--storage.tsdb.path={directory / 'tsdb'}", f"--web.listen-address={address}"]
    with (directory / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield address
    finally:
        process.terminate()
        process.wait(30)


def asked(address: str, expression: str) -> list[Any]:
    """Series of a PromQL expression as of now; nothing while Prometheus is not up yet."""
    with contextlib.suppress(OSError):
        url = f"http://{address}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
        with urllib.request.urlopen(url, timeout=10) as response:
            found: list[Any] = json.load(response)["data"]["result"]
            return found
    return []


def test_every_panel_of_the_prometheus_dashboard_answers(busy: Stack, tmp_path: Path) -> None:
    """Rates, quantiles and gauges over what the admin endpoint tells; an expression that is no PromQL would be an error 400."""
    with prometheus(busy.admin, tmp_path) as address:
        eventually(lambda: asked(address, "rate(nameward_queries_total[10s])"), within=60, what="two scrapes")
        for panel in panels("resolvers.json"):
            for target in panel["targets"]:
                expression = target["expr"].replace("$__rate_interval", "10s").replace("$__range", "1m")
                assert "$" not in expression
                if panel["title"] not in FAILING:
                    eventually(lambda text=expression: asked(address, text), within=30, what=f"{panel['title']}: {expression}")
                else:
                    url = f"http://{address}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
                    with urllib.request.urlopen(url, timeout=10) as response:
                        assert json.load(response)["status"] == "success"


def test_dashboards_name_no_data_source_of_their_own() -> None:
    """Each asks the one that the reader chooses, so that importing needs no editing."""
    for path in DASHBOARDS.glob("*.json"):
        board = json.loads(path.read_text())
        ids = [panel["id"] for panel in board["panels"]]
        assert len(ids) == len(set(ids))
        for panel in panels(path.name):
            assert panel["datasource"]["uid"] == "${datasource}"
            assert all(target["datasource"] == panel["datasource"] for target in panel["targets"])
