"""How a process is told to stop, also while it is in one long call."""

from __future__ import annotations

import hashlib
import os
import signal
import time

from tcpmirror.processes.context import Context
from tcpmirror.processes.layout import ProcessName, SharedLayout
from tcpmirror.settings.tree import Limits, Settings

LONG = 60_000_000  # rounds: half a minute in one call


def context() -> Context:
    layout = SharedLayout(1, 1, Limits(segment_ring_bytes=4096, report_ring_bytes=4096))
    return Context(ProcessName("worker", 0), Settings(), layout, bytes(16))


def test_what_takes_long_before_the_work_begins_is_ended_at_once() -> None:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        own = context()
        own.install_signals()
        with own.ending_at_once():
            os.write(writing, b"1")
            hashlib.pbkdf2_hmac("sha256", b"", b"", LONG)
        os._exit(0)
    assert os.read(reading, 1) == b"1"
    began = time.monotonic()
    os.kill(pid, signal.SIGTERM)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGTERM
    assert time.monotonic() - began < 10
    os.close(reading)
    os.close(writing)


def test_after_it_a_signal_sets_the_flag_again() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    own = context()
    try:
        own.install_signals()
        with own.ending_at_once():
            assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
        signal.raise_signal(signal.SIGTERM)
        assert own.stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
