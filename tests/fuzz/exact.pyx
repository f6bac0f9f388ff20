# cython: language_level=3
"""Hands bytes to compiled code in a buffer of exactly their size, freed right after the call.

Reading one byte too far, or after the call, is then an error that AddressSanitizer sees; Python's own bytes objects are one byte longer
and live on.
"""
from libc.stdint cimport uint8_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from tcpmirror.capture.receiver cimport FrameReceiver
from tcpmirror.decap.cursor cimport Verdict
from tcpmirror.decap.decapsulator cimport Decapsulator
from tcpmirror.model.segment cimport Segment
from tcpmirror.model.stream cimport StreamSink

from tcpmirror.decap.decapsulator import REASONS


cdef uint8_t* copy_of(bytes data) except NULL:
    cdef uint8_t* made = <uint8_t*>malloc(max(1, len(data)))
    if made == NULL:
        raise MemoryError
    memcpy(made, <const char*>data, len(data))
    return made


def feed(StreamSink sink, int side, bytes data, uint64_t time_ns):
    """`StreamSink.feed`."""
    cdef uint8_t* made = copy_of(data)
    try:
        sink.data(side, made, len(data), time_ns)
    finally:
        free(made)


def take(FrameReceiver receiver, uint64_t time_ns, bytes frame, int link_type):
    """Hand a frame to a road."""
    cdef uint8_t* made = copy_of(frame)
    try:
        receiver.take(time_ns, made, len(frame), link_type, 0)
    finally:
        free(made)


def decode(Decapsulator decapsulator, bytes frame):
    """Return (reason, where the payload begins, its length, missing bytes); the last three are 0 without a segment."""
    cdef Segment segment
    cdef const uint8_t* payload = NULL
    cdef uint8_t* made = copy_of(frame)
    cdef Verdict verdict
    try:
        verdict = decapsulator.decode(made, len(frame), &segment, &payload)
        if verdict != Verdict.OK:
            return REASONS[verdict], 0, 0, 0
        return "", payload - made, segment.payload_length, segment.missing_length
    finally:
        free(made)
