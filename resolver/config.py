"""Settings of one resolver worker: a YAML file -> typed values; every error names the file and the key path.

Read once at the top, by app.py and __main__.py only; everything below takes plain arguments.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

import msgspec
import yaml
from msgspec import Meta

from resolver.policy.addresses import DEFAULT_RANGES, Ranges, parse_ranges
from schemas.tenant_spec import Limits as TenantLimits

_PATH = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<path>[^`]*)`)?$", re.DOTALL)
_UNKNOWN = re.compile(r"^Object contains unknown field `(?P<key>.*)`$")

Port = Annotated[int, Meta(ge=1, le=65535)]


class ConfigError(ValueError):
    """Settings that cannot be used; the message is for the user."""


class _Section(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    pass


class Listen(_Section, frozen=True):
    """Where queries are taken, over UDP and TCP."""

    address: str = "127.0.0.1"
    port: Port = 5300


class NamedListen(_Section, frozen=True):
    """One more place where queries are taken; tenants claim the clients that come in there by its name."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$")]
    address: str
    port: Port


class Kafka(_Section, frozen=True):
    """bootstrap: ``host:port`` of one broker, or several with commas."""

    bootstrap: Annotated[str, Meta(min_length=3)] = "127.0.0.1:9092"


class PublisherSettings(_Section, frozen=True):
    """Bounds of what waits for Kafka; beyond them events are dropped and counted. See publisher.Limits."""

    flush_ms: Annotated[int, Meta(ge=50, le=250)] = 250
    batch_events: Annotated[int, Meta(ge=1, le=20_000)] = 2000
    max_events: Annotated[int, Meta(ge=1000)] = 200_000
    max_bytes: Annotated[int, Meta(ge=2**20)] = 16 * 2**20


class CacheSettings(_Section, frozen=True):
    """entries: most cached answers of all tenants together. fast_entries: answers the fast path repeats."""

    entries: Annotated[int, Meta(ge=1)] = 20_000
    fast_entries: Annotated[int, Meta(ge=1)] = 8192


class TcpSettings(_Section, frozen=True):
    """Bounds of TCP service; see connection.StreamLimits. Times in seconds."""

    connections: Annotated[int, Meta(ge=1)] = 1000
    per_client: Annotated[int, Meta(ge=1)] = 100
    in_flight: Annotated[int, Meta(ge=1)] = 100
    message: Annotated[int, Meta(ge=512, le=65535)] = 4096
    idle: Annotated[float, Meta(gt=0)] = 10.0
    stalled: Annotated[float, Meta(gt=0)] = 10.0


class VirtualSettings(_Section, frozen=True):
    """Ranges that virtual names' own addresses are allocated from; the same in every resolver."""

    ipv4: str = str(DEFAULT_RANGES.ipv4)
    ipv6: str = str(DEFAULT_RANGES.ipv6)


class LimitSettings(_Section, frozen=True):
    """What tenants cannot say; see limits.py.

    unknown_queries_per_second: queries of one client nobody claims that are answered (REFUSED); beyond them there is
    silence. 0 is no limit. clients: most clients whose queries are counted, of all tenants together.
    """

    unknown_queries_per_second: Annotated[int, Meta(ge=0)] = 50
    clients: Annotated[int, Meta(ge=1000)] = 65_536

    def of_unknown_clients(self) -> TenantLimits | None:
        """As tenants have them; None for none. Nothing is truncated: over TCP they would be refused all the same."""
        rate = self.unknown_queries_per_second
        return TenantLimits(client_queries_per_second=rate, slip=0) if rate else None


class Settings(_Section, frozen=True):
    """Everything one worker is told.

    name: its slot, the ``source`` of its events; kept over restarts, used by one process at a time.
    listeners: places beside `listen`.
    admin: ``address:port`` or ``unix:PATH`` of the admin endpoint; it knows no passwords, so keep it on loopback.
    directory: where counters, the policy snapshot and, unless pseudonym_key_file is given, the pseudonym key are kept.
    domain_sets: directory of the files that domain sets name; without one such sets stay empty.
    max_in_flight: queries waiting for upstream at a time; more are answered SERVFAIL.
    """

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")] = "r1"
    listen: Listen = Listen()
    listeners: list[NamedListen] = []
    admin: str = "127.0.0.1:9153"
    kafka: Kafka = Kafka()
    directory: str = ".nameward"
    publisher: PublisherSettings = PublisherSettings()
    cache: CacheSettings = CacheSettings()
    tcp: TcpSettings = TcpSettings()
    limits: LimitSettings = LimitSettings()
    virtual: VirtualSettings = VirtualSettings()
    pseudonym_key_file: str = ""
    domain_sets: str = ""
    max_in_flight: Annotated[int, Meta(ge=1)] = 4096


def load_settings(path: Path) -> Settings:
    """Settings from a YAML file.

    Raises:
        ConfigError: naming the file and the key path.
    """
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigError(f"cannot read settings {path}: {reason}") from error
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"settings {path} are not YAML: {' '.join(str(error).split())}") from error
    try:
        return parse_settings({} if document is None else document)
    except ConfigError as error:
        raise ConfigError(f"settings {path}: {error}") from error


def parse_settings(document: object) -> Settings:
    """Settings from a document.

    Raises:
        ConfigError: naming the key path.
    """
    try:
        settings = msgspec.convert(document, Settings)
    except msgspec.ValidationError as error:
        raise ConfigError(_explained(str(error))) from error
    _check_places(settings)
    parse_admin(settings.admin)
    parse_virtual(settings.virtual)
    return settings


def _check_places(settings: Settings) -> None:
    """Every place is an address, used once, under a name of its own."""
    taken: dict[object, str] = {}
    places: list[Listen | NamedListen] = [settings.listen, *settings.listeners]
    for number, place in enumerate(places, -1):
        path = f"listeners[{number}]" if number >= 0 else "listen"
        try:
            where = ip_address(place.address), place.port
        except ValueError:
            raise ConfigError(f"{path}.address: {place.address!r} is not an IP address") from None
        if taken.setdefault(where, path) != path:
            raise ConfigError(f"{path}: {place.address} port {place.port} is the place of {taken[where]} too")
        if isinstance(place, NamedListen) and taken.setdefault(place.name, path) != path:
            raise ConfigError(f"{path}.name: {place.name!r} is the name of {taken[place.name]} too")


def parse_virtual(settings: VirtualSettings) -> Ranges:
    """Ranges of virtual addresses.

    Raises:
        ConfigError: when one is no block of its family, or too small or large.
    """
    try:
        return parse_ranges(settings.ipv4, settings.ipv6)
    except ValueError as error:
        raise ConfigError(f"virtual.{error}") from error


def parse_admin(text: str) -> Path | tuple[str, int]:
    """A Unix socket's path, or address and port, of an admin endpoint.

    Raises:
        ConfigError: when it is neither.
    """
    if text.startswith("unix:") and len(text) > len("unix:"):
        return Path(text.removeprefix("unix:"))
    host, _, port = text.rpartition(":")
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        address = None
    if address is None or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ConfigError(f"admin: {text!r} is neither address:port nor unix:PATH")
    return str(address), int(port)


def _explained(message: str) -> str:
    found = _PATH.match(message)
    what, path = (found["what"], found["path"] or "") if found else (message, "")
    unknown = _UNKNOWN.match(what)
    if unknown:
        return f"{f'{path}.' if path else ''}{unknown['key']}: unknown key"
    return f"{path or 'the document'}: {what[:1].lower()}{what[1:]}"
