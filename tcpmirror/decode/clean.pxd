from libc.stdint cimport uint64_t
from libc.string cimport memcpy

from tcpmirror.decode.text cimport uchar
from tcpmirror.model.hashing cimport short_word

cdef extern from *:
    ctypedef unsigned long long wide "unsigned __int128"
    void __builtin_prefetch(const void* address) noexcept nogil

cdef enum:
    KEPT_BYTES = 2048  # the longest text that is remembered
    KEYS = 2 * (KEPT_BYTES // 16 + 1) + 4
    PLACES = 65536
    WAYS = 4           # places for each mark, half a line of the processor's cache
    FRESH = 4096      # texts of one message that can be learned

cdef class CleanTexts:
    cdef uint64_t[KEYS] _keys
    cdef uint64_t* _known
    cdef uint64_t* _fresh
    cdef Py_ssize_t _fresh_count
    cdef void _draw_keys(self)
    cdef void forget_fresh(self) noexcept nogil
    cdef void learn(self) noexcept nogil


cdef inline uint64_t mark_of(const uint64_t* keys, const uchar* data, Py_ssize_t size, bint is_escaped,
                             uint64_t under) noexcept nogil:
    """Return the mark, never 0, of a text of KEPT_BYTES at most by the *keys* of the CleanTexts.

    *is_escaped*: the text is what these bytes stand for in JSON; *under*: the mark of its key, 0 for none.
    """
    cdef uint64_t first, second
    cdef wide total = <wide>(keys[0] + (<uint64_t>size | <uint64_t>is_escaped << 32)) * (keys[1] + under)
    cdef Py_ssize_t at = 0
    keys += 2
    while at + 16 <= size:
        memcpy(&first, data + at, 8)
        memcpy(&second, data + at + 8, 8)
        total += <wide>(keys[0] + first) * (keys[1] + second)
        keys += 2
        at += 16
    if at + 8 <= size:
        memcpy(&first, data + at, 8)
        second = short_word(data + at + 8, size - at - 8)
    else:
        first = short_word(data + at, size - at)
        second = 0
    total += <wide>(keys[0] + first) * (keys[1] + second)
    first, second = <uint64_t>(total >> 64), <uint64_t>total
    total = <wide>(keys[2] + first) * (keys[3] + second)
    return <uint64_t>(total >> 64) ^ <uint64_t>total | 1


cdef inline uint64_t* places_of(CleanTexts clean, uint64_t mark) noexcept nogil:
    """Return the WAYS places of a mark."""
    return clean._known + (mark & (PLACES - WAYS))


cdef inline void ask_later(CleanTexts clean, uint64_t mark) noexcept nogil:
    """Have what `knows` will read of *mark* brought from memory."""
    __builtin_prefetch(places_of(clean, mark))


cdef inline bint knows(CleanTexts clean, uint64_t mark) noexcept nogil:
    """Tell whether the text of that mark is known as clean; if not, it is fresh."""
    cdef const uint64_t* places = places_of(clean, mark)
    if places[0] == mark or places[1] == mark or places[2] == mark or places[3] == mark:
        return True
    if clean._fresh_count < FRESH:
        clean._fresh[clean._fresh_count] = mark
        clean._fresh_count += 1
    return False


cdef inline bint knows_text(CleanTexts clean, const uchar* data, Py_ssize_t size, uint64_t under) noexcept nogil:
    """Tell whether a text, as it is, is known as clean *under* a mark; if not, it is fresh. Longer ones than are kept never are."""
    return size <= KEPT_BYTES and knows(clean, mark_of(clean._keys, data, size, False, under))
