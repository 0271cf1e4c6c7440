"""Settings: defaults, every key, and errors that name file and key path."""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path

import pytest

from resolver.config import ConfigError, Settings, load_settings, parse_admin, parse_settings, parse_virtual

_ALL = """
name: r7
listen: {address: "::1", port: 53}
admin: unix:/run/r7.sock
kafka: {bootstrap: "kafka1:9092,kafka2:9092"}
directory: /var/lib/nameward
publisher: {flush_ms: 50, batch_events: 500, max_events: 5000, max_bytes: 2097152}
listeners: [{name: edge, address: 192.0.2.1, port: 53}, {name: side, address: "::1", port: 54}]
cache: {entries: 10, fast_entries: 20}
virtual: {ipv4: 198.18.0.0/15, ipv6: "fd12:3456:789a::/48"}
tcp: {connections: 10, per_client: 2, in_flight: 3, message: 512, idle: 1.5, stalled: 2}
pseudonym_key_file: /etc/nameward/key
max_in_flight: 100
"""


def test_nothing_said_means_defaults_on_loopback() -> None:
    """An empty file is complete settings that expose nothing."""
    settings = parse_settings({})
    assert settings == Settings()
    assert settings.listen.address == "127.0.0.1"
    assert parse_admin(settings.admin) == ("127.0.0.1", 9153)


def test_every_key_is_read(tmp_path: Path) -> None:
    """What is written is what is meant."""
    file = tmp_path / "r7.yaml"
    file.write_text(_ALL)
    settings = load_settings(file)
    assert (settings.name, settings.listen.port, settings.kafka.bootstrap) == ("r7", 53, "kafka1:9092,kafka2:9092")
    assert (settings.publisher.flush_ms, settings.cache.fast_entries, settings.tcp.idle) == (50, 20, 1.5)
    assert [(place.name, place.address, place.port) for place in settings.listeners] == [
        ("edge", "192.0.2.1", 53),
        ("side", "::1", 54),
    ]
    assert parse_admin(settings.admin) == Path("/run/r7.sock")
    assert [str(network) for network in astuple(parse_virtual(settings.virtual))] == ["198.18.0.0/15", "fd12:3456:789a::/48"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("listen: {prot: 53}", r"listen\.prot: unknown key"),
        ("lisden: {port: 53}", r"lisden: unknown key"),
        ("listen: {port: 70000}", r"listen\.port: expected `int` <= 65535"),
        ("listen: {port: none}", r"listen\.port: expected `int`, got `str`"),
        ("listen: {address: localhost}", r"listen\.address: 'localhost' is not an IP address"),
        ("virtual: {ipv4: 240.240.0.1/16}", r"virtual\.ipv4: expected a CIDR block such as 240\.240\.0\.0/16, got '240\.240\.0\.1/16': .*host bits set"),
        ("virtual: {ipv4: 10.0.0.0/31}", r"virtual\.ipv4: expected an IPv4 block of /8 to /30 such as 240\.240\.0\.0/16, got '10\.0\.0\.0/31'"),
        ("virtual: {ipv6: 240.240.0.0/16}", r"virtual\.ipv6: expected an IPv6 block of /32 to /126 such as fd6e:616d:6577::/48, got"),
        ("listen: 5300", r"listen: expected `object`"),
        ("name: '../r1'", r"name: expected `str` matching regex"),
        ("admin: 9153", r"admin: expected `str`"),
        ("admin: 'localhost'", r"admin: 'localhost' is neither address:port nor unix:PATH"),
        ("admin: '127.0.0.1:0'", r"admin: .* is neither"),
        ("publisher: {flush_ms: 1000}", r"publisher\.flush_ms: expected `int` <= 250"),
        ("tcp: {idle: 0}", r"tcp\.idle: expected `float` > 0"),
        ("listeners: [{address: 127.0.0.1, port: 53}]", r"listeners\[0\]: object missing required field `name`"),
        ("listeners: [{name: Edge, address: 127.0.0.1, port: 53}]", r"listeners\[0\]\.name: expected `str` matching regex"),
        ("listeners: [{name: edge, address: all, port: 53}]", r"listeners\[0\]\.address: 'all' is not an IP address"),
        (
            "listeners: [{name: edge, address: 127.0.0.1, port: 5300}]",
            r"listeners\[0\]: 127\.0\.0\.1 port 5300 is the place of listen too",
        ),
        (
            "listeners: [{name: a, address: 127.0.0.1, port: 53}, {name: a, address: 127.0.0.2, port: 53}]",
            r"listeners\[1\]\.name: 'a' is the name of listeners\[0\] too",
        ),
        ("- a list", r"the document: expected `object`"),
        ("name: [", r"are not YAML: .*line 1"),
    ],
)
def test_errors_name_file_and_key_path(tmp_path: Path, text: str, message: str) -> None:
    """One sentence, with the place."""
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_settings(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_said_so(tmp_path: Path) -> None:
    """The reason is the system's."""
    with pytest.raises(ConfigError, match=r"cannot read settings .*/none\.yaml: No such file"):
        load_settings(tmp_path / "none.yaml")
