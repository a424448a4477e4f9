"""The light source: forks, execs and exits from the kernel's process connector, command lines from /proc."""

from gotrace.sources.netlink.records import NetlinkDecoder
from gotrace.sources.netlink.source import NetlinkCapture, NetlinkSource

__all__ = ["NetlinkCapture", "NetlinkDecoder", "NetlinkSource"]
