"""Fast flux: names whose addresses rotate all the time and lie in networks that have nothing to do with each other.

Kept per name with few-minute TTLs (300 s unless the tenant says otherwise): addresses and sets of addresses that
upstream answered with during the last hour, the newest 48 of each of at most 1,000 names; names with the most are kept
first. Judged once a minute of event time: three sets, ten addresses, and a spread (networks-1)/(addresses-1) near 1,
where it is near 0 for a content network (after Holz et al., Measuring and detecting fast-flux service networks, NDSS
2008, who count autonomous systems).

No table of autonomous systems is bundled: a network is the first 16 bits of an IPv4 address and the first 32 of an
IPv6 address. That overrates the spread of clouds, whose blocks are scattered; aliases into CLOUDS are left out, as are
the ALLOWED, which hand out addresses of volunteers by design, and the tenant's own zones.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from schemas.objects import Severity
from schemas.patterns import matches
from schemas.signals import SuggestedEntry
from streams.addresses import within
from streams.columns import EventBatch, TenantRows
from streams.detectors.finding import Detector, Finding, Scene, Standing, without
from streams.detectors.panes import by_pane
from streams.detectors.recent import Items, Recent
from streams.distinct import distinct, firsts
from streams.hashing import Hashes, hash_text, mix
from streams.parts import Parts
from streams.zones import is_own

NAME = "fast_flux"
PANE, HOUR = 60, 3600.0
ALLOWED = (".pool.ntp.org", ".ntppool.org", ".dnsseed.bluematt.me", ".bitcoin.sipa.be")
CLOUDS = (
    ".amazonaws.com", ".awsglobalaccelerator.com", ".cloudfront.net", ".akamai.net", ".akamaiedge.net", ".edgekey.net",
    ".edgesuite.net", ".fastly.net", ".azure.com", ".azureedge.net", ".azurefd.net", ".trafficmanager.net",
    ".windows.net", ".googleusercontent.com", ".cdn.cloudflare.net", ".alicdn.com", ".aliyuncs.com", ".llnwd.net",
)  # fmt: skip
_CLOUD = "(?:" + "|".join(map(re.escape, CLOUDS)) + r")\.?$"
_ADDRESS, _SET = np.uint64(0), np.uint64(1)
_WIDE, _MANY = 0.8, 2


class FastFlux(Detector):
    """The detector."""

    name = NAME

    def __init__(self) -> None:
        self._seen = Recent(NAME, keys=1000, items=48, life=HOUR, waiting=8192)
        self._pane: int | None = None
        self._since: float | None = None

    def update(self, rows: TenantRows, scene: Scene) -> list[Finding]:
        """Take in rows; findings of the minutes that ended."""
        self._since = scene.clock if self._since is None else self._since
        rows = without(rows, scene.detection.fast_flux.exempt)
        found: list[Finding] = []
        for pane, part in by_pane(rows, PANE, self._pane):
            found += self._advance(pane, scene)
            self._take(part, scene.detection.fast_flux.ttl_s)
        return found

    def tick(self, scene: Scene) -> list[Finding]:
        """End the minute that event time has left."""
        return self._advance(int(scene.clock // PANE), scene)

    def _advance(self, pane: int, scene: Scene) -> list[Finding]:
        if self._pane is not None and pane <= self._pane:
            return []
        ended, self._pane = self._pane, pane
        if ended is None or not self._seen.waits:
            return []
        grown = self._seen.close((ended + 1) * PANE)
        counts, mine = self._seen.counts(), scene.detection.fast_flux
        large = [key for key in grown if counts.get(key, 0) >= mine.addresses + mine.rotations]
        found: dict[str, Finding] = {}
        for key in large:
            finding = self._judge(key, scene)
            if finding:
                found.setdefault(finding.subject, finding)
        return list(found.values())

    def _take(self, rows: TenantRows, ttl: int) -> None:
        seen = rows.batch.once(NAME, Seen.of)
        place, entries = within(seen.offsets, rows.rows)
        short = seen.ttls[entries] <= ttl
        place, entries = place[short], entries[short]
        if not len(place):
            return
        name, item, kind, _ = seen.hashes[entries].T
        _, once = firsts(mix(name + kind) ^ item)  # what a batch repeats waits once
        place, entries = place[once], entries[once]
        rows, times = rows.only(distinct(place)), rows.times[place]
        self._seen.add(Items(seen.hashes[entries], times), _texts(rows, "registered_domain") | _texts(rows, "qname"))

    def _judge(self, key: int, scene: Scene) -> Finding | None:
        mine, items = scene.detection.fast_flux, self._seen.of(key)
        hosts, sets = items.hashes[items.hashes[:, 2] == _ADDRESS], items.hashes[items.hashes[:, 2] == _SET]
        count, networks = len(hosts), len(distinct(hosts[:, 3]))
        spread = (networks - 1) / max(count - 1, 1)
        if count < mine.addresses or len(sets) < mine.rotations or spread < mine.spread:
            return None
        name = self._seen.texts.get(key, "")
        domain = self._seen.texts.get(int(sets[0, 3]), "") or name
        if not name or is_own(name, scene.internal) or any(matches(pattern, name) for pattern in ALLOWED):
            return None
        severity: Severity = "high" if spread >= _WIDE and count >= _MANY * mine.addresses else "medium"
        return Finding(
            detector=NAME,
            subject=domain,
            severity=severity,
            title=f"{name} moves between {count} addresses in {networks} networks within an hour",
            reason=f"{len(sets)} sets of addresses, spread {spread:.2f} where a content network's is near 0",
            seen=float(items.times.max()),
            evidence={
                "name": name,
                "addresses": count,
                "networks": networks,
                "spread": round(spread, 2),
                "sets": len(sets),
                "least_addresses": mine.addresses,
                "least_spread": mine.spread,
                "least_sets": mine.rotations,
                "longest_ttl_s": mine.ttl_s,
                "learning": self.standing(scene.clock).state,
            },
            samples=(name,),
            suggested=SuggestedEntry(pattern=f".{domain}", action="deny"),
        )

    def forget(self, subject: str) -> None:
        """Judge a domain's names anew."""
        hashes = self._seen.table.hashes
        for key in distinct(hashes[hashes[:, 3] == np.uint64(hash_text(subject)), 0]).tolist():
            self._seen.drop(key)

    def standing(self, clock: float) -> Standing:
        """Learning until an hour of answers is known; what is found before is told all the same."""
        if self._since is None or clock - self._since < HOUR:
            return Standing("learning", "addresses are known of less than an hour")
        return Standing("active", "addresses of the last hour are known")

    def touch(self) -> None:
        """Count everything as changed."""
        self._seen.touch()

    def save(self, parts: Parts) -> dict[str, Any]:
        """Changed names as parts."""
        self._seen.save(parts)
        return {"pane": self._pane, "since": self._since}

    def load(self, rest: dict[str, Any], values: dict[str, bytes]) -> None:
        """Inverse of save."""
        self._pane, self._since = rest["pane"], rest["since"]
        self._seen.load(values)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a batch shows of names' addresses, for all its tenants: addresses, and one set of them a row.

    offsets: where each row's entries begin; hashes: as in recent.Items; ttls: the longest of the row's addresses.
    """

    offsets: NDArray[np.int64]
    hashes: Hashes
    ttls: NDArray[np.int64]

    @classmethod
    def of(cls, batch: EventBatch) -> Seen:
        """From answers of upstream without an alias into a cloud."""
        addresses = batch.addresses
        counts = np.where(_into_clouds(batch.columns), 0, np.diff(addresses.offsets))
        rows = np.flatnonzero(counts)
        if not len(rows):
            return cls(np.zeros(len(counts) + 1, np.int64), np.empty((0, 4), np.uint64), np.empty(0, np.int64))
        place, records = within(addresses.offsets, rows)
        firsts = np.searchsorted(place, np.arange(len(rows)))
        ttls = np.maximum.reduceat(addresses.ttls[records], firsts)
        names = batch.hashes("qname")[batch.codes("qname")[rows]]
        domains = batch.hashes("registered_domain")[batch.codes("registered_domain")[rows]]
        items, networks = (of_text[addresses.codes[records]] for of_text in (addresses.hashes, addresses.networks))
        sets = mix(np.add.reduceat(items, firsts))
        hosts = np.column_stack([names[place], items, np.full(len(place), _ADDRESS), networks])
        hashes = np.concatenate([hosts, np.column_stack([names, sets, np.full(len(rows), _SET), domains])])
        owner = np.concatenate([place, np.arange(len(rows))])
        order = np.argsort(owner, kind="stable")
        offsets = np.concatenate([[0], np.cumsum(np.where(counts > 0, counts + 1, 0))])
        return cls(offsets, hashes[order], ttls[owner[order]])


def _into_clouds(columns: pa.RecordBatch) -> NDArray[np.bool_]:
    """Rows whose answer leads through an alias into a cloud."""
    types = columns.column("answers.type")
    alias = np.flatnonzero(pc.equal(types.flatten(), "CNAME").to_numpy(zero_copy_only=False))
    found = np.zeros(columns.num_rows, bool)
    if len(alias):
        data = columns.column("answers.data").flatten().take(pa.array(alias)).dictionary_encode()
        cloud = pc.match_substring_regex(data.dictionary, _CLOUD).to_numpy(zero_copy_only=False)
        parents = pc.list_parent_indices(types).to_numpy(zero_copy_only=False)[alias]
        found[parents[cloud[data.indices.to_numpy(zero_copy_only=False)]]] = True
    return found


def _texts(rows: TenantRows, column: str) -> dict[int, str]:
    used, _ = rows.tally(column)
    return dict(zip(rows.batch.hashes(column)[used].tolist(), rows.batch.named(column, used), strict=True))
