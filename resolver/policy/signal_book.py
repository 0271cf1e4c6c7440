"""Every context signal that holds: the latest of each (tenant, kind, subject), bounded; and the boards made of them.

The policy store's part of dns.context. A signal of a kind that nobody uses changes no board, and a renewal that says
what was said before waits for the next swap. Pure: `now` is an argument. Must not know Kafka.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from resolver.policy.signals import (
    EVERYBODY,
    HEALTH,
    HEALTH_VALUES,
    LATENCY,
    NO_SIGNALS,
    Held,
    Key,
    SignalBoard,
    milliseconds,
    subject_of,
)
from schemas.signals import ContextSignal

PER_TENANT = 10_000
IN_TOTAL = 100_000
_LONGEST = {"tenant": 63, "kind": 64, "subject": 1024, "value": 256, "source": 256, "reason": 1024}


class SignalBook:
    """All signals that hold, of all tenants.

    Args:
        per_tenant: most signals of one tenant. in_total: of all together. Those that expire first make room, in the
            tenant that is full or, when all are, in the one with most.

    Attributes:
        held: signals in memory. dropped: signals that made room before they had expired. refused: signals that could
            not be read or made no sense.
    """

    def __init__(self, per_tenant: int = PER_TENANT, in_total: int = IN_TOTAL) -> None:
        self._per_tenant, self._in_total = per_tenant, in_total
        self._signals: dict[str, dict[Key, Held]] = {}
        self._kinds: Mapping[str, frozenset[str]] = {}
        self._any_kind: frozenset[str] = frozenset()
        self._boards: dict[str, SignalBoard] = {}
        self._stale: set[str] = set()
        self._renewed: set[str] = set()
        self.held = self.dropped = self.refused = 0

    @property
    def due(self) -> bool:
        """Whether boards would show something else than those made last, apart from what expired."""
        return bool(self._stale)

    def put(self, signal: ContextSignal, now: float) -> None:
        """Hold a signal in place of the one before it; one that has expired takes that away.

        Raises:
            ValueError: if it makes no sense, saying why; nothing has changed then.
        """
        check_signal(signal)
        own = self._signals.setdefault(signal.tenant, {})
        key = signal.kind, subject_of(signal.subject)
        before = own.pop(key, None)
        held = Held(signal.value, signal.source, signal.reason, signal.expires.timestamp())
        self.held -= before is not None
        if held.expires > now:
            if len(own) >= self._per_tenant or self.held >= self._in_total:
                self._make_room(signal.tenant, now)
            self._signals.setdefault(signal.tenant, own)[key] = held
            self.held += 1
        elif not own:
            del self._signals[signal.tenant]
        self._note(signal.tenant, key[0], before if before and before.expires > now else None, own.get(key))

    def _note(self, tenant: str, kind: str, before: Held | None, after: Held | None) -> None:
        if before is after or not self._used(tenant, kind):
            return
        same = before is not None and after is not None and before.says(after)
        (self._renewed if same else self._stale).add(tenant)

    def _used(self, tenant: str, kind: str) -> bool:
        if tenant == EVERYBODY:
            return kind in self._any_kind
        return kind in self._kinds.get(tenant, ()) or kind in self._kinds.get(EVERYBODY, ())

    def _make_room(self, tenant: str, now: float) -> None:
        """Forget what has expired and, if that is not enough, an eighth of what is left."""
        if len(self._signals[tenant]) < self._per_tenant:
            tenant = max(self._signals, key=lambda name: len(self._signals[name]))
        own = self._signals[tenant]
        by_expiry = sorted(own, key=lambda key: own[key].expires)
        expired = sum(own[key].expires <= now for key in by_expiry)
        going = by_expiry[: max(expired, len(by_expiry) // 8, 1)]
        for key in going:
            self._note(tenant, key[0], own.pop(key), None)
        self.held -= len(going)
        self.dropped += len(going) - expired
        if not own:
            del self._signals[tenant]

    def use(self, kinds: Mapping[str, frozenset[str]]) -> None:
        """Show these kinds from the next boards on (see kinds_in_use)."""
        if kinds != self._kinds:
            self._kinds, self._any_kind = kinds, frozenset().union(*kinds.values())
            self._stale |= {EVERYBODY, *self._signals}

    def boards(self, now: float) -> Mapping[str, SignalBoard]:
        """Boards by tenant; a tenant that has none sees EVERYBODY's, if there is that. The same one if unchanged."""
        changed = self._stale | self._renewed
        changed |= {tenant for tenant, board in self._boards.items() if board.earliest <= now}
        if EVERYBODY in changed:
            changed |= self._boards.keys()
        shared = self._shown(EVERYBODY, now) if EVERYBODY in changed else self._boards.get(EVERYBODY, NO_SIGNALS).own
        for tenant in changed:
            own = shared if tenant == EVERYBODY else self._shown(tenant, now)
            self._boards.pop(tenant, None)
            if own:
                earliest = min(held.expires for held in own.values())
                self._boards[tenant] = SignalBoard(own, {} if tenant == EVERYBODY else shared, earliest)
        self._stale, self._renewed = set(), set()
        return self._boards

    def _shown(self, tenant: str, now: float) -> Mapping[Key, Held]:
        signals = self._signals.get(tenant, {})
        return {key: held for key, held in signals.items() if held.expires > now and self._used(tenant, key[0])}

    def next_expiry(self) -> float:
        """Unix seconds at which the first signal shown expires; inf for none."""
        return min((board.earliest for board in self._boards.values()), default=inf)


def check_signal(signal: ContextSignal) -> None:
    """Look whether a signal makes sense.

    Raises:
        ValueError: saying what was expected.
    """
    for name, longest in _LONGEST.items():
        text: str = getattr(signal, name)
        if len(text) > longest:
            raise ValueError(f"{name}: expected at most {longest} characters, got {len(text)}")
    if not signal.kind or not signal.subject.strip():
        raise ValueError("kind, subject: expected both to be given")
    if signal.expires.tzinfo is None:
        raise ValueError(f"expires: expected a time with a zone, such as {signal.expires.isoformat()}Z")
    if signal.kind == HEALTH and signal.value not in HEALTH_VALUES:
        raise ValueError(f"value: expected one of {', '.join(HEALTH_VALUES)} for kind health, got {signal.value!r}")
    if signal.kind == LATENCY and milliseconds(signal.value) is None:
        raise ValueError(f"value: expected milliseconds such as 12.5 for kind latency, got {signal.value!r}")
