# cython: language_level=3, boundscheck=False, wraparound=False
"""TimedSink: reads a flow in packet time, so that what comes of it depends on the flow's own packets alone.

Whatever is due at a time is done before bytes of that time are read, whenever the owner gets round to it.
"""
from libc.stdint cimport uint64_t

from tcpmirror.model.stream cimport END_FIN, END_RESET, EndKind, StreamSink

from tcpmirror.model.anomaly import Anomaly

cdef uint64_t RESET = 1 << Anomaly.RESET
cdef uint64_t RESPONSE_TIMEOUT = 1 << Anomaly.RESPONSE_TIMEOUT
cdef uint64_t INCOMPLETE = 1 << Anomaly.INCOMPLETE


cdef class TimedSink(StreamSink):
    """What the connections that pair requests and responses have in common."""


cdef uint64_t broken_off(EndKind how) noexcept:
    """Return the anomalies of a message in which a direction ended."""
    return INCOMPLETE | RESET if how == END_RESET else INCOMPLETE


cdef uint64_t unanswered(EndKind how) noexcept:
    """Return the anomalies of a request that is not answered by the end of its flow.

    Without FIN or RST nobody said that no answer was coming: the request timed out, whenever the end was noticed.
    """
    return 0 if how == END_FIN or how == END_RESET else RESPONSE_TIMEOUT
