"""How long to wait between attempts. Pure: chance and time are arguments."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

FIRST_S = 1.0
LONGEST_S = 60.0
LONGEST_ASKED_S = 600.0
"""What a target asks for is believed up to here."""


def pause(attempt: int, asked_s: float, chance: float) -> float:
    """Seconds to wait after a failed attempt: doubling, half of it by chance, never less than the target asked for.

    Args:
        attempt: 1 for the first.
        asked_s: by the target.
        chance: in [0, 1), so that many senders do not come back at the same moment.
    """
    full: float = min(LONGEST_S, FIRST_S * 2.0 ** min(attempt - 1, 20))
    return max(full * (0.5 + chance / 2), min(asked_s, LONGEST_ASKED_S))


def retry_after(value: str, now: datetime) -> float:
    """Seconds of a Retry-After header (RFC 9110 section 10.2.3: seconds or a date); 0 for nonsense."""
    if value.strip().isascii() and value.strip().isdigit():
        return float(value)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - now).total_seconds())
