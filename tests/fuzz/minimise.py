"""Makes an input that shows a fault small, by leaving parts out as long as it shows the same."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.fuzz.engine import place_of

RAISED: Final = 3


def outcome(check: Callable[[bytes], None], data: bytes) -> str:
    """Return what *data* does in a process of its own: "", a place, or the signal that ended it."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            check(data)
            os._exit(0)
        except BaseException:  # noqa: BLE001 - whatever it is, it is the outcome
            os.write(writer, place_of(traceback.format_exc()).encode()[:4000])
        finally:
            os._exit(RAISED)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        place = pipe.read().decode()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return "" if code == 0 else place if code == RAISED else f"ended with {code}"


def place_in_process(check: Callable[[bytes], None], data: bytes) -> str:
    """Return what *data* does here, where it raises at most: "" or a place."""
    try:
        check(data)
    except Exception:  # noqa: BLE001 - whatever it is, it is the outcome
        return place_of(traceback.format_exc())
    return ""


def minimise(check: Callable[[bytes], None], path: Path) -> Path:
    """Write the smallest input found beside *path*, with the suffix ``.min``; return where."""
    data = path.read_bytes()
    wanted = outcome(check, data)
    look = outcome if wanted.startswith("ended") else place_in_process
    if not wanted:
        raise SystemExit(f"{path}: shows no fault")
    size = max(1, len(data) // 2)
    while size:
        at, was = 0, len(data)
        while at < len(data):
            shorter = data[:at] + data[at + size :]
            if look(check, shorter) == wanted:
                data = shorter
            else:
                at += size
        if size > 1 or len(data) == was:
            size //= 2
    made = path.with_suffix(".min")
    made.write_bytes(data)
    return made
