# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""A growing run of texts, each with what its bytes say of it: the alphabet that it is written in, what decodings could change."""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint16_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy

from tcpmirror.decode.text cimport uchar
from tcpmirror.decode.traits cimport BEYOND_PLAIN, BEYOND_PROSE, BEYOND_URL, traits_of

DEF CLASSES = 5  # as many as the model's ALPHABETS, and files
DEF FILE = 0x8000  # a trait of regions, beyond those of their bytes


cdef bint start(Regions* regions, Py_ssize_t room, Py_ssize_t limit) noexcept nogil:
    """Make *regions* empty, with *room* bytes and never more than *limit*; False: out of memory."""
    regions.size = regions.count = regions.count_room = 0
    regions.ends = NULL
    regions.traits = NULL
    regions.is_file = False
    regions.room = room
    regions.limit = limit
    regions.data = <uchar*>malloc(room)
    return regions.data != NULL


cdef void release(Regions* regions) noexcept nogil:
    free(regions.data)
    free(regions.ends)
    free(regions.traits)


cdef bint reserve(Regions* regions, Py_ssize_t more) noexcept nogil:
    """Make room for *more* bytes; False past the limit or out of memory."""
    cdef Py_ssize_t room
    cdef uchar* grown
    if regions.size + more > regions.limit:
        return False
    if regions.size + more <= regions.room:
        return True
    room = 2 * (regions.size + more)
    grown = <uchar*>realloc(regions.data, room)
    if grown == NULL:
        return False
    regions.data = grown
    regions.room = room
    return True


cdef bint close(Regions* regions, Py_ssize_t size) noexcept nogil:
    """Make the *size* bytes written behind the last region, and the byte reserved behind them, the next region."""
    if regions.count == regions.count_room and not _grow_index(regions):
        return False
    regions.traits[regions.count] = traits_of(regions.data + regions.size, size) | (FILE if regions.is_file else 0)
    regions.data[regions.size + size] = SEPARATOR
    regions.size += size + 1
    regions.ends[regions.count] = regions.size
    regions.count += 1
    return True


cdef bint _grow_index(Regions* regions) noexcept nogil:
    cdef Py_ssize_t room = 2 * regions.count_room + 64
    cdef Py_ssize_t* ends = <Py_ssize_t*>realloc(regions.ends, room * sizeof(Py_ssize_t))
    cdef uint16_t* traits
    if ends == NULL:
        return False
    regions.ends = ends
    traits = <uint16_t*>realloc(regions.traits, room * sizeof(uint16_t))
    if traits == NULL:
        return False
    regions.traits = traits
    regions.count_room = room
    return True


cdef bint append(Regions* regions, const uchar* data, Py_ssize_t size) noexcept nogil:
    """Add *data* as a region."""
    if not reserve(regions, size + 1):
        return False
    memcpy(regions.data + regions.size, data, size)
    return close(regions, size)


cdef void cut(Regions* regions, Py_ssize_t size, Py_ssize_t count) noexcept nogil:
    """Take back what came after the first *count* regions, *size* bytes long."""
    regions.size = size
    regions.count = count


cdef inline int _class(uint16_t traits) noexcept nogil:
    if traits & FILE:
        return CLASSES - 1
    if traits & BEYOND_URL:
        return 3
    return 2 if traits & BEYOND_PLAIN else traits & BEYOND_PROSE


cdef tuple by_alphabet(Regions* regions):
    """Return the regions of each alphabet, then those of files, in order, as one bytes object each."""
    cdef Py_ssize_t sizes[CLASSES]
    cdef uchar* heads[CLASSES]
    cdef Py_ssize_t at, begin = 0
    cdef int kind
    for kind in range(CLASSES):
        sizes[kind] = 0
    for at in range(regions.count):
        sizes[_class(regions.traits[at])] += regions.ends[at] - begin
        begin = regions.ends[at]
    sorted_out = tuple([PyBytes_FromStringAndSize(NULL, sizes[kind]) for kind in range(CLASSES)])
    for kind in range(CLASSES):
        heads[kind] = <uchar*>PyBytes_AS_STRING(sorted_out[kind])
    begin = 0
    for at in range(regions.count):
        kind = _class(regions.traits[at])
        memcpy(heads[kind], regions.data + begin, regions.ends[at] - begin)
        heads[kind] += regions.ends[at] - begin
        begin = regions.ends[at]
    return sorted_out
