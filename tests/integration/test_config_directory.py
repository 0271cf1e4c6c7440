"""`nameward up --config DIR`: the directory is the truth while the stack runs, and over its starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.stack import Stack, eventually

TENANT = """apiVersion: nameward.io/v1
kind: Tenant
metadata: {name: acme}
spec: {default: deny, clients: [{subnets: [127.0.1.0/24]}]}
"""
NAME = """apiVersion: nameward.io/v1
kind: VirtualName
metadata: {name: %s}
spec: {name: %s.internal, tenants: [acme], records: [{type: A, data: %s}]}
"""
ALLOW = """apiVersion: nameward.io/v1
kind: DNSPolicy
metadata: {name: internal}
spec: {tier: tenant, tenants: [acme], rules: [{name: own, match: {qname: [.internal]}, action: allow}]}
"""


class Configured(Stack):
    """A stack that is started with a directory of policy."""

    def up_arguments(self) -> list[str]:
        """With --config."""
        return [*super().up_arguments(), "--config", str(self.directory.parent / "policy.d")]


@pytest.mark.timeout(300)
def test_the_directory_is_followed(tmp_path: Path) -> None:
    """Files that come, change and go are answered by within seconds; a mistake changes nothing; so it is after a new start."""
    policy = tmp_path / "policy.d"
    policy.mkdir()
    (policy / "tenant.yaml").write_text(TENANT + "---\n" + ALLOW)
    (policy / "one.yaml").write_text(NAME % ("one", "one", "10.0.0.1"))
    stack = Configured(tmp_path / "nw", workers=1)
    stack.start()
    try:
        assert stack.dig("one.internal").data == ["10.0.0.1"]
        (policy / "one.yaml").write_text(NAME % ("one", "one", "10.0.0.2"))
        (policy / "two.yaml").write_text(NAME % ("two", "two", "10.0.0.3"))
        eventually(lambda: stack.dig("one.internal").data == ["10.0.0.2"], within=10, what="the changed file is in force")
        eventually(lambda: stack.dig("two.internal").data == ["10.0.0.3"], within=10, what="the new file is in force")
        (policy / "two.yaml").unlink()
        (policy / "one.yaml").write_text("kind: [")
        eventually(lambda: f"{policy / 'one.yaml'}: line " in stack.output.read_text(), within=10, what="the mistake is told")
        assert stack.dig("two.internal").data == ["10.0.0.3"]
        (policy / "one.yaml").write_text(NAME % ("one", "one", "10.0.0.2"))
        eventually(lambda: stack.dig("two.internal").data == [], within=10, what="the deleted file is out of force")
        stack.interrupt()
        (policy / "one.yaml").unlink()
        stack.start()
        assert stack.dig("one.internal").data == []
        assert "one" not in stack.nameward("policy", "get", "virtualnames").stdout
    finally:
        stack.stop()
