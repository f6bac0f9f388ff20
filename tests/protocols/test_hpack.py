"""HeaderDecoder against the hpack library, and what it does when blocks were lost or are none."""

from __future__ import annotations

import hpack
import pytest
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpmirror.model.anomaly import anomaly_names
from tcpmirror.protocols.hpack import HeaderDecoder, huffman_text

NAME = st.one_of(
    st.sampled_from([b":method", b":path", b"cookie", b"user-agent", b"x-a", b"x-b"]),
    st.binary(min_size=1, max_size=12),
)
FIELDS = st.lists(st.tuples(NAME, st.one_of(st.binary(max_size=40), st.sampled_from([b"GET", b"/", b"v"]))), max_size=12)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_huffman_text_of_the_library_reads_back(text):
    encoder = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH)
    assert huffman_text(encoder.encode(text)) == text


def test_every_symbol_reads_back():
    encoder = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH)
    for symbol in range(256):
        assert huffman_text(encoder.encode(bytes([symbol]))) == bytes([symbol]), symbol


NO_TEXT = {
    "padding of zeros": b"\x00\x00",
    "padding of a whole byte": b"\x1f\xff\xff",
    "the end of string symbol": b"\xff\xff\xff\xff",
    "cut inside a symbol": b"\xff\xff\xfe",
}


@pytest.mark.parametrize("coded", NO_TEXT.values(), ids=NO_TEXT)
def test_what_is_no_huffman_text_is_none(coded):
    assert huffman_text(coded) is None


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(FIELDS, st.booleans(), st.sampled_from([None, 0, 64, 300, 4096])), max_size=8))
def test_the_library_is_read_as_it_meant(blocks):
    encoder, decoder = hpack.Encoder(), HeaderDecoder(False)
    for fields, is_coded, size in blocks:
        if size is not None:
            encoder.header_table_size = size
        assert decoder.read(encoder.encode(fields, huffman=is_coded)) == fields
        assert decoder.anomalies == 0


@settings(max_examples=300, deadline=None)
@given(st.lists(FIELDS, min_size=1, max_size=6), st.integers(0, 5))
def test_what_is_known_after_a_loss_is_right(blocks, lost):
    """Fields after a loss are what was sent, or empty where they stand in entries from before it."""
    encoder, decoder = hpack.Encoder(), HeaderDecoder(True)
    for number, fields in enumerate(blocks):
        block = encoder.encode(fields)
        if number >= lost:
            for (name, value), (sent_name, sent_value) in zip(decoder.read(block), fields, strict=True):
                assert name in (sent_name, b"")
                assert value == sent_value or (name, value) == (b"", b"")
                assert name == sent_name or "hpack_unknown" in anomaly_names(decoder.anomalies)


BAD_BLOCKS = {
    "index zero": b"\x80",
    "an entry that is not there": b"\xff\x00",
    "a cut string": b"\x40\x05abc",
    "a number without end": b"\xff" + b"\xff" * 20,
    "a cut literal": b"\x82\x40",
    "a Huffman string that is none": b"\x40\x82\x00\x00\x01a",
}


@pytest.mark.parametrize("block", BAD_BLOCKS.values(), ids=BAD_BLOCKS)
def test_a_bad_block_is_an_anomaly(block):
    decoder = HeaderDecoder(False)
    decoder.read(block)
    assert anomaly_names(decoder.anomalies) == ["bad_hpack"]
    assert decoder.read(b"\x82") == [(b":method", b"GET")]


def test_a_bomb_gives_no_more_than_the_room():
    decoder = HeaderDecoder(False)
    block = b"\x40\x01a\x7f\x81\x1e" + b"v" * 4000 + b"\xbe" * 60_000
    fields = decoder.read(block[:4] + b"\x7f\xa1\x1e" + b"v" * 4000 + b"\xbe" * 60_000, 65_536)
    assert sum(len(name) + len(value) for name, value in fields) <= 65_536
    assert "head_limit" in anomaly_names(decoder.anomalies)


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_raise(block, is_uncertain):
    HeaderDecoder(is_uncertain).read(block)
