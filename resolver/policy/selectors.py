"""Selectors of services by their labels, with values that may come from who asks and what was asked.

``env: prod`` must be equal, ``env: "!prod"`` must not, ``env: "!"`` must be absent; ``${client.zone}`` is a label of
the asking workload, ``${name.app}`` what stands at ``{app}`` in the name. A reference to a label the client does not
have makes a selector that nothing matches: it must not come to mean every service. Pure; must not know services.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from resolver.policy.reading import Report

_REFERENCE = re.compile(r"\$\{([^{}]*)\}")
_SCOPES = ("client", "name")


class Wanted(NamedTuple):
    """One condition on a service's label, its references filled in. An excluded "" excludes every value."""

    key: str
    excluded: bool
    value: str

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether a service with these labels meets it."""
        if self.excluded:
            return labels.get(self.key) != self.value if self.value else self.key not in labels
        return labels.get(self.key) == self.value

    def __str__(self) -> str:
        return f"{self.key}={'!' if self.excluded else ''}{self.value}"


@dataclass(frozen=True, slots=True)
class Condition:
    """One entry of a selector. parts: texts at even places, references as (scope, key) between them."""

    key: str
    excluded: bool
    parts: tuple[str | tuple[str, str], ...]


class UnknownReferenceError(Exception):
    """A selector refers to a label that the client, or the name, does not have; the argument says which."""


@dataclass(frozen=True, slots=True)
class Selector:
    """A compiled selector: every condition must hold."""

    conditions: tuple[Condition, ...]

    def filled(self, client: Mapping[str, str], name: Mapping[str, str]) -> tuple[Wanted, ...]:
        """Its conditions for one query.

        Args:
            client: labels of who asks.
            name: what stands at the placeholders of the name.

        Raises:
            UnknownReferenceError: if a label it refers to is missing.
        """
        scopes = {"client": client, "name": name}
        return tuple(
            Wanted(condition.key, condition.excluded, _joined(condition.parts, scopes)) for condition in self.conditions
        )


def _joined(parts: tuple[str | tuple[str, str], ...], scopes: Mapping[str, Mapping[str, str]]) -> str:
    texts = []
    for part in parts:
        if isinstance(part, str):
            texts.append(part)
            continue
        scope, key = part
        if key not in scopes[scope]:
            raise UnknownReferenceError(f"${{{scope}.{key}}}")
        texts.append(scopes[scope][key])
    return "".join(texts)


def compile_selector(labels: Mapping[str, str], keys: frozenset[str], path: str, report: Report) -> Selector:
    """The compiled form of a selector; what is wrong is reported and left out.

    Args:
        labels: as written.
        keys: placeholders of the name.
        path: key path of the selector.
        report: takes what is wrong.
    """
    if not labels:
        report(path, "expected at least one label: a selector without any would mean every service")
    conditions = []
    for key, value in labels.items():
        parts = tuple(_parts(value.removeprefix("!"), keys, f"{path}.{key}", report))
        if not key:
            report(path, "expected labels with a name, got ''")
        conditions.append(Condition(key, value.startswith("!"), parts))
    return Selector(tuple(conditions))


def _parts(value: str, keys: frozenset[str], path: str, report: Report) -> Iterator[str | tuple[str, str]]:
    for place, text in enumerate(_REFERENCE.split(value)):
        if place % 2 == 0:
            if "${" in text:
                report(path, f"'${{' without '}}' in {value!r}")
            yield text
            continue
        scope, _, key = text.partition(".")
        if scope not in _SCOPES or not key:
            report(path, f"expected ${{client.LABEL}} or ${{name.KEY}}, got ${{{text}}}")
        elif scope == "name" and key not in keys:
            known = ", ".join(f"{{{one}}}" for one in sorted(keys)) or "no placeholder"
            report(path, f"${{{text}}} refers to a placeholder that is not in the name, which has {known}")
        else:
            yield scope, key
