"""Headers read off the bytes of a head, with no object made of any of them."""
from libc.string cimport memchr

cdef extern from "strings.h" nogil:
    int strncasecmp(const char*, const char*, size_t)


cdef struct Span:
    # Bytes within something that somebody else holds; NULL: there are none.
    const char* data
    Py_ssize_t size


cdef inline Span stripped(const char* data, const char* stop) noexcept nogil:
    """Return what stands between *data* and *stop* without white space around it."""
    cdef Span found
    while data < stop and (data[0] == 32 or 9 <= data[0] <= 13):
        data += 1
    while data < stop and ((stop - 1)[0] == 32 or 9 <= (stop - 1)[0] <= 13):
        stop -= 1
    found.data, found.size = data, stop - data
    return found


cdef inline bint find_span(const char* data, Py_ssize_t length, const char* name, Py_ssize_t size, Span* found) noexcept nogil:
    """Write the first value of the header *name* (in lower case) to *found*; False where it is folded, so not in one piece.

    *data*: a head; where it has no such header, ``found.data`` is NULL.
    """
    cdef const char* stop = data + length
    cdef const char* end
    found.data, found.size = NULL, 0
    data = <const char*>memchr(data, 10, length)
    while data != NULL and data + 1 < stop:
        data += 1
        if data[0] == 13 or data[0] == 10:
            return True
        end = <const char*>memchr(data, 10, stop - data)
        if (data[0] | 32) == name[0] and (stop if end == NULL else end) - data > size and data[size] == 58 \
                and strncasecmp(data, name, size) == 0:
            if end != NULL and end + 1 < stop and (end[1] == 32 or end[1] == 9):
                return False
            found[0] = stripped(data + size + 1, stop if end == NULL else end)
            return True
        data = end
    return True
