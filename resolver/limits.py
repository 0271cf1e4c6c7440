"""What a tenant may use of one worker: queries a second, of all its clients and of each, and queries in flight.

Asked before anything else is done with a query, in front of the fast path too; a tenant without limits has no meter
and pays nothing. UDP and TCP are counted apart: a flood of forged datagrams leaves a real client that comes back over
TCP its whole rate. Memory is bounded whatever addresses are made up. This module must not know messages or clocks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from resolver.tenants import Asker
from schemas.tenant_spec import Limits

_SECOND = 10**9
_TOLD_PER_SECOND = 3
_METERS = 16_384
_LEAST_CLIENTS = 64
_FREE_TIMES = 8


class Bucket:
    """Tokens that come at a rate, as many as `burst` at most; a query takes one.

    What is kept is the moment at which the bucket would be full again (the virtual scheduling form of a token bucket,
    ITU-T I.371 annex A), in rate-ths of a nanosecond, so that nothing is ever rounded.

    Args:
        rate: tokens a second.
        burst: most tokens; 0 is one second's worth.
    """

    __slots__ = ("_full_at", "_rate", "_room")

    def __init__(self, rate: int, burst: int = 0) -> None:
        self._rate, self._room = rate, (burst or rate) * _SECOND
        self._full_at = 0

    def take(self, now_ns: int) -> bool:
        """Whether there is a token at this time (Unix nanoseconds); it is taken."""
        now = now_ns * self._rate
        empty = now + self._room
        self._full_at = min(self._full_at, empty)  # the clock may have been set back
        full_at = max(self._full_at, now) + _SECOND
        if full_at > empty:
            return False
        self._full_at = full_at
        return True


class Room:
    """How many clients all meters of a worker remember together, and each of them."""

    __slots__ = ("_clients", "meters")

    def __init__(self, clients: int) -> None:
        self._clients, self.meters = clients, 0

    @property
    def each(self) -> int:
        """Of one meter and transport."""
        return max(_LEAST_CLIENTS, self._clients // (2 * max(1, self.meters)))


class ClientBuckets:
    """A bucket for each client; the one that took no token for the longest is forgotten first, as if it were full.

    Args:
        rate, burst: as of Bucket.
        room: bounds them.
    """

    __slots__ = ("_full_at", "_rate", "_room", "_space")

    def __init__(self, rate: int, burst: int, room: Room) -> None:
        self._rate, self._space, self._room = rate, (burst or rate) * _SECOND, room
        self._full_at: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, address: str, now_ns: int) -> bool:
        """Whether this client has a token at this time (Unix nanoseconds); it is taken."""
        now, clients = now_ns * self._rate, self._full_at
        empty = now + self._space
        full_at = clients.get(address, now)
        if full_at > empty:  # the clock was set back
            clients[address] = full_at = empty
        full_at = max(full_at, now) + _SECOND
        if full_at > empty:
            return False
        clients.pop(address, None)
        clients[address] = full_at
        if len(clients) > self._room.each:
            del clients[next(iter(clients))]
        return True


class _Rates:
    """The two rates of one transport."""

    __slots__ = ("clients", "tenant")

    def __init__(self, limits: Limits, room: Room) -> None:
        rate, each = limits.queries_per_second, limits.client_queries_per_second
        self.tenant = Bucket(rate, limits.burst) if rate else None
        self.clients = ClientBuckets(each, limits.client_burst, room) if each else None

    def over(self, address: str, now_ns: int) -> str:
        # The client first: what one client has too much is not taken from the others of its tenant.
        if self.clients is not None and not self.clients.take(address, now_ns):
            return "client"
        if self.tenant is not None and not self.tenant.take(now_ns):
            return "tenant"
        return ""


class Meter:
    """What the clients of one tenant used.

    Attributes:
        limits: which it keeps.
        turned_away: queries by (limit, what was done with them: dropped, truncated, refused).
    """

    __slots__ = ("_others", "_told", "_udp", "_unanswered", "limits", "turned_away")

    def __init__(self, limits: Limits, room: Room, turned_away: Counter[tuple[str, str]] | None = None) -> None:
        self.limits = limits
        self.turned_away = turned_away if turned_away is not None else Counter()
        self._udp, self._others = _Rates(limits, room), _Rates(limits, room)
        self._told = Bucket(_TOLD_PER_SECOND, 1)
        self._unanswered = 0

    def over(self, address: str, transport: str, now_ns: int) -> str:
        """The limit that a query of this client is over: ``client`` or ``tenant``; empty when it may pass."""
        return (self._udp if transport == "udp" else self._others).over(address, now_ns)

    def slips(self, stands_for: int = 1) -> bool:
        """Whether this one of the UDP queries over a limit is answered, truncated: every `slip`-th.

        Args:
            stands_for: how many it is, counting those that a packet filter kept away.
        """
        slip = self.limits.slip
        self._unanswered += stands_for
        if not slip or self._unanswered < slip:
            return False
        self._unanswered = 0
        return True

    def told(self, now_ns: int) -> bool:
        """Whether a query over a limit becomes an event: the first, then a few a second; all are counted."""
        return self._told.take(now_ns)


class Meters:
    """The meters of all tenants that have limits, kept over changes of policy as long as the limits stay.

    Args:
        unknown: limits of the clients that no tenant claims, None for none.
        clients: most clients remembered.
    """

    def __init__(self, unknown: Limits | None = None, clients: int = 65_536) -> None:
        self._room = Room(clients)
        self._meters: dict[str, Meter] = {}
        self._unknown = Meter(unknown, self._room) if unknown is not None else None

    def of(self, asker: Asker | None) -> Meter | None:
        """The meter of a client, None when nothing limits it."""
        if asker is None:
            return self._unknown
        limits = asker.tenant.limits
        if limits is None:
            return None
        meter = self._meters.get(asker.tenant.name)
        return meter if meter is not None and meter.limits == limits else self._made(asker.tenant.name, limits)

    def _made(self, tenant: str, limits: Limits) -> Meter:
        old = self._meters.pop(tenant, None)
        if len(self._meters) >= _METERS:
            del self._meters[next(iter(self._meters))]
        meter = self._meters[tenant] = Meter(limits, self._room, old.turned_away if old else None)
        self._room.meters = len(self._meters)
        return meter

    def turned_away(self) -> Iterator[tuple[str, str, str, int]]:
        """(tenant, limit, what was done, how many); the tenant is empty for unknown clients."""
        meters = self._meters if self._unknown is None else {"": self._unknown, **self._meters}
        for tenant, meter in meters.items():
            for (limit, done), count in meter.turned_away.items():
                yield tenant, limit, done, count


class InFlight:
    """Queries that wait for upstream: of the whole worker, and of each tenant.

    A tenant may hold what its own limit says, and eight times what is free at most (dynamic thresholds, Choudhury and
    Hahne 1998): a flood of one leaves room for the others before it is refused, one alone has nearly everything.

    Args:
        most: at a time.

    Attributes:
        total: at the moment. refused: queries that were not taken.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: dict[str, int] = {}
        self.total = 0
        self.refused = 0

    def enter(self, tenant: str, limit: int) -> bool:
        """Take one query of a tenant with this limit (0 is none), or refuse it."""
        held = self._held.get(tenant, 0)
        if held >= _FREE_TIMES * (self._most - self.total) or (limit and held >= limit):
            self.refused += 1
            return False
        self._held[tenant] = held + 1
        self.total += 1
        return True

    def leave(self, tenant: str) -> None:
        """One of the tenant's queries that were taken is done."""
        self.total -= 1
        self._held[tenant] -= 1
        if not self._held[tenant]:
            del self._held[tenant]
