"""What tenants of a worker have in common: the shape of their weeks, as the prior of those that are young.

Bounded: shapes of at most MOST tenants, those told longest ago leave first. What was learnt before a restart holds
until enough tenants have shown their shapes again. Must not know states or where the prior is kept.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from streams.seasonal import HOURS, Prior, prior_of

MOST = 256
EVERY = 600.0
_NAME = "prior/"


class Population:
    """Shapes of weeks, and the prior they make."""

    def __init__(self) -> None:
        self._shapes: dict[str, tuple[NDArray[np.float32], float]] = {}
        self._made = -EVERY
        self.prior: Prior | None = None

    def take(self, tenant: str, shape: NDArray[np.float64] | None, deviation: float) -> None:
        """Take in the shape of a tenant's week; None says that it has none yet."""
        if shape is None:
            return
        self._shapes.pop(tenant, None)
        self._shapes[tenant] = (shape.astype(np.float32), deviation)
        while len(self._shapes) > MOST:
            del self._shapes[next(iter(self._shapes))]

    def make(self, now: float) -> None:
        """Make the prior anew, every ten minutes."""
        if now - self._made >= EVERY and self._shapes:
            self._made = now
            shapes, deviations = zip(*self._shapes.values(), strict=True)
            self.prior = prior_of(shapes, deviations) or self.prior

    def learnt(self) -> dict[str, float]:
        """The prior as plain values."""
        if self.prior is None:
            return {}
        values = {f"{_NAME}factor:{hour}": factor for hour, factor in enumerate(self.prior.factors)}
        return {**values, f"{_NAME}deviation": self.prior.deviation, f"{_NAME}tenants": float(self.prior.tenants)}

    def relearn(self, values: Mapping[str, float]) -> None:
        """Inverse of learnt; what is not whole is no prior."""
        names = [f"{_NAME}factor:{hour}" for hour in range(HOURS)]
        if all(name in values for name in (*names, f"{_NAME}deviation", f"{_NAME}tenants")):
            factors = tuple(values[name] for name in names)
            self.prior = Prior(factors, values[f"{_NAME}deviation"], int(values[f"{_NAME}tenants"]))
