"""The closed list of oddities that traffic can show.

Bad traffic is data: a stage that meets it sets one bit of a 64-bit mask and goes on. The names are stable (they appear in
exchange lines, metrics and on pages); a new one goes to the end, because the position is the bit.
"""

from __future__ import annotations

from enum import IntEnum


class Anomaly(IntEnum):
    """One oddity; its value is the bit it occupies in a mask (0 to 63)."""

    # transport
    GAP = 0  # bytes of the stream were never seen
    OVERLAP_CONFLICT = 1  # two copies of the same bytes differ; the first was kept
    MIDSTREAM = 2  # the flow was joined after its start
    REORDER_LIMIT = 3  # more out-of-order data than the reorder window holds
    TUPLE_REUSED = 4  # a new connection on a 4-tuple that was still open
    ONE_SIDED = 5  # only one direction of the flow was seen
    RESET = 6  # the connection was reset inside a message
    URGENT_DATA = 7  # urgent bytes, which the receiver's application reads apart from the stream or not at all
    # pairing
    RESPONSE_TIMEOUT = 8  # no response within `response_timeout`
    RESPONSE_ONLY = 9  # a response whose request was not seen
    INCOMPLETE = 10  # the message ended before its length was reached
    EARLY_RESPONSE = 11  # the response began before the request was whole
    PIPELINE_LIMIT = 12  # more requests in flight than are remembered
    # transport
    FLOW_DEPTH = 13  # more bytes in one direction than `limits.flow_depth`
    FALSE_END = 14  # a FIN or a RST after which its sender went on
    BODY_SHED = 15  # what had come of the body was given up for want of memory; the head was kept
    # framing
    BARE_LF = 16  # a line ended in LF alone
    OBS_FOLD = 17  # a header continued on the next line
    BAD_HEADER = 18  # a header line without a colon, or with a name no one may send
    BAD_START_LINE = 19  # bytes where a start line was due
    CONFLICTING_LENGTH = 20  # Content-Length given twice with different values
    LENGTH_AND_CHUNKED = 21  # both Content-Length and Transfer-Encoding
    BAD_LENGTH = 22  # a Content-Length that is not a plain number
    BAD_CHUNK = 23  # a chunk header that is not a hexadecimal number
    UNKNOWN_CODING = 24  # a Transfer-Encoding other than chunked, gzip, deflate
    HEAD_LIMIT = 25  # the head passed its limit
    HEADER_COUNT_LIMIT = 26  # more headers than are looked at
    BODY_LIMIT = 27  # the body passed its limit; its start was kept
    SPACE_IN_TARGET = 28
    ABSOLUTE_TARGET = 29
    NUL_IN_HEAD = 30
    MULTIPLE_HOST = 31
    BARE_CR = 32  # a CR inside a line of a head
    REPEATED_LENGTH = 33  # Content-Length given twice with the same value
    HIDDEN_FRAMING = 34  # a length or coding that only some readers see (blank before the colon, fold, underscore)
    CHUNK_EXTENSION = 35  # something after a chunk's size
    # content coding
    BAD_CODING = 36  # the body is not what Content-Encoding says
    DECOMPRESSION_LIMIT = 37  # a bomb, cut at the limit
    UNKNOWN_CONTENT_CODING = 38
    TRUNCATED_CODING = 39  # the compressed body ended before its end mark
    OLD_CHUNKED = 40  # chunked in a request older than HTTP/1.1
    FRAMING_CONFLICT = 41  # servers in use would see different ends of the request
    CODING_LAYERS_LIMIT = 42  # more codings over each other than are undone
    DECOMPRESSION_RATIO = 43  # decoded bytes grew past the ratio allowed to those that were sent
    # decoding and detection
    DECODE_DEPTH_LIMIT = 44
    DECODE_COUNT_LIMIT = 45
    DECODE_BYTES_LIMIT = 46
    TIME_LIMIT = 47
    BAD_JSON = 48
    BAD_XML = 49
    BAD_MULTIPART = 50
    # protocols
    HPACK_UNKNOWN = 51  # a header refers to a table entry that was never seen; what it stands for is empty
    BAD_HPACK = 52  # a header block that is none
    BAD_FRAME = 53  # an HTTP/2 or WebSocket frame that breaks its RFC
    STREAM_LIMIT = 54  # more HTTP/2 streams open than are followed
    RAPID_RESET = 55  # a client that takes most of its many requests back at once
    UPGRADED = 56  # the connection left HTTP/1 (Upgrade, CONNECT)
    NOT_HTTP = 57
    DECOMPRESSION_WORK = 58  # more compressed streams in one body than are undone, which take time and need give nothing
    CONTINUATION_FLOOD = 60  # a header block in more pieces, or larger, than is read
    ENDLESS = 61  # a response that goes on (an event stream); its start was kept
    DECRYPTED = 62  # the flow was TLS, read with a secret that the operator gave


def anomaly_names(mask: int) -> list[str]:
    """Return the lower-case names of the bits set in *mask*, lowest bit first."""
    return [anomaly.name.lower() for anomaly in Anomaly if mask >> anomaly & 1]
