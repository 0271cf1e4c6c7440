"""Policy shift: the mix of verdicts is another one since a new version of the policy.

Counted per 10 s: queries by (policy version, verdict, rule). With the first event of a version never seen before a
comparison begins: what the 5 minutes before it showed against what the version has decided since, judged every 10 s
from the first minute on, until 5 minutes have passed. Versions that follow within a minute of one another are one
change. A verdict has shifted when its share moved by at least `floor` and

    z = (p2 - p1) / sqrt(f p (1 - p) (1/n1 + 1/n2)),   p the pooled share,

is beyond `z`: the two-proportion test (Fleiss, Levin, Paik, Statistical Methods for Rates and Proportions, chapter 3),
widened by f, Pearson's chi-square per degree of freedom of the share in the panes before (McCullagh and Nelder,
Generalized Linear Models, section 4.5). Queries come in bursts of few names, so their verdicts scatter more than
independent trials; f is what keeps a burst from looking like a change of policy. A version is the whole
resolver's: changes of other tenants begin comparisons too, and end without a word.

Told too: rules in audit mode that would have denied more than `audit_share` of the queries of the version.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.columns import TenantRows
from streams.detectors.finding import Detector, Finding, Scene, Standing
from streams.detectors.panes import Panes
from streams.detectors.shift_report import NAME, PANE, audited, shifted
from streams.detectors.verdict_mix import VERDICTS, Change, Mix, overdispersion
from streams.distinct import tally
from streams.parts import Parts, pack, unpack

BEFORE, AFTER, SOONEST = 30, 30, 6
"""Panes compared on either side of a change, and after how many it is judged first."""
FEWEST = 200
"""Queries on either side without which nothing is said."""
_REMEMBERED = 16


class PolicyShift(Detector):
    """The detector."""

    name = NAME

    def __init__(self) -> None:
        self._panes = Panes(PANE)
        self._mixes: dict[int, Mix] = {}
        self._touched: set[int] = set()
        self._versions: dict[str, int] = {}
        self._change: Change | None = None

    def update(self, rows: TenantRows, scene: Scene) -> list[Finding]:
        """Take in rows; what the panes that are now over showed."""
        if len(rows):
            self._count(rows)
        return self.tick(scene)

    def _count(self, rows: TenantRows) -> None:
        columns = ("policy_version", "verdict", "rule")
        texts = [rows.batch.texts(column) for column in columns]
        panes = self._panes.place(rows.times)
        first = int(panes.min())
        codes: NDArray[Any] = panes - first
        size = int(panes.max()) - first + 1
        for column, values in zip(columns, texts, strict=True):
            codes, size = codes * len(values) + rows.codes(column), size * len(values)
        names = rows.batch.values("qname")
        for code, number in zip(*(found.tolist() for found in tally(codes, size)), strict=True):
            rest, rule = divmod(code, len(texts[2]))
            rest, verdict = divmod(rest, len(texts[1]))
            pane, version = divmod(rest, len(texts[0]))
            key = (texts[0][version], texts[1][verdict], texts[2][rule])
            mix = self._mix(first + pane)
            if mix.add(key, number):
                mix.name(key, names[int(rows.codes("qname")[int(np.argmax(codes == code))])].as_py())
        self._count_audits(rows, panes)

    def _mix(self, pane: int) -> Mix:
        self._touched.add(pane)
        return self._mixes.setdefault(pane, Mix())

    def _count_audits(self, rows: TenantRows, panes: NDArray[np.int64]) -> None:
        """Rules in audit mode that would have denied; those in force that did are counted as verdicts."""
        audited, rules = rows.batch.audits
        if not len(audited):
            return
        verdicts = rows.batch.columns.column("audits.verdict").flatten().to_pylist()
        versions, codes = rows.batch.texts("policy_version"), rows.codes("policy_version")
        place = np.searchsorted(rows.rows, audited)
        for at, row in zip(place.tolist(), range(len(audited)), strict=True):
            if at < len(rows) and rows.rows[at] == audited[row] and verdicts[row] == "deny":
                self._mix(int(panes[at])).add((versions[codes[at]], "audit", rules[row]), 1)

    def tick(self, scene: Scene) -> list[Finding]:
        """Judge panes that are over."""
        waiting = [pane for pane in self._mixes if pane >= self._panes.open_from]
        found: list[Finding] = []
        for pane in self._panes.over(scene.clock, waiting):
            self._notice(pane)
            found += self._judge(pane, scene)
        self._drop(self._panes.open_from - BEFORE - AFTER)
        return found

    def _drop(self, oldest: int) -> None:
        gone = [pane for pane in self._mixes if pane < oldest]
        for pane in gone:
            del self._mixes[pane]
        self._touched.update(gone)

    def _notice(self, pane: int) -> None:
        """Begin a comparison when the pane shows a version that is new, or in force again."""
        seen = self._mixes[pane].versions()
        latest = next(reversed(self._versions), "")
        fresh = [name for name in seen if name != latest and self._versions.get(name, 0) < pane - SOONEST]
        for version in fresh:
            self._versions.pop(version, None)
        self._versions |= dict.fromkeys(seen, pane)
        for version in list(self._versions)[:-_REMEMBERED]:
            del self._versions[version]
        if not fresh or not latest:
            return
        version, running = fresh[-1], self._change
        if running is not None and pane - running.pane < SOONEST:
            self._change = Change(version, pane, running.before, running.scatter)
            return
        mixes = [self._mixes[at] for at in range(pane - BEFORE, pane + 1) if at in self._mixes]
        mixes = [mix.without(version) for mix in mixes]
        scatter = {verdict: overdispersion([mix.share_of(verdict) for mix in mixes]) for verdict in VERDICTS}
        self._change = Change(version, pane, Mix.sum(mixes), scatter)

    def _judge(self, pane: int, scene: Scene) -> list[Finding]:
        change = self._change
        if change is None or pane - change.pane < SOONEST:
            return []
        mixes = (self._mixes[at] for at in range(change.pane, pane + 1) if at in self._mixes)
        after = Mix.sum(mix.only(change.version) for mix in mixes)
        last = pane - change.pane >= AFTER - 1
        found: list[Finding] = []
        if after.queries >= FEWEST and (last or not change.told):
            mine = scene.detection.policy_shift
            if change.before.queries >= FEWEST:
                found += shifted(change, after, mine, pane)
            found += audited(change, after, mine, pane)
            change.told |= bool(found)
        if last:
            self._change = None
        return found

    def standing(self, clock: float) -> Standing:
        """Learning until it knows a version to compare with."""
        del clock
        if self._change is not None:
            return Standing("active", f"comparing version {self._change.version} with what was before it")
        if self._versions:
            return Standing("active", f"{len(self._versions)} versions seen, the last {next(reversed(self._versions))}")
        return Standing("learning", "no query seen yet")

    def touch(self) -> None:
        """Count every pane as changed."""
        self._touched |= self._mixes.keys()

    def save(self, parts: Parts) -> dict[str, Any]:
        """Changed panes as parts."""
        for pane in sorted(self._touched):
            if pane in self._mixes:
                parts.put(f"shift/{pane}", pack(self._mixes[pane].pack()))
            else:
                parts.drop(f"shift/{pane}")
        self._touched.clear()
        change = self._change.pack() if self._change else None
        return {"open": self._panes.open_from, "versions": self._versions, "change": change}

    def load(self, rest: dict[str, Any], values: dict[str, bytes]) -> None:
        """Inverse of save."""
        self._panes.open_from, self._versions = rest["open"], rest["versions"]
        self._change = Change.unpack(rest["change"]) if rest["change"] else None
        for name, value in values.items():
            if name.startswith("shift/"):
                self._mixes[int(name.partition("/")[2])] = Mix.unpack(unpack(value))
