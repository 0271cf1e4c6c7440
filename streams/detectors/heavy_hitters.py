"""Exfiltration and tunnelling: information heavy hitters (Ozery, Nadler, Shabtai, NDSS 2024).

Per registered domain, bytes of distinct left-hand parts (direction ``names``) and of distinct answer payloads
(``answers``: TXT, NULL, KEY, CNAME, MX, ... but no addresses) within 2, 10 and 60 minutes. Only what left the
resolver counts: a denied query or one answered by policy carries nothing out, so an enforced block starves its own
cause and is not renewed by mere attempts.

Threshold: the floor, raised (at most fourfold) to twice what the tenant's third-largest quiet domain does in peace,
as a slow average; one domain alone cannot raise it. Reverse zones are no domains here. In the tenant's own zones
failed names (search lists) do not count and the floor for names is ten times as high. ALLOWED names services that
carry data in names by design.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from schemas.objects import Severity
from schemas.patterns import matches
from schemas.signals import SuggestedEntry
from streams.columns import TenantRows
from streams.detectors.finding import Detector, Finding, Scene, Standing, witnesses
from streams.detectors.heavy_state import HeavyState, Measure, worst
from streams.distinct import last_of_each
from streams.elements import BUCKET, Elements, gather
from streams.hashing import Hashes, hash_strings, hash_text, mix
from streams.parts import Parts
from streams.zones import is_expansion, is_own, own_zone, zones_of

NAME = "heavy_hitters"
ALLOWED = (
    ".spamhaus.org",
    ".spamhaus.net",
    ".surbl.org",
    ".uribl.com",
    ".spamcop.net",
    ".barracudacentral.org",
    ".dnswl.org",
    ".sorbs.net",
    ".cymru.com",
    ".sophosxl.net",
    ".mcafee.com",
    ".e5.sk",
    ".amazonses.com",
    ".senderbase.org",
    ".mailspike.net",
    ".abuseat.org",
)
"""Block lists, reputation services and mail keys: data in names is their purpose."""

OWN_ZONE_FACTOR = 10
MOST_JUDGED = 50
"""Domains a batch is judged for: those not yet told first, then the furthest over their threshold."""
_LOCAL_SOURCES = ("policy", "virtual", "discovery")
_SEVERE: tuple[tuple[float, Severity], ...] = ((25.0, "critical"), (4.0, "high"), (1.0, "medium"))


class HeavyHitters(Detector):
    """The detector.

    Args:
        allowed: patterns of domains that are never told.
        quiet: tolerate what crosses a threshold in the first hour instead of telling it.
    """

    name = NAME

    def __init__(self, *, allowed: tuple[str, ...] = ALLOWED, quiet: bool = False) -> None:
        self.state = HeavyState()
        self._allowed = allowed
        self._quiet = quiet

    def update(self, rows: TenantRows, scene: Scene) -> list[Finding]:
        """Take in rows; findings for domains over a threshold to which these rows added."""
        said = rows.only(_left_the_house(rows))
        elements = {"names": _named(said, zones_of(scene.internal)), "answers": _answered(said)}
        over = self.state.add(elements, int(scene.clock // BUCKET), partial(_domain_texts, said))
        found = (self._judge(said, key, measures, scene) for key, measures in self.state.measures(over[:MOST_JUDGED]))
        return [finding for finding in found if finding]

    def _judge(self, rows: TenantRows, key: int, measures: list[Measure], scene: Scene) -> Finding | None:
        domain = self.state.names[key]
        mine = scene.detection.heavy_hitters
        factor = mine.floor_factor * (OWN_ZONE_FACTOR if is_own(domain, scene.internal) else 1)
        most = worst(measures, factor)
        if (
            most is None
            or any(matches(pattern, domain) for pattern in (*self._allowed, *mine.exempt))
            or domain in self.state.thresholds.tolerated
        ):
            return None
        if self._quiet and self.standing(scene.clock).state == "learning":
            self.state.thresholds.tolerate(domain, most.value)
            return None
        self.state.thresholds.flag(key)
        ours = rows.only(rows.equal("registered_domain", domain))
        samples = witnesses(ours, "qname", 5)
        severity, reason = _severity(most.value, most.limit, most.seconds)
        if samples and all(is_expansion(name, domain) for name in samples) and ours.equal("rcode", "NXDOMAIN").all():
            severity, reason = "low", f"names look like public names tried with the search domain {domain}; {reason}"
        way = "leave in names" if most.direction == "names" else "arrive in answers"
        return Finding(
            detector=NAME,
            subject=domain,
            severity=severity,
            reason=reason,
            seen=float(ours.times.max()) if len(ours) else scene.clock,
            title=f"{most.value:.0f} different bytes {way} under {domain} within {most.seconds} s",
            evidence={
                "direction": most.direction,
                "window_s": most.seconds,
                "distinct_bytes": round(most.value),
                "threshold_bytes": round(most.limit),
                "floor_bytes": round(most.floor),
                "learning": self.standing(scene.clock).state,
                **{f"{item.direction}_{item.seconds}s_bytes": round(item.value) for item in measures},
            },
            samples=samples,
            workloads=witnesses(ours, "workload", 10),
            clients=witnesses(ours, "client", 10),
            suggested=SuggestedEntry(pattern=f".{domain}", action="deny"),
        )

    def forget(self, subject: str) -> None:
        """Count a domain anew."""
        self.state.forget(hash_text(subject))

    def standing(self, clock: float) -> Standing:
        """Learning until the longest window has been filled once; alerts are raised all the same, unless quiet."""
        return self.state.thresholds.standing(clock)

    def learnt(self) -> dict[str, float]:
        """Averages of quiet domains per table, domains tolerated, when learning began."""
        return self.state.thresholds.learnt()

    def relearn(self, values: dict[str, float]) -> None:
        """Inverse of learnt."""
        self.state.thresholds.relearn(values)

    def touch(self) -> None:
        """See HeavyState."""
        self.state.touch()

    def save(self, parts: Parts) -> dict[str, Any]:
        """See HeavyState."""
        return self.state.save(parts)

    def load(self, rest: dict[str, Any], values: dict[str, bytes]) -> None:
        """See HeavyState."""
        self.state.load(rest, values)


def _left_the_house(rows: TenantRows) -> NDArray[np.bool_]:
    """Rows that were asked of others, or answered from what others had been asked, about a registered domain."""
    arpa: NDArray[np.bool_] = rows.batch.per_value(
        "registered_domain",
        "no domain",
        lambda v: pc.or_(pc.ends_with(v, ".arpa"), pc.equal(v, "")).to_numpy(zero_copy_only=False),
    )
    local = rows.equal("verdict", "deny")
    for source in _LOCAL_SOURCES:
        local |= rows.equal("answer_source", source)
    left: NDArray[np.bool_] = ~local & ~arpa[rows.codes("registered_domain")]
    return left


def _named(rows: TenantRows, zones: tuple[str, ...]) -> Elements:
    """Distinct names, weighing the bytes left of their registered domain."""
    failed = rows.equal("rcode", "NXDOMAIN")
    if failed.any():
        failed[failed] = own_zone(rows.only(failed), zones) >= 0
        rows = rows.only(~failed)
    batch = rows.batch
    codes, last = last_of_each(rows.codes("qname"), len(batch.values("qname")))
    domain = rows.codes("registered_domain")[last]
    sizes: NDArray[np.int64] = batch.per_value("qname", "bytes", _wire_bytes)
    widths: NDArray[np.int64] = batch.per_value("registered_domain", "bytes", _wire_bytes)
    weights = np.maximum(sizes[codes] - widths[domain] - 1, 0)
    buckets = (rows.times[last] // BUCKET).astype(np.int64)
    return gather(
        batch.hashes("qname")[codes], weights.astype(np.float64), batch.hashes("registered_domain")[domain], buckets
    )


def _answered(rows: TenantRows) -> Elements:
    """Distinct answer payloads per domain, weighing their bytes."""
    payloads = rows.batch.payloads
    place = np.searchsorted(rows.rows, payloads.rows)
    ours = np.flatnonzero(place < len(rows))
    ours = ours[rows.rows[place[ours]] == payloads.rows[ours]]
    place = place[ours]
    domains = rows.batch.hashes("registered_domain")[rows.codes("registered_domain")[place]]
    buckets = (rows.times[place] // BUCKET).astype(np.int64)
    return gather(mix(payloads.hashes[ours] ^ domains), payloads.weights[ours].astype(np.float64), domains, buckets)


def _wire_bytes(values: pa.Array) -> NDArray[np.int64]:
    """Bytes a name holds: an escape (RFC 4343 section 2.1) stands for one."""
    sizes = pc.binary_length(values).to_numpy(zero_copy_only=False).astype(np.int64)
    escaped = np.flatnonzero(pc.match_substring(values, "\\").to_numpy(zero_copy_only=False))
    if len(escaped):
        some = values.take(pa.array(escaped))
        decimal = pc.count_substring_regex(some, r"\\[0-9]{3}").to_numpy(zero_copy_only=False)
        every = pc.count_substring(some, "\\").to_numpy(zero_copy_only=False)
        sizes[escaped] -= every + 2 * decimal
    found: NDArray[np.int64] = sizes
    return found


def _domain_texts(rows: TenantRows, keys: Hashes) -> list[str]:
    hashes, order = rows.batch.per_value("registered_domain", "by hash", _by_hash)
    return rows.batch.named("registered_domain", order[np.searchsorted(hashes, keys)])


def _by_hash(values: pa.Array) -> tuple[Hashes, NDArray[np.int64]]:
    hashes = hash_strings(values)
    order = np.argsort(hashes)
    return hashes[order], order


def _severity(value: float, limit: float, seconds: int) -> tuple[Severity, str]:
    times = value / limit
    severity = next(name for least, name in _SEVERE if times >= least)
    return severity, f"{value:.0f} different bytes in {seconds} s, {times:.1f} times the threshold of {limit:.0f}"
