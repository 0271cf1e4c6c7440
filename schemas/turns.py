"""Turn: how writers of policy.objects take turns, since Kafka has no compare-and-set.

A claim is a record on policy.turns; whose unreleased claim stands first in the topic's order may read, check and write.
The rules of the game are compose/policy_turns.py's.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One word about a claim.

    claim: unique. state: ``claimed``; ``held`` (a sign of life of whoever has the turn); ``released`` (by its owner, or
    by the next in line when no sign of life came for too long). who: user@host that says so.
    """

    claim: str
    state: Literal["claimed", "held", "released"]
    who: str
    time: datetime
    version: int = 1
