"""Which alerts go where: the settings of ``nameward streams delivery``, and the secrets they point to.

A secret stands in a file or an environment variable, never in the settings, and is never written anywhere.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from schemas.objects import Severity
from schemas.signals import Alert, AlertState
from streams.config import ConfigError, KafkaSettings, Settings, load
from streams.detectors.finding import rank

Form = Literal["own", "ocsf", "slack"]


class Secret(Settings, frozen=True):
    """Where a secret is: a file (its text without the last line's end) or an environment variable."""

    file: str = ""
    env: str = ""


class Target(Settings, frozen=True):
    """One place alerts go to.

    Args:
        name: of the target; its consumer group is made from it.
        kind: webhook, syslog or file.
        url: of a webhook. address: ``host:port`` of a syslog receiver. path: of a file.
        form: own JSON, OCSF, or Slack's for webhooks; ``format`` in the file.
        tenants: only theirs; all by default.
        min_severity: and above.
        states: open, updated, closed.
        secret: what signs webhooks.
        ca_file: certificates that vouch for the receiver; the system's by default.
        attempts: how often a delivery is tried before it goes to dns.dead.
        timeout_seconds: of one attempt.
        rotate_mib, keep: a file that has grown so large becomes ``path.1``; so many older ones are kept.
    """

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    kind: Literal["webhook", "syslog", "file"]
    url: str = ""
    address: str = ""
    path: str = ""
    form: Form = msgspec.field(default="own", name="format")
    tenants: tuple[str, ...] = ()
    min_severity: Severity = "info"
    states: tuple[AlertState, ...] = ("open", "updated", "closed")
    secret: Secret = Secret()
    ca_file: str = ""
    attempts: Annotated[int, Meta(ge=1, le=100)] = 10
    timeout_seconds: Annotated[float, Meta(gt=0, le=300)] = 10.0
    rotate_mib: Annotated[float, Meta(gt=0)] = 64.0
    keep: Annotated[int, Meta(ge=0, le=1000)] = 5

    def wants(self, alert: Alert) -> bool:
        """Whether an alert goes there; a muted one goes nowhere."""
        return (
            not alert.muted
            and alert.state in self.states
            and (not self.tenants or alert.tenant in self.tenants)
            and rank(alert.severity) >= rank(self.min_severity)
        )


class DeliverySettings(Settings, frozen=True):
    """The process that delivers.

    Args:
        deliveries: the targets, at least one.
        kafka: the broker; its address may be given on the command line instead.
        history_seconds: a target that is new gets alerts this old at most.
        log_level: of the log on stderr.
    """

    deliveries: Annotated[list[Target], Meta(min_length=1)]
    kafka: KafkaSettings | None = None
    history_seconds: Annotated[float, Meta(ge=0)] = 3600.0
    log_level: str = "warning"


_PLACE = {"webhook": "url", "syslog": "address", "file": "path"}


def read_settings(path: Path) -> DeliverySettings:
    """Settings from a YAML file, checked as a whole.

    Raises:
        ConfigError: one sentence with file, key path and what was expected.
    """
    settings = load(path, DeliverySettings)
    names: set[str] = set()
    for number, target in enumerate(settings.deliveries):
        where = f"{path}: deliveries[{number}]"
        if target.name in names:
            raise ConfigError(f"{where}.name: {target.name} stands twice; its position would be shared")
        names.add(target.name)
        if problem := _problem(target):
            raise ConfigError(f"{where}.{problem}")
    return settings


def _problem(target: Target) -> str:
    place = _PLACE[target.kind]
    given = {name for name in _PLACE.values() if getattr(target, name)}
    if given != {place}:
        return f"{place}: a {target.kind} needs `{place}` and nothing else of {', '.join(_PLACE.values())}"
    if target.form == "slack" and target.kind != "webhook":
        return f"format: slack is for webhooks, not for a {target.kind}"
    if target.kind == "webhook" and urlsplit(target.url).scheme not in {"http", "https"}:
        return "url: expected an http or https URL"
    if target.kind == "syslog" and not _is_address(target.address):
        return f"address: expected host:port, got {target.address!r}"
    if target.kind == "webhook" and target.form != "slack" and not (target.secret.file or target.secret.env):
        return "secret: a webhook needs `secret: {file: PATH}` or `{env: NAME}`, so that its receiver can trust it"
    return ""


def _is_address(text: str) -> bool:
    host, _, port = text.rpartition(":")
    return bool(host) and port.isascii() and port.isdigit() and 0 < int(port) < 65536


def secret_of(target: Target) -> str:
    """The secret of a target; empty where it has none.

    Raises:
        ConfigError: it is not where the settings say; without saying what was read.
    """
    where = f"delivery {target.name}: secret"
    if target.secret.env:
        if not (value := os.environ.get(target.secret.env, "")):
            raise ConfigError(f"{where}: the environment variable {target.secret.env} is not set")
        return value
    if not target.secret.file:
        return ""
    try:
        value = Path(target.secret.file).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{where}: {target.secret.file} cannot be read: {type(error).__name__}") from error
    if not value:
        raise ConfigError(f"{where}: {target.secret.file} is empty")
    return value
