"""Configuration files as operators have them, one for each mirror and each form of naming an interface."""

from __future__ import annotations

from typing import Final

V3: Final = """
version: 3
mode: tcp-capture
goreplay:
  filter: 'mon0:'
"""
V3_PORT: Final = V3.replace("mon0:", "mon0:80")
V3_ANY_INTERFACE: Final = V3.replace("mon0:", ":80")
V3_VXLAN: Final = f"""{V3}
  extra_args:
    - -input-raw-engine
    - vxlan
    - -input-raw-vxlan-port
    - 4789
    - -input-raw-vxlan-vni
    - 42
""".replace("\n\n", "\n")
V3_VLAN: Final = f"""{V3}
  extra_args:
    - -input-raw-vlan
    - -input-raw-vlan-vid
    - 42
""".replace("\n\n", "\n")
V3_TAGGED: Final = f"""{V3}
  extra_args: ["--input-raw-vlan"]
""".replace("\n\n", "\n")
V4: Final = """
version: 4
mode: tcp-capture-v2
tcp_stream:
  from_interface:
    enabled: true
    interface: mon0
tcp_reassembler:
  response_timeout: 2s
"""
V4_RING: Final = V4.replace("interface: mon0", "interface: mon0\n    engine: af_packet")
V4_ANY: Final = V4.replace("interface: mon0", "interface: any")
V4_FANOUT: Final = """
version: 4
mode: tcp-capture-v2
tcp_stream:
  from_interface:
    - {enabled: true, interface: mon0, engine: af_packet, fanout: true}
    - {enabled: true, interface: mon0, engine: af_packet, fanout: true}
    - {enabled: true, interface: mon0, engine: af_packet, fanout: true}
tcp_reassembler:
  response_timeout: 2s
"""
V4_TIGHT: Final = V4.replace("interface: mon0", "interface: mon0\n    buffer_size: 64KiB")
V4_RING_TIGHT: Final = V4_RING.replace("engine: af_packet", "engine: af_packet\n    buffer_size: 256KiB")
V4_RAW: Final = V4.replace("interface: mon0", "interface: mon0\n    engine: raw_socket\n    ports: [80]")
V4_VXLAN_SOCKET: Final = """
version: 4
mode: tcp-capture-v2
tcp_stream:
  from_vxlan:
    enabled: true
    listen_addr: 0.0.0.0:4789
    vni_filter: [42]
    filter: tcp port 80
tcp_reassembler:
  response_timeout: 2s
"""

# id -> mirror of the bed, configuration
ROADS: Final = {
    "span": ("span", V3),
    "span, one port": ("span", V3_PORT),
    "span, any interface": ("span", V3_ANY_INTERFACE),
    "span, schema 4": ("span", V4),
    "span, af_packet": ("span", V4_RING),
    "qinq mixed with untagged, af_packet": ("qinq", V4_RING),
    "span, raw_socket": ("span", V4_RAW),
    "vxlan to a socket": ("vxlan", V4_VXLAN_SOCKET),
    "vxlan": ("vxlan", V3_VXLAN),
    "vxlan, schema 4": ("vxlan", V4),
    "vlan": ("vlan", V3_VLAN),
    "vlan, any interface": ("vlan", V3_TAGGED.replace("mon0:", ":80")),
    "qinq mixed with untagged": ("qinq", V3_TAGGED),
    "qinq mixed with untagged, one port": ("qinq", V3_TAGGED.replace("mon0:", "mon0:80")),
}
