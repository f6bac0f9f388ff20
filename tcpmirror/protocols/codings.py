"""Content and transfer codings of bodies: gzip, deflate (with and without zlib's frame), br, zstd, stacked.

What a coding says it is and what the bytes are may differ; the reading is that of browsers. Limits hold against bombs:
decoded bytes of a body, layers, output per input byte, and streams one behind the other, which take time and need give
nothing. So the time that a body takes is in proportion to its bytes and those limits, whatever it is made of. How the input
was cut makes no difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from tcpmirror.model.anomaly import Anomaly
from tcpmirror.protocols.coded_streams import (
    GZIP_MAGIC,
    GZIP_RESERVED,
    HeaderChecked,
    Inflate,
    Stream,
    StreamError,
    open_stream,
    whole_gzip,
)

MAGIC_BYTES: Final = 4
OPENING_BYTES: Final = 64  # looked at before a stream without a magic number is believed
RATIO_FROM_BYTES: Final = 1 << 20  # smaller output is harmless, whatever its ratio
DOUBTED_BYTES: Final = 1024  # a stream that goes wrong so early and gave nothing was none: its bytes are the body
BLOCK_BYTES: Final = 256  # br and zstd get their input in blocks of this size, so an error loses at most one block
DEFLATE_RATIO: Final = 1032  # a match of 258 bytes takes two bits at least
WINDOW_BYTES: Final = 16384  # of a layer's input are looked at together: what one stream leaves over is copied for the next
# Streams in one body: to open one takes as long as to inflate 10 KB or more. So many, and one more for each so many bytes:
# whoever writes a gzip member a line has lines of that length. Inside another coding 8 MiB of members come out of a few KB.
STREAMS: Final = 256
STREAM_BYTES: Final = 64
NESTED_STREAM_BYTES: Final = 4096
HELD_BYTES: Final = (
    65536  # of a coded body are collected before they are decoded: most are whole by then, and decoded at once
)

BAD_CODING: Final = 1 << Anomaly.BAD_CODING
TRUNCATED_CODING: Final = 1 << Anomaly.TRUNCATED_CODING
DECOMPRESSION_LIMIT: Final = 1 << Anomaly.DECOMPRESSION_LIMIT
DECOMPRESSION_RATIO: Final = 1 << Anomaly.DECOMPRESSION_RATIO
DECOMPRESSION_WORK: Final = 1 << Anomaly.DECOMPRESSION_WORK
CODING_LAYERS_LIMIT: Final = 1 << Anomaly.CODING_LAYERS_LIMIT
UNKNOWN_CONTENT_CODING: Final = 1 << Anomaly.UNKNOWN_CONTENT_CODING

_BLANKS: Final = bytes(range(33))  # what the framing drops before a colon, too


class Layer:
    """One coding of a body: decides what the bytes are, decodes them, goes on to a further gzip or zstd member."""

    def __init__(self, coding: str, limit: int, ratio: int, *, is_nested: bool = False) -> None:
        self.coding = coding
        self.anomalies = 0
        self._limit = limit
        self._ratio = ratio
        self._pending = b""
        self._stream: Stream | None = None
        self._consumed = 0
        self._produced = 0
        self._doubted: bytes | None = b""  # what a first stream that gave nothing yet took
        self._is_raw = False
        self._is_over = False
        self._streams = 0
        self._stream_bytes = NESTED_STREAM_BYTES if is_nested else STREAM_BYTES
        # Where the ratio may be what ends a stream, it must be taken at the same places however the input was cut.
        self._block = BLOCK_BYTES if coding in ("br", "zstd") or ratio <= DEFLATE_RATIO else 0
        self._opening = OPENING_BYTES if coding == "deflate" else MAGIC_BYTES

    def decode(self, chunk: bytes) -> bytes:
        if len(chunk) <= WINDOW_BYTES:
            return self._decode_window(chunk)
        output = bytearray()
        for at in range(0, len(chunk), WINDOW_BYTES):
            output += self._decode_window(chunk[at : at + WINDOW_BYTES])
        return bytes(output)

    def _decode_window(self, window: bytes) -> bytes:
        if self._is_raw:
            return self._count(window)
        if self._is_over:
            return b""
        output = bytearray()
        self._pending += window
        for block in self._blocks():
            output += self._decode_block(block)
        return bytes(output)

    def decode_whole(self, body: bytes) -> bytes | None:
        """Return what all of the layer's input, of which nothing was decoded yet, decodes to.

        None leaves it to `decode`: whatever is more than one sound gzip stream within the limits.
        """
        if self.coding != "gzip":
            return None
        room = min(self._limit - 1, max(RATIO_FROM_BYTES, self._ratio * len(body)))
        output = whole_gzip(body, room)
        self._is_over = output is not None
        return output

    def finish(self) -> bytes:
        """Return what the last bytes give, and note a stream without its end."""
        if self._is_raw or self._is_over:
            return b""
        output = bytearray()
        while self._pending and not (self._is_raw or self._is_over):
            block, self._pending = self._pending, b""
            output += self._decode_block(block)
        if self._stream is not None and not self._stream.is_whole and not (self._is_raw or self._is_over):
            self.anomalies |= TRUNCATED_CODING
        return bytes(output)

    def lose(self) -> None:
        """Give up: bytes of the stream are missing."""
        if not self._is_raw:
            self._is_over = True
            self.anomalies |= TRUNCATED_CODING

    def _blocks(self) -> Iterator[bytes]:
        """Yield what is due of the pending bytes: all of them, or whole blocks only."""
        while not (self._is_raw or self._is_over):
            is_between = self._stream is not None and self._stream.is_whole
            size = self._block or (self._opening if self._stream is None else MAGIC_BYTES if is_between else 1)
            if len(self._pending) < size:
                return
            size = self._block or len(self._pending)
            block, self._pending = self._pending[:size], self._pending[size:]
            yield block
        if self._is_raw and self._pending:
            block, self._pending = self._pending, b""
            yield block

    def _decode_block(self, block: bytes) -> bytes:
        if self._is_raw:
            return self._count(block)
        stream = self._stream
        if stream is None or stream.is_whole:
            stream = self._open(block)
            if isinstance(stream, Inflate | HeaderChecked) and block.startswith(GZIP_MAGIC) and block[3:4] > b"\x1f":
                self.anomalies |= BAD_CODING
                block = block[:3] + bytes([block[3] & ~GZIP_RESERVED]) + block[4:]
        self._consumed += len(block)
        if stream is None:
            return self._count(block) if self._is_raw else b""
        output = self._push(stream, block)
        if stream.is_whole and not self._is_over:
            rest = stream.rest
            self._consumed -= len(rest)
            self._pending = rest + self._pending
        return output

    def _open(self, block: bytes) -> Stream | None:
        """Begin the stream that *block* begins with; after a first one, anything but a further member is ignored."""
        is_first = self._stream is None
        self._streams += 1
        if self._streams > STREAMS + self._consumed // self._stream_bytes:
            self.anomalies |= DECOMPRESSION_LIMIT | DECOMPRESSION_WORK
            self._is_over = True
            return None
        self._stream = open_stream(self.coding, block, is_first)
        if self._stream is None and is_first:
            self.anomalies |= BAD_CODING
            self._is_raw = True
        elif self._stream is None:
            self._is_over = True
        elif is_first and self.coding == "deflate" and block.startswith(GZIP_MAGIC):
            self.anomalies |= BAD_CODING
        return self._stream

    def _push(self, stream: Stream, block: bytes) -> bytes:
        try:
            output = stream.push(block, self._room() + 1)
        except StreamError as fault:
            return self._fail(fault, block)
        if self._doubted is not None:
            is_believed = output or stream.is_whole or len(self._doubted) > DOUBTED_BYTES
            self._doubted = None if is_believed else self._doubted + block
        return self._count(output)

    def _fail(self, fault: StreamError, block: bytes) -> bytes:
        """Return what a stream that went wrong still gives: all bytes as they are if it never was that stream."""
        self.anomalies |= BAD_CODING
        if self._doubted is not None and self._is_none(fault, len(self._doubted) + fault.good):
            self._is_raw = True
            return self._count(self._doubted + block)
        self._is_over = True
        return self._count(fault.output)

    def _is_none(self, fault: StreamError, good: int) -> bool:
        """Whether a stream that went wrong after *good* bytes never was one; bare deflate is taken for one too easily."""
        if self.coding == "deflate" and good < OPENING_BYTES:
            return True
        return not fault.output and good <= DOUBTED_BYTES

    def _room(self) -> int:
        """Return how many bytes more the input up to now may give."""
        return min(self._limit, max(RATIO_FROM_BYTES, self._ratio * self._consumed)) - self._produced

    def _count(self, output: bytes) -> bytes:
        room = self._limit - self._produced
        allowed = room if self._is_raw else self._room()
        self._produced += min(len(output), allowed)
        if not self._is_raw and (len(output) > allowed or self._produced >= self._limit):
            self.anomalies |= DECOMPRESSION_LIMIT | (DECOMPRESSION_RATIO if allowed < room else 0)
            self._is_over = True
            return output[:allowed]
        return output


CODINGS: Final = {
    b"gzip": "gzip",
    b"x-gzip": "gzip",
    b"deflate": "deflate",
    b"x-deflate": "deflate",
    b"br": "br",
    b"zstd": "zstd",
}


class ContentDecoder:
    """Undoes the codings of one body. ``anomalies``: Anomaly bits so far.

    *codings* in the order in which they have to be undone. An unknown one, or more than *layers*, leaves the body as it is
    from there on, because what lies under it cannot be known.
    """

    def __init__(self, codings: Sequence[bytes], layers: int, limit: int, ratio: int) -> None:
        self._anomalies = 0
        self._layers: list[Layer] = []
        self._late = b""  # what came out too late to be returned at once
        self._is_begun = False  # something was decoded, or is missing
        for coding in codings:
            if coding not in CODINGS:
                self._anomalies |= UNKNOWN_CONTENT_CODING
                break
            if len(self._layers) >= layers:
                self._anomalies |= DECOMPRESSION_LIMIT | CODING_LAYERS_LIMIT
                break
            self._layers.append(Layer(CODINGS[coding], limit, ratio, is_nested=bool(self._layers)))

    @property
    def anomalies(self) -> int:
        found = self._anomalies
        for layer in self._layers:
            found |= layer.anomalies
        return found

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes of the coded body; return what is decoded by now, in order."""
        return self._decode(chunk, is_all=False)

    def finish(self, rest: bytes = b"") -> bytes:
        """Take the last bytes of the coded body; return what is decoded of them, and what was held back until the end."""
        decoded = self._decode(rest, is_all=not self._is_begun)
        output = b""
        for layer in self._layers:
            output = (layer.decode(output) if output else b"") + layer.finish()
        return decoded + output if output else decoded

    def lose(self, chunk: bytes = b"") -> None:
        """Tell that after *chunk* bytes of the coded body are missing: nothing after them can be decoded."""
        self._late = self._decode(chunk, is_all=False)
        for layer in self._layers[:1]:
            layer.lose()

    def _decode(self, chunk: bytes, *, is_all: bool) -> bytes:
        """Return what was late and what *chunk* decodes to; *is_all*: it is the whole body."""
        output, self._late = self._late, b""
        self._is_begun = True
        for layer in self._layers:
            whole = layer.decode_whole(chunk) if is_all else None
            is_all = whole is not None
            chunk = layer.decode(chunk) if whole is None else whole
        return output + chunk if output else chunk


