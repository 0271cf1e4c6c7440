"""Golden messages: one per topic and version, decoded and written again unchanged."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from schemas import batches, objects, signals, topics

EXAMPLES = Path(objects.__file__).parent / "examples"
SIGNALS = [topic for topic in topics.TOPICS if isinstance(topic.value, type) and topic != topics.EVENTS]


@pytest.mark.parametrize("topic", SIGNALS, ids=lambda topic: topic.name)
def test_a_signal_decodes_and_encodes_to_the_same_message(topic: topics.Topic) -> None:
    """What an older producer wrote is read without loss."""
    golden = (EXAMPLES / f"{topic.name}.v1.json").read_bytes()
    value = msgspec.json.decode(golden, type=topic.value)
    assert json.loads(signals.encode_signal(value)) == json.loads(golden)


def test_operator_objects_decode_and_encode_to_the_same_document() -> None:
    """The objects of the design notes survive a round trip."""
    for document in json.loads((EXAMPLES / "policy.objects.v1.json").read_bytes()):
        value = objects.decode_object(msgspec.json.encode(document))
        assert json.loads(objects.encode_object(value)) == document


def test_a_batch_of_events_decodes_row_by_row() -> None:
    """The golden Arrow batch keeps its header, its three rows and the unanswered query among them."""
    golden = (EXAMPLES / "dns.events.v1.arrows").read_bytes()
    header, columns = batches.decode_batch(golden)
    events = list(batches.events_of(columns))
    assert (header.source, header.first_sequence, header.count, header.offered) == ("r1", 41, 3, 44)
    assert [event.sequence for event in events] == [41, 42, 43]
    assert events[0].ede == 15
    assert events[1].answers[1].data == "192.0.2.7"
    assert events[2].rcode == ""
    assert batches.columns_of(events).equals(columns)


def test_every_topic_has_a_golden_message() -> None:
    """A new topic cannot be added without its example."""
    named = {path.name.split(".v1")[0] for path in EXAMPLES.iterdir()}
    assert {topic.name for topic in topics.TOPICS} == named
