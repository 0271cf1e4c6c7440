"""What a request says before any statement runs."""

from __future__ import annotations

import pytest

from streams.warehouse.http_request import of_this_machine


@pytest.mark.parametrize(("remote", "here"), [("127.0.0.1", True), ("127.8.9.1", True), ("::1", True), ("::ffff:127.0.0.1", True), ("10.0.0.1", False), ("::ffff:10.0.0.1", False), ("", False)])
def test_the_operator_is_on_the_machine_itself(remote: str, here: bool) -> None:
    """Whoever else comes without an account is a stranger."""
    assert of_this_machine(remote) is here
