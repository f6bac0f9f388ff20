"""The sensor's own connections, which capture leaves out.

A sensor that listens on loopback or `any` sees its exporter hand findings to the cloud, payloads and all: each would
become a new finding, for ever. What the console, metrics and health pages exchange with their readers is not the mirror's
traffic either.
"""

from __future__ import annotations

import ipaddress
import itertools
import socket
import urllib.parse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from tcpmirror.settings.tree import Settings

LOCAL_IPV4: Final = Path("/proc/net/fib_trie")
LOCAL_IPV6: Final = Path("/proc/net/if_inet6")


def own_endpoints(settings: Settings) -> frozenset[tuple[bytes, int]]:
    """Return (packed address, port) of every place that this sensor serves or calls."""
    listeners = []
    if settings.cloud.embedded:
        listeners.append(settings.cloud.listen_address)
    if settings.metrics.enabled:
        listeners.append(settings.metrics.listen_address)
    if settings.metrics.legacy_status_enabled:
        listeners.append(settings.metrics.legacy_status_address)
    if settings.health.enabled:
        listeners.append(settings.health.listen_address)
    return frozenset((*_listening(listeners), *_remote(settings.cloud.url)))


def local_addresses() -> frozenset[bytes]:
    """Return the packed addresses of this machine, loopback included, as the kernel lists them."""
    found = {b"\x7f\0\0\1", ipaddress.IPv6Address("::1").packed}
    if LOCAL_IPV4.exists():
        lines = LOCAL_IPV4.read_text().splitlines()
        for above, line in itertools.pairwise(lines):
            if "/32 host LOCAL" in line:
                found.add(ipaddress.IPv4Address(above.split()[-1]).packed)
    if LOCAL_IPV6.exists():
        found.update(bytes.fromhex(line.split()[0]) for line in LOCAL_IPV6.read_text().splitlines() if line.strip())
    return frozenset(found)


def _listening(listeners: Iterable[str]) -> Iterator[tuple[bytes, int]]:
    for listener in listeners:
        host, _, port = listener.rpartition(":")
        host = host.strip("[]")
        if host in ("", "0.0.0.0", "::"):
            for address in local_addresses():
                yield address, int(port)
        else:
            for address in _resolved(host):
                yield address, int(port)


def _remote(url: str) -> Iterator[tuple[bytes, int]]:
    parts = urllib.parse.urlsplit(url)
    if parts.hostname:
        for address in _resolved(parts.hostname):
            yield address, parts.port or (443 if parts.scheme == "https" else 80)


def _resolved(host: str) -> list[bytes]:
    """Return the packed addresses of *host*; none when it cannot be resolved now."""
    try:
        return [ipaddress.ip_address(host).packed]
    except ValueError:
        pass
    try:
        return [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]).packed for entry in socket.getaddrinfo(host, None)]
    except OSError:
        return []
