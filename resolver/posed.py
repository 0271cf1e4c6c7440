"""A query and a client as somebody poses them, not as they came: to explain, or to try a policy on what was asked.

Pure; must not know who poses them.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address

from resolver.mnemonics import type_number
from resolver.names import name_wire
from resolver.query import Query
from resolver.tenants import PLAIN, Arrival, Asker, Compiled, identify

_CLASS_IN = b"\0\1"


def question(name: str, kind: str) -> Query:
    """A query for this name and type as a plain stub resolver sends it.

    Raises:
        ValueError: if the name or the type's mnemonic is none.
    """
    qname = name.lower().rstrip(".") or "."
    try:
        number = type_number(kind.upper())
    except KeyError:
        raise ValueError(f"unknown type {kind!r}") from None
    wire = name_wire(qname) + number.to_bytes(2, "big") + _CLASS_IN
    return Query(
        0,
        0x0100,
        0,
        rd=True,
        cd=False,
        ad=False,
        do=False,
        question=wire,
        qname=qname,
        qtype=number,
        qclass=1,
        qtype_name=kind.upper(),
        edns=None,
        size=12 + len(wire),
    )


def asker_of(compiled: Compiled, client: str, tenant: str = "", arrival: Arrival = PLAIN) -> Asker | None:
    """Who is meant by an address; or by labels, ``app=frontend,env=prod``, of which only the tenant need exist.

    Raises:
        ValueError: if it is neither, or of another tenant than said.
    """
    try:
        ip_address(client)
    except ValueError:
        return _posed(compiled, client, tenant)
    asker = identify(compiled, client, arrival)
    if tenant and (asker is None or asker.tenant.name != tenant):
        whose = f"tenant {asker.tenant.name!r}" if asker else "no tenant"
        raise ValueError(f"client {client} belongs to {whose}, not to {tenant!r}")
    return asker


def _posed(compiled: Compiled, client: str, tenant: str) -> Asker:
    labels: Mapping[str, str] = dict(pair.strip().partition("=")[::2] for pair in client.split(",") if pair.strip())
    if not all(labels.values()):
        raise ValueError(f"client {client!r} is neither an address nor labels such as app=frontend,env=prod")
    if not tenant:
        raise ValueError("a client given by its labels needs the tenant it belongs to")
    view = compiled.tenants.get(tenant)
    if view is None:
        raise ValueError(f"there is no tenant {tenant!r} in force")
    return Asker(view, "", labels, client, 0, 0, compiled.sets)
