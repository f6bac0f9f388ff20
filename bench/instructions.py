"""`python -m bench.instructions`: how many instructions an exchange takes on the road, whatever else the machine does.

A fixed run of small exchanges (on connections that are kept, and one on each), larger responses (the same again and
again, and each a new one) and JSON bodies goes through capture, rings, reassembly, HTTP and detection in one process
under callgrind, which counts inside two calls only: a frame taken, a worker's turn. The counts are compared with
those in `instructions.json`, kept for the same interpreter, compiler and libraries.
``--keep`` writes them there.

Exit code 1: over the limit; 4: no valgrind here.
"""

from __future__ import annotations

import argparse
import collections
import ctypes
import gzip
import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Final

from bench.kinds import KINDS, PAGES, pages
from bench.wire import connection
from tcpmirror.processes.detection import build_detector
from tcpmirror.settings.tree import Settings

ROOT: Final = Path(__file__).parent.parent
KEPT: Final = ROOT / "bench" / "instructions.json"
NEW_ANSWERS: Final = "n"  # as c, but no response comes twice
KINDS_COUNTED: Final = "abcd" + NEW_ANSWERS
EXCHANGES: Final = 400  # of each kind
# Before them: until the inventory knows the endpoints, of which kind c has 40, and the repeated texts are known as clean.
WARM_UP: Final = 2000
WARM_UP_FILES: Final = 6000
CONNECTION_EXCHANGES: Final = 100
LIMIT: Final = 1.05
RULES: Final = ROOT / "build" / "rules"  # compiled ones that the installation does not have
COUNTED: Final = (
    "__pyx_f_9tcpmirror_9processes_12capture_road_11CaptureRoad_take",
    "__pyx_pw_9tcpmirror_9processes_11worker_road_10WorkerRoad_5turn",
)
RESPONSE: Final = (
    b"HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: application/json\r\nContent-Length: 77\r\n\r\n"
    b'{"id":4711,"name":"Anvil","price":"19.90","stock":12,"tags":["iron","heavy"]}'
)
CHUNK_BYTES: Final = 8192
_PAGES: Final = list(pages().values())

# Asks callgrind to count from here on; before that the program runs many times faster.
BEGIN: Final = "#include <valgrind/callgrind.h>\nvoid begin(void) { CALLGRIND_START_INSTRUMENTATION; }\n"

Counts = dict[str, int]  # instructions an exchange by part of the road


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.instructions", description="Instructions an exchange.")
    parser.add_argument("--keep", action="store_true", help="compare with these from now on")
    parser.add_argument("--drive", metavar="KIND", help=argparse.SUPPRESS)  # what callgrind runs
    options = parser.parse_args()
    if options.drive:
        return drive(options.drive)
    if shutil.which("valgrind") is None:
        print("bench: valgrind is not installed", file=sys.stderr)
        return 4
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    known = kept.setdefault(toolchain(), {})
    is_over = False
    build_detector(Settings(), RULES)  # compiled before, not under callgrind
    for kind in KINDS_COUNTED:
        counts = count(kind)
        before = known.get(kind)
        print(line(kind, counts, before), flush=True)
        is_over |= before is not None and sum(counts.values()) > LIMIT * sum(before.values())
        known[kind] = counts
    if options.keep:
        KEPT.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
        return 0
    return 1 if is_over else 0


def toolchain() -> str:
    """Return what else than this code decides how many instructions are needed."""
    compiler = subprocess.run(
        [sysconfig.get_config_var("CC").split()[0], "-dumpfullversion"], capture_output=True, text=True, check=False
    )
    versions = [f"{name} {metadata.version(name)}" for name in ("cython", "hyperscan")]
    return ", ".join(
        [platform.machine(), f"CPython {platform.python_version()}", f"gcc {compiler.stdout.strip()}", *versions]
    )


def line(kind: str, counts: Counts, before: Counts | None) -> str:
    total = sum(counts.values())
    change = "" if before is None else f" ({100 * total / sum(before.values()) - 100:+.1f} %)"
    parts = ", ".join(f"{part} {amount:,}" for part, amount in sorted(counts.items(), key=lambda item: -item[1]) if amount)
    return f"{kind}: {total:,} instructions an exchange{change}: {parts}"


