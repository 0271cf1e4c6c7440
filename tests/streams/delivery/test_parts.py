"""The parts of delivery: who gets what, how it is signed, framed, written, and when it is tried again."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from schemas.signals import Alert
from streams.config import ConfigError
from streams.delivery.backoff import LONGEST_ASKED_S, LONGEST_S, pause, retry_after
from streams.delivery.errors import DeliveryError
from streams.delivery.file import File
from streams.delivery.forms import body_of, slack_message
from streams.delivery.settings import Secret, Target, read_settings, secret_of
from streams.delivery.syslog import framed, message
from streams.delivery.webhook import key_of, signed
from tests.streams.delivery.alerts import alert

FILE = {"name": "log", "kind": "file", "path": "alerts.jsonl"}
HOOK = {"name": "hook", "kind": "webhook", "url": "https://example.com/h", "secret": {"env": "HOOK"}}

WRONG = [
    ([], "deliveries: Expected `array` of length >= 1"),
    ([{**FILE, "name": "No Good"}], "deliveries[0].name"),
    ([FILE, FILE], "deliveries[1].name: log stands twice"),
    ([{**FILE, "address": "h:1"}], "deliveries[0].path: a file needs `path` and nothing else"),
    ([{**HOOK, "url": ""}], "deliveries[0].url: a webhook needs `url`"),
    ([{**HOOK, "url": "ftp://x"}], "deliveries[0].url: expected an http or https URL"),
    ([{**HOOK, "secret": {}}], "deliveries[0].secret: a webhook needs `secret: {file: PATH}`"),
    ([{**FILE, "format": "slack"}], "deliveries[0].format: slack is for webhooks"),
    ([{"name": "s", "kind": "syslog", "address": "host"}], "deliveries[0].address: expected host:port, got 'host'"),
    ([{**FILE, "states": ["opened"]}], "deliveries[0].states[0]: Invalid enum value 'opened'"),
    ([{**FILE, "severity": "high"}], "deliveries[0]: Object contains unknown field `severity`"),
]


@pytest.mark.parametrize(("deliveries", "sentence"), WRONG)
def test_wrong_settings_are_one_sentence_that_names_the_key(tmp_path: Path, deliveries: Any, sentence: str) -> None:
    """File, key path, what was expected."""
    path = tmp_path / "delivery.yaml"
    path.write_text(yaml.safe_dump({"deliveries": deliveries}))
    with pytest.raises(ConfigError) as error:
        read_settings(path)
    assert str(error.value).startswith(f"{path}: ")
    assert sentence in str(error.value)


def test_secrets_come_from_files_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is named, what was read is not."""
    (tmp_path / "key").write_text("whsec_c2VjcmV0\n")
    (tmp_path / "empty").write_text("\n")
    monkeypatch.setenv("HOOK", "from outside")
    values = [secret_of(Target(**{**FILE, "secret": secret})) for secret in (Secret(file=str(tmp_path / "key")), Secret(env="HOOK"), Secret())]
    assert values == ["whsec_c2VjcmV0", "from outside", ""]
    for secret, sentence in ((Secret(env="NONE"), "the environment variable NONE is not set"), (Secret(file=str(tmp_path / "no")), "cannot be read"),
                             (Secret(file=str(tmp_path / "empty")), "is empty")):  # fmt: skip
        with pytest.raises(ConfigError, match=f"delivery log: secret: .*{sentence}"):
            secret_of(Target(**{**FILE, "secret": secret}))


WANTED = [
    ({}, {}, True),
    ({}, {"muted": "m-1"}, False),
    ({"tenants": ("globex",)}, {}, False),
    ({"tenants": ("globex", "acme")}, {}, True),
    ({"min_severity": "critical"}, {}, False),
    ({"min_severity": "high"}, {}, True),
    ({"states": ("open", "closed")}, {"state": "updated"}, False),
]


@pytest.mark.parametrize(("settings", "changes", "wanted"), WANTED)
def test_a_target_gets_what_it_asked_for(settings: dict[str, Any], changes: dict[str, Any], wanted: bool) -> None:
    """By tenant, severity and state; what is muted goes nowhere."""
    assert Target(**(FILE | settings)).wants(alert(**changes)) is wanted


