"""What a rule demands of the answer: CNAME targets, address blocks, response codes.

Asked by the engine when the answer is known, whoever gave it. A list holds when any hop or any record is in it. This
module must not know rules, or where answers come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import inf

from resolver.mnemonics import rcode_name, rcode_number
from resolver.policy.patterns import Pattern, PatternIndex
from resolver.policy.reading import Report, parse_networks, parse_patterns
from resolver.policy.record_addresses import Address, addresses_of
from resolver.query import Record
from resolver.subnets import Network, SubnetIndex
from schemas.policy_spec import RuleMatch

_NOERROR = 0
_ADDRESS_TYPES = {"A": {4}, "AAAA": {4, 6}, "HTTPS": {4, 6}, "SVCB": {4, 6}, "ANY": {4, 6}}


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer as rules see it.

    Attributes:
        rcode: response code.
        records: answer section, every CNAME hop included.
        asked: the name upstream was asked for, lower case without final dot; empty for an answer made here.
        until: Unix seconds at which the answer may be another one.
    """

    rcode: int
    records: Sequence[Record] = ()
    asked: str = ""
    until: float = inf


@dataclass(frozen=True, slots=True, eq=False)
class AnswerTest:
    """Conditions on the answer, all of which must hold; an empty one always does."""

    cname: tuple[Pattern, ...] = ()
    networks: tuple[Network, ...] = ()
    rcodes: frozenset[int] = frozenset()
    _targets: PatternIndex[bool] = field(init=False)
    _blocks: SubnetIndex[bool] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_targets", PatternIndex((pattern, True) for pattern in self.cname))
        object.__setattr__(self, "_blocks", SubnetIndex((network, True) for network in self.networks))

    def matches(self, answer: Answered) -> bool:
        """Whether the answer is one of those meant."""
        if self.rcodes and answer.rcode not in self.rcodes:
            return False
        if self.cname and not any(map(self._targets.matches, _hops(answer.records))):
            return False
        return not self.networks or any(map(self._holds, addresses_of(answer.records)))

    def _holds(self, address: Address) -> bool:
        return self._blocks.get(address.version, int(address)) is not None

    def obstacles(self, answer: Answered) -> Iterator[str]:
        """Each reason why the answer is not one of those meant, as a clause for an explanation."""
        if self.rcodes and answer.rcode not in self.rcodes:
            yield f"the answer's rcode {rcode_name(answer.rcode)} is none of {self._rcodes()}"
        if self.cname and not any(map(self._targets.matches, _hops(answer.records))):
            hops = ", ".join(_hops(answer.records)) or "of which there is none"
            yield f"no CNAME target of the answer ({hops}) matches {_listed(self.cname)}"
        if self.networks and not any(map(self._holds, addresses_of(answer.records))):
            found = ", ".join(map(str, addresses_of(answer.records))) or "of which there is none"
            yield f"no address of the answer ({found}) is in {_listed(self.networks)}"

    def told(self) -> str:
        """What it waits for, as a clause for an explanation."""
        parts = (
            f"rcode {self._rcodes()}" if self.rcodes else "",
            f"CNAME target {_listed(self.cname)}" if self.cname else "",
            f"address in {_listed(self.networks)}" if self.networks else "",
        )
        return "; ".join(filter(None, parts))

    def _rcodes(self) -> str:
        return ", ".join(map(rcode_name, sorted(self.rcodes)))


def _hops(records: Iterable[Record]) -> Iterator[str]:
    """Targets of the CNAME records, as patterns expect names."""
    return (record.data.lower().removesuffix(".") or "." for record in records if record.type == "CNAME")


def _listed(things: Iterable[Pattern | Network]) -> str:
    return ", ".join(thing.text if isinstance(thing, Pattern) else str(thing) for thing in things)


def compile_on_answer(match: RuleMatch, qtypes: frozenset[str], path: str, report: Report) -> AnswerTest | None:
    """The conditions on the answer, None if there is none; what is wrong is reported below the path and left out."""
    if not (match.cname or match.addresses or match.rcode):
        return None
    test = AnswerTest(
        parse_patterns(match.cname, f"{path}.cname", report),
        tuple(parse_networks(match.addresses, f"{path}.addresses", report)),
        _rcodes(match.rcode, f"{path}.rcode", report),
    )
    _check(test, qtypes, path, report)
    return test


def _rcodes(texts: list[str], path: str, report: Report) -> frozenset[int]:
    found = set()
    for place, text in enumerate(texts):
        try:
            found.add(rcode_number(text.upper()))
        except KeyError:
            report(f"{path}[{place}]", f"expected a response code such as NXDOMAIN, got {text!r}")
    return frozenset(found)


def _check(test: AnswerTest, qtypes: frozenset[str], path: str, report: Report) -> None:
    """Conditions that no answer can meet."""
    if not test.networks:
        return
    if test.rcodes and _NOERROR not in test.rcodes:
        codes = ", ".join(map(rcode_name, sorted(test.rcodes)))
        report(f"{path}.addresses", f"an answer with rcode {codes} holds no addresses, expected NOERROR among them")
    held = {version for kind in qtypes for version in _ADDRESS_TYPES.get(kind, ())}
    if qtypes and held.isdisjoint(network.version for network in test.networks):
        blocks = _listed(test.networks)
        report(f"{path}.addresses", f"no answer to type {', '.join(sorted(qtypes))} holds an address in {blocks}")
