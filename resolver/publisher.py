"""Query events -> Kafka: bounded buffers, batches, acknowledgements, exact counts of what was lost.

Stands behind the answer: ``offer`` is called when the answer has already been handed to the socket; it never waits and
never raises. It must not know how an answer was found.
"""

from __future__ import annotations

from resolver.columns import Template

__all__ = ["Publisher", "Template"]


class Publisher:
    """Publishes events of one worker."""

    def offer(self, template: Template, time_ns: int, latency_us: int, upstream_us: int = 0) -> None:
        """Take one event, or drop and count it when the buffer is full; never blocks.

        Args:
            template: what the event shares with others of the same answer; may be offered again and again.
            time_ns: arrival of the query, Unix nanoseconds.
            latency_us: microseconds from reading the query to handing over the answer.
            upstream_us: microseconds of these spent waiting for upstream.
        """
