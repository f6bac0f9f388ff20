"""The keys about where frames come from and how requests meet their responses, of versions 2, 3 and 4."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tcpmirror.settings.inspection_keys import fields_of
from tcpmirror.settings.kinds import (
    ADDRESS,
    ARGUMENT,
    BPF,
    FLAG,
    INTERFACE,
    LISTEN,
    NAMED_PATH,
    NETWORK,
    PATH,
    PORT,
    VLAN_ID,
    VNI,
    Choice,
    Duration,
    Size,
    Text,
    Whole,
)
from tcpmirror.settings.schema import Key, ListOf, OneOrMany, Section
from tcpmirror.settings.tree import SECOND, IgnoreIps, Source

_MILLISECOND = 1_000_000
_GIB = 1 << 30
ENGINES = ("libpcap", "af_packet", "raw_socket")
FILTER_FORMS = "IFACE:PORT, as `eth0:`, `eth0:80`, `eth0:80,8080`, `:80`, `:`, `192.0.2.1:80`, `[2001:db8::1]:80`"
SNAPLEN = Whole(64, 262_144)  # libpcap's own upper bound
BUFFER = Size(64 << 10, 2 * _GIB - 1)  # libpcap takes it as a C int
RESPONSE_TIMEOUT = Duration(_MILLISECOND, 3600 * SECOND)

_PAIRING_MEANING = {
    "parse_responses": "Analyse responses too.",
    "response_timeout": "How long a request waits for its response; then it is analysed alone.",
    "url_normalize": "Normalise the URL before routes are chosen and requests analysed.",
}


def _pairing(versions: tuple[int, ...], alias: bool) -> tuple[Key, ...]:
    """Return the three keys about pairing, which each version has in a section of another name."""
    kinds = {"parse_responses": FLAG, "response_timeout": RESPONSE_TIMEOUT, "url_normalize": FLAG}
    targets = {"response_timeout": "reassembly.response_timeout_ns"}
    return tuple(
        Key(name, kind, _PAIRING_MEANING[name], targets.get(name, f"reassembly.{name}"), versions=versions, alias=alias)
        for name, kind in kinds.items()
    )


def _enabled_source(kind: str) -> Callable[[dict[str, Any]], Source | None]:
    def build(given: dict[str, Any]) -> Source | None:
        enabled = given.pop(":enabled", False)
        return Source(kind=kind, **given) if enabled else None

    return build


def _source_fields(source: Source) -> dict[str, Any]:
    return fields_of(source) | {":enabled": True}


_ENABLED = Key("enabled", FLAG, "Whether this source is used.", ":enabled", default=False, example=True)

_SELECTION = (
    Key("ports", ListOf(PORT), "TCP ports to keep, inside encapsulations too; empty: all.", "ports", own=True),
    Key("hosts", ListOf(ADDRESS), "Addresses to keep; empty: all.", "hosts", own=True),
    Key("vlan_ids", ListOf(VLAN_ID), "VLANs to keep; empty: all, and untagged frames.", "vlan_ids", own=True),
    Key("vxlan_ports", ListOf(PORT), "UDP ports that are unwrapped as VXLAN.", "vxlan_ports", own=True),
    Key("geneve_ports", ListOf(PORT), "UDP ports that are unwrapped as GENEVE.", "geneve_ports", own=True),
    Key("vni_filter", ListOf(VNI), "Outer VNIs to keep; empty: all.", "vni_allow", own=True),
    Key("vni_deny", ListOf(VNI), "Outer VNIs to leave out.", "vni_deny", own=True),
    Key("inner_vni_filter", ListOf(VNI), "Nested VNIs to keep; empty: all.", "inner_vni_allow", own=True),
    Key("inner_filter", BPF, "A packet filter for what encapsulations carry.", "inner_bpf", own=True),
)

FROM_INTERFACE = (
    _ENABLED,
    Key("interface", INTERFACE, "Name of the interface; `any`: all of them.", "interface"),
    Key("filter", BPF, "A packet filter; empty: one made from the lists below.", "bpf"),
    Key("snap_len", SNAPLEN, "Bytes kept of each frame.", "snaplen"),
    Key("promiscuous", FLAG, "Take frames for other hosts; no effect with `any`.", "promiscuous"),
    Key("engine", Choice(ENGINES), "How frames are read.", "engine", own=True),
    Key("buffer_size", BUFFER, "Kernel buffer.", "buffer_bytes", own=True),
    Key("fanout", FLAG, "Engines `af_packet`, `raw_socket`: sources on one interface share its flows.", "fanout", own=True),
    Key("ignore_interfaces", ListOf(INTERFACE), "Interfaces left out of `any`.", "ignore_interfaces", own=True),
    *_SELECTION,
)

FROM_FILE = (
    _ENABLED,
    Key(
        "path",
        NAMED_PATH,
        "A pcap or pcapng file, also compressed with gzip, or a directory of them.",
        "interface",
        default="",
        example="mirror.pcap",
        required=True,
        own=True,
    ),
    Key("filter", BPF, "A packet filter; empty: one made from the lists below.", "bpf", own=True),
    *_SELECTION,
)

_VNI_DENY = Key("vni_deny", ListOf(VNI), "VNIs to leave out.", "vni_deny", own=True)
_INNER_FILTER = Key("filter", BPF, "A packet filter for the inner packets.", "inner_bpf")
_INNER_PORTS = Key("ports", ListOf(PORT), "TCP ports to keep of the inner packets; empty: all.", "ports", own=True)
_SOCKET_BUFFER = Key("buffer_size", BUFFER, "Receive buffer of the socket.", "buffer_bytes", own=True)

FROM_VXLAN = (
    _ENABLED,
    Key("listen_addr", LISTEN, "UDP address that VXLAN is sent to.", "listen_address", default="0.0.0.0:4789"),
    Key("vni_filter", ListOf(VNI), "VNIs to keep; empty: all.", "vni_allow"),
    _INNER_FILTER,
    _VNI_DENY,
    _INNER_PORTS,
    _SOCKET_BUFFER,
)

FROM_GENEVE = (
    _ENABLED,
    Key("listen_addr", LISTEN, "UDP address that GENEVE is sent to.", "listen_address", default="0.0.0.0:6081"),
    Key("vni_filter", ListOf(VNI), "VNIs to keep; empty: all.", "vni_allow"),
    Key("inner_vni_filter", ListOf(VNI), "Nested VXLAN VNIs to keep; empty: all.", "inner_vni_allow"),
    _INNER_FILTER,
    _VNI_DENY,
    _INNER_PORTS,
    _SOCKET_BUFFER,
)


def _listening(kind: str, address: str) -> Callable[[dict[str, Any]], Source | None]:
    build = _enabled_source(kind)
    return lambda given: build({"listen_address": address} | given)


IGNORE_IPS = (
    Key("subnets", ListOf(NETWORK), "Networks or addresses.", "subnets", example=["192.0.2.0/24"], required=True),
    Key(
        "match_type",
        Choice(("src", "dst", "src_or_dst", "src_and_dst")),
        "Which end of a packet must lie in them. `src` and `dst` drop one direction only.",
        "match_type",
        default="",
        example="src_or_dst",
        required=True,
    ),
)

TCP_STREAM = (
    Key(
        "from_interface",
        OneOrMany(Section(lambda: FROM_INTERFACE, _enabled_source("interface"), _source_fields)),
        "Frames of network interfaces, one capture process for each.",
        ":sources.interface",
    ),
    Key(
        "from_vxlan",
        OneOrMany(Section(lambda: FROM_VXLAN, _listening("vxlan_socket", "0.0.0.0:4789"), _source_fields)),
        "VXLAN sent to this machine.",
        ":sources.vxlan_socket",
    ),
    Key(
        "from_geneve",
        OneOrMany(Section(lambda: FROM_GENEVE, _listening("geneve_socket", "0.0.0.0:6081"), _source_fields)),
        "GENEVE sent to this machine; VXLAN nested in it is unwrapped too.",
        ":sources.geneve_socket",
    ),
    Key(
        "from_file",
        OneOrMany(Section(lambda: FROM_FILE, _enabled_source("file"), _source_fields)),
        "Frames of a capture file.",
        ":sources.file",
        own=True,
    ),
    Key(
        "ignore_ips",
        ListOf(Section(lambda: IGNORE_IPS, lambda given: IgnoreIps(**given), fields_of)),
        "Packets to drop before reassembly, after encapsulations are taken off; one entry is enough.",
        "capture.ignore_ips",
    ),
)

GOREPLAY = (
    Key(
        "filter",
        Text(FILTER_FORMS),
        "Interface or address, and port; without one of them: all.",
        ":goreplay.filter",
        default=":",
        alias=True,
    ),
    Key(
        "extra_args",
        ListOf(ARGUMENT),
        "More arguments of GoReplay, one item each, as `-input-raw-vlan`.",
        ":goreplay.extra_args",
        default=(),
        alias=True,
    ),
    *_pairing((2, 3, 4), alias=True),
    Key(
        "path",
        PATH,
        "GoReplay's program.",
        default="/opt/wallarm/usr/bin/gor",
        instead="frames are captured by the sensor itself; no GoReplay is started",
    ),
)

CAPTURE_KEYS = (
    Key("goreplay", Section(lambda: GOREPLAY), "Capture in the words of `mode: tcp-capture`."),
    Key(
        "middleware",
        Section(lambda: _pairing((2,), alias=True)),
        "Pairing, as version 2 named it.",
        versions=(2,),
    ),
    Key("tcp_stream", Section(lambda: TCP_STREAM), "Capture in the words of `mode: tcp-capture-v2`.", versions=(4,)),
    Key(
        "tcp_reassembler",
        Section(lambda: _pairing((4,), alias=False)),
        "How requests and responses are paired.",
        versions=(4,),
    ),
)
