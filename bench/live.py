"""`python -m bench.live`: up to which rate capture loses nothing, beside `tcpdump -w` on the same kind of wire.

Two namespaces and a cable between them: one replays real HTTP exchanges (`bench.replay`) at a rate that rises step by step,
the other runs tcpdump, writing to memory, or a whole sensor with one of its engines; snap length and kernel buffer are the
same for all. They take turns, and the turns are repeated, so that what else the machine does meets all alike. At each step:
how many of the packets sent the kernel dropped. A sensor must moreover have counted every packet it got, as analysed or by a
reason.

Exit code 1: a packet was not accounted for; 4: it cannot be run here.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from bench.kinds import Kind, small
from bench.network import Namespace, missing, network, wait_until
from bench.replay import Replay
from bench.traffic import capture_of

# Short connections, as shedding decides at their first packet.
TRAFFIC: Final = Kind("short", "small JSON, 20 requests a connection", 20_000, small, connection_requests=20)
BUFFER_MIB: Final = 64
SNAPLEN: Final = 65535
KPPS: Final = (50, 100, 150, 200, 250, 300, 350, 400, 450, 500, 600)
MEMORY: Final = Path("/dev/shm")
ENGINES: Final = ("tcpdump", "libpcap", "af_packet", "raw_socket")
DRAIN_S: Final = 60.0
START_S: Final = 90.0
TICKS: Final = os.sysconf("SC_CLK_TCK")
HERE: Final = Path(__file__).parent
COUNTS: Final = re.compile(r"(\d+) packets? captured, (\d+) packets? received by filter, (\d+) packets? dropped")
CONFIGURATION: Final = """\
version: 4
mode: tcp-capture-v2
tcp_stream:
  from_interface: {{enabled: true, interface: mon0, engine: {engine}, snap_len: {snaplen}, buffer_size: {buffer}MiB}}
workers: {workers}
supervisor: {{state_dir: {directory}/state, run_dir: {directory}/run}}
cloud: {{sampling: "off"}}  # else it only counts what is like a thousand others
"""


class UnaccountedError(Exception):
    """A sensor got packets that none of its counters tells of."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a receiver has counted so far: packets given, those the kernel dropped; CPU seconds of the process that reads."""

    received: int
    dropped: int
    cpu_s: float
    shed: int = 0  # of what was received: skipped with their whole flow
    ring_full: int = 0  # and for want of room in a worker's ring
    unaccounted: int = 0  # of what was received: in no counter yet


@dataclass(frozen=True, slots=True)
class Step:
    """One rate: packets sent at it, and what became of them."""

    rate: float  # a second, as reached
    sent: int
    dropped: int
    shed: int
    ring_full: int
    cpu_us: float  # of the reading process, a packet received


class Receiver(Protocol):
    def read(self) -> Reading: ...
    def is_settled(self) -> bool:
        """Whether nothing of what was sent is still on its way."""


def cpu_s(pid: int) -> float:
    """Return the CPU seconds that process has used (proc(5), utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Tcpdump:
    """`tcpdump -w`, which tells its counts on SIGUSR1."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, file: Path) -> None:
        self._log, self._file = log, file
        self._pid = _last_child(process.pid)

    @classmethod
    @contextlib.contextmanager
    def running(cls, sensor: Namespace, directory: Path) -> Iterator[Tcpdump]:
        file, log = directory / "dumped.pcap", directory / "tcpdump.log"
        options = f"-i mon0 -n -s {SNAPLEN} -B {BUFFER_MIB * 1024} -Z root -w {file}".split()
        with sensor.process(("tcpdump", *options), log, signal.SIGINT) as process:
            wait_until(lambda: b"listening on" in log.read_bytes() or process.poll() is not None, "tcpdump listens")
            yield cls(process, log, file)

    def read(self) -> Reading:
        before = len(self._log.read_bytes())
        os.kill(self._pid, signal.SIGUSR1)
        found: list[re.Match[str]] = []

        def told() -> bool:
            text = self._log.read_text()[before:]
            found[:] = re.finditer(
                r"(\d+) packets? captured, (\d+) packets? received by filter, (\d+) packets? dropped", text
            )
            return bool(found)

        wait_until(told, "tcpdump's counts")
        return Reading(int(found[0][1]), int(found[0][3]), cpu_s(self._pid))

    def is_settled(self) -> bool:
        """It reads a block of the kernel's ring when that is full, or a second old; the file is emptied where it is."""
        before = self.read()
        time.sleep(1.2)
        os.truncate(self._file, 0)
        return self.read().received == before.received