def test_signatures_are_those_of_standard_webhooks() -> None:
    """The example that its authors publish; other secrets are taken as they are."""
    key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signed(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert (key_of("plain"), key_of("whsec_not base64")) == (b"plain", b"whsec_not base64")


@given(st.integers(1, 200), st.floats(0, 10**9), st.floats(0, 1, exclude_max=True))
def test_pauses_grow_are_spread_and_respect_what_was_asked(attempt: int, asked: float, chance: float) -> None:
    """Never shorter than the target asked for, within bounds."""
    assert min(asked, LONGEST_ASKED_S) <= pause(attempt, asked, chance) <= max(LONGEST_S, LONGEST_ASKED_S)
    assert pause(1, 0, chance) <= 1.0 <= pause(2, 0, chance) <= 2.0


@pytest.mark.parametrize(("value", "seconds"), [("120", 120), (" 7 ", 7), ("Sun, 22 Nov 2026 10:00:30 GMT", 30), ("Sun, 22 Nov 2026 09:00:00 GMT", 0),
                                                ("soon", 0), ("", 0), ("-5", 0)])  # fmt: skip
def test_retry_after_is_read_as_seconds_or_as_a_date(value: str, seconds: float) -> None:
    """Nonsense means no wish."""
    assert retry_after(value, datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)) == seconds


def test_formats_say_the_same() -> None:
    """Own JSON comes back as it was; Slack's markup cannot be forged by names."""
    one = alert(title="<!channel> & <https://evil.test|click>")
    assert msgspec.json.decode(body_of(one, "own"), type=Alert) == one
    assert json.loads(body_of(one, "ocsf"))["class_uid"] == 2004
    said = slack_message(one)
    assert said["text"] == "New, high: &lt;!channel&gt; &amp; &lt;https://evil.test|click&gt; (tenant acme)"
    assert {"title": "names", "value": "30", "short": True} in said["attachments"][0]["fields"]


@given(st.text(max_size=20), st.text(max_size=20))
def test_syslog_messages_hold_what_they_say_whatever_the_text(subject: str, detector: str) -> None:
    """RFC 5424: one line of ASCII header, escaped parameters, JSON; RFC 5425: octets counted."""
    line = message(alert(subject=subject, detector=detector), "own", "host")
    assert line.startswith(b"<163>1 ")
    assert b"\n" not in line.split(b"[", 1)[0]
    assert json.loads(line[line.index(b"] {") + 2 :])["subject"] == subject
    count, _, rest = framed(line).partition(b" ")
    assert (int(count), rest) == (len(line), line)


def test_a_file_is_rotated_and_follows_when_it_is_moved(tmp_path: Path) -> None:
    """Every line whole, the oldest gone, a moved file left alone."""
    path = tmp_path / "alerts.jsonl"
    size = len(body_of(alert(), "own")) + 1
    target = File(Target(name="log", kind="file", path=str(path), rotate_mib=2.5 * size / 2**20, keep=2))

    def write(*names: str) -> None:
        for name in names:
            asyncio.run(target.send(alert(name)))

    def held(name: str) -> list[str]:
        return [json.loads(line)["id"] for line in (tmp_path / name).read_text().splitlines()]

    write("a1", "a2", "a3", "a4", "a5", "a6", "a7")
    assert [held(name) for name in ("alerts.jsonl", "alerts.jsonl.1", "alerts.jsonl.2")] == [["a7"], ["a5", "a6"], ["a3", "a4"]]
    assert not (tmp_path / "alerts.jsonl.3").exists()
    path.rename(tmp_path / "moved")
    write("a8")
    assert (held("alerts.jsonl"), held("moved")) == (["a8"], ["a7"])


def test_a_file_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    """With its path."""
    target = File(Target(name="log", kind="file", path=str(tmp_path / "no" / "alerts.jsonl")))
    with pytest.raises(DeliveryError, match=r"alerts.jsonl: No such file or directory"):
        asyncio.run(target.send(alert()))
