"""The road from frames to judged exchanges, in one process: what capture, rings and a worker do, without their loops."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

from tcpmirror.decap.decapsulator import Decapsulator
from tcpmirror.decap.duplicates import DuplicateTable
from tcpmirror.decap.fragments import FragmentJoiner
from tcpmirror.processes.api_news import ApiNews
from tcpmirror.processes.behavior_news import BehaviorNews
from tcpmirror.processes.capture_road import CaptureRoad
from tcpmirror.processes.detection import build_detector
from tcpmirror.processes.judging import Judge
from tcpmirror.processes.layout import ProcessName, SharedLayout
from tcpmirror.processes.learning import Learning
from tcpmirror.processes.session_news import SessionNews
from tcpmirror.processes.weakness_news import WeaknessNews
from tcpmirror.processes.worker import open_table
from tcpmirror.processes.worker_road import WorkerRoad
from tcpmirror.protocols.connection import ProtocolFactory
from tcpmirror.ring.shedding import Shedder
from tcpmirror.settings.tree import Settings

FRAMES_A_TURN: Final = 64
KEY: Final = bytes(range(16))


class Road:
    """One capture road and one worker road with the built-in rules."""

    def __init__(self, cache_dir: Path, settings: Settings = Settings()) -> None:  # noqa: B008 - it is frozen
        """*cache_dir*: where compiled rules are kept that the installation does not have."""
        settings = replace(settings, limits=replace(settings.limits, segment_ring_bytes=1 << 24, report_ring_bytes=1 << 16))
        layout = SharedLayout(1, 1, settings.limits)
        self._capture = CaptureRoad(
            Decapsulator(1),
            KEY,
            [layout.segment_writer(0, 0)],
            [layout.worker_bell(0)],
            layout.counters(ProcessName("capture", 0)),
            Shedder(),
            FragmentJoiner(),
            duplicates=DuplicateTable(),
        )
        self._page = layout.counters(ProcessName("worker", 0))
        self.apis = ApiNews(settings.discovery.endpoints, self._page)
        detector = build_detector(settings, cache_dir)
        sessions = SessionNews(settings, self._page)
        behavior = BehaviorNews(settings, self._page, lambda exchange, findings: judge.report(exchange, findings))  # noqa: PLW0108
        weaknesses = WeaknessNews(self._page, settings.limits)
        learning = Learning(self._page, apis=self.apis, weaknesses=weaknesses, sessions=sessions, behavior=behavior)
        judge = Judge(settings, detector, lambda exchange, findings: None, self._page, learn=learning)
        factory = ProtocolFactory(judge, settings.limits, response_timeout_ns=5 * 10**9)
        self.table = open_table(factory, settings, layout.workers)
        self._worker = WorkerRoad([layout.segment_reader(0, 0)], self.table, self._page)

    @property
    def judged(self) -> int:
        return self._page.get("inspected")

    def send(self, frames: Iterable[tuple[int, bytes]]) -> None:
        """Take (time_ns, frame) and work until nothing is left on the ring."""
        for number, (time_ns, frame) in enumerate(frames, 1):
            self._capture(time_ns, frame)
            if number % FRAMES_A_TURN == 0:
                self._work()
        self._work()

    def send_in_two(self, frames: Iterable[tuple[int, bytes]]) -> tuple[int, int, int]:
        """Take all frames, then work until nothing is left; return the CPU time in ns before, between and after."""
        begun = time.thread_time_ns()
        for time_ns, frame in frames:
            self._capture(time_ns, frame)
        halfway = time.thread_time_ns()
        self._work()
        return begun, halfway, time.thread_time_ns()

    def _work(self) -> None:
        self._capture.flush()
        while self._worker.turn():
            pass