class Sensor:
    """A whole sensor, as `status --json` tells of it."""

    def __init__(self, namespace: Namespace, file: Path) -> None:
        self._namespace, self._file = namespace, file

    @classmethod
    @contextlib.contextmanager
    def running(cls, namespace: Namespace, directory: Path, engine: str, workers: int) -> Iterator[Sensor]:
        file, log = directory / "tcpmirror.yaml", directory / "sensor.log"
        file.write_text(
            CONFIGURATION.format(engine=engine, snaplen=SNAPLEN, buffer=BUFFER_MIB, workers=workers, directory=directory)
        )
        made = cls(namespace, file)
        with namespace.process(made._command("run"), log, environment=_environment()) as process:
            wait_until(lambda: made._is_ready() or process.poll() is not None, f"a ready sensor, see {log}", START_S, 0.5)
            if process.poll() is not None:
                raise RuntimeError(f"the sensor ended with {process.returncode}: {log.read_text()[-3000:]}")
            yield made

    def read(self) -> Reading:
        processes = self._status()["processes"]
        (capture,) = (each for each in processes if each["kind"] == "capture")
        counters = capture["counters"]
        lost = sum(value for name, value in counters.items() if name.startswith("lost_"))
        kept = counters["segments"] + counters["duplicates"] + counters["fragments_joined"] + counters["fragments_held"]
        skipped = counters["lost_shed"], counters["lost_ring_full"], counters["packets"] - kept - lost
        return Reading(counters["packets"], counters["kernel_dropped"], cpu_s(capture["pid"]), *skipped)

    def pids(self) -> list[int]:
        """Return the processes of the sensor."""
        return [int(each["pid"]) for each in self._status()["processes"]]

    def is_settled(self) -> bool:
        """Whether workers have taken all segments, and capture got nothing for half a second."""
        behind = self.behind()
        before = self.read().received
        time.sleep(0.6)
        return not behind and self.read().received == before

    def behind(self) -> int:
        """Return how many segments workers have still to take."""
        processes = self._status()["processes"]
        taken = sum(each["counters"]["segments"] for each in processes if each["kind"] == "worker")
        return int(sum(each["counters"]["segments"] for each in processes if each["kind"] == "capture") - taken)

    def _command(self, *words: str) -> list[str]:
        return [str(Path(sys.executable).with_name("tcpmirror-supervisor")), words[0], "-c", str(self._file), *words[1:]]

    def _status(self) -> dict[str, Any]:
        command = self._namespace.command(*self._command("status", "--json"))
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        return dict(json.loads(done.stdout)) if not done.returncode else {"processes": []}

    def _is_ready(self) -> bool:
        processes = self._status()["processes"]
        return bool(processes) and all(each["state"] == "running" for each in processes)


def _environment() -> dict[str, str]:
    unwanted = ("_proxy", "journal_stream")
    return {name: value for name, value in os.environ.items() if not name.lower().endswith(unwanted)}


