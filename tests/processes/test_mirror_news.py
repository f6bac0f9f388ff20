from __future__ import annotations

from tcpmirror.model.digest import MirrorNews, decode_digest
from tcpmirror.processes.layout import SharedLayout
from tcpmirror.processes.mirror_news import send_mirror_news
from tcpmirror.ring.ring import KIND_DIGEST
from tcpmirror.settings.tree import Limits
from tests.reassembly.test_flow_table import ACK, CLIENT, SECOND, SERVER, Wire


def wire_of_origins(count: int) -> Wire:
    wire = Wire()
    for vlan in range(1, count + 1):
        wire.table.feed(CLIENT, 1000 + vlan, SERVER, 80, 1, 0, ACK, b"abc", SECOND, vlan=vlan, flow_hash=vlan)
    return wire


def received(layout: SharedLayout) -> list[MirrorNews]:
    reader = layout.report_reader(0)
    rows: list[MirrorNews] = []
    while (record := reader.read()) is not None:
        assert record[0] == KIND_DIGEST
        rows += decode_digest(record[1])
        reader.advance()
    return rows


def test_every_origin_with_news_is_told_once() -> None:
    layout = SharedLayout(1, 1, Limits(report_ring_bytes=1 << 16))
    wire, writer, bell = wire_of_origins(100), layout.report_writer(0), layout.exporter_bell()
    send_mirror_news(wire.table.origins, writer, bell)
    send_mirror_news(wire.table.origins, writer, bell)
    assert [(row.vlan, row.seen_bytes) for row in received(layout)] == [(vlan, 3) for vlan in range(1, 101)]


def test_news_that_find_no_room_come_later() -> None:
    layout = SharedLayout(1, 1, Limits(report_ring_bytes=4096))
    wire, writer, bell = wire_of_origins(100), layout.report_writer(0), layout.exporter_bell()
    rows: list[MirrorNews] = []
    for _ in range(10):
        send_mirror_news(wire.table.origins, writer, bell)
        rows += received(layout)
    assert sorted(row.vlan for row in rows) == list(range(1, 101))
