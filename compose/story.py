"""The story of one query as people read it: every rule and what came of it, the verdict, the place of the answer.

Takes what resolver/explain.py tells, as JSON can hold it. Keys it does not know are shown as they are, so that a new
place of answers needs nothing here. Pure but for the console.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

Story = Mapping[str, Any]
_STYLES = {"verdict": "bold", "audit": "yellow", "pass": "cyan", "continue": "cyan", "skip": "dim"}
_COLOURS = {"allow": "green", "deny": "red", "redirect": "yellow"}
_HEAD = frozenset(
    {"client", "name", "type", "transport", "tenant", "workload", "labels", "policy_version", "policy_epoch"}
)
_VERDICT = frozenset({"verdict", "rule", "tier", "tags", "log", "audits", "why", "rules"})
_ANSWER = frozenset({"answer_source", "rcode", "ede", "ede_text", "answers", "asked", "upstream_group", "upstreams"})


def show(story: Story, console: Console | None = None) -> None:
    """Print it."""
    console = console or Console(highlight=False)
    console.print(_asked(story))
    if story.get("rules"):
        console.print(_rules(story["rules"]))
    for line in (_verdict(story), _audits(story), _answer(story)):
        if line:
            console.print(line)
    for record in story.get("answers") or ():
        console.print(Text(f"  {record['name']} {record['ttl']} {record['type']} {record['data']}"))
    for key, value in story.items():
        if key not in _HEAD | _VERDICT | _ANSWER and value not in (None, "", [], {}, False):
            console.print(Text.assemble((f"{key}:", "bold"), "\n", "\n".join(_lines(value))))


def _asked(story: Story) -> Text:
    labels = ", ".join(f"{key}={value}" for key, value in (story.get("labels") or {}).items())
    who = [f"tenant {story['tenant']}" if story.get("tenant") else "no tenant"]
    who += [f"workload {story['workload']}"] if story.get("workload") else []
    who += [labels] if labels else []
    client = story.get("client") or "any client"
    question = f"{story['name']} {story['type']} over {story['transport']}"
    version = f"  policy {story.get('policy_version', '')}"
    return Text.assemble((question, "bold"), f" asked by {client} ({'; '.join(who)})", (version, "dim"))


def _rules(rules: list[Mapping[str, Any]]) -> Table:
    table = Table("TIER", "RULE", "", "WHY", box=box.SIMPLE_HEAD, pad_edge=False)
    for rule in rules:
        outcome = str(rule.get("outcome", ""))
        cells = (rule.get("tier", ""), rule.get("rule") or "(default)", outcome, rule.get("why", ""))
        table.add_row(*(Text(str(cell)) for cell in cells), style=_STYLES.get(outcome, ""))
    return table


def _verdict(story: Story) -> Text:
    verdict = str(story.get("verdict", ""))
    by = f" by {story['rule']} ({story.get('tier')})" if story.get("rule") else ""
    default = " by the tenant's default" if story.get("tier") == "default" and not story.get("rule") else ""
    why = f": {story['why']}" if story.get("why") else ""
    tags = f", tags {', '.join(story['tags'])}" if story.get("tags") else ""
    return Text.assemble("verdict: ", (verdict, f"bold {_COLOURS.get(verdict, '')}"), f"{by}{default}{why}{tags}")


def _audits(story: Story) -> Text | None:
    told = [f"{audit.get('rule') or 'the default'} would {audit.get('verdict')}" for audit in story.get("audits") or ()]
    return Text(f"in audit: {'; '.join(told)}", style="yellow") if told else None


def _answer(story: Story) -> Text:
    source = story.get("answer_source", "")
    if source == "upstream":
        servers = ", ".join(story.get("upstreams") or ())
        group = f" group {story['upstream_group']}" if story.get("upstream_group") else ""
        asked = f" for {story['asked']}" if story.get("asked") not in (None, story["name"]) else ""
        return Text.assemble("answer: ", ("upstream", "bold"), f"{group}{asked}: {servers}")
    ede = f", EDE {story['ede']} {story.get('ede_text') or ''}".rstrip() if story.get("ede", -1) >= 0 else ""
    return Text.assemble("answer: ", (str(story.get("rcode", "")), "bold"), f" from {source}{ede}")


def _lines(value: Any, depth: int = 1) -> Iterator[str]:  # noqa: ANN401 - any value of JSON
    """A value as indented lines: plain ones side by side, lists and mappings of more below."""
    space = "  " * depth
    if isinstance(value, list):
        for item in value:
            first, *rest = _lines(item, depth + 1) if isinstance(item, dict | list) else [f"{space}  {_plain(item)}"]
            yield f"{space}- {first.lstrip()}"
            yield from rest
    elif isinstance(value, dict):
        flat = [f"{key}={_plain(item)}" for key, item in value.items() if not isinstance(item, dict | list)]
        yield f"{space}{', '.join(flat)}"
        for key, item in value.items():
            if isinstance(item, dict | list) and item:
                yield f"{space}{key}:"
                yield from _lines(item, depth + 1)
    else:
        yield f"{space}{_plain(value)}"


def _plain(value: Any) -> str:  # noqa: ANN401 - any value of JSON
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
