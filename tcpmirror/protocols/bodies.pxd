from libc.stdint cimport int64_t, uint8_t, uint64_t

from tcpmirror.model.exchange cimport Message
from tcpmirror.protocols.buffer cimport ByteBuffer
from tcpmirror.protocols.factory cimport ExchangeFactory
from tcpmirror.protocols.known_bodies cimport KnownBodies


cdef class Body:
    cdef ExchangeFactory factory
    cdef ByteBuffer kept                # as sent: the body up to the limit, or what of a coded one is not decoded yet
    cdef ByteBuffer decoded             # of a coded body that was too long to be decoded at once
    cdef const uint8_t* borrowed        # the body so far, still in its owner's memory
    cdef Py_ssize_t borrowed_size
    cdef tuple codings                  # to be undone, None: none
    cdef object decoder                 # ContentDecoder of a body that is being decoded
    cdef KnownBodies known_bodies       # where the body is looked for, None: nowhere
    cdef object digest
    cdef bint is_shed                   # nothing of this body is kept
    cdef bint is_unread                 # nor decoded, so its length and hash are not known
    cdef Py_ssize_t limit
    cdef int64_t taken                  # bytes that came, without those of the framing
    cdef int64_t length                 # of them, after the codings were undone
    cdef int64_t wire_length
    cdef void begin(self, tuple codings, bint is_answer) noexcept
    cdef Py_ssize_t held(self) noexcept
    cdef int add(self, const uint8_t* data, Py_ssize_t size) except -1
    cdef void skip(self, uint64_t size) noexcept
    cdef int settle(self) except -1
    cdef int shed(self) except -1
    cdef int finish(self, Message message) except -1
    cdef int store(self, const uint8_t* data, Py_ssize_t size) except -1
    cdef int hash(self, bytes content) except -1
    cdef bytes sent(self)
    cdef object opened(self)
    cdef int decode(self) except -1
    cdef int take(self, bytes content) except -1
    cdef bytes whole(self, Message message)
    cdef bytes rest(self, Message message)
