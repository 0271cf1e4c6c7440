"""Rebinding: a name that answered with public addresses, and then, within a window, with private ones.

Deterministic, by name and tenant: a web page of the name may then talk to the private address as if it were its own
(Jackson et al., Protecting browsers from DNS rebinding attacks, CCS 2007). Public answers are remembered for the
window (an hour unless the tenant says otherwise), at most 65,536 names; what a cache repeats was seen when it came.
Where the resolver's guard denied the private answer, the attempt counts all the same; the denial says that there was
one. That is no loop: an overlay entry in force denies before anything is resolved, and no denial of its own counts.

A name that only ever answers with private addresses is somebody's habit, not this; nor are the tenant's own zones, or
an answer that holds both.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.signals import SuggestedEntry
from streams.addresses import within
from streams.columns import EventBatch, TenantRows
from streams.detectors.finding import Detector, Finding, Scene, Standing, without, witnesses
from streams.distinct import distinct, firsts
from streams.parts import Parts, pack, unpack
from streams.zones import own_zone, zones_of

NAME = "rebinding"
GUARD = "rebinding-guard"
"""The rule that the resolver's guard names in events."""
BUCKET = 300
PER_BUCKET, MOST = 8_192, 65_536
MOST_TOLD = 50
_PUBLIC, _PRIVATE = np.int8(1), np.int8(2)


class Rebinding(Detector):
    """The detector."""

    name = NAME

    def __init__(self) -> None:
        self._public: dict[int, dict[int, float]] = {}
        self._changed: set[int] = set()
        self._since: float | None = None
        self._window = 3600

    def update(self, rows: TenantRows, scene: Scene) -> list[Finding]:
        """Take in rows; a finding for each registered domain with an attempt among them."""
        self._window = scene.detection.rebinding.window_s
        self._since = scene.clock if self._since is None else self._since
        rows = without(rows, scene.detection.rebinding.exempt)
        if not len(rows):
            return []
        kinds = rows.batch.once(NAME, _kinds)[rows.rows]
        self._remember(rows.only(kinds == _PUBLIC))
        tried = rows.only((kinds == _PRIVATE) | rows.equal("rule", GUARD))
        if len(tried):
            tried = tried.only(own_zone(tried, zones_of(scene.internal)) < 0)
        found = self._told(tried, scene) if len(tried) else []
        self._expire(scene.clock)
        return found

    def _remember(self, rows: TenantRows) -> None:
        codes, first = firsts(rows.codes("qname"))
        keys, times = rows.batch.hashes("qname")[codes], rows.times[first]
        numbers = (times // BUCKET).astype(np.int64)
        for number in distinct(numbers).tolist():
            of_bucket = numbers == number
            bucket = self._public.setdefault(number, {})
            asked = zip(keys[of_bucket].tolist(), times[of_bucket].tolist(), strict=True)
            fresh = [(key, time) for key, time in asked if key not in bucket][: PER_BUCKET - len(bucket)]
            if fresh:
                bucket.update(fresh)
                self._changed.add(number)

    def _expire(self, clock: float) -> None:
        for old in [number for number in self._public if (number + 1) * BUCKET < clock - self._window]:
            self._drop(old)
        while sum(map(len, self._public.values())) > MOST:
            self._drop(min(self._public))

    def _drop(self, number: int) -> None:
        del self._public[number]
        self._changed.add(number)

    def _told(self, tried: TenantRows, scene: Scene) -> list[Finding]:
        codes, last = firsts(tried.codes("qname")[::-1])
        found: dict[str, Finding] = {}
        keys = tried.batch.hashes("qname")[codes].tolist()
        for code, key, back in zip(codes.tolist(), keys, last.tolist(), strict=True):
            time = float(tried.times[len(tried) - 1 - back])
            before = self._before(key, time)
            if before is not None and len(found) < MOST_TOLD:
                finding = self._tell(tried.only(tried.codes("qname") == code), time - before, scene)
                found[finding.subject] = finding
        return list(found.values())

    def _before(self, key: int, time: float) -> float | None:
        """When a name last began a bucket with a public answer, within the window before `time`."""
        seen = [known for bucket in self._public.values() if (known := bucket.get(key)) is not None]
        return max((known for known in seen if 0 < time - known <= self._window), default=None)

    def _tell(self, tried: TenantRows, seconds: float, scene: Scene) -> Finding:
        (qname,) = witnesses(tried, "qname", 1)
        domain = (*witnesses(tried, "registered_domain", 1), qname)[0]
        denied = int(tried.equal("verdict", "deny").sum())
        address = _first_inside(tried)
        how = f"with {address}" if address else "with a private address, which was denied"
        return Finding(
            detector=NAME,
            subject=domain,
            severity="high",
            title=f"{qname} answered with a public address, then {how}",
            reason=f"a private answer {seconds:.0f} s after a public one; within {self._window} s it is rebinding",
            seen=float(tried.times.max()),
            evidence={
                "name": qname,
                "address": address,
                "seconds_after_public": round(seconds, 1),
                "window_s": self._window,
                "attempts": len(tried),
                "attempts_denied": denied,
                "learning": self.standing(scene.clock).state,
            },
            samples=(qname,),
            workloads=witnesses(tried, "workload", 10),
            clients=witnesses(tried, "client", 10),
            suggested=SuggestedEntry(pattern=f".{domain}", action="deny"),
        )

    def standing(self, clock: float) -> Standing:
        """Learning until public answers of a whole window are known."""
        if self._since is None or clock - self._since < self._window:
            return Standing("learning", f"public answers are known of less than the window of {self._window} s")
        return Standing("active", f"public answers of the last {self._window} s are known")

    def touch(self) -> None:
        """Count every bucket as changed."""
        self._changed |= self._public.keys()

    def save(self, parts: Parts) -> dict[str, Any]:
        """Changed buckets as parts."""
        for number in sorted(self._changed):
            bucket = self._public.get(number)
            if bucket:
                keys, times = np.array(list(bucket), np.uint64), np.array(list(bucket.values()))
                parts.put(f"{NAME}/{number}", pack([keys.tobytes(), times.tobytes()]))
            else:
                parts.drop(f"{NAME}/{number}")
        self._changed.clear()
        return {"since": self._since, "window": self._window}

    def load(self, rest: dict[str, Any], values: dict[str, bytes]) -> None:
        """Inverse of save."""
        self._since, self._window = rest["since"], rest["window"]
        for name, value in values.items():
            if name.startswith(f"{NAME}/"):
                keys, times = (
                    np.frombuffer(part, kind) for part, kind in zip(unpack(value), ("u8", "f8"), strict=True)
                )
                self._public[int(name.partition("/")[2])] = dict(zip(keys.tolist(), times.tolist(), strict=True))


def _kinds(batch: EventBatch) -> NDArray[np.int8]:
    """For each row of a batch whether its answer from upstream held public or private addresses only."""
    addresses = batch.addresses
    inside = addresses.inside[addresses.codes]
    rows = np.repeat(np.arange(len(addresses.offsets) - 1), np.diff(addresses.offsets))
    kinds = np.zeros(len(addresses.offsets) - 1, np.int8)
    kinds[rows[inside]] = _PRIVATE
    kinds[rows[~inside]] += _PUBLIC
    return np.where(kinds > _PRIVATE, np.int8(0), kinds)


def _first_inside(rows: TenantRows) -> str:
    addresses = rows.batch.addresses
    _, records = within(addresses.offsets, rows.rows)
    codes = addresses.codes[records]
    inside = codes[addresses.inside[codes]]
    return str(addresses.texts[int(inside[-1])].as_py()) if len(inside) else ""
