"""A packet filter in front of one UDP socket while somebody floods it: most of the flood ends in the kernel.

Reading and dropping a datagram costs this process as much as a quarter of an answer; the kernel drops it for the price
of looking at its source. Only Linux has the filter and the counter that says what it dropped; without either of them
everything is read, as if nobody flooded. What the filter shall be is floods.py's to say.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import socket
import struct
import sys
from contextlib import suppress

from resolver.excess import Excess
from resolver.floods import Rule
from resolver.listeners.packet_filter import program
from resolver.tenants import Arrival, Policies

log = logging.getLogger(__name__)

_TURN = 0.05
"""Seconds between two looks at what was over limits."""
_ATTACH, _DETACH, _MEMORY = 26, 27, 55
"""SO_ATTACH_FILTER, SO_DETACH_FILTER, SO_MEMINFO of asm-generic/socket.h; Python does not name them."""
_COUNTERS = struct.Struct("9I")
_DROPS = 8
"""SK_MEMINFO_DROPS of linux/sock_diag.h: datagrams that came for the socket and were not queued, modulo 2**32."""


class Gate:
    """The filter of one socket on the running loop.

    Args:
        bound: the socket.
        excess: tells who is over a limit.
        policies: what is in force.
        arrival: what is known of every client that comes in here.

    Attributes:
        works: whether there can be a filter; false where the system has none.
    """

    def __init__(self, bound: socket.socket, excess: Excess, policies: Policies, arrival: Arrival) -> None:
        self._socket, self._policies = bound, policies
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._turned = 0.0
        self._rules: list[Rule] = []
        self._filtered = self._overflowed = 0
        seen = self._drops()
        self.works, self._seen = seen is not None, seen or 0
        self._excess, self._arrival = excess, arrival
        self._floods = excess.watch(arrival, self._wake) if self.works else None

    @property
    def sources(self) -> int:
        """Rules in force at the moment."""
        return len(self._rules)

    @property
    def filtered(self) -> int:
        """Datagrams that did not reach the worker while a filter was in force."""
        self._account()
        return self._filtered

    @property
    def overflowed(self) -> int:
        """Datagrams that did not reach the worker while there was none: the receive buffer was full."""
        self._account()
        return self._overflowed

    def close(self) -> None:
        """Filter no more; before the socket is closed."""
        if self._timer is not None:
            self._timer.cancel()
        self._excess.unwatch(self._arrival)
        self._account()

    def _wake(self) -> None:
        self._turned = self._loop.time()
        self._timer = self._loop.call_later(_TURN, self._turn)

    def _turn(self) -> None:
        if self._floods is None:
            return
        before, self._turned = self._turned, self._loop.time()
        rules = self._floods.turn(self._policies.current, self._turned - before)
        if rules != self._rules:
            self._filter(rules)
        if self._floods is not None and not self._floods.quiet:
            self._timer = self._loop.call_later(_TURN, self._turn)

    def _filter(self, rules: list[Rule]) -> None:
        self._account()
        try:
            if rules:
                _attach(self._socket, program(rules))
            else:
                self._socket.setsockopt(socket.SOL_SOCKET, _DETACH, 0)
        except OSError as error:
            log.warning("the kernel takes no packet filter, floods are read to their end: %s", error.strerror or error)
            self._give_up()
        else:
            self._rules = rules

    def _give_up(self) -> None:
        with suppress(OSError):  # there may be none
            self._socket.setsockopt(socket.SOL_SOCKET, _DETACH, 0)
        self._excess.unwatch(self._arrival)
        self.works, self._floods, self._rules = False, None, []

    def _account(self) -> None:
        drops = self._drops()
        if drops is None:
            return
        more, self._seen = (drops - self._seen) % 2**32, drops
        if self._rules:
            self._filtered += more
        else:
            self._overflowed += more

    def _drops(self) -> int | None:
        if not sys.platform.startswith("linux"):
            return None
        try:
            counters = self._socket.getsockopt(socket.SOL_SOCKET, _MEMORY, _COUNTERS.size)
        except OSError:
            return None
        return int(_COUNTERS.unpack(counters)[_DROPS]) if len(counters) == _COUNTERS.size else None


def _attach(bound: socket.socket, made: bytes) -> None:
    """Put a program in front of a socket, in place of the one before.

    Raises:
        OSError: if the kernel does not take it.
    """
    instructions = ctypes.create_string_buffer(made, len(made))
    # struct sock_fprog: how many instructions of eight bytes, and where they are; the kernel copies them
    fprog = struct.pack("HP", len(made) // 8, ctypes.addressof(instructions))
    bound.setsockopt(socket.SOL_SOCKET, _ATTACH, fprog)
