"""What Linux tells about an interface: sysfs, and ethtool's ioctl (linux/ethtool.h) for receive offloads."""

from __future__ import annotations

import fcntl
import socket
import struct
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Final

NETWORK: Final = Path("/sys/class/net")
STATUS: Final = Path("/proc/self/status")
SIOCETHTOOL: Final = 0x8946
ETHTOOL_GFLAGS: Final = 0x25
ETHTOOL_GGRO: Final = 0x2B
FLAG_LRO: Final = 1 << 15
IFF_UP: Final = 1
IFF_PROMISC: Final = 0x100
CAP_NET_RAW: Final = 13


@dataclass(frozen=True, slots=True)
class InterfaceFacts:
    """``gro``/``lro``: whether the kernel or the card joins received segments; None where that cannot be asked."""

    name: str
    mtu: int
    is_up: bool
    has_carrier: bool
    received: int  # frames since the interface is there
    dropped: int
    gro: bool | None
    lro: bool | None


def interface_facts(name: str) -> InterfaceFacts | None:
    """Return the facts of interface *name*; None for `any`, and where sysfs does not know it."""
    folder = NETWORK / name
    if "/" in name or not folder.is_dir():
        return None
    lro = _ethtool(name, ETHTOOL_GFLAGS)
    gro = _ethtool(name, ETHTOOL_GGRO)
    return InterfaceFacts(
        name,
        mtu=_number(folder / "mtu"),
        is_up=bool(_number(folder / "flags") & IFF_UP),
        has_carrier=_number(folder / "carrier") == 1,
        received=_number(folder / "statistics/rx_packets"),
        dropped=_number(folder / "statistics/rx_dropped") + _number(folder / "statistics/rx_missed_errors"),
        gro=None if gro is None else bool(gro),
        lro=None if lro is None else bool(lro & FLAG_LRO),
    )


def frames_counted(name: str) -> int:
    """Return how many frames interface *name* has received and sent since it is there; 0 where that is not known."""
    return sum(_number(NETWORK / name / "statistics" / counter) for counter in ("rx_packets", "tx_packets"))


def may_capture() -> bool:
    """Whether this process has CAP_NET_RAW (capabilities(7))."""
    for line in STATUS.read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "CapEff":
            return bool(int(value, 16) >> CAP_NET_RAW & 1)
    return False


def _number(path: Path) -> int:
    """Return the number in a sysfs file, 0 where it cannot be read (`carrier` of an interface that is down)."""
    try:
        return int(path.read_text().strip(), 0)
    except (OSError, ValueError):
        return 0


def _ethtool(name: str, command: int) -> int | None:
    """Return what ethtool's *command* answers for the interface; None where the driver does not know it."""
    value = array("I", (command, 0))  # struct ethtool_value
    request = struct.pack("16sP16x", name.encode(), value.buffer_info()[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            fcntl.ioctl(asked.fileno(), SIOCETHTOOL, request)
        except OSError:
            return None
    return value[1]
