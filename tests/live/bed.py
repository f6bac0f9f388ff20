"""The test bed: a client and a server that talk, a mirror of their wire, and the machine that the mirror ends in.

    client  wire ===== wire  server  tap ----- mon0  sensor
                         |            ^
                         +-- mirred --+   (clsact, both directions)

What stands between the server's wire and the sensor's `mon0` is the *mirror*, one of MIRRORS:

``span``   the frames as they are, as a switch's mirror port gives them
``vxlan``  through the kernel's own VXLAN device (VNI 42, UDP 4789), as a cloud's traffic mirroring gives them
``vlan``   every frame tagged 802.1Q, VLAN 42
``qinq``   connections from even ports doubly tagged (802.1ad 100, then 802.1Q 42), those from odd ports untagged

The kernel cannot be counted on to have VLAN devices, so tagged frames are written by `Tagger`, from a packet socket to a
packet socket. Everything vanishes with the `with` block.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.network import Namespace, Network, network, run, wait_until
from bench.nginx import nginx

CLIENT: Final = "10.92.0.1"
SERVER: Final = "10.92.0.2"
CLIENT6: Final = "fd92::1"
SERVER6: Final = "fd92::2"
VLAN: Final = 42
OUTER_VLAN: Final = 100
VNI: Final = 42
MIRRORS: Final = ("span", "vxlan", "vlan", "qinq")
MIRROR_MTU: Final = 1600  # room for what a mirror puts around a full frame of 1500

ETH_P_ALL: Final = 3
TAG_8021Q: Final = 0x8100
TAG_8021AD: Final = 0x88A8


@dataclass(frozen=True, slots=True)
class Bed:
    """A running bed. ``mirror`` is its kind; ``access_log`` is what the server says it answered, a line a request."""

    mirror: str
    client: Namespace
    server: Namespace
    sensor: Namespace
    access_log: Path
    directory: Path
    tagger: Tagger | None = None

    def curl(self, *arguments: str, timeout_s: float = 30.0) -> list[tuple[int, int]]:
        """Run curl in the client; return the status and the number of new connections of each transfer, in order."""
        wanted = ("--silent", "--show-error", "--output", "/dev/null", "--write-out", "%{http_code} %{num_connects}\n")
        output = self.client.run("curl", *wanted, "--max-time", "20", *arguments, timeout_s=timeout_s)
        return [(int(status), int(connects)) for status, connects in map(str.split, output.splitlines())]

    def answered(self) -> int:
        """Return how many requests the server has logged."""
        return len(self.access_log.read_bytes().splitlines()) if self.access_log.exists() else 0

    def await_answered(self, wanted: int) -> None:
        """Wait until the server has logged *wanted* requests: it writes a line once the answer has gone out."""
        wait_until(lambda: self.answered() >= wanted, f"{wanted} lines of the server", 20)
        assert self.answered() == wanted


@contextlib.contextmanager
def bed(mirror: str, directory: Path) -> Iterator[Bed]:
    """Yield a bed with the mirror of that kind; scratch files go to *directory*."""
    directory.mkdir(parents=True, exist_ok=True)
    with network() as net, contextlib.ExitStack() as stack:
        client, server, sensor = (net.namespace(role) for role in ("client", "server", "sensor"))
        net.cable((client, "wire"), (server, "wire"))
        for namespace, addresses in ((client, (CLIENT, CLIENT6)), (server, (SERVER, SERVER6))):
            net.address(namespace, "wire", f"{addresses[0]}/24")
            net.address(namespace, "wire", f"{addresses[1]}/64")
        access_log = stack.enter_context(nginx(server, directory / "nginx"))
        if mirror in TAGGINGS:
            tagger = stack.enter_context(_tagged(net, server, sensor, TAGGINGS[mirror]))
        else:
            tagger = None
            net.cable((server, "tap"), (sensor, "mon0"), MIRROR_MTU)
        target = _vxlan(net, server, sensor) if mirror == "vxlan" else "tap"
        _mirror(server, "wire", target)
        yield Bed(mirror, client, server, sensor, access_log, directory, tagger)


def _mirror(namespace: Namespace, source: str, target: str) -> None:
    """Copy every frame that enters or leaves *source* to *target*."""
    run("tc", "-n", namespace.name, "qdisc", "add", "dev", source, "clsact")
    for direction in ("ingress", "egress"):
        _copy(namespace, source, direction, [target])


def copy_arriving(namespace: Namespace, source: str, targets: list[str]) -> None:
    """Copy every frame that enters *source* to each of *targets*, as a packet broker does."""
    run("tc", "-n", namespace.name, "qdisc", "add", "dev", source, "clsact")
    _copy(namespace, source, "ingress", targets)


def _copy(namespace: Namespace, source: str, direction: str, targets: list[str]) -> None:
    actions = [word for target in targets for word in ("action", "mirred", "egress", "mirror", "dev", target)]
    run(
        *("tc", "-n", namespace.name, "filter", "add", "dev", source, direction, "protocol", "all", "prio", "1"),
        *("u32", "match", "u32", "0", "0", *actions),
    )


def _vxlan(net: Network, server: Namespace, sensor: Namespace) -> str:
    """Lay a VXLAN tunnel from the server to the sensor's own address; return the name of its device."""
    net.address(server, "tap", "10.93.0.1/24")
    net.address(sensor, "mon0", "10.93.0.2/24")
    run(
        *("ip", "-n", server.name, "link", "add", "vx", "mtu", "1500", "type", "vxlan", "id", str(VNI), "dstport", "4789"),
        *("local", "10.93.0.1", "remote", "10.93.0.2", "dev", "tap", "nolearning"),
    )
    run("ip", "-n", server.name, "link", "set", "vx", "up")
    return "vx"


