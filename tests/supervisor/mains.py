"""Small mains that behave, or misbehave, like the processes of a sensor, and the script that runs a supervisor over them.

`python -m tests.supervisor.mains PLAN.json`: the plan names a main for each kind, and settings other than
the defaults. What a main wants to tell goes to the events file as one JSON object a line.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TextIO

from tcpmirror.errors import EnvironmentFault, SettingsError
from tcpmirror.processes.context import Context
from tcpmirror.settings import LoadedSettings
from tcpmirror.settings.pushed import with_kept
from tcpmirror.settings.tree import Capture, Log, Settings, Source
from tcpmirror.supervisor.credentials import Credentials
from tcpmirror.supervisor.notify import Notifier
from tcpmirror.supervisor.supervisor import Installation, Outcome, Supervisor
from tcpmirror.telemetry.logs import configure_logging

PAUSE_S = 0.01
EVENTS = Path(os.environ.get("EVENTS", os.devnull))
MARKS = EVENTS.parent


def tell(what: str, to: TextIO | None = None, /, **facts: object) -> None:
    with contextlib.nullcontext(to) if to else EVENTS.open("a") as events:
        events.write(json.dumps({"what": what, "time_ns": time.monotonic_ns(), **facts}) + "\n")


def beats(context: Context) -> int:
    tell("started", name=str(context.name), pid=os.getpid(), level=context.settings.log.level)
    while not context.stopping:
        context.beat()
        if context.reloading:
            context.reloading = False
            tell("reloading", name=str(context.name))
        time.sleep(PAUSE_S)
    tell("stopped", name=str(context.name))
    return 0


def hungry(context: Context) -> int:
    """Takes 512 MiB in its first life, and holds them."""
    mark = MARKS / f"fed-{context.name}"
    is_first = not mark.exists()
    mark.touch()  # before it eats, which may take its life
    held = bytearray(b"x") * (512 << 20) if is_first else bytearray()
    code = beats(context)
    return code if len(held) >= 0 else 1


def deaf(context: Context) -> int:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return beats(context)


def never_ends(context: Context) -> int:
    """Beats, and goes on although it was told to stop: also when its supervisor is dead."""
    while True:
        context.beat()
        time.sleep(PAUSE_S)


def hangs_once(context: Context) -> int:
    context.beat()
    mark = MARKS / f"hung-{context.name}"
    if not mark.exists():
        mark.touch()
        while True:
            time.sleep(PAUSE_S)
    return beats(context)


def silent(context: Context) -> int:
    while not context.stopping:
        time.sleep(PAUSE_S)
    return 0


def no_interface(context: Context) -> int:
    raise EnvironmentFault("capture: interface nosuch0 does not exist")


def loses_interface(context: Context) -> int:
    """Runs well once; every later start finds the interface gone."""
    mark = MARKS / f"ran-{context.name}"
    if mark.exists():
        return no_interface(context)
    mark.touch()
    return beats(context)


def buggy(context: Context) -> int:
    return 1 // (context.settings.version - context.settings.version)


def exits(context: Context) -> int:
    sys.exit("a library gave up")


def ends(context: Context) -> int:
    context.beat()
    return 0


def poisoned(context: Context) -> int:
    """A worker that one record kills, unless it is told to pass over it."""
    reader = context.layout.segment_reader(0, context.name.index)
    tell("worker", skip=context.skip_positions)
    while not context.stopping:
        context.beat()
        record = reader.read()
        if record is None:
            time.sleep(PAUSE_S)
            continue
        if record[1] == b"poison" and reader.position not in context.skip_positions:
            os.kill(os.getpid(), signal.SIGKILL)
        tell("record", text=record[1].decode())
        reader.advance()
    return 0


def feeds_poison(context: Context) -> int:
    mark = MARKS / "fed"
    if not mark.exists():
        mark.touch()
        writer = context.layout.segment_writer(0, 0)
        for record in (b"before", b"poison", b"after"):
            writer.write(1, record)
    return beats(context)


def powers(context: Context) -> int:
    """Tells what this process may do once it has opened what it needs, then runs."""
    # Opened before, because a process that is shut in could not tell.
    events = EVENTS.open("a")
    context.give_up_privileges()
    lines = dict(line.split(":\t") for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
    facts = {name: lines[name].strip() for name in ("CapEff", "CapPrm", "NoNewPrivs", "Name")}
    descriptors = sorted(str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.is_symlink())
    with events:
        tell("powers", events, name=str(context.name), descriptors=descriptors, **facts)
    while not context.stopping:
        context.beat()
        time.sleep(PAUSE_S)
    return 0


def cloud_that_knows(context: Context) -> int:
    tell("cloud", token=context.deploy_token, password=context.admin_password, text=repr(context))
    return beats(context)


MAINS: dict[str, Callable[[Context], int]] = {
    main.__name__: main
    for main in (
        beats, silent, hungry, deaf, never_ends, hangs_once, no_interface, loses_interface, buggy, exits, ends, poisoned,
        feeds_poison, powers, cloud_that_knows,
    )
}  # fmt: skip


def settings_of(plan: dict[str, Any]) -> Settings:
    """Return settings with small rings and short times, changed as *plan* says; raises SettingsError for `broken`."""
    if plan.get("broken"):
        raise SettingsError("plan.json", 1, "broken", True, "a plan that is not broken")
    default = Settings()
    return replace(
        default,
        workers=plan.get("workers", 2),
        capture=Capture(sources=tuple(Source(**source) for source in plan.get("sources", [{}]))),
        limits=replace(default.limits, segment_ring_bytes=1 << 16, report_ring_bytes=1 << 19),
        log=Log(level=str(plan.get("log_level", "info"))),
        cloud=replace(default.cloud, **plan.get("cloud", {})),
        supervisor=replace(default.supervisor, **plan["supervisor"]),
    )


def run(path: Path) -> int:
    plan = json.loads(path.read_text())
    settings = settings_of(plan)
    mains = {kind: MAINS[plan.get("mains", {}).get(kind, "beats")] for kind in ("capture", "worker", "exporter", "cloud")}
    configure_logging("supervisor", settings.log.level)
    installation = Installation(
        settings,
        lambda: with_kept(LoadedSettings(settings_of(json.loads(path.read_text())))).settings,
        str(path),
        "stderr",
        Credentials("deploy-token", "first-password"),
        mains,
    )

    def announce(outcome: Outcome) -> None:
        tell("announced", **asdict(outcome))

    return Supervisor(installation, Notifier.from_environment(os.environ), announce).run()


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1])))