def _last_child(pid: int) -> int:
    """Return the process at the end of the chain of only children that begins at *pid* (`ip netns exec` may fork)."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return _last_child(int(children[0])) if children else pid


def climb(receiver: Receiver, replay: Replay, kpps: Sequence[int], seconds: float) -> list[Step]:
    """Return the steps at each of the rates, up to the second in a row at which the kernel dropped packets."""
    steps: list[Step] = []
    for rate in kpps:
        before = receiver.read()
        sent, took_s = replay.send(rate * 1000, seconds)
        with contextlib.suppress(TimeoutError):  # what is still under way then counts as dropped
            wait_until(receiver.is_settled, "all packets taken", DRAIN_S, 0.05)
        after = receiver.read()
        received = after.received - before.received
        if after.unaccounted:
            raise UnaccountedError(f"{after.unaccounted} of {after.received} packets are in no counter")
        dropped = max(sent - received, after.dropped - before.dropped)
        cpu_us = 1e6 * (after.cpu_s - before.cpu_s) / max(received, 1)
        skipped = after.shed - before.shed, after.ring_full - before.ring_full
        steps.append(Step(sent / took_s, sent, dropped, *skipped, cpu_us))
        if len(steps) > 1 and steps[-1].dropped and steps[-2].dropped:
            break
    return steps


def turn(engine: str, capture: Path, kpps: Sequence[int], seconds: float, workers: int) -> list[Step]:
    """Return the steps of one engine on a wire of its own."""
    directory = MEMORY if MEMORY.is_dir() else None
    with network() as net, tempfile.TemporaryDirectory(prefix="bench-", dir=directory) as scratch:
        source, sensor = net.namespace("source"), net.namespace("sensor")
        net.cable((source, "out"), (sensor, "mon0"))
        replay = Replay(capture, source, "out")
        if engine == "tcpdump":
            context: Any = Tcpdump.running(sensor, Path(scratch))
        else:
            context = Sensor.running(sensor, Path(scratch), engine, workers)
        with contextlib.closing(replay), context as receiver:
            return climb(receiver, replay, kpps, seconds)


def lossless(steps: Sequence[Step]) -> float:
    """Return the highest rate reached (a second) below the first loss; 0 when the first step lost."""
    best = 0.0
    for step in steps:
        if step.dropped:
            break
        best = max(best, step.rate)
    return best


def table(turns: dict[str, list[list[Step]]], kpps: Sequence[int]) -> str:
    """Return the results for people: dropped share of each turn at each rate, then the rates without loss."""
    lines = [f"{'kpps':>6}  " + "  ".join(f"{engine:>26}" for engine in turns)]
    for index, rate in enumerate(kpps):
        cells = []
        for climbs in turns.values():
            shares = [f"{100 * c[index].dropped / c[index].sent:.3g}%" if index < len(c) else "-" for c in climbs]
            cells.append(" ".join(f"{share:>8}" for share in shares))
        lines.append(f"{rate:>6}  " + "  ".join(f"{cell:>26}" for cell in cells))
    return "\n".join((*lines, *(summary(engine, climbs) for engine, climbs in turns.items())))


def summary(engine: str, climbs: Sequence[Sequence[Step]]) -> str:
    """Return one engine's figures over all its turns, from the steps without loss."""
    rates = [lossless(climb) / 1000 for climb in climbs]
    clean = [step for climb in climbs for step in climb if not step.dropped]
    if not clean:
        return f"{engine}: drops at every rate"
    sent, cpu_us = sum(step.sent for step in clean), statistics.median(step.cpu_us for step in clean)
    each = ", ".join(f"{rate:.0f}" for rate in rates)
    line = f"{engine}: nothing dropped up to {statistics.median(rates):.0f} kpps (turns {each}); "
    line += f"{cpu_us:.2f} us CPU a packet in the process that reads"
    if engine != "tcpdump":
        shed, full = (100 * sum(getattr(step, name) for step in clean) / sent for name in ("shed", "ring_full"))
        line += f"; {shed:.2g} % shed with their whole flows, {full:.2g} % for want of room in a ring"
    return line


def main() -> int:
    options = arguments().parse_args()
    reason = missing()
    if reason:
        print(f"bench.live: {reason}", file=sys.stderr)
        return 4
    capture = capture_of(options.data, TRAFFIC, TRAFFIC.exchanges)
    turns: dict[str, list[list[Step]]] = {engine: [] for engine in options.engines}
    try:
        for _ in range(options.rounds):
            for engine, climbs in turns.items():
                climbs.append(turn(engine, Path(capture.path), options.kpps, options.seconds, options.workers))
                print(f"{engine}: nothing dropped up to {lossless(climbs[-1]) / 1000:.0f} kpps", file=sys.stderr, flush=True)
    except UnaccountedError as problem:
        print(f"bench.live: {problem}", file=sys.stderr)
        return 1
    print(table(turns, options.kpps))
    return 0


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.live", description="Up to which rate capture loses nothing.")
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES[:3]))
    parser.add_argument("--kpps", nargs="+", type=int, default=list(KPPS), help="thousands of packets a second, rising")
    parser.add_argument("--seconds", type=float, default=2.0, help="at each rate")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--data", type=Path, default=HERE / "data", help="where the capture is kept")
    return parser


if __name__ == "__main__":
    sys.exit(main())
