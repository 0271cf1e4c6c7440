"""The demo's objects: config/demo.yaml, with this machine's own resolver as upstream where it has one."""

from __future__ import annotations

import contextlib
from importlib.resources import files
from ipaddress import ip_address
from pathlib import Path

RESOLV_CONF = Path("/etc/resolv.conf")
PLACE = "# upstreams: filled in by `nameward up`"


def nameservers(resolv_conf: str) -> list[str]:
    """IP addresses of the ``nameserver`` lines of resolv.conf(5), in order, at most three as libc reads them."""
    found = []
    for line in resolv_conf.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver":
            with contextlib.suppress(ValueError):
                found.append(str(ip_address(words[1].partition("%")[0])))
    return found[:3]


def upstreams_yaml(servers: list[str], indent: str) -> str:
    """The ``upstreams`` of a Tenant for these servers; a comment where there is none.

    Plain DNS to an address off this machine must be said to be wanted; this machine asks its resolver in plain anyway.
    """
    if not servers:
        return f"{indent}# no upstreams: this machine has no resolver of its own"
    urls = ", ".join(f'"udp://{f"[{server}]" if ":" in server else server}:53"' for server in servers)
    plaintext = "" if all(ip_address(server).is_loopback for server in servers) else ", plaintext: true"
    return f"{indent}upstreams:\n{indent}- {{servers: [{urls}]{plaintext}}}"


def demo_yaml(resolv_conf: Path = RESOLV_CONF) -> str:
    """Documents of the demo for this machine."""
    try:
        servers = nameservers(resolv_conf.read_text(errors="replace"))
    except OSError:
        servers = []
    text = files("compose").joinpath("config", "demo.yaml").read_text()
    lines = []
    for line in text.splitlines():
        if line.strip() == PLACE:
            lines.append(upstreams_yaml(servers, line[: len(line) - len(line.lstrip())]))
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"
