"""What a changed settings file means for processes that run.

Workers hold the open flows, so they are never restarted by a reload: they read the file again themselves. The other
processes hold nothing that is lost (rings and spool outlive them) and are started anew when a setting of theirs has changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from tcpmirror.settings.tree import Settings


@dataclass(frozen=True, slots=True)
class ReloadPlan:
    """``settings``: what holds from now on, old values where a new one cannot be taken while running.

    ``restart``: kinds of processes to start anew. ``changed``: the sections that differ. ``needs_restart``: what waits for
    the next start of the sensor, in words.
    """

    settings: Settings
    restart: tuple[str, ...]
    changed: tuple[str, ...]
    needs_restart: tuple[str, ...]


# Which section concerns which kind of process; workers take theirs by SIGHUP.
CONCERNED: Final = {
    "capture": ("capture", "shedding"),  # not for a log level: packets pass while it is away
    "exporter": ("cloud", "spool", "sinks", "metrics", "health", "log", "discovery_only"),
    "cloud": ("cloud", "console", "log"),
}
# Of `limits`, most are the workers'; these are read by another process.
CONCERNED_LIMITS: Final = {"capture": ("encapsulation_depth", "fragments")}
SECTIONS: Final = tuple(Settings.__dataclass_fields__)

# The shared memory is cut for these at the start: key in words, how to read it, how to keep the old value.
FIXED: Final[tuple[tuple[str, Callable[[Settings], Any], Callable[[Settings, Settings], Settings]], ...]] = (
    ("workers", lambda s: s.workers, lambda new, old: replace(new, workers=old.workers)),
    ("number of capture sources", lambda s: len(s.capture.sources), lambda new, old: replace(new, capture=old.capture)),
    (
        "limits.memory",
        lambda s: s.limits.memory_bytes,
        lambda new, old: replace(new, limits=replace(new.limits, memory_bytes=old.limits.memory_bytes)),
    ),
    (
        "limits.segment_ring",
        lambda s: s.limits.segment_ring_bytes,
        lambda new, old: replace(new, limits=replace(new.limits, segment_ring_bytes=old.limits.segment_ring_bytes)),
    ),
    (
        "limits.report_ring",
        lambda s: s.limits.report_ring_bytes,
        lambda new, old: replace(new, limits=replace(new.limits, report_ring_bytes=old.limits.report_ring_bytes)),
    ),
    (
        "cloud.embedded",
        lambda s: s.cloud.embedded,
        lambda new, old: replace(new, cloud=old.cloud),
    ),
    (
        "supervisor.state_dir",
        lambda s: s.supervisor.state_dir,
        lambda new, old: replace(new, supervisor=replace(new.supervisor, state_dir=old.supervisor.state_dir)),
    ),
    (
        "supervisor.run_dir",
        lambda s: s.supervisor.run_dir,
        lambda new, old: replace(new, supervisor=replace(new.supervisor, run_dir=old.supervisor.run_dir)),
    ),
)


def plan_reload(old: Settings, new: Settings) -> ReloadPlan:
    """Return what to do so that *new* holds as far as it can without losing flows."""
    needs_restart = []
    for words, read, keep in FIXED:
        if read(old) != read(new):
            needs_restart.append(words)
            new = keep(new, old)
    changed = tuple(section for section in SECTIONS if getattr(old, section) != getattr(new, section))
    restart = tuple(
        kind for kind, sections in CONCERNED.items() if set(sections) & set(changed) or _limits_differ(kind, old, new)
    )
    return ReloadPlan(new, restart, changed, tuple(needs_restart))


def _limits_differ(kind: str, old: Settings, new: Settings) -> bool:
    return any(getattr(old.limits, name) != getattr(new.limits, name) for name in CONCERNED_LIMITS.get(kind, ()))
