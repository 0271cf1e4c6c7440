"""What differs between two versions of an object, and between a set of objects and another: field by field, for people.

Entries of a list that have names are compared by name, others by place; lists of plain values by what was put in and
taken out. Pure; must not know where objects come from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from compose.policy_versions import bare
from schemas.documents import plain
from schemas.objects import PolicyObject


class Difference(msgspec.Struct, frozen=True, omit_defaults=True):
    """One field: its key path, what it was and what it is (absent where there was, or is, nothing)."""

    path: str
    old: Any = msgspec.UNSET
    new: Any = msgspec.UNSET

    def __str__(self) -> str:
        if self.old is msgspec.UNSET:
            return f"{self.path}: + {_shown(self.new)}"
        if self.new is msgspec.UNSET:
            return f"{self.path}: - {_shown(self.old)}"
        return f"{self.path}: {_shown(self.old)} -> {_shown(self.new)}"


class ObjectChange(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a change means for one object; fields are given where it is there before and after."""

    change: Literal["added", "changed", "removed", "unchanged"]
    kind: str
    name: str
    file: str = ""
    fields: tuple[Difference, ...] = ()


def change_of(key: str, old: PolicyObject | None, new: PolicyObject | None, file: str = "") -> ObjectChange:
    """What becomes of one object."""
    kind, _, name = key.split("/", 2)
    if old is None or new is None:
        return ObjectChange("added" if new else "removed", kind, name, file)
    fields = tuple(differences(old, new))
    return ObjectChange("changed" if fields else "unchanged", kind, name, file, fields)


def differences(old: PolicyObject, new: PolicyObject) -> Iterator[Difference]:
    """Fields that differ, those that `nameward policy` itself writes left out."""
    before, after = plain(bare(old)), plain(bare(new))
    for part in ("metadata", "spec"):
        yield from _compare(before[part], after[part], part)


def _compare(old: Any, new: Any, path: str) -> Iterator[Difference]:  # noqa: ANN401 - any value of a document
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _compare_mappings(old, new, path)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _compare_lists(old, new, path)
    else:
        yield Difference(path, old, new)


def _compare_mappings(old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> Iterator[Difference]:
    for key in dict.fromkeys([*old, *new]):
        at = f"{path}.{key}"
        if key not in new:
            yield Difference(at, old=old[key])
        elif key not in old:
            yield Difference(at, new=new[key])
        else:
            yield from _compare(old[key], new[key], at)


def _compare_lists(old: Sequence[Any], new: Sequence[Any], path: str) -> Iterator[Difference]:
    before, after = _named(old), _named(new)
    if before is not None and after is not None:
        yield from _compare_named(before, after, path)
    elif any(isinstance(item, dict | list) for item in [*old, *new]):
        yield from _compare_placed(old, new, path)
    else:
        put, taken = _without(new, old), _without(old, new)
        yield from (Difference(f"{path}[{old.index(item)}]", old=item) for item in taken)
        yield from (Difference(f"{path}[{new.index(item)}]", new=item) for item in put)
        if not put and not taken:
            yield Difference(path, old, new)


def _compare_named(before: dict[str, Any], after: dict[str, Any], path: str) -> Iterator[Difference]:
    for name in dict.fromkeys([*before, *after]):
        at = f"{path}[{name}]"
        if name not in after:
            yield Difference(at, old=before[name])
        elif name not in before:
            yield Difference(at, new=after[name])
        else:
            yield from _compare(before[name], after[name], at)
    kept = [name for name in before if name in after]
    if kept != (order := [name for name in after if name in before]):
        yield Difference(f"{path} (order)", kept, order)


def _compare_placed(old: Sequence[Any], new: Sequence[Any], path: str) -> Iterator[Difference]:
    for place in range(max(len(old), len(new))):
        at = f"{path}[{place}]"
        if place >= len(new):
            yield Difference(at, old=old[place])
        elif place >= len(old):
            yield Difference(at, new=new[place])
        else:
            yield from _compare(old[place], new[place], at)


def _named(items: Sequence[Any]) -> dict[str, Any] | None:
    """Entries by name, where all have one of their own."""
    names = [item.get("name") if isinstance(item, dict) else None for item in items]
    if None in names or len(set(names)) < len(names):
        return None
    return dict(zip(map(str, names), items, strict=True))


def _without(items: Sequence[Any], others: Sequence[Any]) -> list[Any]:
    left = list(others)
    found = []
    for item in items:
        if item in left:
            left.remove(item)
        else:
            found.append(item)
    return found


def _shown(value: Any) -> str:  # noqa: ANN401 - any value of a document
    return value if isinstance(value, str) and value else msgspec.json.encode(value).decode()
