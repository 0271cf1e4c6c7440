"""Where one worker listens: a UDP and a TCP listener for each place, bound, started and closed together.

Every place but the first has a name, by which tenants may claim the clients that come in there. This module must not
know DNS.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from dataclasses import dataclass

from resolver.listeners.stream import StreamListener, bind_tcp
from resolver.listeners.udp import UdpListener, bind_udp


@dataclass(frozen=True, slots=True)
class Place:
    """An address, a port, and the listener's name; empty for the unnamed one."""

    address: str
    port: int
    name: str = ""


class BindError(Exception):
    """A port that cannot be bound; the message is one sentence for the user."""


def bind_places(places: Iterable[Place]) -> list[tuple[Place, socket.socket, socket.socket]]:
    """A UDP and a TCP socket for each place.

    Raises:
        BindError: naming the first that cannot be bound; nothing stays bound then.
    """
    made: list[socket.socket] = []
    bound = []
    for place in places:
        for kind, bind in (("udp", bind_udp), ("tcp", bind_tcp)):
            try:
                made.append(bind(place.address, place.port))
            except OSError as error:
                for open_socket in made:
                    open_socket.close()
                where = f"{kind} port {place.address}:{place.port}{f' of listener {place.name}' * bool(place.name)}"
                raise BindError(f"{where} cannot be bound: {(error.strerror or str(error)).lower()}") from error
        bound.append((place, made[-2], made[-1]))
    return bound


@dataclass(frozen=True, slots=True)
class Listeners:
    """Those of one worker."""

    udp: list[UdpListener]
    tcp: list[StreamListener]

    async def start(self) -> None:
        """Begin to serve."""
        for datagrams in self.udp:
            datagrams.start()
        for connections in self.tcp:
            await connections.start()

    async def close(self) -> None:
        """Stop, each in its own bounded time."""
        await asyncio.gather(*(one.close() for one in self.udp), *(one.close() for one in self.tcp))
