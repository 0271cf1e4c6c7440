"""The demo's documents, whatever resolver the machine has, and the tour that shows them."""

from __future__ import annotations

from math import inf
from pathlib import Path

import pytest

from compose.demo import demo_yaml, nameservers
from compose.layout import DEFAULT_DIRECTORY, Layout
from compose.ports import Address
from compose.tour import tour
from resolver.policy.compiler import compile_policy
from schemas.documents import read_documents
from schemas.objects import Tenant


def layout(directory: str, *, demo: bool = True) -> Layout:
    """A layout with addresses of its own."""
    addresses = [Address("127.0.0.1", port) for port in (5300, 9153, 9092, 8123)]
    return Layout(Path(directory), *addresses, demo=demo)


@pytest.mark.parametrize(
    ("resolv_conf", "servers"),
    [
        ("nameserver 10.0.0.53\n", ["10.0.0.53"]),
        ("search x\nnameserver 127.0.0.53\noptions edns0\n# nameserver 1.1.1.1\n", ["127.0.0.53"]),
        ("nameserver fe80::1%eth0\nnameserver 2001:db8::53\n", ["fe80::1", "2001:db8::53"]),
        ("nameserver not-an-address\nnameserver\n", []),
        ("".join(f"nameserver 192.0.2.{number}\n" for number in range(9)), ["192.0.2.0", "192.0.2.1", "192.0.2.2"]),
        ("", []),
    ],
)
def test_demo_asks_the_machines_own_resolver(tmp_path: Path, resolv_conf: str, servers: list[str]) -> None:
    """The demo is valid policy on every machine and has its resolver as upstream, in plain only where that must be said."""
    (tmp_path / "resolv.conf").write_text(resolv_conf)
    assert nameservers(resolv_conf) == servers
    documents, errors = read_documents(demo_yaml(tmp_path / "resolv.conf"), "demo.yaml")
    assert errors == []
    tenants = [document.obj for document in documents if isinstance(document.obj, Tenant)]
    assert {tenant.metadata.name for tenant in tenants} == {"acme", "globex"}
    for tenant in tenants:
        urls = [url for group in tenant.spec.upstreams for url in group.servers]
        assert len(urls) == len(servers)
        assert all(server in url for server, url in zip(servers, urls, strict=True))
        remote = any(not server.startswith("127.") for server in servers)
        assert all(group.plaintext is remote for group in tenant.spec.upstreams)
    compile_policy({document.key: document.obj for document in documents}, {}, now=0.0, version="t", epoch=1)


def test_demo_without_resolv_conf(tmp_path: Path) -> None:
    """A machine without resolv.conf gets tenants without upstreams."""
    documents, errors = read_documents(demo_yaml(tmp_path / "missing"), "demo.yaml")
    assert errors == []
    assert all(not document.obj.spec.upstreams for document in documents if isinstance(document.obj, Tenant))
    assert inf > len(documents) > 2


def test_tour_names_this_stacks_addresses() -> None:
    """The tour can be pasted: it names the ports and, where it is not the usual one, the directory."""
    text = tour(layout("elsewhere"))
    assert "dig -b 127.0.1.10 -p 5300 @127.0.0.1 www.example.com" in text
    assert "ledger --directory elsewhere" in text
    assert "--directory" not in tour(layout(DEFAULT_DIRECTORY))
    assert "dig" not in tour(layout("elsewhere", demo=False))