def count(kind: str) -> Counts:
    """Return the instructions an exchange of *kind* takes."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "out"
        command = [
            "valgrind",
            "--tool=callgrind",
            f"--callgrind-out-file={file}",
            "--instr-atstart=no",
            "--collect-atstart=no",
        ]
        command += [f"--toggle-collect={name}" for name in COUNTED]
        command += [sys.executable, "-m", "bench.instructions", "--drive", kind]
        environment = os.environ | {"PYTHONHASHSEED": "0"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode or done.stdout.strip() != str(EXCHANGES):
            raise RuntimeError(f"{done.returncode}: {done.stdout}{done.stderr[-2000:]}")
        return {part: amount // EXCHANGES for part, amount in by_part(file.read_text().splitlines()).items()}


def by_part(lines: list[str]) -> Counts:
    """Return the instructions in *lines*, callgrind's output ("Callgrind Format Specification"), by part of the road."""
    counts: Counts = collections.Counter()
    names: dict[str, str] = {}
    part, is_call = "", False
    for text in lines:
        if text.startswith("ob="):
            number, _, name = text[3:].partition(" ")
            part = part_of(names.setdefault(number, name) if name else names[number])
        elif text.startswith("cob="):
            number, _, name = text[4:].partition(" ")
            if name:
                names[number] = name
        elif text.startswith("calls="):
            is_call = True  # the next line tells what the callee cost, which stands under the callee too
        elif text[:1].isdigit() or text[:1] in ("+", "-", "*"):
            if not is_call:
                counts[part] += int(text.split()[-1])
            is_call = False
    return dict(counts)


def part_of(library: str) -> str:
    """Return to which part of the road the code of *library* belongs."""
    path = Path(library)
    if "tcpmirror" in path.parts[:-1] and path.parent.parent.name == "tcpmirror":
        return path.parent.name
    if path.name.startswith("_hs_ext"):
        return "hyperscan"
    return "python" if "python" in path.name else "system"


def drive(kind: str) -> int:
    """Send exchanges of *kind* down the road and print how many were judged after those that warm up."""
    import gc

    from bench.road import Road

    gc.disable()
    road = Road(RULES)
    made = KINDS["c" if kind == NEW_ANSWERS else kind].request
    responses = [page_response(number) for number in range(3 * PAGES)] if kind == "c" else [RESPONSE]
    begin_counting = compiled(BEGIN).begin
    warm_up = WARM_UP_FILES if kind == "c" else WARM_UP
    size = 1 if kind == "b" else CONNECTION_EXCHANGES
    for begin in range(0, warm_up + EXCHANGES, size):
        if begin == warm_up:
            begin_counting()
        turns: list[tuple[int, bytes]] = []
        for number in range(begin, begin + size):
            response = page_response(number, is_new=True) if kind == NEW_ANSWERS else responses[number % len(responses)]
            turns += [(0, made(number).data), (1, response)]
        road.send(connection(turns, begin))
    print(road.judged - warm_up)
    return 0


def page_response(number: int, *, is_new: bool = False) -> bytes:
    """Return an answer with a file that the kind `c` asks for: one in three as it is, the others gzip in chunks.

    *is_new*: its number stands in it.
    """
    head = b"HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: application/json\r\n"
    body = _PAGES[number % PAGES]
    if is_new:
        body = b'{"number": %d, %b' % (number, body[1:])
    if number % 3 == 0:
        return head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    packed = gzip.compress(body, 1, mtime=0)
    parts = [packed[at : at + CHUNK_BYTES] for at in range(0, len(packed), CHUNK_BYTES)]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    coded = b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + coded + chunks + b"0\r\n\r\n"


def compiled(source: str) -> ctypes.CDLL:
    """Return the C *source* as a library."""
    with tempfile.TemporaryDirectory() as directory:
        library = Path(directory) / "library.so"
        compiler = sysconfig.get_config_var("CC").split()[0]
        subprocess.run([compiler, "-shared", "-fPIC", "-x", "c", "-o", library, "-"], input=source, text=True, check=True)
        return ctypes.CDLL(str(library))


if __name__ == "__main__":
    sys.exit(main())
