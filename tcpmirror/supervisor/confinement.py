"""What a process can still do when traffic, or who speaks to it, has taken it over.

Capture, workers, exporter and cloud meet what strangers send, so each is shut in before that, by things that no process can
undo: Landlock leaves a few places of the file system, a seccomp filter the system calls that it has a use for. Workers and
captures also lose every credential that is in their memory, a worker the shared memory of other processes.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import tcpmirror
from tcpmirror.processes.access_log import STREAMS, access_file
from tcpmirror.processes.context import Context
from tcpmirror.settings.in_force import in_force_directory, secrets_of, without_secrets
from tcpmirror.settings.tree import Settings
from tcpmirror.supervisor.forgetting import forget
from tcpmirror.supervisor.landlock import restrict_files
from tcpmirror.supervisor.privileges import drop_privileges
from tcpmirror.supervisor.system_calls import libseccomp, restrict_calls

TOO_MUCH: Final = ("/", "/etc", "/root", "/home", "/var", "/var/lib", "/var/log", "/tmp")  # where a file alone was meant
# Where the interpreter, its libraries and what they ask the machine are; nothing of /etc.
SYSTEM: Final = ("/usr", "/lib", "/lib64", "/sys/devices/system", "/dev/null", "/dev/urandom", "/dev/random")
# What names are resolved with and certificates checked against, for those who have something to say to others.
NETWORK: Final = ("/etc", "/run/systemd/resolve", "/run/nscd", "/var/run/nscd")
INTERFACES: Final = ("/sys/class/net", "/sys/devices", "/sys/module", "/dev/null")
SEMAPHORES: Final = "/dev/shm"  # of the console's framework
LOADERS: Final = ("lib/ld-*", "lib64/ld-*", "lib/*/ld-*")  # what starts a program, below /

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Places:
    """What a process may read, write (and read) and execute: each place with all that lies below it."""

    readable: tuple[str, ...]
    writable: tuple[str, ...]
    executable: tuple[str, ...] = ()


def confine(context: Context, log_file: str) -> None:
    """Shut this process in, as far as the machine can; what it cannot is in log and metrics. OSError: a step failed."""
    kind, settings = context.name.kind, context.settings
    drop_privileges(kind)
    seccomp = libseccomp()  # before the files go: it is looked for in /etc/ld.so.cache
    if kind in ("worker", "capture"):
        forget((*secrets_of(settings), context.deploy_token, context.admin_password))
        context.settings = without_secrets(settings)
        context.deploy_token = context.admin_password = ""
    if kind == "worker":
        context.layout.keep_only(context.name)
    places = places_of(kind, settings, log_file)
    has_landlock = restrict_files(places.readable, places.writable, places.executable)
    context.counters.set("open_files", int(not has_landlock))
    context.counters.set("open_calls", int(seccomp is None))
    if not has_landlock:
        log.warning("this kernel has no Landlock: %s can read what its user can", context.name)
    if seccomp is None:
        log.warning("libseccomp is not installed: %s can make any system call that its user can", context.name)
    else:
        restrict_calls(seccomp, kind)


def places_of(kind: str, settings: Settings, log_file: str) -> Places:
    """Return what a process of *kind* reads and writes with *settings*.

    Directories where files are replaced as wholes: a rule of Landlock is about the file that is there now.
    """
    logs = _logs(settings, log_file)
    match kind:
        case "worker":
            state = Path(settings.supervisor.state_dir)
            kept = (str(in_force_directory(settings).absolute()), str((state / "cache").absolute()))
            given = _beside(settings.tls.key_log, settings.behavior.breached_passwords)
            return Places((*_installed(), *kept, *given), ("/dev/null", *logs))
        case "capture":
            return Places((*_installed(), *INTERFACES, *_captures(settings)), ("/dev/null", *logs))
        case "exporter":
            return Places((*_talking(settings), *INTERFACES), (*_kept(settings), *_sink_files(settings), *logs))
        case _:
            cloud = settings.cloud
            lists = (source.origin for source in cloud.source_lists if "://" not in source.origin)
            given = _beside(cloud.tls_certificate, cloud.tls_key, *cloud.source_databases, *lists)
            return Places(
                (*_talking(settings), *given),
                (*_kept(settings), *_store(settings), SEMAPHORES, *logs),
                tuple(_interpreter()),
            )


def _installed() -> tuple[str, ...]:
    package = Path(tcpmirror.__file__).resolve().parent.parent
    return (*SYSTEM, sys.prefix, sys.base_prefix, sys.exec_prefix, str(package), f"/proc/{os.getpid()}")


def _talking(settings: Settings) -> tuple[str, ...]:
    """Return what is read by those who resolve names, trust authorities and read the settings file's other files."""
    resolver = str(Path("/etc/resolv.conf").resolve().parent)  # often elsewhere, and replaced as a whole
    trusted = [os.environ.get(name, "") for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "TZDIR")]
    trusted += [sink.ca_file for sink in settings.sinks]
    authorities = os.environ.get("SSL_CERT_DIR") or "/etc/ssl"
    return (*_installed(), *NETWORK, resolver, authorities, *_beside(settings.cloud.queue.ca_file, *trusted))


def _kept(settings: Settings) -> tuple[str, ...]:
    """Return what outlives a process, and where a database sorts what is too much for the memory."""
    places = (settings.supervisor.state_dir, settings.spool.directory, tempfile.gettempdir(), "/var/tmp", "/dev/null")
    return tuple(str(Path(place).absolute()) for place in places if place)


def _store(settings: Settings) -> Iterator[str]:
    address = settings.cloud.database
    if address and "://" not in address:
        yield str(Path(address).absolute().parent)


def _sink_files(settings: Settings) -> Iterator[str]:
    for sink in settings.sinks:
        if sink.type == "file" and sink.url not in STREAMS:
            yield str(Path(urlsplit(sink.url).path or sink.url).absolute().parent)


def _captures(settings: Settings) -> Iterator[str]:
    for source in settings.capture.sources:
        if source.kind == "file":
            yield from _beside(source.interface)


def _interpreter() -> Iterator[str]:
    """Give what runs Python, and nothing else."""
    yield str(Path(sys.executable).resolve())
    for pattern in LOADERS:
        yield from (str(path.resolve()) for path in Path("/").glob(pattern))


def _beside(*files: str, shared: tuple[str, ...] = TOO_MUCH) -> tuple[str, ...]:
    """Return the directories of *files*, or a file itself where its directory is a *shared* one: that holds other things."""
    paths = [Path(file).absolute() for file in files if file]
    return tuple(str(path if str(path.parent) in shared else path.parent) for path in paths)


def _logs(settings: Settings, log_file: str) -> tuple[str, ...]:
    """Return where logs are, which may be made anew beside the old ones when these are rotated away."""
    files = {log_file, access_file(settings.log, log_file)} - set(STREAMS)
    return _beside(*sorted(files), shared=(*TOO_MUCH, str(Path(settings.supervisor.state_dir).absolute())))
