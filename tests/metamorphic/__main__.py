"""`python -m tests.metamorphic DIRECTORY`: hold captures from elsewhere to the same relations; exit code 1 when one is broken."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scapy.error import Scapy_Exception
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Dot1AD, Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw
from scapy.utils import RawPcapReader

from tests.metamorphic.judge import never_wrong
from tests.metamorphic.talk import Frame, Line, lines_of
from tests.traffic import MAC

LONGEST = 20_000  # frames: a larger capture is left out, for time, and named
CUT_EVERYWHERE = 60  # frames: up to so many a capture is cut at each of them, a longer one at so many places
TUNNEL = (
    Ether(**MAC) / IP(src="192.0.2.1", dst="192.0.2.2") / UDP(sport=50000, dport=4789, chksum=0) / VXLAN(vni=42, flags=8)
)


def frames_of(path: Path) -> tuple[int, list[Frame]]:
    """Return the link type and the frames of a capture file; of a pcapng file that of its first interface."""
    with RawPcapReader(str(path)) as reader:
        frames = [(_time_ns(reader, about), data) for data, about in reader]
        link = getattr(reader, "linktype", None)
        return (reader.interfaces[0][0] if link is None else link), frames


def _time_ns(reader: RawPcapReader, about: Any) -> int:
    if hasattr(about, "tshigh"):
        return int(((about.tshigh << 32) + about.tslow) * 10**9 // about.tsresol)
    return int(about.sec * 10**9 + about.usec * (1 if reader.nano else 1000))


def tagged(frame: bytes) -> bytes:
    return frame[:12] + b"\x88\xa8" + bytes(Dot1AD(vlan=9, type=0x8100) / Dot1Q(vlan=5, type=0))[:6] + frame[12:]


def same(link: int, frames: list[Frame]) -> Iterator[tuple[str, list[Line]]]:
    """Yield (relation, exchanges) of what must change nothing."""
    yield "three workers", lines_of(frames, link, workers=3)
    yield "mirrored twice", lines_of([(time + copy * 2000, data) for time, data in frames for copy in (0, 1)], link)
    if link == 1:
        yield "qinq", lines_of([(time, tagged(data)) for time, data in frames], depth=20)
        if all(len(data) < 65_000 for _, data in frames):
            yield "vxlan", lines_of([(time, bytes(TUNNEL / Raw(data))) for time, data in frames])


def parts(frames: list[Frame]) -> Iterator[tuple[str, list[Frame]]]:
    """Yield (relation, frames) of captures that lack something."""
    for end in sorted({len(frames) * place // CUT_EVERYWHERE for place in range(CUT_EVERYWHERE)}):
        yield f"cut at packet {end}", frames[:end]
    for seed in range(2):
        dice = random.Random(seed)
        yield f"5 % lost ({seed})", [frame for frame in frames if dice.random() >= 0.05]


def broken(link: int, frames: list[Frame]) -> list[str]:
    """Return the relations that do not hold for a capture."""
    truth = lines_of(frames, link)
    found = [name for name, lines in same(link, frames) if lines != truth]
    for name, some in parts(frames):
        try:
            never_wrong(lines_of(some, link), truth)
        except AssertionError:
            found.append(name)
    return found


def main() -> int:
    faults = judged = skipped = 0
    for path in sorted(Path(sys.argv[1]).rglob("*.pcap*")):
        try:
            link, frames = frames_of(path)
        except Scapy_Exception as problem:
            skipped += 1
            print(f"{path}: skipped, not read: {problem}")
            continue
        if len(frames) > LONGEST:
            skipped += 1
            print(f"{path}: skipped, {len(frames)} frames are more than {LONGEST}")
            continue
        judged += 1
        for name in broken(link, frames):
            faults += 1
            print(f"{path}: {name}")
    print(f"{judged} captures judged, {skipped} skipped, {faults} relations broken")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
