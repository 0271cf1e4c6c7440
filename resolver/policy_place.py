"""How far a policy topic has been read, when what was read is to be put in force, and what its records say.

The thinking half of policy_feed.py: it takes records and offsets, and needs no broker. A broker that forgot its topic
gives itself away by another record at an offset that was read already, or by a topic that has become shorter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
from aiokafka import ConsumerRecord, TopicPartition

from resolver.policy.steps import Steps, finish
from resolver.policy.store import PolicyStore
from schemas.objects import decode_object, key_of
from schemas.signals import Overlay
from schemas.topics import FOLLOWED_BY

_SLICE = 64
_decode_overlay = msgspec.json.Decoder(Overlay).decode


@dataclass(slots=True)
class Place:
    """How far one topic (of one partition) has been read.

    Attributes:
        next: offset of the next record to read. target: offset to reach before what was read is put in force.
        delivered: offset behind the last record handed over; what was read beyond it is in force nowhere.
        anew: what is put in force next replaces everything heard before.
        rewound: the broker forgot the topic; its next words may come in pieces.
        last: what the record at next - 1 was, to notice that the broker has another there now.
    """

    partition: TopicPartition
    put: Callable[[str, bytes | None], None]
    forget: Callable[[], None]
    next: int = 0
    target: int = 0
    delivered: int = 0
    anew: bool = True
    rewound: bool = False
    last: tuple[int, int, bytes | None] | None = None
    pending: list[tuple[str, bytes | None]] = field(default_factory=list)
    _looked: int = -1

    def begin(self, end: int) -> None:
        """Read from the beginning, up to `end` at first."""
        self.rewound = self.rewound or end < self.next
        self.next, self.target, self.delivered, self.anew, self.last = 0, end, 0, True, None
        self.pending.clear()

    def take(self, record: ConsumerRecord) -> bool:
        """Take a record in, and wait for the rest of its change.

        Returns:
            False if it shows that the broker forgot what was read before.
        """
        mark = (record.offset, record.timestamp, record.key)
        if record.offset < self.next:
            return mark == self.last
        self.pending.append(((record.key or b"").decode(errors="replace"), record.value))
        self.last, self.next = mark, record.offset + 1
        self.target = max(self.target, self.next + _followed_by(record))
        return True

    def give_up(self, end: int) -> None:
        """Called now and then: what was promised and has not come for so long will not come; its writer died.

        Args:
            end: of the topic.
        """
        if self.next == self._looked:
            self.target = min(self.target, max(end, self.next))
        self._looked = self.next

    def due(self) -> bool:
        """Whether what was read should be put in force."""
        return self.next >= self.target and (bool(self.pending) or (self.anew and self.target > 0))

    def deliver(self) -> None:
        """Hand over what was read."""
        finish(self.delivering())

    def delivering(self) -> Steps[None]:
        """The same in slices; nobody may put it in force before all is there."""
        if self.anew:
            self.forget()
        for place, (key, value) in enumerate(self.pending, 1):
            self.put(key, value)
            if not place % _SLICE:
                yield
        self.pending.clear()
        self.delivered = self.next
        self.anew = self.rewound = False


def _followed_by(record: ConsumerRecord) -> int:
    told: bytes = dict(record.headers or ()).get(FOLLOWED_BY) or b"0"
    return int(told) if told.isdigit() else 0


def put_object(store: PolicyStore, key: str, value: bytes | None) -> None:
    """A record of policy.objects into the store; what cannot be read is refused there."""
    if value is None:
        store.put(key, None)
        return
    try:
        obj = decode_object(value)
    except msgspec.MsgspecError as error:
        store.put_unreadable(key, str(error))
        return
    if key_of(obj) == key:
        store.put(key, obj)
    else:
        store.put_unreadable(key, f"the record's key is {key!r}, the object's is {key_of(obj)!r}")


def put_overlay(store: PolicyStore, key: str, value: bytes | None) -> None:
    """A record of policy.overlays into the store; what cannot be read is refused there."""
    if value is None:
        store.put_overlay(key, None)
        return
    try:
        overlay = _decode_overlay(value)
    except msgspec.MsgspecError as error:
        store.put_unreadable_overlay(key, str(error))
        return
    if overlay.tenant == key:
        store.put_overlay(key, overlay)
    else:
        store.put_unreadable_overlay(key, f"the record's key is {key!r}, its overlay is tenant {overlay.tenant!r}'s")
