# cython: language_level=3
"""A sink that writes down what reassembly tells it, for tests and for looking at a capture by hand."""
from libc.stdint cimport uint8_t, uint64_t

from tcpmirror.model.stream cimport EndKind, FlowInfo, SinkFactory, StreamSink


cdef class Transcript(StreamSink):
    """``events``: (kind, side, value) with kinds ``data`` (bytes), ``gap`` (missing bytes) and ``end`` (an EndKind)."""
    cdef readonly list events
    cdef readonly FlowInfo flow

    def __init__(self, FlowInfo flow):
        self.flow = flow
        self.events = []

    cdef int data(self, int side, const uint8_t* data, Py_ssize_t length, uint64_t time_ns) except -1:
        self.events.append(("data", side, (<const char*>data)[:length]))
        return 0

    cdef int gap(self, int side, uint64_t length, uint64_t time_ns) except -1:
        self.events.append(("gap", side, length))
        return 0

    cdef int end(self, int side, EndKind how, uint64_t time_ns) except -1:
        self.events.append(("end", side, <int>how))
        return 0

    def stream(self, int side):
        """Return the bytes of *side*, each gap written as ``?`` for every missing byte."""
        parts = []
        for kind, of_side, value in self.events:
            if of_side == side and kind != "end":
                parts.append(value if kind == "data" else b"?" * value)
        return b"".join(parts)


cdef class TranscriptFactory(SinkFactory):
    """Makes transcripts and keeps them in ``opened``."""
    cdef readonly list opened

    def __init__(self):
        self.opened = []

    cdef StreamSink open(self, FlowInfo flow):
        transcript = Transcript(flow)
        self.opened.append(transcript)
        return transcript
