# cython: language_level=3, boundscheck=False, wraparound=False
"""Body: the content of one message, kept up to its limit, counted and hashed whole.

A body that lies in one segment is taken straight from it; only a longer one is gathered in a buffer. A coded one is gathered as
it was sent and decoded at once when it is whole, or from HELD_BYTES on piece by piece. Of responses, bodies that came before
(`KnownBodies`) are neither decoded nor copied.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint8_t, uint64_t

from tcpmirror.model.exchange cimport Message
from tcpmirror.protocols.buffer cimport KEPT_CAPACITY, buffer_append, buffer_clear, buffer_exchange, buffer_free
from tcpmirror.protocols.factory cimport ExchangeFactory
from tcpmirror.protocols.known_bodies cimport LEAST_KNOWN, mark_of

import hashlib

from tcpmirror.model.anomaly import Anomaly
from tcpmirror.protocols.codings import HELD_BYTES

cdef uint64_t BODY_LIMIT = 1 << Anomaly.BODY_LIMIT
cdef uint64_t BODY_SHED = 1 << Anomaly.BODY_SHED
cdef Py_ssize_t CODED_BYTES = HELD_BYTES
cdef Py_ssize_t STATE_BYTES = 40960  # what an inflate stream holds: its window and tables
cdef enum:
    LONG_BYTES = 8192
    SPARE_BYTES = 262144     # of a block that is kept for the next long body

cdef object sha256 = hashlib.sha256


cdef class Body:
    """Collects one body after another. ``wire_length`` is counted by the framing, all else here."""

    def __init__(self, ExchangeFactory factory):
        self.factory = factory
        self.limit = factory.limits.body_bytes

    def __dealloc__(self):
        buffer_free(&self.kept)
        buffer_free(&self.decoded)

    cdef void begin(self, tuple codings, bint is_answer) noexcept:
        """Forget the last body; *codings* of the next are to be undone in their order, None: there are none."""
        if KEPT_CAPACITY < self.kept.capacity <= SPARE_BYTES and self.kept.capacity > self.factory.spare.capacity:
            self.kept.size = 0
            buffer_exchange(&self.kept, &self.factory.spare)
        buffer_clear(&self.kept)
        buffer_clear(&self.decoded)
        self.borrowed = NULL
        self.borrowed_size = 0
        self.codings = codings
        self.decoder = None
        self.known_bodies = self.factory.known_bodies if is_answer else None
        self.digest = None
        self.is_shed = self.is_unread = False
        self.taken = 0
        self.length = 0
        self.wire_length = 0

    cdef Py_ssize_t held(self) noexcept:
        """Return how many bytes are kept here."""
        return self.kept.capacity + self.decoded.capacity + (0 if self.decoder is None else STATE_BYTES)

    cdef int add(self, const uint8_t* data, Py_ssize_t size) except -1:
        """Take *size* bytes of content; they are read again no later than the next `settle`."""
        if self.is_unread or size == 0:
            return 0
        self.taken += size
        if self.taken == size:
            self.borrowed = data
            self.borrowed_size = size
            return 0
        self.settle()
        return self.store(data, size)

    cdef void skip(self, uint64_t size) noexcept:
        """Count *size* bytes that were sent but never seen."""
        self.wire_length += <int64_t>size
        if self.codings is not None:
            self.opened().lose(self.sent())

    cdef int settle(self) except -1:
        """Copy what is still in the segment's memory, which its owner is about to take back."""
        cdef const uint8_t* data = self.borrowed
        if data == NULL:
            return 0
        self.borrowed = NULL
        return self.store(data, self.borrowed_size)

    cdef int shed(self) except -1:
        """Give up what was collected, and collect no more of this body: memory is short.

        It is counted on, and hashed too if no coding has to be undone for that.
        """
        if self.codings is None:
            self.settle()
        self.is_shed = True
        if self.codings is not None:
            self.is_unread = True
            self.taken = self.length
        self.codings = self.decoder = self.known_bodies = None
        self.borrowed = NULL
        buffer_free(&self.kept)
        buffer_free(&self.decoded)
        return 0

    cdef int store(self, const uint8_t* data, Py_ssize_t size) except -1:
        cdef Py_ssize_t room = self.limit - self.kept.size, needed = self.kept.size + size
        if self.kept.capacity < needed and LONG_BYTES < needed <= self.factory.spare.capacity:
            buffer_exchange(&self.kept, &self.factory.spare)
        if self.codings is not None:
            buffer_append(&self.kept, data, size)
            return self.decode() if self.kept.size >= CODED_BYTES else 0
        if self.factory.hash_bodies:  # and no copy where nobody asks
            self.hash(PyBytes_FromStringAndSize(<const char*>data, size))
        return 0 if self.is_shed else buffer_append(&self.kept, data, size if size < room else room)

    cdef int hash(self, bytes content) except -1:
        if not self.factory.hash_bodies:
            return 0
        if self.digest is None:
            self.digest = sha256()
        self.digest.update(content)
        return 0

    cdef bytes sent(self):
        """Return what was gathered, and forget it."""
        cdef bytes sent
        if self.borrowed != NULL:
            sent = PyBytes_FromStringAndSize(<const char*>self.borrowed, self.borrowed_size)
        else:
            sent = PyBytes_FromStringAndSize(<const char*>self.kept.data, self.kept.size)
        self.borrowed = NULL
        self.kept.size = 0
        return sent

    cdef object opened(self):
        """Return the decoder of this body."""
        if self.decoder is None:
            self.decoder = self.factory.decoder(self.codings)
        return self.decoder

    cdef int decode(self) except -1:
        """Decode what was gathered of a coded body; more is to come."""
        return self.take(self.opened().feed(self.sent()))

    cdef int take(self, bytes content) except -1:
        cdef Py_ssize_t size = PyBytes_GET_SIZE(content), room = self.limit - self.decoded.size
        self.length += size
        self.hash(content)
        return buffer_append(&self.decoded, <const uint8_t*>PyBytes_AS_STRING(content), size if size < room else room)

    cdef int finish(self, Message message) except -1:
        """Put the body into *message*."""
        if self.borrowed_size > self.limit or (self.borrowed_size >= CODED_BYTES and self.codings is not None):
            self.settle()  # as if it had come in pieces
        message.body = self.whole(message) if self.decoder is None else self.rest(message)
        message.body_length = self.length
        message.wire_length = self.wire_length
        if self.is_shed:
            message.anomalies |= BODY_SHED
        elif self.length > self.limit:
            message.anomalies |= BODY_LIMIT
        if self.factory.hash_bodies and not self.is_unread:
            message.body_sha256 = (sha256(message.body) if self.digest is None else self.digest).digest()
        self.begin(None, False)
        return 0

    cdef bytes whole(self, Message message):
        """Return the body, of which nothing was decoded yet."""
        cdef const uint8_t* data = self.kept.data if self.borrowed == NULL else self.borrowed
        cdef Py_ssize_t size = self.kept.size if self.borrowed == NULL else self.borrowed_size
        cdef bint may_be_known = self.known_bodies is not None and LEAST_KNOWN <= size == self.taken
        cdef uint64_t mark = 0
        cdef bytes sent, body
        if may_be_known:
            mark = mark_of(data, size, self.codings is not None)
            message.known = self.known_bodies.find(mark, data, size, self.codings)
            if message.known is not None:
                self.length = PyBytes_GET_SIZE(message.known.body)
                return message.known.body
        sent = body = self.sent()
        self.length = self.taken
        if self.codings is not None:
            body = self.opened().finish(sent)
            self.length = PyBytes_GET_SIZE(body)
            message.anomalies |= <uint64_t>self.decoder.anomalies
            may_be_known = may_be_known and self.length <= self.limit and not self.decoder.anomalies
            if self.length > self.limit:
                self.hash(body)
                body = body[:self.limit]
        if may_be_known:
            message.known = self.known_bodies.note(mark, sent, self.codings, body)
        return body

    cdef bytes rest(self, Message message):
        """Return the body, the beginning of which is decoded."""
        self.take(self.decoder.finish(self.sent()))
        message.anomalies |= <uint64_t>self.decoder.anomalies
        return PyBytes_FromStringAndSize(<const char*>self.decoded.data, self.decoded.size)
