"""missing-capability: which one, what for, and how a program gets it."""

from __future__ import annotations

from tests.unit.rules.recorded import finding, findings, ways_out


def test_a_port_below_1024() -> None:
    found = finding("privileged-port")
    assert found.message.endswith(
        "to listen on a port below 1024 it takes CAP_NET_BIND_SERVICE, which the process has not got."
    )
    assert "setcap cap_net_bind_service+ep /" in ways_out(found)
    assert "--cap-add NET_BIND_SERVICE" in ways_out(found)


def test_another_port_is_free() -> None:
    assert findings("privileged-port.fixed") == []
