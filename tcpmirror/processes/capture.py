"""The main loop of a capture process: frames from one source, segments to the workers."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Final

from tcpmirror.capture.capture_files import capture_files
from tcpmirror.capture.file_source import FileSource
from tcpmirror.capture.filter_program import FilterProgram
from tcpmirror.capture.interface import InterfaceDownFault
from tcpmirror.capture.own_traffic import own_endpoints
from tcpmirror.capture.sources import Live, open_live
from tcpmirror.decap.duplicates import DuplicateTable
from tcpmirror.decap.fragments import FragmentJoiner
from tcpmirror.decap.link import SUPPORTED
from tcpmirror.errors import DamagedCaptureFault, EnvironmentFault
from tcpmirror.processes.capture_road import CaptureRoad
from tcpmirror.processes.context import Context
from tcpmirror.processes.coverage import Coverage
from tcpmirror.processes.decapsulators import open_decapsulator
from tcpmirror.processes.layout import SharedLayout
from tcpmirror.processes.look import Look
from tcpmirror.processes.watch import Watch
from tcpmirror.ring.shedding import Shedder
from tcpmirror.settings.memory import divided
from tcpmirror.settings.tree import Settings, Source
from tcpmirror.telemetry.counters import CounterPage

DLT_EN10MB, DLT_RAW = 1, 12  # libpcap's link types
REOPEN_S: Final = 0.25
HOUSEKEEPING_S: Final = 0.5
# Before workers and all else: what they leave undone waits on a ring, what capture leaves undone the kernel drops.
NICENESS: Final = -10
log = logging.getLogger(__name__)


def run(context: Context) -> int:
    """Capture until told to stop. A file source ends by itself and then waits to be stopped."""
    settings = divided(context.settings, context.layout.workers)
    source = settings.capture.sources[context.name.index]
    if source.kind != "file":
        with contextlib.suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
    is_file = source.kind == "file"
    road = open_road(context.layout, settings, context.hash_key, context.counters, context.name.index, is_file)
    filter_inner(road, source)
    if is_file:
        context.give_up_privileges()
        _read_files(context, road, source)
        return 0
    opened = _open_first(context, source)
    context.give_up_privileges()
    while not context.stopping:
        if opened is None:
            opened = _reopen(context, source)
            continue
        try:
            _capture(context, opened, road, source)
        except OSError as problem:
            log.warning("%s; trying again", problem)
            context.counters.add("source_errors")
            opened.close()
            opened = None
            _pause(context)
    if opened is not None:
        opened.close()
    road.end_source()
    return 0


def _read_files(context: Context, road: CaptureRoad, source: Source) -> None:
    """Send all captures of *source* down *road*, as fast as workers take them; then wait to be stopped."""

    def turn() -> None:
        context.beat()
        road.is_stopping = context.stopping

    context.counters.set("coverage_permille", 1000)  # files wait for workers
    for index, path in enumerate(capture_files([source.interface])):
        try:
            read_file(path, road, context.settings, source, index & 0xFFFF, turn)
        except DamagedCaptureFault as fault:
            log.warning("%s; what came before was read", fault)
            context.counters.add("source_errors")
    while not context.stopping:
        context.beat()
        time.sleep(HOUSEKEEPING_S)


def open_road(
    layout: SharedLayout, settings: Settings, hash_key: bytes, page: CounterPage, index: int, is_patient: bool = False
) -> CaptureRoad:
    """Return the road from source *index* to the rings of all workers."""
    shedding = settings.shedding
    road = CaptureRoad(
        open_decapsulator(settings, Source(), 1),
        hash_key,
        [layout.segment_writer(index, worker) for worker in range(layout.workers)],
        [layout.worker_bell(worker) for worker in range(layout.workers)],
        page,
        Shedder(shedding.enabled, shedding.high_water, shedding.low_water),
        FragmentJoiner(settings.limits.fragments, int.from_bytes(hash_key[:8])),
        is_patient,
        DuplicateTable(settings.capture.duplicate_window_ns) if settings.capture.deduplicate else None,
    )
    road.keep_apart(settings.capture.vlan_in_flow_key, settings.capture.vni_in_flow_key)
    shard = settings.shard
    road.take_share(shard.index, shard.count, blake2b(shard.key.encode(), digest_size=16).digest())
    road.simulate(settings.simulate.gap, settings.simulate.ring_full)
    return road


def filter_inner(road: CaptureRoad, source: Source) -> None:
    """Let *road* keep only what the filter of *source* for inner packets says."""
    if source.inner_bpf:
        road.filter_inner(FilterProgram(source.inner_bpf, DLT_EN10MB), FilterProgram(source.inner_bpf, DLT_RAW))


def read_file(
    path: str, road: CaptureRoad, settings: Settings, source: Source, domain: int, turn: Callable[[], None] = lambda: None
) -> None:
    """Send all frames of the capture file down *road*; DamagedCaptureFault where it is cut, after what came before.

    *turn* is called every now and then, also while a full ring is waited for.
    """
    file = FileSource(path, source.bpf)
    road.use(open_decapsulator(settings, source, file.link_type), domain)
    road.while_waiting = turn
    try:
        while file.receive(road) and not road.is_stopping:
            road.flush()
            turn()
    finally:
        road.end_source()
        file.close()
        tell_unsupported(path, file.link_types)


def tell_unsupported(path: str, link_types: Iterable[int]) -> None:
    """Warn of the link types of a file of which no frame can be read."""
    for link_type in sorted(set(link_types) - SUPPORTED.keys()):
        supported = ", ".join(dict.fromkeys(SUPPORTED.values()))
        text = "%s: link type %d is not supported, its frames are counted as unknown_link; supported are %s"
        log.warning(text, path, link_type, supported)


def _capture(context: Context, opened: Live, road: CaptureRoad, source: Source) -> None:
    """Receive until told to stop; OSError when the interface has gone."""
    own = own_endpoints(context.settings)
    road.use(open_decapsulator(context.settings, source, opened.link_type, own), domain=0)
    watch = Watch(opened, source, context.counters)
    coverage = Coverage(context.counters)
    look = Look(source, context.settings, context.layout.note(context.name.index), time.monotonic())
    due = 0.0
    while not context.stopping:
        if opened.receive(road):
            road.flush()
        now = time.monotonic()
        if now >= due:
            due = now + HOUSEKEEPING_S
            _keep_house(context, watch, road)
            coverage.measure(now)
            look.turn(now)
    watch.look()


def _keep_house(context: Context, watch: Watch, road: CaptureRoad) -> None:
    context.beat()
    road.flush()
    watch.look()


def _open_first(context: Context, source: Source) -> Live | None:
    """Open *source*; None when it is an interface that is down, which may be waited for. EnvironmentFault for all else."""
    try:
        return open_live(source)
    except InterfaceDownFault as fault:
        log.warning("%s; capture begins then", fault)
        context.counters.add("source_errors")
        return None


def _reopen(context: Context, source: Source) -> Live | None:
    try:
        opened = open_live(source)
    except EnvironmentFault:
        _pause(context)
        return None
    log.info("source %s is open", source.interface if source.kind == "interface" else source.listen_address)
    context.counters.add("source_reopened")
    return opened


def _pause(context: Context) -> None:
    context.beat()
    time.sleep(REOPEN_S)
