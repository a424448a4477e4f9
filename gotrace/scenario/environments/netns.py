"""This machine without a network: nothing but a loopback interface, and another /etc/resolv.conf."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Final

import msgspec

from gotrace.scenario.environments.base import Settings, checked, lacks_for
from gotrace.scenario.loader import ScenarioError
from gotrace.scenario.plan import Plan

_CONFIGURATION: Final = "/etc/resolv.conf"
_NOBODY: Final = "127.0.0.1"
"""Where no name server listens in a network namespace of one's own: each question is refused at once."""


class _Netns(msgspec.Struct, forbid_unknown_fields=True):
    dns: str = "broken"
    """`none`: there is no resolv.conf. `broken`: it names a server that does not answer. Or a server's address."""
    lo: bool = True
    """The loopback interface is up."""


class _Space:
    kind = "netns"
    around_command = False

    def lacks(self, settings: Settings) -> list[str]:
        self.plan(settings, Path())
        return lacks_for(network=True, overlay=True)

    def plan(self, settings: Settings, work: Path) -> Plan:
        given = checked(self.kind, settings, _Netns)
        if given.dns == "none":
            present = Path(_CONFIGURATION).is_symlink() or Path(_CONFIGURATION).exists()
            hide = [_CONFIGURATION] if present else []
            return Plan(mount=True, network=True, loopback=given.lo, hide=hide).for_work(work)
        server = _NOBODY if given.dns == "broken" else given.dns
        try:
            text = f"nameserver {ip_address(server)}\n"
        except ValueError:
            raise ScenarioError(
                f"environment netns: dns: {given.dns!r} is neither `none` nor `broken` nor an address"
            ) from None
        return Plan(mount=True, network=True, loopback=given.lo, texts={_CONFIGURATION: text}).for_work(work)


SPACE = _Space()
