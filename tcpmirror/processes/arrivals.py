"""Arrivals: a sample of the frames at an interface, and what the configuration of a running sensor leaves out of it.

The doctor's `Survey` says more and costs more: it rebuilds flows. Here each frame is looked at by itself.
"""

from __future__ import annotations

from typing import Final

from tcpmirror.capture.receiver import FrameReceiver
from tcpmirror.processes.decapsulators import wide_decapsulator
from tcpmirror.processes.left_out import Configured, End
from tcpmirror.processes.place_survey import Place, PlaceSurvey
from tcpmirror.processes.surveyed_flow import HTTP1, UNKNOWN
from tcpmirror.settings.tree import Settings, Source

UDP: Final = 17
PLACES_LIMIT: Final = 256  # VLANs and VNIs come from traffic
TAG_8021Q: Final = b"\x81\x00"
# How messages of HTTP/1 begin (RFC 9110, section 9.3), for a segment of which no stream is known.
OPENINGS: Final = (b"HTTP/1.", b"GET /", b"POST /", b"PUT /", b"HEAD /", b"DELETE /", b"PATCH /", b"OPTIONS ")


class Arrivals(FrameReceiver):
    """Takes frames of *link_type*, judged as *source* is read, with the packet filter *expression*.

    ``own``: addresses and ports of the sensor's own connections, which are no part of what is mirrored.
    """

    def __init__(
        self, link_type: int, settings: Settings, source: Source, expression: str, own: frozenset[End] = frozenset()
    ) -> None:
        self._configured = Configured(link_type, settings, source, expression)
        self._wide = wide_decapsulator(link_type, source)
        self._own = own
        self.places: dict[Place, PlaceSurvey] = {}
        self.frames = 0

    @property
    def filter_fault(self) -> str:
        return self._configured.filter_fault

    def receive_frame(self, time_ns: int, frame: bytes, link_type: int, vlan: int) -> None:
        self.frames += 1
        if vlan:  # taken off by the kernel
            frame = frame[:12] + TAG_8021Q + vlan.to_bytes(2, "big") + frame[12:]
        (reason, outer, inner, vni, _, src, dst, ip_protocol, sport, dport, _, _, _, _, _, _, _,
         payload) = self._wide.observe(frame)  # fmt: skip
        ends = ((src, sport), (dst, dport))
        key = (outer, inner, vni)
        if not self._own.isdisjoint(ends) or (key not in self.places and len(self.places) >= PLACES_LIMIT):
            return
        place = self.places.setdefault(key, PlaceSurvey(key))
        place.packets += 1
        if not reason:
            self._judge(place, frame, ends, payload)
        elif ip_protocol == UDP and reason == "lost_not_tcp":
            place.note_udp(dport, payload)

    def _judge(self, place: PlaceSurvey, frame: bytes, ends: tuple[End, End], payload: bytes) -> None:
        place.segments += 1
        protocol = HTTP1 if payload.startswith(OPENINGS) else UNKNOWN
        if payload:
            place.add_flow(protocol, min(port for _, port in ends), [])
        cause = self._configured.left_out_by(frame, place.place, ends)
        if cause is not None:
            place.leave_out(cause.setting, cause.wanted, cause.seen)
            place.filtered_protocols[protocol] += 1
