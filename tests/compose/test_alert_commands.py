"""`nameward alerts` on real alerts: analytics and sink run, tunnels are found, people look at them, mute and close them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from compose.alert_commands import alerts
from compose.alert_show import next_steps, story
from schemas.batches import BatchHeader, columns_of, encode_batch
from schemas.signals import SuggestedEntry
from tests.patience import patient
from tests.streams.delivery.alerts import alert
from tests.streams.store import event, running
from tests.streams.test_workers import PARTITION, TENANT, Bench
from tests.streams.workers import Worker, until

BOTH, STORE, BROKER = ("clickhouse", "kafka"), ("clickhouse",), ("kafka",)
PLACES = {"list": STORE, "show": STORE, "mutes": BROKER, "mute": BOTH, "unmute": BOTH, "close": BOTH}


class Office:
    """A bench with workers, and the commands on it."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.places = {"clickhouse": f"127.0.0.1:{bench.store.port}", "kafka": bench.bootstrap}

    def run(self, *arguments: str, **places: str) -> Result:
        """`nameward alerts` with these arguments, told where store and broker are."""
        where = [word for name in PLACES[arguments[0]] for word in (f"--{name}", (self.places | places)[name])]
        return CliRunner().invoke(alerts, [*arguments, *where], env={"COLUMNS": "200"})

    def json(self, *arguments: str) -> list[dict[str, Any]]:
        """What a command says as JSON lines; it must succeed."""
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return [json.loads(line) for line in result.stdout.splitlines()]

    def tunnel(self, domain: str, client: str = "10.0.0.7") -> str:
        """Let a client send data below a domain until an alert says so; the alert's id."""
        epoch = time.time_ns() // 1_000_000
        rows = {"tenant": TENANT, "partition": PARTITION, "epoch": epoch, "client": client, "registered_domain": domain, "time": datetime.now(UTC)}
        events = [event(number, qname=f"{number:050x}.{domain}", **rows) for number in range(60)]
        header = BatchHeader(source="r1", epoch=epoch, partition=PARTITION, first_sequence=0, count=60, offered=60, dropped=0, acknowledged=60)
        self.bench.publish(encode_batch(header, columns_of(events)))
        until(lambda: self.about(domain), patient(15))
        return str(self.about(domain)[0]["id"])

    def about(self, domain: str, *options: str) -> list[dict[str, Any]]:
        """Alerts about a subject."""
        return [one for one in self.json("list", *options) if one["subject"] == domain]


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """Everything up, two tunnels of one client found."""
    directory = tmp_path_factory.mktemp("office")
    with running(directory / "store") as store:
        bench = Bench(directory, store)
        try:
            with ThreadPoolExecutor() as starting:
                list(starting.map(Worker.start, bench.workers))
            yield Office(bench)
            assert not [worker.name for worker in bench.workers if "Traceback" in worker.log()]
        finally:
            for worker in bench.workers:
                if worker.process is not None and worker.process.poll() is None:
                    worker.kill()
            bench.broker.kill()
            bench.broker.wait(10)


def test_alerts_are_listed_for_people_and_programs(office: Office) -> None:
    """By tenant, detector, severity, state and time; as OCSF too; children below their parent."""
    first, second = office.tunnel("one.test"), office.tunnel("two.test")
    until(lambda: office.json("list", "--detector", "group"), patient(10))
    (parent,) = office.json("list", "--detector", "group")
    assert parent["title"] == "2 findings about client 10.0.0.7"
    until(lambda: {one["parent"] for one in office.json("list", "--detector", "heavy_hitters")} == {parent["id"]}, patient(10))
    assert {one["id"] for one in office.json("list", "--tenant", TENANT, "--since", "1h")} >= {first, second, parent["id"]}
    assert office.json("list", "--tenant", "globex") == office.json("list", "--state", "closed") == []
    assert office.json("list", "--severity", "critical") == []
    lines = office.run("list").stdout.splitlines()
    place = next(number for number, line in enumerate(lines) if line.strip().startswith(parent["id"][:10]))
    assert lines[place + 1].startswith("  ")
    findings = [json.loads(line) for line in office.run("list", "--format", "ocsf").stdout.splitlines()]
    assert {item["finding_info"]["uid"] for item in findings} >= {first, second}
    assert office.run("list", "--tenant", "globex").stderr == "no such alerts\n"


def test_one_alert_is_shown_with_all_that_is_known(office: Office) -> None:
    """Evidence, samples, history, what it put into policy, what to do next."""
    (known,) = office.about("one.test")
    until(lambda: json.loads(office.run("show", known["id"][:6], "--json").stdout)["overlay"], patient(10))
    shown = office.run("show", known["id"][:6]).stdout
    for words in (known["title"], known["severity_reason"], "Evidence", "Samples", known["samples"][0], "History", "open ", "Policy", "audit deny", "in force",
                  f"nameward alerts close {known['id'][:10]}", "nameward sql", f"part of {known['parent']}"):  # fmt: skip
        assert words in shown
    whole = json.loads(office.run("show", known["id"], "--json").stdout)
    assert whole["history"][-1] == whole["alert"]
    (parent,) = office.json("list", "--detector", "group")
    assert {child["subject"] for child in json.loads(office.run("show", parent["id"], "--json").stdout)["children"]} == {"one.test", "two.test"}


