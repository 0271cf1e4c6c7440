"""How a policy topic is read: when what was read is due, how a forgetful broker is noticed, what records say."""

from __future__ import annotations

from aiokafka import ConsumerRecord, TopicPartition

from resolver.policy.store import PolicyStore
from resolver.policy_place import Place, put_object, put_overlay
from schemas.objects import encode_object
from schemas.signals import encode_signal
from tests.resolver.policy.written import NOW, entry, objects, overlay, tenant


def record(offset: int, key: str = "k", value: bytes | None = b"v", timestamp: int = 0, *, followed: str = "") -> ConsumerRecord:
    """A record as the consumer hands it over."""
    headers = (("by", b"me"), ("followed-by", followed.encode())) if followed else ()
    name = key.encode()
    return ConsumerRecord("t", 0, offset, timestamp, 0, name, value, None, len(name), len(value or b""), headers)


class Heard:
    """Takes down what a place delivers."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.place = Place(
            TopicPartition("t", 0), lambda key, _: self.words.append(key), lambda: self.words.append("-")
        )

    def deliver(self) -> list[str]:
        """Deliver if due; what was heard since the last time."""
        if self.place.due():
            self.place.deliver()
        heard, self.words[:] = list(self.words), []
        return heard


def test_nothing_is_due_before_the_end_was_reached() -> None:
    """At the start everything up to the end goes in force together, in place of what was there."""
    heard = Heard()
    heard.place.begin(3)
    assert heard.place.take(record(0, "a"))
    assert heard.deliver() == []
    assert heard.place.take(record(2, "c"))
    assert heard.deliver() == ["-", "a", "c"]
    assert heard.place.take(record(3, "d"))
    assert heard.deliver() == ["d"]


def test_delivered_is_only_what_was_handed_over() -> None:
    """Records that wait for those behind them are read but in force nowhere; what is read anew counts from nothing."""
    heard = Heard()
    heard.place.begin(1)
    heard.place.take(record(0, "a"))
    assert heard.place.delivered == 0
    heard.deliver()
    heard.place.target = 3
    heard.place.take(record(1, "b"))
    heard.deliver()
    assert (heard.place.next, heard.place.delivered) == (2, 1)
    heard.place.take(record(2, "c"))
    heard.deliver()
    assert heard.place.delivered == 3
    heard.place.begin(3)
    assert heard.place.delivered == 0


def test_a_change_of_several_objects_is_due_as_a_whole() -> None:
    """Records that say that others follow wait for them, though the topic ends here for now."""
    heard = Heard()
    heard.place.begin(0)
    heard.place.take(record(0, "a", followed="2"))
    assert heard.deliver() == []
    heard.place.take(record(1, "b", followed="1"))
    assert heard.deliver() == []
    heard.place.take(record(2, "c", followed="0"))
    assert heard.deliver() == ["-", "a", "b", "c"]
    heard.place.take(record(3, "d", followed="many"))
    assert heard.deliver() == ["d"]


def test_a_writer_that_died_within_its_change() -> None:
    """What does not come is not waited for for ever, but as long as anything comes."""
    heard = Heard()
    heard.place.begin(0)
    heard.place.take(record(0, "a", followed="2"))
    heard.place.give_up(1)
    heard.place.take(record(1, "b", followed="1"))
    heard.place.give_up(2)
    assert heard.deliver() == []
    heard.place.give_up(2)
    assert heard.deliver() == ["-", "a", "b"]


def test_an_empty_topic_replaces_nothing() -> None:
    """What is in force stays until the topic has something to say, and is replaced then."""
    heard = Heard()
    heard.place.begin(0)
    assert heard.deliver() == []
    heard.place.take(record(0, "a"))
    assert heard.deliver() == ["-", "a"]


def test_a_topic_whose_records_are_all_gone_is_empty_policy() -> None:
    """Offsets without records (everything deleted and compacted away) are something said."""
    heard = Heard()
    heard.place.begin(5)
    heard.place.next = 5
    assert heard.deliver() == ["-"]


def test_the_last_record_read_again_is_no_news() -> None:
    """The overlap that watches the broker's memory is not delivered twice."""
    heard = Heard()
    heard.place.begin(1)
    heard.place.take(record(0, "a", timestamp=5))
    heard.deliver()
    assert heard.place.take(record(0, "a", timestamp=5))
    assert heard.deliver() == []


def test_a_broker_that_forgot_is_noticed() -> None:
    """Another record at an offset already read, or a topic shorter than what was read."""
    heard = Heard()
    heard.place.begin(1)
    heard.place.take(record(0, "a", timestamp=5))
    assert not heard.place.take(record(0, "b", timestamp=9))
    assert not heard.place.rewound
    heard.place.begin(0)
    assert heard.place.rewound


def test_records_of_objects() -> None:
    """Objects, tombstones, what cannot be read and what stands under another's key."""
    store = PolicyStore()
    ((key, obj),) = objects(tenant()).items()
    put_object(store, key, encode_object(obj))
    put_object(store, "Tenant/x/x", encode_object(obj))
    put_object(store, "DNSPolicy/-/y", b'{"kind":"DNSPolicy","apiVersion":"nameward.io/v1"}')
    refusals = {refusal.key: refusal.error for refusal in store.swap(NOW)}
    assert list(store.objects) == [key]
    assert "'Tenant/x/x'" in refusals["Tenant/x/x"]
    assert "metadata" in refusals["DNSPolicy/-/y"]
    put_object(store, key, None)
    put_object(store, "Tenant/x/x", None)
    put_object(store, "DNSPolicy/-/y", None)
    assert store.swap(NOW) == []
    assert not store.objects


def test_records_of_overlays() -> None:
    """Overlays, tombstones, what cannot be read and what stands under another's key."""
    store = PolicyStore()
    put_overlay(store, "acme", encode_signal(overlay(entry("*"))))
    put_overlay(store, "globex", encode_signal(overlay(entry("*"))))
    put_overlay(store, "third", b"{}")
    assert [refusal.key for refusal in store.swap(NOW)] == ["Overlay/-/globex", "Overlay/-/third"]
    assert store.next_expiry(NOW) == NOW + 600
    for name in ("acme", "globex", "third"):
        put_overlay(store, name, None)
    assert store.swap(NOW) == []
    assert store.next_expiry(NOW) == float("inf")
