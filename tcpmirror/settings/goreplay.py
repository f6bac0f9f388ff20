"""`goreplay.filter` and `goreplay.extra_args` -> capture sources.

GoReplay's flags hold for every input, wherever they stand. Go's flag syntax: one or two dashes, `-flag value` as two items
or `-flag=value` as one, boolean flags without a value (here also with one, as the next item).
"""

from __future__ import annotations

import difflib
import ipaddress
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Any, Final

from tcpmirror.settings.capture_keys import BUFFER, FILTER_FORMS
from tcpmirror.settings.kinds import (
    BPF,
    INTERFACE,
    PORT,
    TEXT,
    VLAN_ID,
    Choice,
    Duration,
    RejectedError,
    Scalar,
    Size,
    Whole,
)
from tcpmirror.settings.reading import Reading
from tcpmirror.settings.tree import SECOND, Source

ENGINES: Final = Choice(("libpcap", "pcap_file", "raw_socket", "af_packet", "vxlan"))
_TRUE: Final = ("true", "1", "t", "T", "TRUE", "True")
_FALSE: Final = ("false", "0", "f", "F", "FALSE", "False")
_LONG: Final = Duration(0, 24 * 3600 * SECOND)
_ANY_SIZE: Final = Size(0, 1 << 40)
_VNI_OR_NOT: Final = Whole(-(1 << 24) + 1, (1 << 24) - 1)


@dataclass(frozen=True)
class Flag:
    """A flag of GoReplay. *kind* None: boolean. *instead*: what happens here, where the flag means nothing."""

    kind: Scalar | None
    meaning: str
    instead: str = ""


_COUNTED = "figures are always kept, see `metrics`"

