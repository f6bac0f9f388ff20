"""What a process of the sensor may still do: capture opens raw sockets, the others nothing that needs a privilege.

Until its source is open a capture process has two more, where the supervisor had them: CAP_NET_ADMIN for a receive buffer
beyond the system's limit, CAP_SYS_NICE to go before the workers. A process started by root keeps its user id but loses every
capability it has no use for, and can never gain one again (no_new_privs, empty bounding set). Sockets below port 1024 are
therefore out of reach: the ports of the sensor are above.
"""

from __future__ import annotations

import ctypes
import os
from typing import Final

PR_SET_PDEATHSIG: Final = 1
PR_CAPBSET_DROP: Final = 24
PR_SET_NO_NEW_PRIVS: Final = 38
PR_CAP_AMBIENT: Final = 47
PR_CAP_AMBIENT_CLEAR_ALL: Final = 4
CAP_NET_ADMIN: Final = 12
CAP_NET_RAW: Final = 13
CAP_SYS_NICE: Final = 23
CAPABILITIES: Final = 64  # two 32-bit words; the kernel of 2026 knows 41 and refuses the rest
CAPABILITY_VERSION_3: Final = 0x20080522  # linux/capability.h

KEPT: Final[dict[str, frozenset[int]]] = {"capture": frozenset({CAP_NET_RAW})}
FOR_OPENING: Final[dict[str, frozenset[int]]] = {"capture": frozenset({CAP_NET_ADMIN, CAP_SYS_NICE})}

_libc = ctypes.CDLL(None, use_errno=True)


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Words(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def drop_privileges(kind: str, *, is_open: bool = True) -> None:
    """Give up every capability that a process of *kind* does not need; OSError if the kernel refuses.

    *is_open*: what it opens at its start is open, so what only that needs goes too. Without privileges to lose (started by
    an ordinary user) only the way back is closed.
    """
    kept = KEPT.get(kind, frozenset())
    for capability in range(CAPABILITIES):
        if capability not in kept:
            # Refused (EPERM) without CAP_SETPCAP, as in most containers, and (EINVAL) for numbers this kernel lacks;
            # no_new_privs holds all the same.
            _libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    if not kept:
        _libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    _checked(_libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(PR_SET_NO_NEW_PRIVS)")
    _set_capabilities(kept if is_open else kept | FOR_OPENING.get(kind, frozenset()))


def die_with_parent(signal_number: int) -> None:
    """Have the kernel send *signal_number* to this process when its parent dies, however that happens (prctl(2))."""
    _checked(_libc.prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")


def _set_capabilities(kept: frozenset[int]) -> None:
    header = _Header(CAPABILITY_VERSION_3, 0)
    held = (_Words * 2)()
    _checked(_libc.capget(ctypes.byref(header), ctypes.byref(held)), "capget")
    for word in range(2):
        mask = sum(1 << (capability - 32 * word) for capability in kept if capability // 32 == word)
        held[word].permitted &= mask
        held[word].effective = held[word].permitted
        held[word].inheritable &= mask
    _checked(_libc.capset(ctypes.byref(header), ctypes.byref(held)), "capset")


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
