"""Templates of events for tests of publishing."""

from __future__ import annotations

from typing import Any

from resolver.rows import Template

_TIME = 1_790_000_000_000_000_000


def template(number: int = 0, **changes: Any) -> Template:
    """A plausible event's template; tenants, clients and names depend on the number."""
    fields: dict[str, Any] = {
        "tenant": f"tenant{number % 3}", "workload": "frontend", "labels": (("app", "frontend"), ("env", "prod")),
        "client": f"10.0.0.{number % 250}", "transport": "udp", "qname": f"name{number}.example.com",
        "registered_domain": "example.com", "qtype": "A", "qclass": "IN", "rcode": "NOERROR", "flags": 0x8180,
        "answers": (("A", f"192.0.2.{number % 250}", 300), ("A", "192.0.2.1", 300))[: number % 3], "answer_source": "cache", "upstream": "",
        "verdict": "allow", "rule": "", "tier": "default", "policy_version": "v1", "query_size": 40 + number, "response_size": 60 + number,
        "audits": (("watch/com", "deny", "tenant"),) if number % 2 else (), "tags": ("log",) if number % 5 == 0 else (), "ede": -1, "ede_text": "",
    }  # fmt: skip
    return Template(**{**fields, **changes})


def moment(number: int) -> int:
    """Arrival of the n-th query in Unix nanoseconds."""
    return _TIME + number * 1_000_000
