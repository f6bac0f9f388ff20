"""`python -m tests.fuzz TARGET...`: fuzz the sanitized build; see docs/testing.md."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from tests.fuzz import sanitized
from tests.fuzz.engine import CurrentInput, Fuzzer, digest
from tests.fuzz.minimise import minimise
from tests.fuzz.sanitized import WORK
from tests.fuzz.targets import TARGETS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; none: all")
    parser.add_argument("--seconds", type=float, default=60, help="CPU seconds a target (default 60)")
    parser.add_argument("--seed", type=int, default=0, help="of the dice (default 0)")
    parser.add_argument("--minimise", type=Path, metavar="FILE", help="make an input that shows a fault small")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="run one input and say what it does")
    parser.add_argument("--seeds", type=Path, metavar="DIR", help="more inputs to begin with, one a file")
    given = parser.parse_args()
    unknown = [name for name in given.targets if name not in TARGETS]
    if unknown:
        parser.error(f"no target {unknown[0]!r} (accepted: {', '.join(TARGETS)})")
    if "TCPMIRROR_COVERAGE" not in os.environ:
        return supervise(given.targets or list(TARGETS), given)
    (name,) = given.targets
    if given.replay:
        TARGETS[name].check(given.replay.read_bytes())
    elif given.minimise:
        print(minimise(TARGETS[name].check, given.minimise))
    else:
        print(json.dumps({"target": name} | fuzzer(name, given.seed).run(given.seconds)), flush=True)
    return 0


def fuzzer(name: str, seed: int) -> Fuzzer:
    return Fuzzer(TARGETS[name], WORK / name / "kept", WORK / name / "found", WORK / name / "current", seed)


def supervise(names: list[str], given: argparse.Namespace) -> int:
    """Run each target in a process on the sanitized build, again after a crash; return 1 when anything was found.

    A crash is a death by signal, as both sanitizers die; an end with a status other than 0 is a fault of these tests, and ends the run.
    """
    sanitized.build()
    is_clean = True
    for name in names:
        if given.seeds:
            add_seeds(name, given.seeds)
        until, seed = time.monotonic() + given.seconds, given.seed
        while (left := until - time.monotonic()) > 0 or seed == given.seed:
            command = [sys.executable, "-m", "tests.fuzz", name, "--seed", str(seed), "--seconds", str(max(1.0, left))]
            for option in ("replay", "minimise"):
                if value := getattr(given, option):
                    command += [f"--{option}", str(value.resolve())]
            run = subprocess.run(
                command, cwd=sanitized.BUILT, env=sanitized.environment(), stderr=subprocess.PIPE, text=True, check=False
            )
            if run.returncode >= 0 or given.replay or given.minimise:
                sys.stderr.write(run.stderr)
                is_clean &= run.returncode == 0
                break
            is_clean = False
            note_crash(name, run.stderr)
            seed += 1
    return 0 if is_clean else 1


def add_seeds(name: str, folder: Path) -> None:
    kept = WORK / name / "kept"
    kept.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        data = path.read_bytes()
        (kept / digest(data)).write_bytes(data)


def note_crash(name: str, said: str) -> None:
    data = CurrentInput.read(WORK / name / "current")
    path = WORK / name / "found" / f"crash-{digest(data)}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.with_suffix(".txt").write_text(said)
    print(json.dumps({"crash": str(path), "says": said.strip().splitlines()[:3]}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
