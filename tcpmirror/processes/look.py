"""Looks: now and then a capture process takes a sample of all that arrives, and says what its filters leave out of that.

Where the kernel filters by port or address, a wrong one shows as nothing at all, and nobody can say what was there instead.
So a second socket without any filter is open for half a second now and then; a thousandth of a sensor's time goes into it.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict
from typing import Any, Final

from tcpmirror.capture.bpf import build_filter
from tcpmirror.capture.own_traffic import own_endpoints
from tcpmirror.capture.packet_socket import RawSource
from tcpmirror.errors import EnvironmentFault
from tcpmirror.processes.advice import Advice
from tcpmirror.processes.arrivals import Arrivals
from tcpmirror.processes.place_advice import place_name, tunnel_advice
from tcpmirror.processes.settings_advice import settings_advice
from tcpmirror.settings.tree import Settings, Source
from tcpmirror.telemetry.notes import Note

EVERY_S: Final = 30.0
SOON_S: Final = 3.0  # after the start, and after a look that saw nothing
FRAMES: Final = 512  # of each look: some 10 ms of work
LOOKS: Final = 20  # then what was seen is forgotten, ten minutes of it
BUFFER_BYTES: Final = 128 << 10  # what the kernel gives to anybody
log = logging.getLogger(__name__)


class Look:
    """The looks of the capture process that reads *source*; what they find goes to *note*. Only interfaces are looked at."""

    def __init__(self, source: Source, settings: Settings, note: Note, now: float) -> None:
        self._source = source
        self._settings = settings
        self._note = note
        self._due = now + SOON_S
        self._opened: RawSource | None = None
        self._arrivals: Arrivals | None = None
        self._looks = 0

    def turn(self, now: float) -> None:
        """Begin or end a look if that is due, at *now* of the monotonic clock; call it about twice a second."""
        if self._source.kind != "interface" or now < self._due:
            return
        if self._opened is None:
            self._begin(now)
        else:
            self._end(now, self._opened)

    def _begin(self, now: float) -> None:
        try:
            self._opened = RawSource(everything_of(self._source))
        except EnvironmentFault as fault:
            log.debug("what arrives is not looked at now: %s", fault)
            self._due = now + EVERY_S

    def _end(self, now: float, opened: RawSource) -> None:
        self._opened = None
        arrivals = self._take_up(opened.link_type)
        taken = 0
        try:
            while taken < FRAMES and (more := opened.take(arrivals)):
                taken += more
        except OSError as problem:  # the interface has gone, as the capture itself will find
            log.debug("what arrives is not looked at now: %s", problem)
        finally:
            opened.close()
        self._due = now + (EVERY_S if taken else SOON_S)
        self._note.write(described(arrivals, self._source, self._note.room))

    def _take_up(self, link_type: int) -> Arrivals:
        """Return what was seen so far, or a new beginning."""
        if self._arrivals is None or self._looks >= LOOKS:
            expression = build_filter(self._source, link_type)
            own = own_endpoints(self._settings)
            self._arrivals = Arrivals(link_type, self._settings, self._source, expression, own)
            self._looks = 0
        self._looks += 1
        return self._arrivals


def everything_of(source: Source) -> Source:
    """Return a source for the same interface that leaves nothing out."""
    return Source(
        interface=source.interface,
        engine="raw_socket",
        promiscuous=source.promiscuous,
        buffer_bytes=BUFFER_BYTES,
        ignore_interfaces=source.ignore_interfaces,
    )


def described(arrivals: Arrivals, source: Source, room: int) -> bytes:
    """Return what was seen as JSON of at most *room* bytes: the least important advice goes first."""
    order = ("problem", "warning", "note")
    advice = sorted(advice_on(arrivals, source), key=lambda one: order.index(one.level))
    while True:
        content = json.dumps({"frames": arrivals.frames, "advice": [asdict(one) for one in advice]}).encode()
        if len(content) <= room:
            return content
        advice.pop()


def advice_on(arrivals: Arrivals, source: Source) -> list[Advice]:
    """Return what the configuration leaves out of what arrives, asks for in vain, or takes for no tunnel."""
    name = source.interface
    found = [*settings_advice(name, arrivals, source)]
    for place in arrivals.places.values():
        found += tunnel_advice(place_name(name, place), place)
    return found


def read_look(note: Note) -> list[dict[str, Any]]:
    """Return the advice in a capture process's *note*."""
    content = note.read()
    return list(json.loads(content)["advice"]) if content else []