@contextlib.contextmanager
def _tagged(net: Network, server: Namespace, sensor: Namespace, tagging: Callable[[bytes], bytes]) -> Iterator[Tagger]:
    """Put a machine that tags frames between the server's mirror port and the sensor's `mon0`."""
    switch = net.namespace("switch")
    net.cable((server, "tap"), (switch, "in"), MIRROR_MTU)
    net.cable((switch, "out"), (sensor, "mon0"), MIRROR_MTU)
    with switch.entered():
        incoming, outgoing = packet_socket("in"), packet_socket("out")
    with incoming, outgoing, Tagger(incoming, outgoing, tagging).running() as tagger:
        yield tagger


def packet_socket(interface: str) -> socket.socket:
    """Return a packet socket on *interface* of the namespace the calling thread is in."""
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 << 20)
    made.bind((interface, ETH_P_ALL))
    return made


@dataclass(slots=True)
class Tagger:
    """Moves frames from one packet socket to another through a function; counts what it moved, tagged and not.

    A frame of which the function leaves nothing is lost.
    """

    incoming: socket.socket
    outgoing: socket.socket
    tagging: Callable[[bytes], bytes]
    tagged: int = 0
    untagged: int = 0
    _ended: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def running(self) -> Iterator[Tagger]:
        thread = threading.Thread(target=self._move, name="tagger", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            thread.join(5.0)

    def _move(self) -> None:
        while not self._ended.is_set():
            if not select.select([self.incoming], [], [], 0.1)[0]:
                continue
            frame, address = self.incoming.recvfrom(65536)
            if address[2] == socket.PACKET_OUTGOING:  # what this machine's own kernel sends (router solicitations)
                continue
            made = self.tagging(frame)
            if not made:
                continue
            if made is frame:
                self.untagged += 1
            else:
                self.tagged += 1
            self.outgoing.send(made)


def vlan(frame: bytes) -> bytes:
    return frame[:12] + struct.pack("!HH", TAG_8021Q, VLAN) + frame[12:]


def qinq_of_even_ports(frame: bytes) -> bytes:
    """Tag the frames of IPv4 connections from even client ports, both directions; leave all others as they are."""
    if frame[12:14] != b"\x08\x00" or frame[23] != socket.IPPROTO_TCP:
        return frame
    at = 14 + (frame[14] & 15) * 4
    source, destination = struct.unpack_from("!HH", frame, at)
    if max(source, destination) % 2:
        return frame
    return frame[:12] + struct.pack("!HHHH", TAG_8021AD, OUTER_VLAN, TAG_8021Q, VLAN) + frame[12:]


TAGGINGS: Final[dict[str, Callable[[bytes], bytes]]] = {"vlan": vlan, "qinq": qinq_of_even_ports}
