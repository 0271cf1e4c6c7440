"""Addresses and the holders of ports."""

from __future__ import annotations

import os
import socket

import pytest

from compose.failure import Failure
from compose.ports import Address, holder_of, is_loopback, require_free


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("127.0.0.1:53", "127.0.0.1", 53), ("[::1]:853", "::1", 853), ("localhost:1", "localhost", 1)],
)
def test_address_reads_and_writes_what_users_write(text: str, host: str, port: int) -> None:
    """An address survives the way in and out."""
    assert Address.parse(text) == Address(host, port)
    assert str(Address.parse(text)) == text


@pytest.mark.parametrize("text", ["", "5300", "127.0.0.1", "127.0.0.1:", "host:0", "host:65536", "host:x", ":53"])
def test_address_refuses_with_one_sentence(text: str) -> None:
    """What is no address is named in the refusal."""
    with pytest.raises(Failure, match="is not an address"):
        Address.parse(text)


@pytest.mark.parametrize(("kind", "socket_type"), [("tcp", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM)])
def test_taken_port_names_port_and_program(kind: str, socket_type: int) -> None:
    """The refusal of a taken port names the port, its purpose and the process that holds it."""
    with socket.socket(socket.AF_INET, socket_type) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind == "tcp":
            taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            Failure, match=f"{kind} port 127.0.0.1:{port} for DNS is taken by .* \\(pid {os.getpid()}\\)"
        ):
            require_free(Address("127.0.0.1", port), (kind,), "DNS")
        assert holder_of(port, kind).endswith(f"(pid {os.getpid()})")
    require_free(Address("127.0.0.1", port), (kind,), "DNS")


def test_address_of_another_machine_cannot_be_bound() -> None:
    """An address this machine does not have is refused with the kernel's reason."""
    with pytest.raises(Failure, match=r"cannot listen on udp 192.0.2.1:5300 for DNS"):
        require_free(Address("192.0.2.1", 5300), ("udp",), "DNS")


def test_loopback() -> None:
    """Only loopback addresses and localhost stay on this machine."""
    assert [is_loopback(host) for host in ("127.9.9.9", "::1", "localhost", "10.0.0.1", "example.com")] == [
        True,
        True,
        True,
        False,
        False,
    ]
