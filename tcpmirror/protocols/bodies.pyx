# cython: language_level=3, boundscheck=False, wraparound=False
"""Body: the content of one message, kept up to its limit, counted and hashed whole.

A body that lies in one segment is taken straight from it; only a longer one is gathered in a buffer.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint8_t, uint64_t

from tcpmirror.model.exchange cimport Message
from tcpmirror.protocols.buffer cimport buffer_append, buffer_clear, buffer_free

import hashlib

from tcpmirror.model.anomaly import Anomaly
from tcpmirror.protocols.codings import HELD_BYTES

cdef uint64_t BODY_LIMIT = 1 << Anomaly.BODY_LIMIT
cdef uint64_t BODY_SHED = 1 << Anomaly.BODY_SHED
cdef Py_ssize_t CODED_BYTES = HELD_BYTES
cdef Py_ssize_t STATE_BYTES = 40960  # what an inflate stream holds: its window and tables
cdef object sha256 = hashlib.sha256
cdef bytes EMPTY_SHA256 = hashlib.sha256(b"").digest()


cdef class Body:
    """Collects one body after another. ``wire_length`` is counted by the framing, all else here."""

    def __init__(self, Py_ssize_t limit, bint is_hashed):
        self.limit = limit
        self.is_hashed = is_hashed

    def __dealloc__(self):
        buffer_free(&self.kept)

    cdef void begin(self, object codings) noexcept:
        """Forget the last body; *codings* is the ContentDecoder of the next, or None."""
        buffer_clear(&self.kept)
        self.borrowed = NULL
        self.borrowed_size = 0
        self.owner = None
        self.codings = codings
        self.digest = None
        self.is_shed = self.is_unread = False
        self.length = 0
        self.wire_length = 0

    cdef Py_ssize_t held(self) noexcept:
        """Return how many bytes are kept here: a coded body is held as it came, from a certain size on its stream is open."""
        if self.codings is None:
            return self.kept.capacity
        if self.wire_length < CODED_BYTES:
            return self.kept.capacity + self.wire_length
        return self.kept.capacity + CODED_BYTES + STATE_BYTES

    cdef int add(self, const uint8_t* data, Py_ssize_t size) except -1:
        """Take *size* bytes of content; they are read again no later than the next `settle`."""
        cdef bytes decoded
        if self.is_unread:
            return 0
        if self.codings is None:
            return self.take(data, size, None)
        decoded = self.codings.feed(PyBytes_FromStringAndSize(<const char*>data, size))
        return self.take(<const uint8_t*>PyBytes_AS_STRING(decoded), PyBytes_GET_SIZE(decoded), decoded)

    cdef void skip(self, uint64_t size) noexcept:
        """Count *size* bytes that were sent but never seen."""
        self.wire_length += <int64_t>size
        if self.codings is not None:
            self.codings.lose()

    cdef int take(self, const uint8_t* data, Py_ssize_t size, bytes owner) except -1:
        if size == 0:
            return 0
        if self.length == 0:
            self.borrowed = data
            self.borrowed_size = size
            self.owner = owner
            self.length = size
            return 0
        self.settle()
        self.length += size
        return self.store(data, size)

    cdef int settle(self) except -1:
        """Copy what is still in the segment's memory, which its owner is about to take back."""
        cdef const uint8_t* data = self.borrowed
        if data == NULL:
            return 0
        self.borrowed = NULL
        self.store(data, self.borrowed_size)
        self.owner = None
        return 0

    cdef int shed(self) except -1:
        """Give up what was collected, and collect no more of this body: memory is short.

        It is counted on, and hashed too if no coding has to be undone for that.
        """
        self.settle()
        self.is_shed = True
        self.is_unread = self.is_unread or self.codings is not None
        self.codings = None
        buffer_free(&self.kept)
        return 0

    cdef int store(self, const uint8_t* data, Py_ssize_t size) except -1:
        cdef Py_ssize_t room = self.limit - self.kept.size
        if self.is_hashed:
            if self.digest is None:
                self.digest = sha256()
            self.digest.update(PyBytes_FromStringAndSize(<const char*>data, size))
        return 0 if self.is_shed else buffer_append(&self.kept, data, size if size < room else room)

    cdef int finish(self, Message message) except -1:
        """Put the body into *message*."""
        cdef bytes tail
        if self.codings is not None:
            tail = self.codings.finish()
            self.take(<const uint8_t*>PyBytes_AS_STRING(tail), PyBytes_GET_SIZE(tail), tail)
            message.anomalies |= <uint64_t>self.codings.anomalies
        message.body_length = self.length
        message.wire_length = self.wire_length
        if self.is_shed:
            message.anomalies |= BODY_SHED
        elif self.length > self.limit:
            message.anomalies |= BODY_LIMIT
        if self.length == 0:
            message.body = b""
            message.body_sha256 = EMPTY_SHA256 if self.is_hashed and not self.is_unread else None
        elif self.borrowed != NULL:
            if self.owner is None:
                self.owner = PyBytes_FromStringAndSize(<const char*>self.borrowed, self.borrowed_size)
            message.body = self.owner if self.borrowed_size <= self.limit else self.owner[:self.limit]
            if self.is_hashed:
                message.body_sha256 = sha256(self.owner).digest()
        else:
            message.body = PyBytes_FromStringAndSize(<const char*>self.kept.data, self.kept.size)
            if self.is_hashed and not self.is_unread:
                message.body_sha256 = self.digest.digest()
        self.begin(None)
        return 0
