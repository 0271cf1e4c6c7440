"""Several places of one worker."""

from __future__ import annotations

import socket

import pytest

from resolver.listeners.places import BindError, Place, bind_places
from tests.peers.authority import free_port


def test_a_place_that_is_taken() -> None:
    """The error names protocol, place and listener; what was bound before is free again."""
    first, second = free_port(), free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as taken:
        taken.bind(("127.0.0.1", second))
        taken.listen()
        with pytest.raises(BindError) as caught:
            bind_places([Place("127.0.0.1", first), Place("127.0.0.1", second, "edge")])
    assert str(caught.value) == f"tcp port 127.0.0.1:{second} of listener edge cannot be bound: address already in use"
    with socket.create_server(("127.0.0.1", first)):
        pass


def test_each_place_has_both_protocols() -> None:
    """UDP and TCP on the same port."""
    places = [Place("127.0.0.1", free_port()), Place("127.0.0.1", free_port(), "edge")]
    for place, udp, tcp in bind_places(places):
        with udp, tcp:
            assert udp.getsockname() == tcp.getsockname() == (place.address, place.port)
            assert (udp.type, tcp.type) == (socket.SOCK_DGRAM, socket.SOCK_STREAM)
