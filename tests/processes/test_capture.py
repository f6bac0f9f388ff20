"""The capture process over an interface that goes and comes: what it does then, and that its counts go on."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from bench.network import Namespace, missing, network, run, wait_until
from tcpmirror.capture.packet_socket import ETH_P_ALL
from tcpmirror.errors import EnvironmentFault
from tcpmirror.processes import capture
from tcpmirror.processes.context import Context
from tcpmirror.processes.layout import ProcessName, SharedLayout
from tcpmirror.settings.tree import Capture, Limits, Settings, Source
from tests.capture.frames import segment

pytestmark = [pytest.mark.live, pytest.mark.skipif(bool(missing()), reason=missing() or "-")]
ENGINES = ("libpcap", "af_packet", "raw_socket")
LIMITS = Limits(segment_ring_bytes=1 << 20, report_ring_bytes=1 << 16)


class Running:
    """A capture process in a thread, on `mon0` of a namespace whose peer `out` frames are sent from."""

    def __init__(self, engine: str, sensor: Namespace, peer: Namespace, *names: str) -> None:
        self.sensor, self.peer = sensor, peer
        sources = tuple(Source(interface=name, engine=engine, buffer_bytes=4 << 20) for name in names or ("mon0",))
        settings = replace(Settings(), capture=Capture(sources=sources), limits=LIMITS)
        layout = SharedLayout(len(sources), 1, LIMITS)
        self.context = Context(ProcessName("capture", 0), settings, layout, bytes(16))
        self.fault = ""
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        with self.sensor.entered():
            try:
                capture.run(self.context)
            except EnvironmentFault as fault:
                self.fault = str(fault)

    @contextlib.contextmanager
    def running(self) -> Iterator[Running]:
        self._thread.start()
        try:
            yield self
        finally:
            self.context.stopping = True
            self._thread.join(5.0)

    def count(self, name: str) -> int:
        return self.context.counters.get(name)

    def await_capture(self) -> None:
        """Send segments until one has been counted."""
        before = self.count("segments")

        def counted() -> bool:
            with self.peer.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:
                sender.bind(("out", ETH_P_ALL))
                with contextlib.suppress(OSError):  # the cable is being plugged in
                    sender.send(segment(1000))
            return self.count("segments") > before

        wait_until(counted, "a segment on the ring", 10.0, 0.05)


@contextlib.contextmanager
def capturing(engine: str) -> Iterator[Running]:
    with network() as net:
        sensor, peer = net.namespace("sensor"), net.namespace("peer")
        net.cable((sensor, "mon0"), (peer, "out"))
        with Running(engine, sensor, peer).running() as made:
            made.await_capture()
            yield made


def link(namespace: Namespace, *words: str) -> None:
    run("ip", "-n", namespace.name, "link", *words)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_interface_that_goes_down_and_up_is_read_on(engine: str) -> None:
    with capturing(engine) as made:
        for _ in range(2):
            link(made.sensor, "set", "mon0", "down")
            wait_until(lambda: "DOWN" in made.sensor.run("ip", "link", "show", "mon0"), "mon0 down")
            link(made.sensor, "set", "mon0", "up")
            made.await_capture()


@pytest.mark.parametrize("engine", ENGINES)
def test_an_interface_removed_and_made_again_is_opened_again_and_counts_go_on(engine: str) -> None:
    with capturing(engine) as made:
        wait_until(lambda: made.count("kernel_received") > 0, "the kernel's count")
        before = made.count("kernel_received")
        link(made.sensor, "delete", "mon0")
        wait_until(lambda: made.count("source_errors") == 1, "the fault counted")
        link(made.sensor, "add", "mon0", "type", "veth", "peer", "name", "out", "netns", made.peer.name)
        link(made.sensor, "set", "mon0", "up")
        link(made.peer, "set", "out", "up")
        made.await_capture()
        assert made.count("source_reopened") >= 1
        assert made.count("kernel_received") >= before


@pytest.mark.parametrize("engine", ENGINES)
def test_the_name_decides_which_interface_is_read(engine: str) -> None:
    with capturing(engine) as made:
        link(made.sensor, "set", "mon0", "down")
        link(made.sensor, "set", "mon0", "name", "other0")
        link(made.sensor, "set", "other0", "up")
        wait_until(lambda: made.count("source_errors") == 1, "the fault counted")
        link(made.sensor, "set", "other0", "down")
        link(made.sensor, "set", "other0", "name", "mon0")
        link(made.sensor, "set", "mon0", "up")
        made.await_capture()


@pytest.mark.parametrize("engine", ENGINES)
def test_an_interface_that_is_down_at_the_start_is_waited_for(engine: str) -> None:
    with network() as net:
        sensor, peer = net.namespace("sensor"), net.namespace("peer")
        net.cable((sensor, "mon0"), (peer, "out"))
        link(sensor, "set", "mon0", "down")
        with Running(engine, sensor, peer).running() as made:
            wait_until(lambda: made.count("source_errors") == 1, "the fault counted")
            link(sensor, "set", "mon0", "up")
            made.await_capture()


def test_an_interface_that_does_not_exist_ends_the_start() -> None:
    with network() as net:
        sensor = net.namespace("sensor")
        with Running("af_packet", sensor, sensor, "mon7").running() as made:
            wait_until(lambda: made.fault, "the fault")
            assert "'mon7' does not exist; there are: any, lo" in made.fault


@pytest.mark.parametrize("engine", ENGINES)
def test_any_takes_an_interface_that_appears_later(engine: str) -> None:
    with network() as net:
        sensor, peer = net.namespace("sensor"), net.namespace("peer")
        with Running(engine, sensor, peer, "any").running() as made:
            wait_until(lambda: made.count("heartbeat_ns"), "the source open")
            net.cable((sensor, "late0"), (peer, "out"))
            made.await_capture()


@pytest.mark.parametrize("engine", ENGINES)
def test_the_ports_of_a_bridge_are_read(engine: str) -> None:
    with capturing(engine) as made:
        link(made.sensor, "add", "br0", "type", "bridge")
        link(made.sensor, "set", "mon0", "master", "br0")
        link(made.sensor, "set", "br0", "up")
        made.await_capture()
        with Running(engine, made.sensor, made.peer, "br0").running() as bridge:
            bridge.await_capture()
