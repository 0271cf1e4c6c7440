"""A DomainSet object in the form rules look names up in: its names, or what the file it names was last found to hold.

Rules name sets; the sets in force stand in Compiled.sets and, for the path, in Asker.sets, so that a set can change
without one rule or view being made anew. Contents of files are read by resolver/set_files.py and come here ready.
This module must not know rules, files or the path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from resolver.policy.patterns import PatternIndex, suffixes
from resolver.policy.reading import Report, parse_patterns
from schemas.objects import DomainSet, SetFile

_SOURCES = "expected one of names, file and zone"


class Names(Protocol):
    """Patterns a name can be held against; falsy when there are none."""

    def __bool__(self) -> bool: ...
    def holds(self, names: list[str]) -> bool:
        """Whether any pattern matches the name, given as its suffixes (see patterns.suffixes)."""


@dataclass(frozen=True, slots=True, eq=False)
class SetContents:
    """What a file or a zone holds. troubles: what is wrong in it, each with its place; the rest stands."""

    names: Names = field(default_factory=PatternIndex)
    troubles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class DomainSetEntry:
    """A named set of domain patterns. file: where its contents come from; None for what is written inline."""

    name: str
    contents: SetContents
    file: SetFile | None = None

    def __bool__(self) -> bool:
        return bool(self.contents.names)

    def matches(self, qname: str) -> bool:
        """Whether a lower-case name without final dot is in the set."""
        return self.contents.names.holds(suffixes(qname))

    def holds(self, names: list[str]) -> bool:
        """The same for a name given as its suffixes, which the path has at hand."""
        return self.contents.names.holds(names)


def compile_domain_set(obj: DomainSet, report: Report) -> DomainSetEntry:
    """The entry of a domain set; what is wrong is reported and left out. That of a file is empty as yet."""
    spec, name = obj.spec, obj.metadata.name
    given = [key for key in ("names", "file", "zone") if getattr(spec, key)]
    if len(given) != 1:
        report("spec", f"{_SOURCES}, got {' and '.join(given) or 'none'}")
    if spec.file is not None:
        return DomainSetEntry(name, SetContents(), spec.file)
    patterns = parse_patterns(spec.names, "spec.names", report)
    return DomainSetEntry(name, SetContents(PatternIndex((pattern, True) for pattern in patterns)))


def filled(entry: DomainSetEntry, files: Mapping[SetFile, SetContents]) -> DomainSetEntry:
    """The entry with what its file holds; empty as long as nothing is known of the file."""
    contents = files.get(entry.file) if entry.file is not None else None
    return entry if contents is None else replace(entry, contents=contents)
