"""What a domain set holds: text of any format -> the index of it -> the names a rule asks.

The two halves run apart: `build_index` where the text is, for a big file in a process of its own; `open_index` in every
worker, over bytes that are mapped and never unpacked. This module must not know files or sets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Protocol

import msgspec

from resolver.policy.patterns import PatternIndex, parse_pattern
from resolver.policy.rpz import Zone, ZoneDraft, ZoneRest
from resolver.policy.rpz_records import ZoneReader
from resolver.policy.rpz_text import read_zone
from resolver.policy.set_index import Bytes, DamagedIndexError, IndexWriter, NameTable
from resolver.policy.set_text import Troubles, read_hosts, read_names
from resolver.policy.steps import SLICE, Steps, finish, slices

LAYOUT = 2
"""Goes up when the same text leads to another index."""


class Names(Protocol):
    """Patterns a name can be held against; falsy when there are none."""

    def __bool__(self) -> bool: ...
    def holds(self, names: list[str]) -> bool:
        """Whether any pattern matches the name, given as its suffixes (see patterns.suffixes)."""


@dataclass(frozen=True, slots=True, eq=False)
class SetContents:
    """What a set holds.

    Attributes:
        names: to look names up in.
        zone: the response policy zone they are of, if they are.
        troubles: what is wrong in the text, each with its place; the rest stands.
    """

    names: Names = field(default_factory=PatternIndex)
    zone: Zone | None = None
    troubles: tuple[str, ...] = ()


class _Head(msgspec.Struct, frozen=True):
    """What follows the names begins with this line: wrong lines, the first and how many; whether it is a zone."""

    first: list[tuple[int, str]]
    wrong: int
    zone: bool


class _Piece(msgspec.Struct, frozen=True):
    """Each further line: some of the patterns that are matched one by one, or of the zone."""

    globs: list[str] = []
    zone: ZoneRest | None = None


@dataclass(frozen=True, slots=True, eq=False)
class IndexedNames:
    """Names of an index, and the few patterns that are matched one by one."""

    table: NameTable
    globs: PatternIndex[bool]

    def __bool__(self) -> bool:
        return bool(len(self.table) or self.globs)

    def holds(self, names: list[str]) -> bool:
        """Whether any pattern matches the name, given as its suffixes."""
        return self.table.find(names) != 0 or (bool(self.globs) and self.globs.holds(names))


def index_key(digest: bytes, form: str) -> str:
    """Name of the index of a text, given its SHA-256: the same text of the same format leads to the same index."""
    return sha256(b"%d %s\n" % (LAYOUT, form.encode()) + digest).hexdigest()


def build_index(content: bytes, form: str) -> Iterator[bytes]:
    """The index of a text, piece by piece.

    Args:
        content: the text, hostile or not.
        form: names, hosts or rpz.
    """
    writer = IndexWriter(int(index_key(sha256(content).digest(), form)[:16], 16))
    troubles = Troubles()
    pieces: Iterable[_Piece]
    if form == "rpz":
        reader = ZoneReader(writer.add, troubles)
        for entry in read_zone(content, troubles):
            reader.read(entry)
        pieces = (_Piece(zone=piece) for piece in reader.finish().pieces(SLICE))
    else:
        globs = (read_hosts if form == "hosts" else read_names)(content, writer.add, troubles)
        pieces = (_Piece(globs=part) for part in slices(globs))
    head = _Head(troubles.first, troubles.count, form == "rpz")
    return writer.finish(b"\n".join(map(msgspec.json.encode, (head, *pieces))))


def open_index(buffer: Bytes, label: str) -> SetContents:
    """What an index holds.

    Args:
        buffer: what build_index made; kept as long as the contents are.
        label: of the text, for people: ``label:line: what is wrong``.

    Raises:
        DamagedIndexError: if the bytes are no index, or a damaged one.
    """
    return finish(opening_index(buffer, label))


def opening_index(buffer: Bytes, label: str) -> Steps[SetContents]:
    """The same in slices."""
    table = NameTable(buffer)
    globs: PatternIndex[bool] = PatternIndex()
    draft = ZoneDraft()
    try:
        first, *lines = table.rest.split(b"\n")
        head = msgspec.json.decode(first, type=_Head)
        for line in lines:
            yield
            piece = msgspec.json.decode(line, type=_Piece)
            for text in piece.globs:
                globs.add(parse_pattern(text), value=True)
            if piece.zone is not None:
                draft.add(piece.zone)
    except msgspec.MsgspecError as error:
        raise DamagedIndexError(str(error)) from error
    troubles = [f"{label}:{line}: {why}" for line, why in head.first]
    if head.wrong > len(troubles):
        troubles.append(f"{label}: {head.wrong} lines are wrong, these are the first {len(troubles)}; the others stand")
    if head.zone:
        zone = draft.finish(table)
        return SetContents(zone, zone, tuple(troubles))
    return SetContents(IndexedNames(table, globs), None, tuple(troubles))
