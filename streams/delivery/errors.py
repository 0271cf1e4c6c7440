"""What a target may answer: once more, perhaps later, or never."""

from __future__ import annotations


class DeliveryError(Exception):
    """One attempt failed.

    Attributes:
        after_s: seconds the target asked to be left alone.
        final: no further attempt can succeed.
    """

    def __init__(self, message: str, *, after_s: float = 0.0, final: bool = False) -> None:
        super().__init__(message)
        self.after_s, self.final = after_s, final
