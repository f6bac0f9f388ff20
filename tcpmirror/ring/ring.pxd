from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef struct RingHeader:
    uint64_t magic
    uint64_t capacity
    uint8_t _pad0[48]
    uint64_t head            # written by the producer only; own cache line
    uint8_t _pad1[56]
    uint64_t tail            # written by the consumer only; own cache line
    uint64_t counted         # the consumer's: 1 + position of the last record that it has counted
    uint8_t _pad2[48]

cdef struct RecordHeader:
    uint32_t size            # payload bytes
    uint16_t kind
    uint16_t reserved


cdef class RingWriter:
    cdef object memory
    cdef RingHeader* header
    cdef uint8_t* data
    cdef uint64_t capacity, mask, head, tail_seen, next_head
    cdef uint8_t* reserve(self, int kind, uint64_t size) noexcept nogil
    cdef void commit(self) noexcept nogil
    cdef double fill_level(self) noexcept nogil


cdef class RingReader:
    cdef object memory
    cdef RingHeader* header
    cdef uint8_t* data
    cdef uint64_t capacity, mask, tail, head_seen, next_tail
    cdef public uint64_t corruptions
    cdef const uint8_t* peek(self, int* kind, uint32_t* size) noexcept nogil
    cdef void release(self) noexcept nogil
    cdef bint is_counted(self) noexcept nogil


cdef class Doorbell:
    cdef object memory
    cdef uint32_t* count
    cdef uint32_t* waiting
    cdef void strike(self) noexcept nogil
