"""The upstream groups of a Tenant: servers read of their URLs, the suffixes they are for, what contradicts.

Part of compiling a Tenant (tenancy.py). This module must not know how servers are asked.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit

from resolver.names import MalformedNameError, text_labels
from resolver.policy.patterns import Pattern, PatternError, parse_pattern
from resolver.policy.reading import Report
from resolver.tenant_view import Server, UpstreamGroupView
from schemas.tenant_spec import TenantSpec, UpstreamGroup

_PORTS = {"udp": 53, "tcp": 53, "tls": 853, "https": 443}
_PLAIN = frozenset({"udp", "tcp"})
_PATH = "/dns-query"
_FORMS = (
    "expected udp://address[:port], tcp://address[:port], tls://address[:port][#name] or "
    "https://address[:port]/path[#name]"
)


def compile_groups(spec: TenantSpec, report: Report) -> list[tuple[UpstreamGroupView, tuple[Pattern, ...]]]:
    """Each group with the patterns it is for; what is wrong is reported and left out."""
    caching = spec.caching
    if caching.min_ttl > caching.max_ttl:
        report("spec.caching.minTtl", f"{caching.min_ttl} is more than maxTtl, {caching.max_ttl}")
    life = caching.min_ttl, caching.max_ttl, caching.max_negative_ttl
    pairs = [_group(group, life, f"spec.upstreams[{place}]", report) for place, group in enumerate(spec.upstreams)]
    _check_groups([group for group, _ in pairs], report)
    return pairs


def _group(
    group: UpstreamGroup, life: tuple[int, int, int], path: str, report: Report
) -> tuple[UpstreamGroupView, tuple[Pattern, ...]]:
    patterns = []
    for place, text in enumerate(group.suffixes):
        try:
            patterns.append(_suffix(text))
        except PatternError as error:
            report(f"{path}.suffixes[{place}]", f"expected a domain such as corp.example, got {text!r}: {error}")
    servers = []
    for place, url in enumerate(group.servers):
        try:
            servers.append(parse_server(url, plaintext=group.plaintext, ca_file=group.ca_file))
        except ValueError as error:
            report(f"{path}.servers[{place}]", str(error))
    _check_ca_file(group.ca_file, servers, path, report)
    scope = (*life, *(server.url for server in servers))
    view = UpstreamGroupView(
        group.name, tuple(group.suffixes), tuple(servers), group.timeout_ms / 1000, scope, group.strategy
    )
    return view, tuple(patterns)


def _suffix(text: str) -> Pattern:
    """A bare domain stands for itself and all below it: it is a suffix, not a name."""
    pattern = parse_pattern(text)
    return pattern if pattern.kind != "exact" or pattern.globs else Pattern("within", (), pattern.suffix, text)


def _check_ca_file(ca_file: str, servers: Iterable[Server], path: str, report: Report) -> None:
    """Whether it can be read is seen when a server is asked: the file is the resolver's, not the policy's."""
    if ca_file and not ca_file.startswith("/"):
        report(f"{path}.caFile", f"expected an absolute path, got {ca_file!r}")
    elif ca_file and all(server.scheme in _PLAIN for server in servers):
        report(f"{path}.caFile", "no server of the group shows a certificate; expected a tls:// or https:// server")


def _check_groups(groups: Iterable[UpstreamGroupView], report: Report) -> None:
    names: dict[str, int] = {}
    rest = -1
    for place, group in enumerate(groups):
        first = names.setdefault(group.name, place) if group.name else place
        if first != place:
            report(f"spec.upstreams[{place}].name", f"{group.name!r} is the name of upstreams[{first}] too")
        if not group.suffixes and rest < 0:
            rest = place
        elif not group.suffixes and not group.name:
            report(
                f"spec.upstreams[{place}]",
                f"upstreams[{rest}] takes the names no suffix claims already; expected suffixes, or a name to route to",
            )


def parse_server(url: str, *, plaintext: bool, ca_file: str = "") -> Server:
    """One upstream server of a URL such as ``udp://192.0.2.1`` or ``tls://[2001:db8::1]#dns.example.net``.

    Args:
        url: without a name a certificate must bear the address itself.
        plaintext: whether a server off this machine may be asked in clear text.
        ca_file: certificates that vouch for the server's; the system's by default.

    Raises:
        ValueError: saying what is wrong.
    """
    wrong = f"{_FORMS}, got {url!r}"
    try:
        parts = urlsplit(url)
        port = _PORTS.get(parts.scheme, 0) if parts.port is None else parts.port
        host = ipaddress.ip_address(parts.hostname or "")
    except ValueError as error:
        raise ValueError(f"{wrong}: {error}") from error
    misplaced = parts.query or parts.username is not None or (parts.path and parts.scheme != "https")
    if parts.scheme not in _PORTS or misplaced:
        raise ValueError(wrong)
    if not 0 < port < 65536:
        raise ValueError(f"{wrong}: port {port} is not between 1 and 65535")
    shown = f"{parts.scheme}://[{host}]:{port}" if host.version == 6 else f"{parts.scheme}://{host}:{port}"
    if parts.scheme in _PLAIN:
        return _plain(parts, Server(parts.scheme, str(host), port, shown), on_node=host.is_loopback or plaintext)
    name = _certificate_name(parts.fragment, wrong)
    path = (parts.path or _PATH) if parts.scheme == "https" else ""
    shown += path + (f"#{name}" if name else "")
    return Server(parts.scheme, str(host), port, shown, name or str(host), path, ca_file)


def _plain(parts: SplitResult, server: Server, *, on_node: bool) -> Server:
    url = parts.geturl()
    if parts.fragment:
        raise ValueError(f"{_FORMS}, got {url!r}: {parts.scheme} shows no certificate that could bear a name")
    if not on_node:
        raise ValueError(
            f"{url!r} can be read on its way: set plaintext: true beside servers to accept that (loopback needs none)"
        )
    return server


def _certificate_name(fragment: str, wrong: str) -> str:
    """Host name a certificate can bear, lower case; empty for none."""
    name = fragment.lower().removesuffix(".")
    try:
        labels = text_labels(name)
    except MalformedNameError as error:
        raise ValueError(f"{wrong}: {error}") from error
    if not all(label.replace(b"-", b"").replace(b"_", b"").isalnum() and label.isascii() for label in labels):
        raise ValueError(f"{wrong}: {fragment!r} is not a host name")
    return name
