"""The kernel filter of a live source, built so that nothing a mirror delivers is missed.

Three things make the obvious filters wrong. In pcap-filter(7) the word `vlan` shifts the offsets of everything after it,
so the untagged form has to stand first. A filter on the machine's own addresses would hide all mirrored traffic, which is
between other hosts. And a port filter must let through the tunnels and fragments whose inner port only decapsulation can
see.
"""

from __future__ import annotations

from typing import Final

from tcpmirror.settings.tree import Source

UDP_TUNNELS: Final = (2152, 3544, 5072)  # GTP-U, Teredo, AYIYA
NO_LINK_HEADER: Final = (0, 12, 14, 101, 108, 228, 229)  # raw IP and loopback, where libpcap knows no tags
# MPLS, PPPoE, 802.1ah, VNTag, security group tag, NSH
WRAPPING_ETHERTYPES: Final = (0x8847, 0x8848, 0x8864, 0x88E7, 0x8926, 0x8909, 0x894F)

WHOLE_PACKET: Final = 65535  # the default snap length, and the longest IPv4 packet
LARGEST_FRAME: Final = 262_144  # tcpdump's own default


def kept_bytes(source: Source) -> int:
    """Return how many bytes of a frame are kept: all of it where the snap length is that of a whole packet.

    A super-frame of receive offload is a packet of up to 65535 bytes and a link header besides.
    """
    return LARGEST_FRAME if source.snaplen >= WHOLE_PACKET else source.snaplen


def build_filter(source: Source, link_type: int = 1) -> str:
    """Return the pcap-filter(7) expression for *source*, read as *link_type*; empty when every frame is wanted."""
    if source.bpf:
        return source.bpf
    if not source.ports and not source.hosts:
        return ""
    if link_type in NO_LINK_HEADER:
        return _wanted(source, has_header=False)
    plain = f"({_wanted(source)})"
    if source.interface == "any":
        # Cooked frames have no place for `vlan` to look at: tagged ones all pass, and decapsulation sorts them out.
        return f"{plain} or ether proto 0x8100 or ether proto 0x88a8"
    return f"{plain} or (vlan and {plain}) or (vlan and {plain})"


def _wanted(source: Source, has_header: bool = True) -> str:
    """Return what is wanted at the current offset: the ports and hosts, and whatever may hide them."""
    terms = ["tcp"]
    if source.ports:
        terms.append("(" + " or ".join(f"port {port}" for port in source.ports) + ")")
    if source.hosts:
        terms.append("(" + " or ".join(f"host {host}" for host in source.hosts) + ")")
    tunnels = [f"udp port {port}" for port in (*source.vxlan_ports, *source.geneve_ports, *UDP_TUNNELS)]
    fragments = ["(ip[6:2] & 0x3fff != 0)", "ip6 proto 44"]
    wrapped = ["ip proto 47", "ip proto 4", "ip proto 41", "ip6 proto 47", "ip6 proto 4", "ip6 proto 41"]
    others = [f"ether proto {kind:#06x}" for kind in WRAPPING_ETHERTYPES if has_header]
    return " or ".join([" and ".join(terms), *tunnels, *fragments, *wrapped, *others])
