"""The process that delivers, on a real broker, to real receivers that fail, hang, hang up and recover."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from compose import topics
from schemas.signals import Alert, DeadLetter, encode_signal
from schemas.topics import ALERTS, DEAD
from streams.delivery.webhook import key_of, signed
from tests.compose.conftest import embedded
from tests.patience import PROCESS_S
from tests.peers.certificates import Issuer
from tests.streams.delivery.alerts import alert
from tests.streams.delivery.receivers import Hook, hooks, syslog_receiver

SIGNING = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
FIRST = [alert("a1"), alert("muted", muted="m-1"), alert("a2", tenant="globex", severity="low"), alert("a1", state="closed", revision=2, ending="not seen for 300 s")]


def until(probe: Callable[[], Any], within: float = 30.0) -> Any:
    """Wait until a callable returns something true; what it returned."""
    deadline = time.monotonic() + within
    while not (found := probe()):
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)
    return found


@dataclass
class Post:
    """A broker, a delivery process with one target of each kind, and what the receivers heard."""

    bootstrap: str
    directory: Path
    hook: Hook
    syslog: Callable[[], list[bytes]]
    hasty: Callable[[], list[bytes]]
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until every group has formed."""
        with (self.directory / "delivery.log").open("ab") as log:
            command = [sys.executable, "-m", "streams", "delivery", "--config", str(self.directory / "delivery.yaml"), "--kafka", self.bootstrap]
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env={**os.environ, "HOOK": SIGNING})
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n", self.log()

    def stop(self) -> int:
        """End it as its supervisor does."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(PROCESS_S)

    def log(self) -> str:
        """What it wrote to standard error."""
        return (self.directory / "delivery.log").read_text()

    def publish(self, *values: bytes) -> None:
        """Records on dns.alerts."""
        asyncio.run(self._publish(values))

    async def _publish(self, values: tuple[bytes, ...]) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap, max_batch_size=1)
        await producer.start()
        for value in values:
            await producer.send_and_wait(ALERTS.name, value, partition=0)
        await producer.stop()

    def dead(self, count: int) -> list[DeadLetter]:
        """The first letters of dns.dead."""
        return asyncio.run(self._dead(count))

    async def _dead(self, count: int) -> list[DeadLetter]:
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, auto_offset_reset="earliest")
        await consumer.start()
        consumer.assign([TopicPartition(DEAD.name, 0)])
        letters: list[DeadLetter] = []
        async with asyncio.timeout(30):
            while len(letters) < count:
                letters.append(msgspec.json.decode((await consumer.getone()).value, type=DeadLetter))
        await consumer.stop()
        return letters

    def lines(self, name: str) -> list[dict[str, Any]]:
        """What a file holds."""
        path = self.directory / name
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture(scope="module")
def post(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Post]:
    """All of it, with the first alerts on the topic before the process starts, one of them from the day before yesterday."""
    directory = tmp_path_factory.mktemp("delivery")
    issuer = Issuer(directory / "certificates")
    answers: dict[str, Any] = {"/flaky": [(503, {"Retry-After": "2"}), 500, 204], "/slack": [200], "/gone": [410], "/hangs": [0], "/broken": [500]}
    with contextlib.ExitStack() as stack:
        bootstrap = str(stack.enter_context(embedded(directory)))
        asyncio.run(topics.create(bootstrap))
        hook = stack.enter_context(hooks(answers))
        address, syslog = stack.enter_context(syslog_receiver(issuer.server("127.0.0.1", alpn="syslog")))
        hasty_address, hasty = stack.enter_context(syslog_receiver(issuer.server("127.0.0.1", alpn="syslog"), most=1))
        made = Post(bootstrap, directory, hook, syslog, hasty)
        key = {"env": "HOOK"}
        deliveries = [
            {"name": "flaky", "kind": "webhook", "url": f"{hook.url}/flaky", "secret": key, "tenants": ["acme"], "states": ["open"]},
            {"name": "slack", "kind": "webhook", "url": f"{hook.url}/slack", "format": "slack", "min_severity": "high"},
            {"name": "gone", "kind": "webhook", "url": f"{hook.url}/gone", "secret": key, "tenants": ["globex"]},
            {"name": "broken", "kind": "webhook", "url": f"{hook.url}/broken", "secret": key, "tenants": ["globex"], "attempts": 2},
            {"name": "hangs", "kind": "webhook", "url": f"{hook.url}/hangs", "secret": key, "timeout_seconds": 0.3},
            {"name": "siem", "kind": "syslog", "address": address, "format": "ocsf", "ca_file": issuer.ca_file},
            {"name": "hasty", "kind": "syslog", "address": hasty_address, "ca_file": issuer.ca_file},
            {"name": "stranger", "kind": "syslog", "address": address, "attempts": 1, "tenants": ["globex"]},
            {"name": "log", "kind": "file", "path": str(directory / "alerts.jsonl")},
        ]
        settings = {"kafka": {"bootstrap": "unused:1", "session_seconds": 2, "rebalance_seconds": 2}, "deliveries": deliveries}
        (directory / "delivery.yaml").write_text(yaml.safe_dump(settings))
        old = alert("old", changed=alert().changed.replace(year=2020))
        made.publish(encode_signal(old), b"no alert", *map(encode_signal, FIRST))
        made.start()
        try:
            yield made
            assert made.stop() == 0
            assert "Traceback" not in made.log()
            assert SIGNING not in made.log()
            assert SIGNING[6:] not in made.log()
        finally:
            if made.process is not None and made.process.poll() is None:
                made.process.kill()


def test_a_file_gets_every_alert_that_is_not_muted(post: Post) -> None:
    """In order, whatever the other targets do; nothing from before the target was known, nothing unreadable."""
    until(lambda: len(post.lines("alerts.jsonl")) >= 3)
    assert [(line["id"], line["state"]) for line in post.lines("alerts.jsonl")] == [("a1", "open"), ("a2", "open"), ("a1", "closed")]


def test_a_webhook_is_signed_and_tried_until_it_takes_the_alert(post: Post) -> None:
    """The same id at each attempt, a pause at least as long as was asked for, a signature of that attempt's time."""
    heard = until(lambda: len(post.hook.at("/flaky")) >= 3 and post.hook.at("/flaky"))
    assert len(heard) == 3
    assert {headers["webhook-id"] for headers, _, _ in heard} == {"a1-1"}
    assert heard[1][2] - heard[0][2] >= 2
    for headers, body, _ in heard:
        assert abs(int(headers["webhook-timestamp"]) - time.time()) < 120
        assert headers["webhook-signature"] == signed(key_of(SIGNING), "a1-1", int(headers["webhook-timestamp"]), body)["webhook-signature"]
        assert msgspec.json.decode(body, type=Alert) == FIRST[0]


