"""What a configuration leaves out of the TCP segments that arrive, which setting does it, and what was there instead."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from tcpmirror.capture.frame_filter import FrameFilter
from tcpmirror.errors import EnvironmentFault
from tcpmirror.processes.decapsulators import open_decapsulator
from tcpmirror.processes.place_survey import Place
from tcpmirror.settings.tree import Settings, Source

End = tuple[bytes, int]  # address and port


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a segment is left out. ``wanted``: what ``setting`` is set to; ``seen``: what of the segment it does not want."""

    setting: str
    wanted: str = ""
    seen: tuple[str, ...] = ()


class Configured:
    """How *source* reads frames of one link type, with the packet filter *expression*.

    ``filter_fault``: why libpcap does not take that filter here; empty when it does.
    """

    def __init__(self, link_type: int, settings: Settings, source: Source, expression: str) -> None:
        self._source = source
        self._ignored = settings.capture.ignore_ips
        self._depth = settings.limits.encapsulation_depth
        self._decapsulator = open_decapsulator(settings, source, link_type)
        self.filter_fault = ""
        try:
            self._filter = FrameFilter(expression, link_type)
        except EnvironmentFault as fault:
            self.filter_fault = str(fault)
            self._filter = FrameFilter("", link_type)

    def left_out_by(self, frame: bytes, place: Place, ends: tuple[End, End]) -> Cause | None:
        """Return why the segment in *frame*, between these *ends*, is left out; None where it is kept."""
        source = self._source
        reason = self._decapsulator.reason(frame)
        if reason == "lost_filtered":
            return self._filtered(place, ends)
        if reason == "lost_depth":
            return Cause("limits.encapsulation_depth", str(self._depth))
        if reason == "lost_not_tcp":
            return Cause("tunnel ports", _listed((*source.vxlan_ports, *source.geneve_ports)))
        if reason:
            return Cause(reason)
        if self._filter.keeps(frame):
            return None
        if source.bpf:
            return Cause("filter", source.bpf, (_server(ends),))
        return self._by_port(ends) or Cause("hosts", _listed(source.hosts), _addresses(ends))

    def _filtered(self, place: Place, ends: tuple[End, End]) -> Cause:
        """Return what the configured decapsulator filters by, in the order in which it asks."""
        source, (vlan, inner, vni) = self._source, place
        if by_port := self._by_port(ends):
            return by_port
        if source.vlan_ids and not {vlan, inner} & {*source.vlan_ids}:
            return Cause("vlan_ids", _listed(source.vlan_ids), (f"{vlan}.{inner}" if inner else str(vlan or "untagged"),))
        if source.hosts and not {*_addresses(ends)} & {str(ipaddress.ip_address(host)) for host in source.hosts}:
            return Cause("hosts", _listed(source.hosts), _addresses(ends))
        if vni >= 0 and vni in source.vni_deny:
            return Cause("vni_deny", _listed(source.vni_deny), (str(vni),))
        if vni >= 0 and source.vni_allow and vni not in source.vni_allow:
            return Cause("vni_filter", _listed(source.vni_allow), (str(vni),))
        if vni >= 0 and source.inner_vni_allow and vni not in source.inner_vni_allow:
            return Cause("inner_vni_filter", _listed(source.inner_vni_allow), (str(vni),))
        return self._ignored_address(ends)

    def _by_port(self, ends: tuple[End, End]) -> Cause | None:
        wanted = self._source.ports
        ports = {port for _, port in ends}
        return Cause("ports", _listed(wanted), (str(min(ports)),)) if wanted and not ports & {*wanted} else None

    def _ignored_address(self, ends: tuple[End, End]) -> Cause:
        """Return the networks of `ignore_ips` that the segment's addresses are in, and these addresses."""
        addresses = [ipaddress.ip_address(address) for address, _ in ends]
        found = {
            network: address
            for rule in self._ignored
            for network in rule.subnets
            for address in addresses
            if address in ipaddress.ip_network(network, strict=False)
        }
        return Cause("ignore_ips", _listed(found), tuple(dict.fromkeys(map(str, found.values()))))


def _listed(values: Iterable[object]) -> str:
    return "[" + ", ".join(map(str, values)) + "]"


def _addresses(ends: tuple[End, End]) -> tuple[str, ...]:
    return tuple(str(ipaddress.ip_address(address)) for address, _ in ends)


def _server(ends: tuple[End, End]) -> str:
    """Return address and port of the end that is likely to be the server: the one with the lower port."""
    address, port = min(ends, key=lambda end: end[1])
    shown = str(ipaddress.ip_address(address))
    return f"[{shown}]:{port}" if ":" in shown else f"{shown}:{port}"
