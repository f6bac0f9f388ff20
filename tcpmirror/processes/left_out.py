"""What a configuration leaves out of the TCP segments that arrive, and which setting does it."""

from __future__ import annotations

import ipaddress

from tcpmirror.capture.frame_filter import FrameFilter
from tcpmirror.errors import EnvironmentFault
from tcpmirror.processes.capture import open_decapsulator
from tcpmirror.processes.place_survey import Place
from tcpmirror.settings.tree import Settings, Source


class Configured:
    """How *source* reads frames of one link type, with the packet filter *expression*.

    ``filter_fault``: why libpcap does not take that filter here; empty when it does.
    """

    def __init__(self, link_type: int, settings: Settings, source: Source, expression: str) -> None:
        self._source = source
        self._decapsulator = open_decapsulator(settings, source, link_type)
        self.filter_fault = ""
        try:
            self._filter = FrameFilter(expression, link_type)
        except EnvironmentFault as fault:
            self.filter_fault = str(fault)
            self._filter = FrameFilter("", link_type)

    def left_out_by(self, frame: bytes, place: Place, ends: tuple[tuple[bytes, int], tuple[bytes, int]]) -> str:
        """Return the setting that leaves the segment in *frame* out, empty where it is kept; *ends*: address and port."""
        reason = self._decapsulator.reason(frame)
        if reason == "lost_filtered":
            return self._setting(place, ends)
        if reason:
            return {"lost_depth": "limits.encapsulation_depth", "lost_not_tcp": "tunnel ports"}.get(reason, reason)
        if self._filter.keeps(frame):
            return ""
        return "filter" if self._source.bpf else "ports" if self._source.ports else "hosts"

    def _setting(self, place: Place, ends: tuple[tuple[bytes, int], tuple[bytes, int]]) -> str:
        """Return what the configured decapsulator filters by, in the order in which it asks."""
        source = self._source
        if source.ports and not {port for _, port in ends} & {*source.ports}:
            return "ports"
        if source.vlan_ids and not {place[0], place[1]} & {*source.vlan_ids}:
            return "vlan_ids"
        addresses = {str(ipaddress.ip_address(address)) for address, _ in ends}
        if source.hosts and not addresses & {str(ipaddress.ip_address(host)) for host in source.hosts}:
            return "hosts"
        if place[2] >= 0 and place[2] in source.vni_deny:
            return "vni_deny"
        if place[2] >= 0 and (source.vni_allow or source.inner_vni_allow):
            return "vni_filter"
        return "ignore_ips"