def test_an_alert_is_muted_until_somebody_takes_it_back(office: Office) -> None:
    """The command returns when analytics has told it; the entry leaves the overlay."""
    (known,) = office.about("one.test")
    (order,) = office.json("mute", known["id"][:8], "--reason", "a backup", "--author", "ada", "--for", "2h")
    assert (order["alert"], order["author"]) == (known["id"], "ada")
    until(lambda: office.about("one.test")[0]["muted"] == order["id"], patient(10))
    until(lambda: json.loads(office.run("show", known["id"], "--json").stdout)["overlay"][0]["ended"], patient(10))
    assert all(words in office.run("mutes").stdout for words in ("119m", "ada", "a backup"))
    assert [one["id"] for one in office.json("mutes", "--tenant", TENANT)] == [order["id"]]
    result = office.run("unmute", known["id"][:8])
    assert (result.exit_code, result.stdout) == (0, f"{order['id']} is taken back\n"), result.output
    until(lambda: office.about("one.test")[0]["muted"] == "", patient(10))
    assert office.json("mutes") == []


def test_what_matches_a_pattern_is_muted_also_when_it_comes_later(office: Office) -> None:
    """By tenant, detector and subject."""
    said = office.run("mute", "--tenant", TENANT, "--subject", "*.loadtest.example", "--reason", "a load test", "--until", "2099-01-01")
    assert said.exit_code == 0, said.output
    assert "0 open alerts are muted, and what matches later, until 2099-01-01 00:00 UTC" in said.stdout
    office.tunnel("x.loadtest.example", client="10.0.0.9")
    (late,) = office.about("x.loadtest.example")
    assert late["muted"] == said.stdout.partition(":")[0]
    assert "muted" in office.run("show", late["id"]).stdout
    assert office.json("unmute", late["muted"][:6])[0]["id"] == late["muted"]


def test_a_closed_alert_says_by_whom_and_why(office: Office) -> None:
    """A parent with all its findings; the order does not outlive its purpose; closed twice is an error."""
    (parent,) = office.json("list", "--detector", "group")
    result = office.run("close", parent["id"], "--reason", "the machine is off", "--author", "eve")
    assert result.exit_code == 0, result.output
    assert result.stdout == "3 closed: 2 findings about client 10.0.0.7\n"
    until(lambda: len(office.json("list", "--state", "closed")) == 3, patient(10))
    assert {one["ending"] for one in office.json("list", "--state", "closed")} == {"closed by eve: the machine is off"}
    again = office.run("close", parent["id"][:9], "--reason", "x")
    assert again.exit_code == 1
    assert "is closed already: closed by eve: the machine is off" in again.stderr


def test_without_analytics_the_order_stands_and_the_command_says_so(office: Office) -> None:
    """And it is carried out when analytics comes back."""
    (known,) = office.about("x.loadtest.example")
    analytics = office.bench.workers[0]
    analytics.kill()
    late = office.run("close", known["id"], "--reason", "done", "--timeout", "0.5")
    assert late.exit_code == 1
    assert "is written, but analytics did not confirm it" in late.stderr
    analytics.start()
    until(lambda: office.about("x.loadtest.example", "--state", "closed"), patient(20))


WRONG = [
    (("show", "zz"), {}, "there is no alert whose id begins with 'zz'"),
    (("show", ""), {}, "several alerts have an id that begins with ''"),
    (("show", "a"), {"clickhouse": "127.0.0.1:1"}, "the store does not answer at http://127.0.0.1:1"),
    (("mutes",), {"kafka": "127.0.0.1:1"}, "no Kafka broker answers at 127.0.0.1:1"),
    (("mute", "zz", "--reason", "x"), {}, "there is no alert whose id begins with 'zz'"),
    (("mute", "--tenant", "acme", "--reason", "x"), {}, "give an alert's id, or --tenant and at least one of --detector and --subject"),
    (("mute", "zz", "--tenant", "acme", "--reason", "x"), {}, "give either an alert's id or --tenant"),
    (("mute", "--tenant", "a", "--subject", "b", "--reason", " "), {}, "--reason is empty"),
    (("mute", "--tenant", "a", "--subject", "b", "--reason", "x", "--for", "1h", "--until", "2099-01-01"), {}, "give either --for or --until"),
    (("mute", "--tenant", "a", "--subject", "b", "--reason", "x", "--until", "2020-01-01"), {}, "the mute would end at 2020-01-01 00:00 UTC, which is over"),
    (("mute", "--tenant", "a", "--subject", "b"), {}, "Missing option '--reason'"),
    (("unmute", "zz"), {}, "there is no alert whose id begins with 'zz'"),
    (("close", "zz", "--reason", "x"), {}, "there is no alert whose id begins with 'zz'"),
]


@pytest.mark.parametrize(("arguments", "places", "sentence"), WRONG)
def test_mistakes_are_one_sentence(office: Office, arguments: tuple[str, ...], places: dict[str, str], sentence: str) -> None:
    """Which names what and where."""
    result = office.run(*arguments, **places)
    assert result.exit_code != 0
    assert sentence in result.stderr


def test_next_steps_fit_the_alert() -> None:
    """Quoted for the shell and for SQL; nothing to close where it is over."""
    nasty = alert("abcdef0123456789", clients=(), samples=("it's.test",), suggested=SuggestedEntry(pattern=".evil.test"))
    steps = list(next_steps(nasty))
    assert "qname IN (" in steps[0]
    assert "it\\'" in steps[0]
    assert steps[-1] == "never block it: add '.evil.test' to feedback.exempt of tenant acme"
    assert [line.split()[2] for line in steps[1:3]] == ["close", "mute"]
    closed = msgspec.structs.replace(nasty, state="closed", suggested=None, ending="not seen for 300 s")
    assert len(list(next_steps(closed))) == 1
    assert "  ended: not seen for 300 s" in list(story([nasty, closed], [], datetime.now(UTC)))
