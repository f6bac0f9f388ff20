"""What may happen to a capture without changing the exchanges in it: other headers around, other cuts, order, copies.

scapy writes every header: an encoder that shares nothing with the decoders it is held against.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator

from scapy.contrib.erspan import ERSPAN_I, ERSPAN_II, ERSPAN_III
from scapy.contrib.geneve import GENEVE
from scapy.contrib.gtp import GTP_U_Header
from scapy.contrib.mpls import MPLS
from scapy.layers.inet import GRE, IP, TCP, UDP, fragment
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import LLC, SNAP, CookedLinux, CookedLinuxV2, Dot1AD, Dot1Q, Dot3, Ether, Loopback
from scapy.layers.ppp import PPP, PPPoE
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet, Raw

from tests.metamorphic.talk import Frame
from tests.traffic import MAC

Wrap = Callable[[Packet], Packet]
TCP_AT = 34  # behind Ethernet and IPv4
OUTER = {"src": "192.0.2.1", "dst": "192.0.2.2"}
OUTER6 = {"src": "2001:db8:1::1", "dst": "2001:db8:1::2"}


def ether(inner: Packet, **more: int) -> Packet:
    kinds = {"type": 0x86DD if inner.version == 6 else 0x0800} if isinstance(inner, IP | IPv6) else {}
    return Ether(**MAC, **kinds | more) / inner


def udp(port: int) -> Packet:
    return IP(**OUTER) / UDP(sport=50000, dport=port, chksum=0)


def of_ip(inner: Packet, four: int = 0x0800, six: int = 0x86DD) -> int:
    return six if inner.version == 6 else four


def nflog(packet: Packet) -> Packet:
    data = bytes(packet)
    return Raw(b"\x02\0\0\0" + struct.pack("<HH", 4 + len(data), 9) + data + b"\0" * (-len(data) % 4))


def vntag(inner: Packet) -> Packet:
    return Ether(**MAC, type=0x8926) / Raw(struct.pack("!IH", 51, of_ip(inner))) / inner


# name -> (what it takes: frame or packet, what comes of it: frame, packet or a link type, how)
ENCAPSULATIONS: dict[str, tuple[str, str | int, Wrap]] = {
    "802.1q": ("packet", "frame", lambda p: Ether(**MAC) / Dot1Q(vlan=5, type=of_ip(p)) / p),
    "qinq": ("packet", "frame", lambda p: Ether(**MAC) / Dot1Q(vlan=6) / Dot1Q(vlan=7, type=of_ip(p)) / p),
    "802.1ad": ("packet", "frame", lambda p: Ether(**MAC) / Dot1AD(vlan=6) / Dot1Q(vlan=7, type=of_ip(p)) / p),
    "mpls": ("packet", "frame", lambda p: Ether(**MAC, type=0x8847) / MPLS(label=16, s=0) / MPLS(label=17, s=1) / p),
    "ethernet over mpls": ("frame", "frame", lambda p: Ether(**MAC, type=0x8847) / MPLS(label=16, s=1) / Raw(b"\0" * 4) / p),
    "pppoe": ("packet", "frame", lambda p: Ether(**MAC) / PPPoE(sessionid=1) / PPP(proto=of_ip(p, 0x21, 0x57)) / p),
    "vxlan": ("frame", "packet", lambda p: udp(4789) / VXLAN(vni=42, flags=8) / p),
    "vxlan over ipv6": ("frame", "packet", lambda p: IPv6(**OUTER6) / UDP(sport=1, dport=4789) / VXLAN(vni=42, flags=8) / p),
    "vxlan-gpe": ("packet", "packet", lambda p: udp(4789) / VXLAN(vni=9, flags=0x0C, NextProtocol=of_ip(p, 1, 2)) / p),
    "geneve": ("frame", "packet", lambda p: udp(6081) / GENEVE(vni=9, proto=0x6558, options=b"\x01\x08\x00\x02abcdefgh") / p),
    "gre": ("packet", "packet", lambda p: IP(**OUTER) / GRE(proto=of_ip(p), key_present=1, key=3, seqnum_present=1) / p),
    "nvgre": ("frame", "packet", lambda p: IP(**OUTER) / GRE(key_present=1, key=0x2A00, proto=0x6558) / p),
    "erspan i": ("frame", "packet", lambda p: IP(**OUTER) / GRE(proto=0x88BE) / ERSPAN_I() / p),
    "erspan ii": ("frame", "packet", lambda p: IP(**OUTER) / GRE(proto=0x88BE, seqnum_present=1) / ERSPAN_II(session_id=5) / p),
    "erspan iii": ("frame", "packet", lambda p: IP(**OUTER) / GRE(proto=0x22EB, seqnum_present=1) / ERSPAN_III(session_id=5) / p),
    "ip in ip": ("packet", "packet", lambda p: IP(**OUTER, proto=of_ip(p, 4, 41)) / p),
    "ip in ipv6": ("packet", "packet", lambda p: IPv6(**OUTER6, nh=of_ip(p, 4, 41)) / p),
    "teredo": ("packet6", "packet", lambda p: udp(3544) / p),
    "gtp-u": ("packet", "packet", lambda p: udp(2152) / GTP_U_Header(teid=5, gtp_type=255, S=1, seq=9) / p),
    "llc/snap": ("packet", "frame", lambda p: Dot3(**MAC) / LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP(code=of_ip(p)) / p),
    "vntag": ("packet", "frame", vntag),
    "ethernet": ("packet", "frame", ether),
    "linux cooked": ("packet", 113, lambda p: CookedLinux(proto=of_ip(p)) / p),
    "linux cooked v2": ("packet", 276, lambda p: CookedLinuxV2(proto=of_ip(p)) / p),
    "null": ("packet", 0, lambda p: Loopback(type=of_ip(p, 2, 30)) / p),
    "loop": ("packet", 108, lambda p: Raw(struct.pack("!I", of_ip(p, 2, 24))) / p),
    "raw": ("packet", 101, lambda p: p),
    "ppp": ("packet", 9, lambda p: PPP(proto=of_ip(p, 0x21, 0x57)) / p),
    "cisco hdlc": ("packet", 104, lambda p: Raw(struct.pack("!BBH", 0x0F, 0, of_ip(p))) / p),
    "nflog": ("packet", 239, nflog),
}  # fmt: skip


def ip_of(packet: Packet) -> Packet:
    """Return the IP packet in a frame, its lengths and sums to be written anew."""
    inner = (packet[IPv6] if IPv6 in packet else packet[IP]).copy()
    for layer, fields in ((IP, ("len", "chksum")), (IPv6, ("plen",)), (TCP, ("chksum",))):
        if layer in inner:
            for field in fields:
                delattr(inner[layer], field)
    return inner


def as_six(packet: Packet) -> Packet:
    """Return the same segment over IPv6; addresses are of those of IPv4 (RFC 6052)."""
    inner = ip_of(packet)
    six = IPv6(src=f"64:ff9b::{inner.src}", dst=f"64:ff9b::{inner.dst}") / inner[TCP].copy()
    made = Ether(**MAC) / six
    made.time = packet.time
    return made


def fits(takes: str, kind: str | int, packet: Packet) -> bool:
    return takes == kind or (takes == "packet6" and kind == "packet" and isinstance(packet, IPv6))


def wrapped(packet: Packet, names: list[str]) -> tuple[int, Frame]:
    """Return (link type, frame) of the segment in *packet* inside the encapsulations *names*, innermost first."""
    inner: Packet = ip_of(packet)
    kind: str | int = "packet"
    for name in names:
        takes, gives, wrap = ENCAPSULATIONS[name]
        if takes == "frame" and kind == "packet":
            inner = ether(inner)
        inner, kind = wrap(inner), gives
    if kind == "packet":
        inner = ether(inner)
    return (kind if isinstance(kind, int) else 1), (int(packet.time * 10**9), bytes(inner))


def stack(dice: random.Random, depth: int, is_six: bool) -> list[str]:
    """Return encapsulations that fit into each other, up to *depth* of them."""
    names: list[str] = []
    kind = "packet"
    for _ in range(dice.randint(1, depth)):
        fitting = [
            name
            for name, (takes, gives, _) in ENCAPSULATIONS.items()
            if isinstance(gives, str) and (takes == kind or (kind == "packet" and takes == "frame") or (takes == "packet6" and is_six and not names))
        ]  # fmt: skip
        names.append(dice.choice(fitting))
        kind = str(ENCAPSULATIONS[names[-1]][1])
    return names


def resegmented(packets: list[Packet], size: int) -> list[Frame]:
    """Return the frames (Ethernet, IPv4 without options) with no segment longer than *size*; checksums are left to the card."""
    frames: list[Frame] = []
    for packet in packets:
        whole = bytes(ether(ip_of(packet)))
        front = TCP_AT + (whole[TCP_AT + 12] >> 4) * 4
        head, payload = bytearray(whole[:front]), whole[front:]
        seq, flags = int.from_bytes(head[TCP_AT + 4 : TCP_AT + 8], "big"), head[TCP_AT + 13]
        for at in range(0, max(1, len(payload)), size):
            part = payload[at : at + size]
            head[16:18] = (front - 14 + len(part)).to_bytes(2, "big")
            head[24:26] = head[TCP_AT + 16 : TCP_AT + 18] = b"\0\0"
            head[TCP_AT + 4 : TCP_AT + 8] = ((seq + at) % 2**32).to_bytes(4, "big")
            head[TCP_AT + 13] = flags if at + size >= len(payload) else flags & ~1  # FIN goes with the last
            frames.append((int(packet.time * 10**9) + at, bytes(head) + part))
    return frames


def reordered(frames: list[Frame], dice: random.Random, window: int) -> list[Frame]:
    """Return the frames each up to *window* places from where it was; SYNs stay where they are, times stay in order."""
    keyed = [(at + (0 if data[TCP_AT + 13] & 2 else dice.uniform(0, window)), at) for at, (_, data) in enumerate(frames)]
    return [(time, frames[at][1]) for (time, _), (_, at) in zip(frames, sorted(keyed), strict=True)]


def jittered(frames: list[Frame], dice: random.Random, most_ns: int) -> list[Frame]:
    """Return the frames each up to *most_ns* late, in the order and with the times of their arrival; SYNs come in time."""
    late = [(time + (0 if data[TCP_AT + 13] & 2 else dice.randrange(most_ns)), data) for time, data in frames]
    return sorted(late, key=lambda frame: frame[0])


def mirrored_twice(packets: list[Packet], tags: tuple[int, int] | None) -> list[Frame]:
    """Return each frame twice, as a SPAN of both ports gives them; *tags*: VLAN ids of the two copies."""
    frames: list[Frame] = []
    for packet in packets:
        for copy in (0, 1):
            inner = ip_of(packet)
            frame = ether(inner) if tags is None else Ether(**MAC) / Dot1Q(vlan=tags[copy], type=of_ip(inner)) / inner
            frames.append((int(packet.time * 10**9) + copy * 2000, bytes(frame)))
    return frames


def fragmented(packets: list[Packet], size: int) -> list[Frame]:
    """Return the frames with each IP packet in fragments of *size* bytes."""
    frames: list[Frame] = []
    for number, packet in enumerate(packets):
        inner = ip_of(packet)
        inner.id, inner.flags = number + 1, 0
        frames += [(int(packet.time * 10**9), bytes(Ether(**MAC) / piece)) for piece in fragment(inner, fragsize=size)]
    return frames


def thinned(frames: list[Frame], dice: random.Random, share: float) -> list[Frame]:
    return [frame for frame in frames if dice.random() >= share]


def prefixes(frames: list[Frame]) -> Iterator[list[Frame]]:
    for end in range(len(frames) + 1):
        yield frames[:end]
