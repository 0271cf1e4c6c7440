"""Types that the specs of several kinds share: names, patterns, labels, times to live.

The lowest part of what operators write; tenant_spec.py, policy_spec.py, name_spec.py and set_spec.py build on it, and
objects.py makes kinds of them. Shapes only, no meaning.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

ObjectName = Annotated[
    str, Meta(pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$", description="lower case, at most 63 characters")
]
Labels = dict[str, str]
Pattern = Annotated[
    str, Meta(min_length=1, max_length=1009, description="example.com, *.example.com, .example.com, *, a*.example.com")
]
Name = Annotated[str, Meta(min_length=1, max_length=1009, description="a domain name")]
Subnet = Annotated[str, Meta(min_length=2, description="address or CIDR block, IPv4 or IPv6")]
Ttl = Annotated[int, Meta(ge=0, le=2**31 - 1, description="seconds")]
Weight = Annotated[int, Meta(ge=0, le=65535, description="share of the whole; 0 is for when nothing else is left")]
Priority = Annotated[int, Meta(ge=0, le=65535, description="small numbers first")]
Mode = Literal["enforce", "audit"]
Severity = Literal["info", "low", "medium", "high", "critical"]


class Spec(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Base of everything below ``spec``: keys in camelCase, unknown keys are errors, defaults are not written."""


class ClientSelector(Spec, frozen=True, kw_only=True):
    """Which clients of a tenant something is for: all labels equal, and in one of the subnets; by default every one."""

    match_labels: Labels = {}
    subnets: list[Subnet] = []
