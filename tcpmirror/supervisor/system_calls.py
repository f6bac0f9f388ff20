"""System calls that a kind of process never needs fail with EPERM from now on (seccomp(2), by libseccomp)."""

from __future__ import annotations

import contextlib
import errno
import importlib
import socket
from types import ModuleType
from typing import Final

CLONE_THREAD: Final = 0x10000  # linux/sched.h

# What nobody here asks for, and who has taken a process over would: other processes, the kernel, the file systems.
NEVER: Final = (
    *("ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd", "process_madvise", "personality"),
    *("mount", "umount2", "pivot_root", "chroot", "unshare", "setns", "bpf", "perf_event_open", "userfaultfd"),
    *("move_mount", "open_tree", "fsopen", "fsmount", "mount_setattr", "io_uring_setup", "io_uring_enter"),
    *("io_uring_register", "keyctl", "add_key", "request_key", "init_module", "finit_module", "delete_module", "kexec_load"),
    *("kexec_file_load", "reboot", "swapon", "swapoff", "open_by_handle_at", "name_to_handle_at", "setuid", "setgid"),
    *("setreuid", "setregid", "setresuid", "setresgid", "setgroups", "setfsuid", "setfsgid", "acct", "quotactl"),
    *("settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "sethostname", "setdomainname", "iopl", "ioperm"),
)
PROGRAMS: Final = ("execve", "execveat", "fork", "vfork")
SIGNALS: Final = ("kill", "tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_open", "pidfd_send_signal")
SENDING: Final = ("connect", "listen", "accept", "accept4", "sendto", "sendmsg", "sendmmsg")
SHARED_MEMORY: Final = ("shmget", "shmat", "msgget", "semget", "mq_open", "memfd_create")
OWNERS: Final = ("chown", "fchown", "lchown", "fchownat")

DENIED: Final[dict[str, tuple[str, ...]]] = {
    "worker": (*NEVER, *PROGRAMS, *SIGNALS, *SENDING, *SHARED_MEMORY, *OWNERS, "socket", "socketpair", "bind"),
    # It opens its source again when that comes back, and sends nothing into what it watches.
    "capture": (*NEVER, *PROGRAMS, *SIGNALS, *SENDING, *SHARED_MEMORY, *OWNERS, "socketpair"),
    "exporter": (*NEVER, *PROGRAMS, *SIGNALS, *SHARED_MEMORY, *OWNERS),
    # It tries rules out in a process of their own, which is shut in as it is.
    "cloud": (*NEVER, *OWNERS),
}
FAMILIES: Final[dict[str, frozenset[int]]] = {
    "capture": frozenset({socket.AF_PACKET, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK}),
    "exporter": frozenset({socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_NETLINK}),
    "cloud": frozenset({socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_NETLINK}),
}
FAMILIES_KNOWN: Final = 64  # linux/socket.h has 46


def libseccomp() -> ModuleType | None:
    """Return the binding of libseccomp, None where one of the two is not installed."""
    try:
        return importlib.import_module("pyseccomp")
    except (ImportError, OSError, RuntimeError):  # the binding is not there, or not the library
        return None


def restrict_calls(seccomp: ModuleType, kind: str) -> None:
    """Have the calls that a process of *kind* has no use for fail, for good."""
    rules = seccomp.SyscallFilter(seccomp.ALLOW)
    refused = seccomp.ERRNO(errno.EPERM)
    for name in DENIED[kind]:
        with contextlib.suppress(ValueError, OSError):  # a call that this machine's architecture does not have
            rules.add_rule(refused, name)
    if kind in FAMILIES:
        for family in set(range(FAMILIES_KNOWN)) - FAMILIES[kind]:
            rules.add_rule(refused, "socket", seccomp.Arg(0, seccomp.EQ, family))
    if kind == "capture":  # datagrams of tunnels, but no streams
        for family in (socket.AF_INET, socket.AF_INET6):
            rules.add_rule(
                refused,
                "socket",
                seccomp.Arg(0, seccomp.EQ, family),
                seccomp.Arg(1, seccomp.MASKED_EQ, 0xF, socket.SOCK_STREAM),
            )
    if "fork" in DENIED[kind]:
        # clone3 has its flags in memory, where no filter sees them: without it the C library makes threads by clone.
        rules.add_rule(seccomp.ERRNO(errno.ENOSYS), "clone3")
        rules.add_rule(refused, "clone", seccomp.Arg(0, seccomp.MASKED_EQ, CLONE_THREAD, 0))
    rules.load()
