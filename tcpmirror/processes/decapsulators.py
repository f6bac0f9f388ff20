"""Decapsulators: one that reads frames as a source is configured, and one that leaves nothing out."""

from __future__ import annotations

from typing import Final

from tcpmirror.decap.decapsulator import Decapsulator
from tcpmirror.settings.tree import Settings, Source

DEPTH: Final = 16  # encapsulations, twice what a sensor takes by default
VXLAN_PORTS: Final = (4789, 8472, 48879)  # IANA's, Linux's before that, Cisco ACI's
GENEVE_PORTS: Final = (6081,)


def open_decapsulator(
    settings: Settings, source: Source, link_type: int, own: frozenset[tuple[bytes, int]] = frozenset()
) -> Decapsulator:
    """Return the decapsulator for frames of *source*, without the sensor's *own* connections."""
    return Decapsulator(
        link_type,
        settings.limits.encapsulation_depth,
        tcp_ports=source.ports,
        hosts=source.hosts,
        vlan_ids=source.vlan_ids,
        vxlan_ports=source.vxlan_ports,
        geneve_ports=source.geneve_ports,
        vni_allow=source.vni_allow,
        vni_deny=source.vni_deny,
        inner_vni_allow=source.inner_vni_allow,
        ignored=[(rule.subnets, rule.match_type) for rule in settings.capture.ignore_ips],
        own_endpoints=own,
    )


def wide_decapsulator(link_type: int, source: Source | None) -> Decapsulator:
    """Return a decapsulator that leaves nothing out."""
    return Decapsulator(
        link_type,
        DEPTH,
        vxlan_ports={*VXLAN_PORTS, *(source.vxlan_ports if source else ())},
        geneve_ports={*GENEVE_PORTS, *(source.geneve_ports if source else ())},
    )