FLAGS: Final = {
    "input-raw": Flag(TEXT, "One more source, in the forms of `goreplay.filter`, or the path of a pcap file."),
    "input-raw-engine": Flag(
        ENGINES, "`vxlan`: an interface source (VXLAN is unwrapped in captured frames); `pcap_file`: a file."
    ),
    "input-raw-vlan": Flag(None, "Without `-input-raw-vlan-vid`: every VLAN, and untagged frames."),
    "input-raw-vlan-vid": Flag(VLAN_ID, "Keep this VLAN; several: any of them. Needs `-input-raw-vlan`."),
    "input-raw-vxlan-port": Flag(PORT, "UDP port that is unwrapped as VXLAN."),
    "input-raw-vxlan-vni": Flag(_VNI_OR_NOT, "Keep this VNI; negative: leave it out; several: any of them."),
    "input-raw-bpf-filter": Flag(BPF, "A packet filter instead of the one made from ports and addresses."),
    "input-raw-promisc": Flag(None, "Take frames for other hosts; on unless `=false`."),
    "input-raw-buffer-size": Flag(BUFFER, "Kernel buffer."),
    "input-raw-ignore-interface": Flag(INTERFACE, "An interface left out of `any`; repeatable."),
    "input-raw-override-snaplen": Flag(None, "Nothing to override: frames are always kept whole."),
    "input-raw-track-response": Flag(
        None, "Responses are always captured; `goreplay.parse_responses` says whether to analyse them."
    ),
    "input-raw-protocol": Flag(Choice(("http", "binary")), "Protocols are recognised from what a stream holds."),
    "input-raw-expire": Flag(
        _LONG,
        "Wait for the rest of a message.",
        "streams end by FIN, RST or `limits.flow_idle`; see `goreplay.response_timeout`",
    ),
    "input-raw-realip-header": Flag(
        TEXT, "Header to write addresses into.", "traffic is not changed; see `http_inspector.real_ip_header`"
    ),
    "input-raw-monitor": Flag(None, "RF monitor mode.", "radio interfaces are captured as they are set up"),
    "input-raw-stats": Flag(None, "Figures.", _COUNTED),
    "input-raw-buffer-timeout": Flag(_LONG, "Wait of the kernel buffer.", "frames are taken as soon as they are there"),
    "input-raw-allow-incomplete": Flag(
        None, "Take messages with missing packets.", "they are always analysed, as far as they were seen, and marked"
    ),
    "input-raw-timestamp-type": Flag(TEXT, "Source of time stamps.", "frames carry the time of the kernel"),
    "copy-buffer-size": Flag(_ANY_SIZE, "Size of one message.", "`limits.body` and `limits.head` bound a message"),
    "http-pprof": Flag(TEXT, "Figures over HTTP.", _COUNTED),
    "stats": Flag(None, "Figures on the console.", _COUNTED),
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where an argument stands, for messages."""

    path: str
    line: int


class Arguments:
    """What `extra_args` says, by flag; problems and warnings go to *reading*."""

    def __init__(self, items: tuple[str, ...], path: str, reading: Reading) -> None:
        self.values: defaultdict[str, list[tuple[Any, Place]]] = defaultdict(list)
        self._reading = reading
        self._items = items
        self._places = [Place(f"{path}[{index}]", reading.lines.get(f"{path}[{index}]", 0)) for index in range(len(items))]
        at = 0
        while at < len(items):
            at = self._take(at)

    def last(self, flag: str, default: Any) -> Any:
        return self.values[flag][-1][0] if self.values.get(flag) else default

    def every(self, flag: str) -> tuple[Any, ...]:
        return tuple(dict.fromkeys(value for value, _ in self.values.get(flag, ())))

    def _take(self, at: int) -> int:
        """Read the flag at index *at* and return the index of what follows it."""
        item, place = self._items[at], self._places[at]
        name, equals, text = item.lstrip("-").partition("=")
        flag = FLAGS.get(name)
        if not item.startswith("-") or flag is None:
            self._reading.problem(place.line, place.path, item, "a flag of GoReplay's raw input", _unknown(item, name))
            return at + 1
        after = at + 1
        following = self._items[after] if after < len(self._items) else None
        if not equals and flag.kind is None:
            taken = following in ("true", "false")
            text = following if taken and following is not None else "true"
            after += taken
        elif not equals:
            if following is None or _is_flag(following):
                accepted = f"the next item is its value: {flag.kind.accepted if flag.kind else ''}"
                self._reading.problem(place.line, place.path, item, accepted, f"`{item}` stands without its value")
                return after
            text, place = following, self._places[after]
            after += 1
        self._keep(name, flag, text, place)
        return after

    def _keep(self, name: str, flag: Flag, text: str, place: Place) -> None:
        try:
            value = _parse(flag, text)
        except RejectedError as rejected:
            accepted = flag.kind.accepted if flag.kind else "true or false"
            self._reading.problem(
                place.line, place.path, text, accepted, f"-{name}: {str(rejected) or f'{text!r} is not accepted'}"
            )
            return
        if flag.instead:
            self._reading.warn(place.line, place.path, f"-{name} means nothing here: {flag.instead}")
        self.values[name].append((value, place))


def _is_flag(item: str) -> bool:
    return item.startswith("-") and item.lstrip("-").partition("=")[0] in FLAGS


def _parse(flag: Flag, text: str) -> Any:
    if flag.kind is not None:
        return flag.kind.parse(text, "int" if text.lstrip("+-").isdigit() else "str")
    if text not in _TRUE + _FALSE:
        raise RejectedError(f"{text!r} is no boolean")
    return text in _TRUE


def _unknown(item: str, name: str) -> str:
    if not item.startswith("-"):
        return f"{item!r} belongs to no flag before it"
    if " " in name:
        return f"{item!r}: flag and value are two items of the list, or one with `=`"
    near = difflib.get_close_matches(name, FLAGS, n=1, cutoff=0.6)
    return f"unknown flag {item!r}" + (f"; did you mean `-{near[0]}`?" if near else "")


def goreplay_sources(filter_text: str, filter_place: Place, arguments: Arguments, reading: Reading) -> tuple[Source, ...]:
    """Return the sources of the filter and of every `-input-raw`, with what the other flags say of all of them."""
    common = _common(arguments, reading)
    inputs = [(filter_text, filter_place), *arguments.values.get("input-raw", ())]
    sources: list[Source] = []
    for text, place in inputs:
        try:
            source = _source(text, common)
        except RejectedError as rejected:
            reading.problem(place.line, place.path, text, FILTER_FORMS, str(rejected))
            continue
        if source.ports and arguments.last("input-raw-engine", "libpcap") == "vxlan":
            reading.warn(
                place.line, place.path, "engine vxlan takes every TCP port of the inner packets: the port is left out"
            )
            source = replace(source, ports=())
        _add(sources, source)
    return tuple(sources)


def _common(arguments: Arguments, reading: Reading) -> Source:
    """Return a source with everything but its interface."""
    engine = arguments.last("input-raw-engine", "libpcap")
    vnis = arguments.every("input-raw-vxlan-vni")
    vlan_ids = arguments.every("input-raw-vlan-vid")
    if vlan_ids and not arguments.last("input-raw-vlan", False):
        place = arguments.values["input-raw-vlan-vid"][0][1]
        reading.warn(
            place.line, place.path, "-input-raw-vlan-vid has no effect without -input-raw-vlan: every VLAN is taken"
        )
        vlan_ids = ()
    default = Source()
    return Source(
        kind="file" if engine == "pcap_file" else "interface",
        engine=engine if engine in ("af_packet", "raw_socket") else "libpcap",
        bpf=arguments.last("input-raw-bpf-filter", ""),
        promiscuous=arguments.last("input-raw-promisc", True),
        buffer_bytes=arguments.last("input-raw-buffer-size", default.buffer_bytes),
        vlan_ids=vlan_ids,
        vxlan_ports=arguments.every("input-raw-vxlan-port") or default.vxlan_ports,
        vni_allow=tuple(vni for vni in vnis if vni >= 0),
        vni_deny=tuple(-vni for vni in vnis if vni < 0),
        ignore_interfaces=arguments.every("input-raw-ignore-interface"),
    )


def _source(text: str, common: Source) -> Source:
    """Return the source that *text* (`IFACE:PORT`) names; RejectedError says what is wrong with it."""
    if text.startswith("k8s://"):
        raise RejectedError("pods cannot be named here: name the interface their traffic comes through")
    name, colon, ports_text = text.rpartition(":")
    if common.kind == "file" or (text.endswith((".pcap", ".pcapng")) and "/" in text):
        is_port = bool(colon) and ports_text.replace(",", "").isdigit()
        path = name if is_port or not ports_text else text
        if not path:
            raise RejectedError(f"{text!r} names no file")
        return replace(common, kind="file", interface=path, ports=_ports(ports_text) if is_port else ())
    if not colon:
        raise RejectedError(f"{text!r} has no colon; for all ports of an interface write `{text}:`")
    interface, hosts = _interface(name)
    return replace(common, interface=interface, hosts=hosts, ports=_ports(ports_text))


def _interface(name: str) -> tuple[str, tuple[str, ...]]:
    """Return the interface and the addresses to keep that *name*, an interface or an address, stands for."""
    if name in ("", "*"):
        return "any", ()
    bare = name[1:-1] if name.startswith("[") and name.endswith("]") else name
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        if bare != name:
            raise RejectedError(f"{name!r} is no IPv6 address") from None
        return INTERFACE.parse(name, "str"), ()
    if address.version == 6 and bare == name:
        raise RejectedError(f"{name!r}: an IPv6 address stands in brackets")
    return "any", () if address.is_unspecified else (str(address),)


def _ports(text: str) -> tuple[int, ...]:
    """Return the ports of a comma list; none stands for all, as 0 does in GoReplay."""
    words = [word.strip() for word in text.split(",")] if text else []
    if "0" in words:
        return ()
    try:
        return tuple(dict.fromkeys(PORT.parse(word, "int") for word in words))
    except RejectedError as rejected:
        raise RejectedError(f"port: {rejected}") from None


def _add(sources: list[Source], source: Source) -> None:
    """Append *source*, or add its ports to one that differs in nothing else: one capture process is enough for both."""
    for index, other in enumerate(sources):
        if replace(other, ports=()) == replace(source, ports=()):
            ports = tuple(dict.fromkeys(other.ports + source.ports)) if other.ports and source.ports else ()
            sources[index] = replace(other, ports=ports)
            return
    sources.append(source)
