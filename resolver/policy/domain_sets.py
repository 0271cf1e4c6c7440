"""A DomainSet object in the form rules look names up in: its names, or what the file it names was last found to hold.

Rules name sets; the sets in force stand in Compiled.sets and, for the path, in Asker.sets, so that a set can change
without one rule or view being made anew. Contents of files are read by resolver/set_files.py and come here ready.
This module must not know rules, files or the path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from resolver.policy.patterns import PatternIndex, suffixes
from resolver.policy.reading import Report, parse_patterns
from resolver.policy.rpz import Zone
from resolver.policy.set_contents import SetContents, build_index, open_index
from schemas.objects import DomainSet, SetFile

_SOURCES = "expected one of names, file and zone"


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

    @property
    def is_zone(self) -> bool:
        """Whether it is written as a response policy zone, whatever is known of its contents."""
        return self.rpz is not None or (self.file is not None and self.file.format == "rpz")

    @property
    def rpz(self) -> Zone | None:
        """The response policy zone it is, if it is one."""
        return self.contents.zone

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
    if spec.zone:
        contents = open_index(b"".join(build_index(spec.zone.encode(), "rpz")), "zone")
        for trouble in contents.troubles:
            report("spec.zone", trouble)
        return DomainSetEntry(name, contents)
    patterns = parse_patterns(spec.names, "spec.names", report)
    return DomainSetEntry(name, SetContents(PatternIndex((pattern, True) for pattern in patterns)))


def filled(entry: DomainSetEntry, files: Mapping[SetFile, SetContents]) -> DomainSetEntry:
    """The entry with what its file holds; empty as long as nothing is known of the file."""
    contents = files.get(entry.file) if entry.file is not None else None
    return entry if contents is None else replace(entry, contents=contents)