def test_slack_gets_sentences(post: Post) -> None:
    """Only what is severe enough."""
    heard = until(lambda: len(post.hook.at("/slack")) >= 2 and post.hook.at("/slack"))
    assert [json.loads(body)["text"][:10] for _, body, _ in heard] == ["New, high:", "Over, high"]
    assert "webhook-signature" not in heard[0][0]


def test_what_cannot_be_delivered_lies_on_the_dead_topic(post: Post) -> None:
    """After the last attempt, or at once where no attempt can help; with the alert, its place and the reason."""
    letters = {letter.error.split(" gave up ")[0]: letter for letter in post.dead(3)}
    assert {name: letter.error.split(" gave up ")[1][:30] for name, letter in letters.items() if "stranger" not in name} == {
        "delivery gone": "after 1 attempts: HTTP 410", "delivery broken": "after 2 attempts: HTTP 500"}  # fmt: skip
    assert "certificate verify failed" in letters["delivery stranger"].error
    assert {(letter.topic, letter.offset) for letter in letters.values()} == {(ALERTS.name, 4)}
    assert msgspec.json.decode(letters["delivery gone"].value, type=Alert) == FIRST[2]


def test_syslog_gets_ocsf_over_tls(post: Post) -> None:
    """Framed by octets; one that hangs up after each message is called again."""
    heard = until(lambda: len(post.syslog()) >= 3 and post.syslog())
    found = [json.loads(line[line.index(b"] {") + 2 :]) for line in heard]
    assert [item["type_uid"] for item in found] == [200401, 200401, 200403]
    assert heard[0].startswith(b"<163>1 ")
    until(lambda: len(post.hasty()) >= 2)


def test_a_stopped_process_goes_on_where_it_was(post: Post) -> None:
    """What was delivered is not delivered again; what waits for a target that hangs is still there, and goes when it answers."""
    before = len(post.lines("alerts.jsonl"))
    assert post.stop() == 0
    post.publish(encode_signal(alert("a3")))
    seen = len(post.hook.at("/hangs"))
    assert seen > 0
    post.hook.answers["/hangs"] = [200]
    post.start()
    until(lambda: len(post.lines("alerts.jsonl")) > before)
    assert [line["id"] for line in post.lines("alerts.jsonl")[before:]] == ["a3"]
    until(lambda: len(post.hook.at("/hangs")) >= seen + 4)
    assert [headers["webhook-id"] for headers, _, _ in post.hook.at("/hangs")[seen:]] == ["a1-1", "a2-1", "a1-2", "a3-1"]
    assert len(post.hook.at("/slack")) == 3 == len(until(lambda: post.hook.at("/slack")[2:] and post.hook.at("/slack")))


@pytest.mark.parametrize(("settings", "sentence"), [
    ({"deliveries": [{"name": "x", "kind": "file", "path": "x"}]}, "kafka: is missing, and --kafka is not given"),
    ({"kafka": {"bootstrap": "h:1"}, "deliveries": [{"name": "x", "kind": "webhook", "url": "https://h", "secret": {"env": "NOPE"}}]}, "NOPE is not set"),
    ({"kafka": {"bootstrap": "h:1"}, "deliveries": [{"name": "x", "kind": "syslog", "address": "h:1", "ca_file": "/no"}]}, "delivery x: ca_file /no: No such file"),
])  # fmt: skip
def test_a_process_that_cannot_begin_says_why(tmp_path: Path, settings: dict[str, Any], sentence: str) -> None:
    """One sentence and status 1."""
    path = tmp_path / "delivery.yaml"
    path.write_text(yaml.safe_dump(settings))
    done = subprocess.run([sys.executable, "-m", "streams", "delivery", "--config", str(path)], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1
