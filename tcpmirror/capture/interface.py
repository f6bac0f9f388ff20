"""The interface behind a name. A socket is bound to an index; the name may lose it by removal, or to another interface."""

from __future__ import annotations

import fcntl
import socket
import struct
from pathlib import Path
from typing import Final

from tcpmirror.errors import EnvironmentFault

ANY: Final = "any"
SIOCGIFFLAGS: Final = 0x8913
IFF_UP: Final = 1


class InterfaceDownFault(EnvironmentFault):
    """The interface exists and is down: it may be waited for."""


class Interface:
    """The interface that *name* stands for now; `any` stands for all, and never changes."""

    def __init__(self, name: str) -> None:
        """EnvironmentFault when there is none of that name, InterfaceDownFault when it is down."""
        self.name = name
        self.index = 0
        if name == ANY:
            return
        self.index = index_of(name)
        if not self.index:
            raise EnvironmentFault(f"interface {name!r} does not exist; there are: {', '.join((ANY, *_names()))}")
        if Path(name).exists():
            raise EnvironmentFault(f"interface {name!r}: a file of that name lies in the working directory; start elsewhere")
        if not _is_up(name):
            raise InterfaceDownFault(f"interface {name!r} is down; `ip link set {name} up` starts it")

    @property
    def is_there(self) -> bool:
        """Whether the name still stands for the same interface, up or down."""
        if not self.index:
            return True
        try:
            return socket.if_nametoindex(self.name) == self.index
        except OSError:
            return False

    def check(self) -> None:
        """OSError when the name stands for no interface any more, or for another one."""
        if not self.is_there:
            raise OSError(f"interface {self.name} has gone")


def index_of(name: str) -> int:
    """Return the number of the interface called *name*, 0 when there is none.

    By ioctl and not from a list: the kernel is asked for that over a socket that can send, which capture gives up.
    """
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return 0


def _names() -> list[str]:
    """Return the names of all interfaces as far as this process may list them."""
    try:
        return sorted(name for _, name in socket.if_nameindex())
    except OSError:
        return []


def _is_up(name: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            answer = fcntl.ioctl(asked, SIOCGIFFLAGS, struct.pack("16s24x", name.encode()))
        except OSError:  # it went this moment
            return False
    return bool(struct.unpack_from("H", answer, 16)[0] & IFF_UP)
