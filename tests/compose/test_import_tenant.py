"""Imported events as a tenant's: workloads by its subnets, clients as its privacy setting shows them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from compose.failure import Failure
from compose.import_tenant import attribution, new_tenant
from compose.imports import Observed
from resolver.keys import load_key
from resolver.privacy import CryptoPan
from resolver.rows import Template
from schemas.objects import Tenant
from schemas.tenant_spec import Privacy, Workload
from tests.compose.imports.wire import asked, events, pcap

WEB = Workload(name="web", subnets=["10.1.0.0/24", "2001:db8::/32"], labels={"app": "web"})


def tenant(client: str = "clear") -> Tenant:
    """A tenant with one workload."""
    made = new_tenant("harbor")
    spec = msgspec.structs.replace(made.spec, workloads=[WEB], privacy=Privacy(client=client))  # type: ignore[arg-type]
    return msgspec.structs.replace(made, spec=spec)


def seen(address: str = "") -> Observed:
    """One imported event."""
    (event,), _ = events(pcap(asked("a.example"), 101))
    event.template.client = address or event.template.client
    return event


def of(owner: Tenant, event: Observed, workload: str = "", key: Path = Path("none")) -> Template:
    """The event as the tenant's."""
    return attribution(owner, workload, key).of(event).template


@pytest.mark.parametrize(
    ("address", "workload", "expected"),
    [
        ("10.1.0.9", "", ("web", (("app", "web"),))),
        ("2001:db8::1", "", ("web", (("app", "web"),))),
        ("10.2.0.9", "", ("", ())),
        ("10.2.0.9", "web", ("web", (("app", "web"),))),
        ("10.1.0.9", "lab", ("lab", ())),
        ("somebody", "", ("", ())),
    ],
)
def test_workloads_follow_from_subnets_unless_named(address: str, workload: str, expected: tuple[str, object]) -> None:
    """A workload that the tenant knows brings its labels."""
    made = of(tenant(), seen(address), workload)
    assert (made.tenant, made.client, made.workload, made.labels) == ("harbor", address, *expected)


def test_privacy_holds_for_imports(tmp_path: Path) -> None:
    """Dropped clients are empty, pseudonyms are the resolvers'; workloads are found before."""
    key = load_key(tmp_path / "key", make=True)
    dropped, shown = of(tenant("drop"), seen()), of(tenant("pseudonym"), seen(), key=tmp_path / "key")
    assert (dropped.client, dropped.workload) == ("", "web")
    assert (shown.client, shown.workload) == (CryptoPan(key).pseudonym("10.1.0.9"), "web")
    assert of(tenant("pseudonym"), seen("somebody"), key=tmp_path / "key").client == ""


def test_pseudonyms_without_the_key_are_refused(tmp_path: Path) -> None:
    """Rather than under another key, or in clear."""
    with pytest.raises(Failure, match=r"'harbor' shows clients as pseudonyms .* --pseudonym-key"):
        attribution(tenant("pseudonym"), "", tmp_path / "key")