def codings_of(headers: tuple[tuple[bytes, bytes], ...]) -> list[bytes]:
    """Return the codings that *headers* name, in the order in which they have to be undone (RFC 9110, section 8.4).

    Transfer codings besides chunked come first (RFC 9112, section 7), then content codings, each list from its end.
    """
    transfer = _listed(headers, b"transfer-encoding", lambda coding: coding in CODINGS)
    content = _listed(headers, b"content-encoding", lambda coding: coding not in (b"", b"identity"))
    return transfer[::-1] + content[::-1]


def _listed(headers: tuple[tuple[bytes, bytes], ...], name: bytes, is_wanted: Callable[[bytes], bool]) -> list[bytes]:
    found = []
    for candidate, value in headers:
        if candidate.strip(_BLANKS).lower() == name:
            found += [coding for coding in map(_coding_name, value.split(b",")) if is_wanted(coding)]
    return found


def _coding_name(part: bytes) -> bytes:
    """Return the last word of one list element in lower case, without parameters and disfiguring bytes."""
    words = part.partition(b";")[0].replace(b"\0", b"").lower().translate(_SEPARATORS).split()
    return words[-1] if words else b""


_SEPARATORS: Final = bytes(byte if chr(byte) in "-0123456789abcdefghijklmnopqrstuvwxyz" else 32 for byte in range(256))
