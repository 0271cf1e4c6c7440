"""`nameward signal` without a broker: what is refused and how, and which signals hold."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from compose.signal_commands import signal
from compose.signal_topic import holding
from resolver.policy.signal_book import check_signal
from schemas.signals import ContextSignal, encode_signal
from tests.resolver.policy.written import NOW
from tests.resolver.policy.written import signal as written

HEALTH = ("--tenant", "acme", "--kind", "health", "--subject", "10.0.0.1:443", "--value")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((*HEALTH, "ill"), "value: expected one of up, degraded, down for kind health, got 'ill'"),
        ((*HEALTH, "up", "--for", "soon"), "expected a span of time such as 60s, 5m or 1h, got 'soon'"),
        ((*HEALTH, "up", "--for", "2d"), "expected at most a day, which is how long the topic keeps it; got 2d"),
        ((*HEALTH, "up", "--for", "5m", "--kafka", "127.0.0.1:1"), "127.0.0.1:1"),
        (HEALTH[2:-1], "Missing option '--tenant'"),
    ],
)
def test_what_is_refused(arguments: tuple[str, ...], message: str) -> None:
    """One sentence that says what was expected, and nothing is written."""
    result = CliRunner().invoke(signal, ["set", *arguments])
    assert result.exit_code != 0
    assert result.stdout == ""
    assert message in result.stderr


def test_signals_that_hold() -> None:
    """The last word about each subject however it is spelt, without what has expired or makes no sense."""
    records = [
        written("health", "Portal.Example.", "down"),
        written("health", "portal.example", "up"),
        written("health", "gone.example", "down"),
        written("health", "gone.example", "down", life=0),
        written("health", "a.example", "ill"),
        written("latency", "[fd00:0::1]:443", "5", tenant=""),
    ]
    found = holding([*map(encode_signal, records), b"{", None], datetime.fromtimestamp(NOW, UTC))
    assert [(one.tenant, one.subject, one.value) for one in found] == [("acme", "portal.example", "up"), ("", "[fd00:0::1]:443", "5")]


def test_the_message_in_the_readme_is_a_signal() -> None:
    """What health checkers are told to write is what resolvers read."""
    text = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    (message,) = [block for block in re.findall(r"^```json\n(.*?)^```", text, re.MULTILINE | re.DOTALL) if '"subject"' in block]
    check_signal(msgspec.json.decode(message, type=ContextSignal))
