from libc.stdint cimport int64_t, uint8_t, uint64_t

from tcpmirror.model.exchange cimport Message
from tcpmirror.protocols.buffer cimport ByteBuffer


cdef class Body:
    cdef ByteBuffer kept
    cdef const uint8_t* borrowed        # the body so far, still in its owner's memory
    cdef Py_ssize_t borrowed_size
    cdef bytes owner
    cdef object codings                 # ContentDecoder, or None for an identity body
    cdef object digest
    cdef bint is_hashed
    cdef bint is_shed                   # nothing of this body is kept
    cdef bint is_unread                 # nor decoded, so its length and hash are not known
    cdef Py_ssize_t limit
    cdef int64_t length
    cdef int64_t wire_length
    cdef void begin(self, object codings) noexcept
    cdef Py_ssize_t held(self) noexcept
    cdef int add(self, const uint8_t* data, Py_ssize_t size) except -1
    cdef void skip(self, uint64_t size) noexcept
    cdef int settle(self) except -1
    cdef int shed(self) except -1
    cdef int finish(self, Message message) except -1
    cdef int take(self, const uint8_t* data, Py_ssize_t size, bytes owner) except -1
    cdef int store(self, const uint8_t* data, Py_ssize_t size) except -1
