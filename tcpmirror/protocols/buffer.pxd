"""ByteBuffer: bytes that wait for the rest of their message, in one growing C block (inlined where it is used)."""
from libc.stdint cimport uint8_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memmove

# A block that grew past this is given back when its message ends, so that one big body does not stay for the flow's life.
cdef enum:
    KEPT_CAPACITY = 16384


cdef struct ByteBuffer:
    uint8_t* data
    Py_ssize_t size
    Py_ssize_t capacity


cdef inline int buffer_append(ByteBuffer* buffer, const uint8_t* data, Py_ssize_t size) except -1:
    """Add *size* bytes at the end; MemoryError when there is no memory for them."""
    cdef Py_ssize_t capacity = buffer.capacity
    cdef uint8_t* grown
    if size <= 0:
        return 0
    if buffer.size + size > capacity:
        capacity = capacity * 2 if capacity * 2 > buffer.size + size else buffer.size + size
        if capacity < 512:
            capacity = 512
        grown = <uint8_t*>realloc(buffer.data, capacity)
        if grown == NULL:
            raise MemoryError("message buffer")
        buffer.data = grown
        buffer.capacity = capacity
    memcpy(buffer.data + buffer.size, data, size)
    buffer.size += size
    return 0


cdef inline void buffer_exchange(ByteBuffer* buffer, ByteBuffer* other) noexcept:
    """Let *buffer* have the block of *other*, which is large enough for what it holds, and *other* its own."""
    cdef ByteBuffer given = buffer[0]
    memcpy(other.data, buffer.data, buffer.size)
    other.size = buffer.size
    buffer[0] = other[0]
    given.size = 0
    other[0] = given


cdef inline void buffer_drop_front(ByteBuffer* buffer, Py_ssize_t size) noexcept:
    """Forget the first *size* bytes."""
    memmove(buffer.data, buffer.data + size, buffer.size - size)
    buffer.size -= size


cdef inline void buffer_clear(ByteBuffer* buffer) noexcept:
    buffer.size = 0
    if buffer.capacity > KEPT_CAPACITY:
        buffer_free(buffer)


cdef inline void buffer_free(ByteBuffer* buffer) noexcept:
    free(buffer.data)
    buffer.data = NULL
    buffer.size = 0
    buffer.capacity = 0
