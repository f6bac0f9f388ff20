"""What a worker can still do when traffic has taken it over: read rules, write its log, use its own rings.

Workers parse what strangers send, so they are shut in before their first packet, by three things that no process can undo:
Landlock (landlock(7), where the kernel has it) leaves a few directories of the file system, a seccomp filter (seccomp(2),
by libseccomp) no sockets, no other program and no other process, and the shared memory of other processes is unmapped.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import importlib
import logging
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Final

import tcpmirror
from tcpmirror.processes.access_log import STREAMS, access_file
from tcpmirror.processes.context import Context
from tcpmirror.settings.tree import Settings

# linux/landlock.h: system calls, and rights on files by the version of the interface that knows them.
CREATE_RULESET: Final = 444
ADD_RULE: Final = 445
RESTRICT_SELF: Final = 446
CREATE_RULESET_VERSION: Final = 1
RULE_PATH_BENEATH: Final = 1
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 1 << 1, 1 << 2, 1 << 3
READING: Final = READ_FILE | READ_DIR
WRITING: Final = sum(1 << bit for bit in range(1, 13))  # all of version 1 but to execute
TRUNCATE: Final = 1 << 14  # since version 3; 13 (to link across directories) since 2
RIGHTS: Final = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1}
OF_FILES: Final = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE

# Where the interpreter, its libraries and what they ask the machine are; nothing of /etc.
TOO_MUCH: Final = ("/", "/etc", "/root", "/home", "/var", "/var/lib", "/var/log", "/tmp")  # where a file alone was meant
SYSTEM: Final = ("/usr", "/lib", "/lib64", "/sys/devices/system", "/dev/null", "/dev/urandom", "/dev/random")
# What a parser of traffic never asks for, and who has taken it over would: the network, other programs, other processes.
DENIED: Final = (
    *("socket", "socketpair", "connect", "bind", "listen", "accept", "accept4", "sendto", "sendmsg", "sendmmsg"),
    *("execve", "execveat", "fork", "vfork", "ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_open"),
    *("pidfd_getfd", "pidfd_send_signal", "kill", "tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "process_madvise"),
    *("mount", "umount2", "pivot_root", "chroot", "unshare", "setns", "bpf", "perf_event_open", "userfaultfd"),
    *("io_uring_setup", "io_uring_enter", "io_uring_register", "keyctl", "add_key", "request_key", "init_module"),
    *("finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot", "swapon", "swapoff", "open_by_handle_at"),
    *("name_to_handle_at", "shmget", "shmat", "msgget", "semget", "mq_open", "memfd_create", "personality", "setuid"),
    *("setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups", "chown", "fchown", "lchown", "fchownat"),
)

_libc = ctypes.CDLL(None, use_errno=True)
log = logging.getLogger(__name__)


class _Ruleset(ctypes.Structure):
    _fields_ = (("handled_access_fs", ctypes.c_uint64),)


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def confine_worker(context: Context, log_file: str) -> None:
    """Shut this process in, as far as the machine can; what it cannot is a line in the log. OSError: a step failed."""
    seccomp = _libseccomp()  # before the files go: it is looked for in /etc/ld.so.cache
    context.layout.keep_only(context.name)
    if not restrict_files(
        readable_places(context.settings, context.settings_file), writable_places(context.settings, log_file)
    ):
        log.warning("this kernel has no Landlock: workers can read what their user can")
    if seccomp is None:
        log.warning("libseccomp is not installed: workers can make any system call that their user can")
    else:
        restrict_calls(seccomp)


def readable_places(settings: Settings, settings_file: str) -> tuple[str, ...]:
    """Return what a worker reads: the installation, its settings, rules and TLS secrets.

    Directories where files are replaced as wholes: a rule of Landlock is about the file that is there now.
    """
    package = Path(tcpmirror.__file__).resolve().parent.parent
    inspection, places = settings.inspection, settings.supervisor
    files = [file for file in (settings_file, settings.tls.key_log) if file]
    given = (
        inspection.rules_dir,
        inspection.seclang.directory,
        places.state_dir,
        f"{places.state_dir}/cache",  # compiled rules, which may lie elsewhere behind a link
        *(str(Path(file).parent) for file in files),
    )
    installed = (sys.prefix, sys.base_prefix, sys.exec_prefix, str(package), f"/proc/{os.getpid()}")
    wanted = (str(Path(place).absolute()) for place in given if place)
    return (*SYSTEM, *installed, *(place for place in wanted if place not in TOO_MUCH))


def writable_places(settings: Settings, log_file: str) -> tuple[str, ...]:
    """Return what a worker writes: its logs, which may be made anew beside the old ones when these are rotated away."""
    files = {log_file, access_file(settings.log, log_file)} - set(STREAMS)
    return ("/dev/null", *(_place_of(settings, Path(file).absolute()) for file in sorted(files)))


def _place_of(settings: Settings, file: Path) -> str:
    is_shared = str(file.parent) in (*TOO_MUCH, str(Path(settings.supervisor.state_dir).absolute()))
    return str(file if is_shared else file.parent)


def restrict_files(readable: Iterable[str], writable: Iterable[str]) -> bool:
    """Leave these places alone, for good; return whether there is Landlock. Those that are not there are passed over."""
    version = _libc.syscall(CREATE_RULESET, None, 0, CREATE_RULESET_VERSION)
    if version <= 0:
        return False
    handled = RIGHTS[min(version, max(RIGHTS))]
    ruleset = _checked(_libc.syscall(CREATE_RULESET, ctypes.byref(_Ruleset(handled)), ctypes.sizeof(_Ruleset), 0))
    try:
        for place in readable:
            _allow(ruleset, place, READING & handled)
        for place in writable:
            _allow(ruleset, place, (READING | WRITING | TRUNCATE) & handled)
        _checked(_libc.syscall(RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)
    return True


def restrict_calls(seccomp: ModuleType) -> None:
    """Have the calls of DENIED fail with EPERM from now on, for good."""
    rules = seccomp.SyscallFilter(seccomp.ALLOW)
    for name in DENIED:
        with contextlib.suppress(ValueError, OSError):  # a call that this machine's architecture does not have
            rules.add_rule(seccomp.ERRNO(errno.EPERM), name)
    rules.load()


def _libseccomp() -> ModuleType | None:
    try:
        return importlib.import_module("pyseccomp")
    except (ImportError, OSError, RuntimeError):  # the binding is not there, or not the library
        return None


def _allow(ruleset: int, place: str, rights: int) -> None:
    try:
        descriptor = os.open(place, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not Path(place).is_dir():
            rights &= OF_FILES
        beneath = _Beneath(rights, descriptor)
        _checked(_libc.syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, ctypes.byref(beneath), 0))
    finally:
        os.close(descriptor)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"landlock: {os.strerror(number)}")
    return result
