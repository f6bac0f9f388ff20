"""The engine that reads a source."""

from __future__ import annotations

from typing import Protocol

from tcpmirror.capture.packet_socket import RawSource, RingSource
from tcpmirror.capture.pcap_source import KernelStats, LiveSource
from tcpmirror.capture.receiver import FrameReceiver
from tcpmirror.capture.tunnel_socket import TunnelSocket
from tcpmirror.settings.tree import Source


class Live(Protocol):
    """An open source that is no file."""

    link_type: int

    def receive(self, receiver: FrameReceiver) -> int:
        """Hand over the frames that are there, after a short wait for some; OSError when the source has gone."""

    def stats(self) -> KernelStats: ...
    def close(self) -> None: ...


def open_live(source: Source) -> Live:
    """Open *source*, which is no file; EnvironmentFault when that cannot be.

    libpcap cannot leave interfaces out of `any`, so that is read by the ring whatever the engine.
    """
    if source.kind in ("vxlan_socket", "geneve_socket"):
        return TunnelSocket(source)
    if source.engine == "af_packet" or (
        source.engine == "libpcap" and source.interface == "any" and source.ignore_interfaces
    ):
        return RingSource(source)
    return RawSource(source) if source.engine == "raw_socket" else LiveSource(source)
