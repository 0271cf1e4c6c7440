"""A tenant's search list: domains tried for short names, and what a name may have been before one was put behind it.

Rules match the name with a search suffix and the name without it, whoever put it there: this resolver, or the stub
resolver of a client that has the list in its own resolv.conf. Otherwise one trailing label would be the way around a
rule. This module must not know messages or answers.
"""

from __future__ import annotations

from dataclasses import dataclass

from resolver.policy.patterns import PatternError, canonical_name
from resolver.policy.reading import Report
from schemas.objects import TenantSpec


@dataclass(frozen=True, slots=True)
class SearchList:
    """Falsy when there is none.

    Attributes:
        suffixes: lower case, without final dot, in the order tried.
        ndots: names with fewer dots are tried with each suffix before they are tried as they are.
    """

    suffixes: tuple[str, ...] = ()
    ndots: int = 1

    def __bool__(self) -> bool:
        return bool(self.suffixes)

    def without(self, qname: str) -> list[str]:
        """What this name may have been asked as: the name without each suffix that it ends with."""
        return [qname[: -len(suffix) - 1] for suffix in self.suffixes if qname.endswith(f".{suffix}")]


def compile_search(spec: TenantSpec, report: Report) -> SearchList:
    """The search list of a tenant; what is wrong is reported and left out."""
    suffixes: list[str] = []
    for place, text in enumerate(spec.search):
        path = f"spec.search[{place}]"
        try:
            suffix = canonical_name(text)
        except PatternError as error:
            report(path, f"expected a domain such as svc.example.internal, got {text!r}: {error}")
            continue
        if suffix == ".":
            report(path, "every name is tried as it is in the end, the root needs no place in a search list")
        elif suffix in suffixes:
            report(path, f"{suffix} stands above already")
        else:
            suffixes.append(suffix)
    if spec.ndots != 1 and not spec.search:
        report("spec.ndots", "only with a search list are names told apart by their dots")
    return SearchList(tuple(suffixes), spec.ndots)
