"""One figure for a sensor: what is handed out is no more, and too little is told."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.errors import SettingsError
from tcpmirror.settings import parse_settings
from tcpmirror.settings.memory import LEAST_STREAMS, USUAL_STREAMS, divided, least_memory, memory_shares, written
from tcpmirror.settings.tree import MIB, Capture, Limits, Settings, Source

V4 = "version: 4\nmode: tcp-capture-v2\ntcp_stream: {from_interface: {enabled: true, interface: eth0}}\n"


def sensor(sources: int, **limits: int) -> Settings:
    named = tuple(Source(interface=f"eth{number}") for number in range(sources))
    return Settings(capture=Capture(sources=named), limits=Limits(**limits))


@given(
    sources=st.integers(1, 8),
    workers=st.integers(1, 64),
    above=st.integers(0, 1 << 34),
    ring=st.sampled_from([MIB, 3 * MIB, 32 * MIB, 1024 * MIB]),
    fragments=st.integers(1, 1 << 20),
)
def test_the_parts_are_no_more_than_the_whole(sources: int, workers: int, above: int, ring: int, fragments: int) -> None:
    asked = sensor(sources, segment_ring_bytes=ring, report_ring_bytes=ring, fragments=fragments)
    total = least_memory(asked, workers) + above
    shares = memory_shares(replace(asked, limits=replace(asked.limits, memory_bytes=total)), workers)
    described = shares.described(workers)
    assert total - workers <= sum(described.values()) - described["total"] <= total
    assert shares.streams >= LEAST_STREAMS
    assert shares.segment_ring <= max(ring, 4 * MIB)


@given(workers=st.integers(1, 64), above=st.integers(0, 1 << 34))
def test_what_is_divided_is_laid_out_as_it_was_counted(workers: int, above: int) -> None:
    asked = sensor(2)
    asked = replace(asked, limits=replace(asked.limits, memory_bytes=least_memory(asked, workers) + above))
    shares, given_out = memory_shares(asked, workers), divided(asked, workers)
    assert given_out.limits.segment_ring_bytes == shares.segment_ring
    assert given_out.limits.report_ring_bytes == shares.report_ring
    assert tuple(source.buffer_bytes for source in given_out.capture.sources) == shares.buffers
    assert given_out.limits.streams_bytes == shares.streams


def test_without_a_figure_everything_has_the_size_that_is_set_for_it() -> None:
    asked = sensor(1)
    shares = memory_shares(asked, 16)
    assert (shares.segment_ring, shares.report_ring) == (asked.limits.segment_ring_bytes, asked.limits.report_ring_bytes)
    assert shares.buffers == (asked.capture.sources[0].buffer_bytes,)
    assert shares.streams == USUAL_STREAMS


def test_too_little_names_the_least_that_works() -> None:
    with pytest.raises(SettingsError) as refused:
        parse_settings(V4 + "workers: 2\nlimits: {memory: 64MiB}\n", "f")
    least = refused.value.accepted.rpartition(" ")[2]
    assert refused.value.key == "limits.memory"
    settings = parse_settings(V4 + f"workers: 2\nlimits: {{memory: {least}}}\n", "f").settings
    assert memory_shares(settings, 2).streams >= LEAST_STREAMS
    short = int(least.removesuffix("MiB")) - 1
    with pytest.raises(SettingsError):
        parse_settings(V4 + f"workers: 2\nlimits: {{memory: {short}MiB}}\n", "f")


def test_the_parts_are_written_in_one_line() -> None:
    line = written(memory_shares(sensor(1, memory_bytes=1024 * MIB), 2).described(2))
    assert line.startswith("limits.memory 1024 MiB: processes 618, rings 48, kernel buffers 58, fragments 58, streams 2")
