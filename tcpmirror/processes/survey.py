"""Survey: what arrives at one place, told apart by VLAN and VNI, and what a configuration would make of it.

Frames go down the sensor's own roads, without any filter: decapsulation, joining of fragments, second copies, reassembly
and protocols are those of a running sensor, so what is counted here is what a sensor counts. Only where a frame came from
and what a configuration says of it is asked beside that.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Final

from tcpmirror.capture.receiver import FrameReceiver
from tcpmirror.decap.duplicates import DuplicateTable
from tcpmirror.decap.fragments import FragmentJoiner
from tcpmirror.model.anomaly import Anomaly
from tcpmirror.model.exchange import TUNNEL_NAMES
from tcpmirror.model.stream import FlowInfo
from tcpmirror.processes.capture_road import CaptureRoad
from tcpmirror.processes.decapsulators import wide_decapsulator
from tcpmirror.processes.layout import ProcessName, SharedLayout
from tcpmirror.processes.left_out import Configured, End
from tcpmirror.processes.place_survey import UNKNOWN_LINK, Place, PlaceSurvey
from tcpmirror.processes.surveyed_flow import SurveyFactory
from tcpmirror.processes.worker import Publisher, contained, open_table, take_segments
from tcpmirror.processes.worker_road import WorkerRoad
from tcpmirror.protocols.decryption import Decryption
from tcpmirror.reassembly.origins import OTHER
from tcpmirror.ring.shedding import Shedder
from tcpmirror.settings.tree import MIB, Settings, Source
from tcpmirror.telemetry.ledger import Ledger, read_ledgers

RING_BYTES: Final = 16 * MIB  # room for the frames of a turn, each of 64 KiB
TURN_FRAMES: Final = 128
LEFT_OUT_LIMIT: Final = 100_000  # flows that a configuration leaves out and that are remembered
UDP: Final = 17


class Survey(FrameReceiver):
    """Takes frames, as a callable ``(time_ns, frame)`` those of *link_type*; `finish` sums up.

    *source*: how a configuration reads this place; None: only look. *expression*: the packet filter it uses here.
    *decryption*: with what TLS is read; None: it is not.
    """

    def __init__(
        self,
        link_type: int,
        settings: Settings,
        source: Source | None = None,
        expression: str = "",
        decryption: Decryption | None = None,
    ) -> None:
        self._link_type = link_type
        self._wide, self._taking = wide_decapsulator(link_type, source), wide_decapsulator(link_type, source)
        self._configure = partial(Configured, settings=settings, source=source, expression=expression) if source else None
        self._configured = {link_type: self._configure(link_type)} if self._configure else {}
        layout = SharedLayout(1, 1, replace(settings.limits, segment_ring_bytes=RING_BYTES, report_ring_bytes=4096))
        self._captured = layout.counters(ProcessName("capture", 0))
        self._worked = layout.counters(ProcessName("worker", 0))
        self._capture = CaptureRoad(
            self._taking,
            bytes(16),
            [layout.segment_writer(0, 0)],
            [layout.worker_bell(0)],
            self._captured,
            Shedder(False),
            FragmentJoiner(settings.limits.fragments),
            duplicates=DuplicateTable(settings.capture.duplicate_window_ns),
        )
        reassembly = settings.reassembly
        factory = SurveyFactory(
            self._count_exchange,
            self._note_flow,
            settings.limits,
            response_timeout_ns=reassembly.response_timeout_ns,
            parse_responses=reassembly.parse_responses,
            decryption=decryption,
        )
        self._decryption = decryption
        self._table = open_table(factory, settings, 1)
        self._road = WorkerRoad([layout.segment_reader(0, 0)], self._table, self._worked)
        self._counts = Publisher(self._worked, self._table, factory)
        self._untaken = 0
        self._left_out: set[frozenset[End]] = set()
        self.places: dict[Place, PlaceSurvey] = {}
        self.packets = 0
        self.exchanges = 0
        self.first_ns = self.last_ns = 0

    @property
    def filter_fault(self) -> str:
        """Why libpcap does not take the configured filter here; empty when it does, or when there is none."""
        return next((each.filter_fault for each in self._configured.values() if each.filter_fault), "")

    @property
    def counts(self) -> dict[str, int]:
        """Every counter of a sensor, as `tcpmirror.telemetry.names` has them; the worker's where both count."""
        return self._captured.snapshot() | self._worked.snapshot()

    @property
    def ledgers(self) -> tuple[Ledger, Ledger, Ledger]:
        return read_ledgers([self._captured], [self._worked])

    def receive_frame(self, time_ns: int, frame: bytes, link_type: int, vlan: int) -> None:
        if link_type >= 0 and link_type != self._link_type:
            self._turn_to(link_type)
        (reason, vlan, inner, vni, tunnel, src, dst, ip_protocol, sport, dport, _, _, _, missing, is_bad, _, layer,
         payload) = self._wide.observe(frame)  # fmt: skip
        self.packets += 1
        self.first_ns = self.first_ns or time_ns
        self.last_ns = time_ns
        place = self._place((vlan, inner, vni))
        place.packets += 1
        place.size += len(frame)
        place.longest = max(place.longest, len(frame))
        if tunnel:
            place.tunnels[TUNNEL_NAMES[tunnel]] += 1
        place.duplicates += self._send(time_ns, frame)
        if reason:
            place.reasons[reason] += 1
            place.ended_at[UNKNOWN_LINK + self._link_type if reason == "lost_unknown_link" else layer] += 1
            if ip_protocol == UDP and reason == "lost_not_tcp":
                place.note_udp(dport, payload)
            return
        place.segments += 1
        place.bad_checksums += is_bad
        place.truncated += missing > 0
        if self._configured:
            self._judge(place, frame, ((src, sport), (dst, dport)))

    def finish(self) -> None:
        """Sum up what only the end of the survey tells; nothing may be added after it."""
        self._capture.end_source()
        self._work()
        while not contained(self._worked, self._table, self._table.end_all):
            pass
        if self._decryption is not None:
            self._decryption.finish()
        self._counts.publish()
        for origin in self._table.origins:
            if origin.source == OTHER:
                continue
            place, sums = self._place((origin.vlan, origin.inner_vlan, origin.vni)), origin.sums()
            place.seen_bytes, place.lost_bytes = sums["delivered_bytes"], sums["lost_bytes"]
            place.one_sided, place.no_syn = sums["one_sided_flows"], sums["no_syn_flows"]

    def _turn_to(self, link_type: int) -> None:
        """Take the frames that follow as those of *link_type*."""
        self._link_type = self._wide.link_type = self._taking.link_type = link_type
        if self._configure and link_type not in self._configured:
            self._configured[link_type] = self._configure(link_type)

    def _send(self, time_ns: int, frame: bytes) -> int:
        """Send *frame* down the road; return 1 where it is a second copy."""
        before = self._captured.get("duplicates")
        self._capture(time_ns, frame)
        self._untaken += 1
        if self._untaken >= TURN_FRAMES:
            self._work()
        return self._captured.get("duplicates") - before

    def _work(self) -> None:
        while take_segments(self._road, self._table, self._worked):
            pass
        self._untaken = 0

    def _place(self, place: Place) -> PlaceSurvey:
        found = self.places.get(place)
        if found is None:
            found = self.places[place] = PlaceSurvey(place)
        return found

    def _judge(self, place: PlaceSurvey, frame: bytes, ends: tuple[End, End]) -> None:
        """Count a TCP segment that the configuration leaves out, under the setting that does it."""
        cause = self._configured[self._link_type].left_out_by(frame, place.place, ends)
        if cause is not None:
            place.leave_out(cause.setting, cause.wanted, cause.seen)
            if len(self._left_out) < LEFT_OUT_LIMIT:
                self._left_out.add(frozenset(ends))

    @property
    def decrypted_flows(self) -> int:
        return 0 if self._decryption is None else self._decryption.tls_decrypted_flows

    def _count_exchange(self, exchange: object) -> None:
        self.exchanges += 1

    def _note_flow(
        self, flow: FlowInfo, protocol: str, server_port: int, spoke: tuple[bool, bool], names: list[str]
    ) -> None:
        place = self._place((flow.vlan, flow.inner_vlan, flow.vni))
        place.add_flow(protocol, server_port, names)
        if flow.anomalies >> Anomaly.ONE_SIDED & 1 and spoke[0]:
            place.only_requests += 1
        if frozenset(((flow.client_ip, flow.client_port), (flow.server_ip, flow.server_port))) in self._left_out:
            place.filtered_protocols[protocol] += 1
