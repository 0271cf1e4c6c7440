"""Fixtures of tests over TLS: who vouches for the servers, and what is tested."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from resolver.answers.upstream import Upstreams
from tests.peers.certificates import Issuer


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Issuer:
    """Vouches for the servers."""
    return Issuer(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
async def upstreams() -> AsyncIterator[Upstreams]:
    """What is tested."""
    made = Upstreams()
    yield made
    made.close()
