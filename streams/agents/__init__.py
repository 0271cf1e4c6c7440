"""Faust agents: the thin shell of streams. Each takes records, calls the core or the warehouse once, and sends."""

from __future__ import annotations

from faust.types import AppT, TopicT


def topic_of(app: AppT, *names: str) -> TopicT:
    """A channel of bytes over topics that exist already; Faust must not make them up with its own configuration."""
    topic = app.topic(*names, key_serializer="raw", value_serializer="raw", key_type=bytes, value_type=bytes)
    topic.allow_declare = False
    return topic
