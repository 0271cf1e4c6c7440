"""Score the crop, not the name: whether the names that failed for one client within an hour are those of malware.

A crop is implausible when its names are, on the average, as the name model sees them; that finds letters, syllables
and most names made of words, which are longer than people choose. Shorter names of words are told by what a person's
failures lack: many, all letters, long, under one or two suffixes. A crop whose names vary one stem (somebody watching
look-alikes of a brand), or many of which resolve after all, is neither. Bounds were set between what was measured of
typing errors and dead links on one side, and of families the model never saw on the other. Pure values; must not know
events.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from schemas.detection_spec import DgaSpec
from schemas.domains import is_public_suffix

Floats = NDArray[np.float64]

LEAST, MOST = -8.0, 4.0
IMPLAUSIBLE = -1.7
SHARE = 0.4
STEM = 0.5
UNRESOLVED = 0.8
WORD_LENGTH = 11
WORD_SUFFIXES, WORD_SUFFIX_SHARE = 2, 0.95
BURST, NEAR = 5, 60.0
"""Names that must have failed before one that resolves, and seconds since the last of them (or twice the usual gap)."""
LIKE, MOST_HEIRS = 0.2, 3
"""Quantile of the crop's scores that a name like it reaches; names that may be its heirs."""

_GRAM = 4


@dataclass(frozen=True, slots=True)
class Crop:
    """Failed names of one client, by time, each label once; numpy columns of one length."""

    domains: tuple[str, ...]
    labels: tuple[str, ...]
    suffixes: tuple[str, ...]
    times: Floats
    scores: Floats
    lengths: Floats

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def of(cls, failed: Mapping[str, float], scores: Mapping[str, float]) -> Crop:
        """From registered domains and when they failed first, and the name model's scores of them.

        Names that nobody can register, internationalised ones and service labels are left out; the same label under
        several suffixes is one (a search list).
        """
        kept: dict[str, tuple[str, str, float]] = {}
        for domain, time in sorted(failed.items(), key=lambda item: (item[1], item[0])):
            label, _, suffix = domain.partition(".")
            if label not in kept and not label.startswith("xn--") and "_" not in label and is_public_suffix(suffix):
                kept[label] = (domain, suffix, time)
        domains = tuple(domain for domain, _, _ in kept.values())
        lengths = np.array([len(label) for label in kept], float)
        odds = np.array([scores[domain] for domain in domains])
        times = np.array([time for _, _, time in kept.values()])
        return cls(domains, tuple(kept), tuple(suffix for _, suffix, _ in kept.values()), times, odds, lengths)

    def odds(self) -> float:
        """Mean log odds, outliers cut, less its standard error: twelve names must be clearer than forty."""
        cut = np.clip(self.scores, LEAST, MOST)
        return float(cut.mean() - cut.std() / np.sqrt(len(cut)))

    def share(self) -> float:
        """Part of the names that one in twenty popular names equals."""
        return float((self.scores > IMPLAUSIBLE).mean())

    def suffix_share(self) -> float:
        """Part of the names under the commonest two suffixes."""
        return sum(count for _, count in Counter(self.suffixes).most_common(WORD_SUFFIXES)) / len(self)

    def stem_share(self) -> float:
        """Part of the names that hold the commonest four characters."""
        grams = Counter(gram for label in self.labels for gram in _grams(label))
        return max(grams.values(), default=0) / len(self)

    def kinship(self) -> float:
        """Part of the names that share four characters with another."""
        grams = Counter(gram for label in self.labels for gram in _grams(label))
        return sum(any(grams[gram] > 1 for gram in _grams(label)) for label in self.labels) / len(self)

    def vowels(self) -> float:
        """Part of the characters that are vowels."""
        return sum(label.count(vowel) for label in self.labels for vowel in "aeiou") / float(self.lengths.sum())

    def usual_gap(self) -> float:
        """Median seconds between failures."""
        return float(np.median(np.diff(self.times))) if len(self) > 1 else 0.0


def _grams(label: str) -> set[str]:
    return {label[place : place + _GRAM] for place in range(len(label) - _GRAM + 1)}


def kind_of(crop: Crop, resolved: int, mine: DgaSpec) -> Literal["", "letters", "words"]:
    """What kind of generated names it is; empty for none."""
    if len(crop) < mine.names or resolved > (1 - UNRESOLVED) * len(crop) or crop.stem_share() > STEM:
        return ""
    wordy = crop.lengths.mean() >= WORD_LENGTH and all(label.isalpha() for label in crop.labels)
    if crop.odds() >= mine.threshold and crop.share() >= SHARE:
        return "words" if wordy and crop.kinship() >= 1 / 2 else "letters"
    return "words" if wordy and len(crop) >= mine.words and crop.suffix_share() >= WORD_SUFFIX_SHARE else ""


def heirs(crop: Crop, kind: str, resolved: Mapping[str, float], scores: Mapping[str, float]) -> list[str]:
    """Domains that resolved right after a burst of failures and look like the crop, the newest last.

    Malware meets its master under one name or two; where many fit, they are what the client asks anyway: none is told.

    Args:
        crop: what failed.
        kind: of the crop; names of letters must be implausible themselves.
        resolved: domain -> when it resolved first, Unix seconds.
        scores: the name model's, of these.
    """
    low = float(np.quantile(crop.scores, LIKE))
    low = max(low, IMPLAUSIBLE) if kind == "letters" else low
    shortest, longest = float(crop.lengths.min()), float(crop.lengths.max())
    near = max(NEAR, 2 * crop.usual_gap())
    found = []
    for domain in sorted(resolved, key=lambda domain: (resolved[domain], domain)):
        label, _, suffix = domain.partition(".")
        before = crop.times[crop.times < resolved[domain]]
        burst = len(before) >= BURST and resolved[domain] - float(before.max()) <= near
        if burst and suffix in crop.suffixes and shortest <= len(label) <= longest and scores[domain] >= low:
            found.append(domain)
    return found if len(found) <= MOST_HEIRS else []
