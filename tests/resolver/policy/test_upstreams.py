"""Upstream groups of a Tenant: URLs read, and what is wrong with them in words."""

from __future__ import annotations

import re

import pytest

from resolver.policy.compiler import verify
from resolver.policy.upstreams import parse_server
from resolver.tenant_view import Server
from tests.resolver.policy.written import objects, tenant

FORMS = "expected udp://address[:port], tcp://address[:port], tls://address[:port][#name] or https://address[:port]/path[#name]"


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("udp://127.0.0.1", Server("udp", "127.0.0.1", 53, "udp://127.0.0.1:53")),
        ("tcp://[::1]:5353", Server("tcp", "::1", 5353, "tcp://[::1]:5353")),
        ("tls://192.0.2.53#DNS.Example.net.", Server("tls", "192.0.2.53", 853, "tls://192.0.2.53:853#dns.example.net", "dns.example.net", "", "/ca.pem")),
        ("tls://[2001:db8::53]", Server("tls", "2001:db8::53", 853, "tls://[2001:db8::53]:853", "2001:db8::53", "", "/ca.pem")),
        ("https://192.0.2.53#d.example", Server("https", "192.0.2.53", 443, "https://192.0.2.53:443/dns-query#d.example", "d.example", "/dns-query", "/ca.pem")),
        ("https://192.0.2.53:8443/a/b", Server("https", "192.0.2.53", 8443, "https://192.0.2.53:8443/a/b", "192.0.2.53", "/a/b", "/ca.pem")),
    ],
)
def test_what_a_url_says(url: str, server: Server) -> None:
    """Ports, path and name have the defaults of their protocol; encrypted servers need no plaintext: true."""
    assert parse_server(url, plaintext=False, ca_file="/ca.pem") == server


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("quic://127.0.0.1", f"{FORMS}, got 'quic://127.0.0.1'"),
        ("127.0.0.1", f"{FORMS}, got '127.0.0.1': '' does not appear to be an IPv4 or IPv6 address"),
        ("tls://dns.example.net", f"{FORMS}, got 'tls://dns.example.net': 'dns.example.net' does not appear to be an IPv4 or IPv6 address"),
        ("tls://127.0.0.1/x#a", f"{FORMS}, got 'tls://127.0.0.1/x#a'"),
        ("https://127.0.0.1/x{?dns}?a=b", f"{FORMS}, got 'https://127.0.0.1/x{{?dns}}?a=b'"),
        ("https://me@127.0.0.1/x", f"{FORMS}, got 'https://me@127.0.0.1/x'"),
        ("tls://127.0.0.1:0#a", f"{FORMS}, got 'tls://127.0.0.1:0#a': port 0 is not between 1 and 65535"),
        ("tls://127.0.0.1:99999", f"{FORMS}, got 'tls://127.0.0.1:99999': Port out of range 0-65535"),
        ("tls://127.0.0.1#a b", f"{FORMS}, got 'tls://127.0.0.1#a b': 'a b' is not a host name"),
        ("tls://127.0.0.1#a..b", f"{FORMS}, got 'tls://127.0.0.1#a..b': not a domain name: 'a..b'"),
        ("udp://127.0.0.1#a", f"{FORMS}, got 'udp://127.0.0.1#a': udp shows no certificate that could bear a name"),
        ("tcp://192.0.2.1", "'tcp://192.0.2.1' can be read on its way: set plaintext: true beside servers to accept that (loopback needs none)"),
    ],
)
def test_what_is_wrong_with_a_url(url: str, message: str) -> None:
    """The forms there are, what was found, and the reason."""
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        parse_server(url, plaintext=False)


@pytest.mark.parametrize(
    ("group", "problem"),
    [
        ('{servers: ["tls://192.0.2.1"], caFile: ca.pem}', "spec.upstreams[0].caFile: expected an absolute path, got 'ca.pem'"),
        ('{servers: ["udp://127.0.0.1"], caFile: /ca.pem}', "spec.upstreams[0].caFile: no server of the group shows a certificate; expected a tls:// or https:// server"),
        ('{servers: ["tls://192.0.2.1", "tls://x"]}', f"spec.upstreams[0].servers[1]: {FORMS}, got 'tls://x': 'x' does not appear to be an IPv4 or IPv6 address"),
    ],
)
def test_a_wrong_group_is_named_with_its_key_path(group: str, problem: str) -> None:
    """Object and key path stand before what is wrong."""
    text = tenant().replace('[{name: main, servers: ["udp://127.0.0.1:5301"]}]', f"[{group}]")
    assert [str(found) for found in verify(objects(text))] == [f"Tenant/acme {problem}"]
