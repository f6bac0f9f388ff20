# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What somebody's requests were like in one slot of time: sums, a pulse, and sketches of what differs.

Sums and the pulse (calls in each five seconds) add up, sketches keep the smallest hashes of either side: traits merge in any
order and grouping. Memory: 0.6 KiB, and up to 2.3 KiB of sketches where all of them are full.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memmove

COUNTS = ("calls", "assets", "marked", "credentialed", "tools", "outdated", "attacks", "logins", "logins_failed", "refused",
          "missing", "failed", "answered", "wait_us", "bytes")
SKETCHES = ("targets", "endpoints", "addresses", "sessions", "agents", "queries", "queried", "accounts", "passwords")

DEF MOST = 1 << 62        # of a sum


cdef class Traits:
    """What requests of one slot were like. Not to be hashed: it grows."""

    def __dealloc__(self):
        cdef int at
        for at in range(SKETCHED):
            free(self.sketches[at].hashes)

    cdef void note(self, int sketch, uint32_t value) noexcept:
        """Keep *value* if it is among the HASHES smallest different ones."""
        cdef Sketch* own = &self.sketches[sketch]
        cdef uint32_t low = 0, high = own.size, middle, room
        cdef uint32_t* wider
        if own.size and value >= own.hashes[own.size - 1]:
            if value == own.hashes[own.size - 1] or own.size == HASHES:
                return
            low = own.size
        while low < high:
            middle = (low + high) >> 1
            if own.hashes[middle] < value:
                low = middle + 1
            else:
                high = middle
        if low < own.size and own.hashes[low] == value:
            return
        if own.size == own.room and own.size < HASHES:
            room = 2 * own.room if own.room else 4
            wider = <uint32_t*>realloc(own.hashes, 4 * room)
            if wider == NULL:
                return
            own.hashes, own.room = wider, room
        if own.size < HASHES:
            own.size += 1
        memmove(own.hashes + low + 1, own.hashes + low, 4 * (own.size - low - 1))
        own.hashes[low] = value

    def merge(self, Traits other not None):
        """Add *other*."""
        cdef int at
        cdef uint32_t place
        for at in range(COUNTED):
            self.sums[at] = min(self.sums[at] + other.sums[at], MOST)
        for at in range(BEATS):
            self.pulse[at] += other.pulse[at]
        for at in range(SKETCHED):
            for place in range(other.sketches[at].size):
                self.note(at, other.sketches[at].hashes[place])

    def copy(self):
        cdef Traits made = Traits()
        made.merge(self)
        return made

    def __deepcopy__(self, memo):
        return self.copy()

    def __reduce__(self):
        return unpacked, (self.packed(),)

    def __eq__(self, other):
        return isinstance(other, Traits) and self.packed() == (<Traits>other).packed()

    __hash__ = None

    def counts(self):
        """Return the sums by their names."""
        cdef int at
        return {COUNTS[at]: self.sums[at] for at in range(COUNTED)}

    def distinct(self, str name not None):
        """How many different ones there were of what the sketch *name* holds."""
        cdef Sketch* own = &self.sketches[SKETCHES.index(name)]
        if own.size < HASHES:
            return own.size
        return round((HASHES - 1) * 4294967296.0 / max(own.hashes[HASHES - 1], 1))

    def beats(self):
        """Return the calls in each five seconds of the slot."""
        cdef int at
        return [self.pulse[at] for at in range(BEATS)]

    def packed(self):
        """Return the traits as bytes, what is zero left out; `unpacked` is the inverse."""
        cdef int at
        cdef list parts = [bytes([sum([self.sums[at] > 0 for at in range(COUNTED)])])]
        for at in range(COUNTED):
            if self.sums[at]:
                parts.append(bytes([at]) + self.sums[at].to_bytes(8, "little"))
        parts.append(bytes([sum([self.pulse[at] > 0 for at in range(BEATS)])]))
        for at in range(BEATS):
            if self.pulse[at]:
                parts.append(bytes([at]) + self.pulse[at].to_bytes(4, "little"))
        for at in range(SKETCHED):
            parts.append(self._sparse(at))
        return b"".join(parts)

    cdef bytes _sparse(self, int sketch):
        cdef Sketch* own = &self.sketches[sketch]
        return bytes([own.size]) + PyBytes_FromStringAndSize(<char*>own.hashes, 4 * own.size)


def unpacked(bytes packed not None):
    """Return the traits that `packed` gave; ValueError if it gave no such thing."""
    cdef Traits made = Traits()
    cdef const uint8_t* data = <const uint8_t*>PyBytes_AS_STRING(packed)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(packed), at = 0
    cdef int number
    cdef uint32_t value
    for _ in range(_many(data, size, &at, COUNTED, 9)):
        if data[at] >= COUNTED:
            raise ValueError("no such sum")
        memcpy(&made.sums[data[at]], data + at + 1, 8)
        if made.sums[data[at]] > MOST:
            raise ValueError("a sum is too large")
        at += 9
    for _ in range(_many(data, size, &at, BEATS, 5)):
        if data[at] >= BEATS:
            raise ValueError("no such beat")
        memcpy(&made.pulse[data[at]], data + at + 1, 4)
        at += 5
    for number in range(SKETCHED):
        for _ in range(_many(data, size, &at, HASHES, 4)):
            memcpy(&value, data + at, 4)
            made.note(number, value)
            at += 4
    if at != size:
        raise ValueError("traits go on behind their end")
    return made


cdef int _many(const uint8_t* data, Py_ssize_t size, Py_ssize_t* at, int most, int width) except -1:
    """Read how many items of *width* bytes follow, and see that they do."""
    cdef int many
    if at[0] >= size:
        raise ValueError("traits end too early")
    many = data[at[0]]
    at[0] += 1
    if many > most or at[0] + many * width > size:
        raise ValueError("traits end too early")
    return many
