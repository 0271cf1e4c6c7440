"""The way round: queries fail, streams tell that a server is down, and discovery gives others until it is up again."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import pytest

from tests.integration.stack import Stack, eventually
from tests.peers.authority import Authority

pytestmark = pytest.mark.broker
CLIENT = "127.2.1.10"
POLICY = """
apiVersion: nameward.io/v1
kind: Tenant
metadata: {{name: ring}}
spec:
  default: allow
  clients: [{{subnets: [127.2.1.0/24]}}]
  upstreams: [{{servers: ["{url}"]}}]
  caching: {{serveStale: 0, prefetch: false}}
---
apiVersion: nameward.io/v1
kind: Service
metadata: {{name: resolvers}}
spec:
  tenant: ring
  labels: {{app: dns}}
  endpoints: [{{address: 127.0.0.1, port: {port}}}, {{address: 127.0.0.2, port: 53}}]
---
apiVersion: nameward.io/v1
kind: DiscoveryRule
metadata: {{name: resolvers}}
spec: {{name: dns.internal, tenants: [ring], selector: {{app: dns}}, order: [health]}}
"""


@pytest.fixture
def stack(upstream: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose tenant's upstream server is also an endpoint of a service."""
    running = Stack(tmp_path_factory.mktemp("stack") / "nw", workers=1)
    running.start()
    try:
        running.apply(POLICY.format(url=upstream.address, port=upstream.port))
        yield running
    finally:
        running.stop()


def test_failing_server_leaves_discovery_and_comes_back(stack: Stack) -> None:
    """A server that fails queries of many domains is called down and no longer given; when queries succeed it is again."""
    numbers = itertools.count()

    def told(kind: str) -> list[str]:
        """Ask for a name of another domain, then for the service."""
        stack.dig(f"{next(numbers)}{kind}", client=CLIENT)
        return stack.dig("dns.internal", client=CLIENT).data

    assert told("ok.example") == ["127.0.0.1", "127.0.0.2"]
    eventually(lambda: told("failing.test") == ["127.0.0.2"], within=40, what="the failing server is left out")
    story = stack.nameward("explain", "--client", CLIENT, "--json", "dns.internal").stdout
    assert "upstreams" in story
    assert "down" in story
    eventually(lambda: told("ok.example") == ["127.0.0.1", "127.0.0.2"], within=90, what="it is given again")


def test_signal_moves_answers_within_two_seconds(stack: Stack) -> None:
    """From the moment a signal is told, and back when it expires."""
    words = ["--tenant", "ring", "--kind", "health", "--subject", "127.0.0.2:53", "--value", "down", "--for", "4s"]
    stack.nameward("signal", "set", *words)
    start = time.monotonic()
    eventually(lambda: stack.dig("dns.internal", client=CLIENT).data == ["127.0.0.1"], within=2, what="the signal is in force")
    eventually(lambda: len(stack.dig("dns.internal", client=CLIENT).data) == 2, within=6, what="the signal has expired")
    assert time.monotonic() - start > 2
