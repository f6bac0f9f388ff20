# cython: language_level=3, boundscheck=False, wraparound=False
"""Which exchanges are looked at for weaknesses: told in less time than looking at one takes.

A place is a host, a method, a status and a path without its digits; it is known by a 64-bit hash of them.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memchr, memset

from tcpmirror.model.exchange cimport Exchange, Request, Response
from tcpmirror.model.hashing cimport siphash13
from tcpmirror.model.heads cimport Span, find_span, strncasecmp

import os

DEF NEW = 3               # exchanges of a place that are looked at
DEF EVERY = 64            # then one in so many
DEF PLACES = 16_384       # known at once; then all are forgotten
DEF SLOTS = 32_768        # of the table, twice as many
DEF PATH_BYTES = 1024     # of a path; what is longer is known by its beginning
DEF OBJECTS = 15          # mask of a hash: one object in 16

FIRST = NEW

# What belongs to one user each, as addresses name it: in the singular, that a letter s may follow.
OWNED = (b"user", b"account", b"customer", b"patient", b"profile", b"member", b"employee", b"invoice", b"order", b"card",
         b"payment")


cdef class Places:
    """Counts exchanges by place. ``looked_at``: those that were due."""

    cdef uint64_t* keys
    cdef uint32_t* counts
    cdef uint64_t key0, key1
    cdef Py_ssize_t used
    cdef public uint64_t looked_at

    def __cinit__(self):
        self.keys = <uint64_t*>calloc(SLOTS, sizeof(uint64_t))
        self.counts = <uint32_t*>calloc(SLOTS, sizeof(uint32_t))
        if self.keys == NULL or self.counts == NULL:
            raise MemoryError
        self.key0, self.key1 = int.from_bytes(os.urandom(8), "little"), int.from_bytes(os.urandom(8), "little")

    def __dealloc__(self):
        free(self.keys)
        free(self.counts)

    def look(self, Exchange exchange not None, list findings not None):
        """Return the signs that *exchange* shows: what `shown` says of it, nothing where that need not be asked."""
        cdef Request request = exchange.request
        cdef Response response = exchange.response
        cdef bint is_due, is_followed
        cdef uint32_t seen
        if request is None or response is None:
            return []
        seen = self._seen(request, response)
        is_due = seen <= NEW or seen % EVERY == 0
        is_followed = response.status == 200 and request.method == b"GET" and is_owned(request.target) \
            and self._is_sampled(request.target)
        if not is_due and not is_followed and not findings:
            return []
        self.looked_at += is_due
        return self.shown(exchange, findings, is_due, seen <= NEW, is_followed)

    cdef uint32_t _seen(self, Request request, Response response):
        """Return how many exchanges of this place there were, this one included."""
        cdef uint64_t key = self._key(request, response)
        cdef Py_ssize_t at = key & (SLOTS - 1)
        while self.keys[at] and self.keys[at] != key:
            at = (at + 1) & (SLOTS - 1)
        if self.keys[at] == 0:
            if self.used >= PLACES:
                memset(self.keys, 0, SLOTS * sizeof(uint64_t))
                memset(self.counts, 0, SLOTS * sizeof(uint32_t))
                self.used = 0
                at = key & (SLOTS - 1)
            self.keys[at] = key
            self.used += 1
        self.counts[at] += 1
        return self.counts[at]

    cdef uint64_t _key(self, Request request, Response response):
        cdef uint8_t path[PATH_BYTES]
        cdef const uint8_t* target = <const uint8_t*>PyBytes_AS_STRING(request.target)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(request.target), at, written = 0
        cdef uint64_t key
        cdef Span host
        for at in range(size):
            if target[at] == 63 or written == PATH_BYTES:
                break
            if not (48 <= target[at] <= 57 or 97 <= (target[at] | 32) <= 102):
                path[written] = target[at]
                written += 1
        find_span(PyBytes_AS_STRING(request.head), PyBytes_GET_SIZE(request.head), b"host", 4, &host)
        key = siphash13(self.key0, self.key1 ^ <uint64_t>response.status, path, written)
        key = siphash13(key, self.key1, <const uint8_t*>host.data, host.size)
        key = siphash13(key, self.key1, <const uint8_t*>PyBytes_AS_STRING(request.method), PyBytes_GET_SIZE(request.method))
        return key | 1  # 0: an empty place

    cdef bint _is_sampled(self, bytes target):
        """Tell whether this object is one of those that are followed: the same ones by all workers."""
        cdef const uint8_t* data = <const uint8_t*>PyBytes_AS_STRING(target)
        cdef const uint8_t* query = <const uint8_t*>memchr(data, 63, PyBytes_GET_SIZE(target))
        return siphash13(0, 0, data, PyBytes_GET_SIZE(target) if query == NULL else query - data) & OBJECTS == 0


cpdef bint is_owned(bytes target):
    """Tell whether *target* looks like something of one user: behind a part such as ``/orders`` comes one with a digit in it."""
    cdef const char* data = PyBytes_AS_STRING(target)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(target), at = 0, end, place
    cdef bint is_behind = False
    while at < size and data[at] != 63:
        end = at + 1
        while end < size and data[end] != 47 and data[end] != 63:
            if is_behind and 48 <= data[end] <= 57:
                return True
            end += 1
        is_behind = data[at] == 47 and end < size and data[end] == 47 and _names_owned(data + at + 1, end - at - 1)
        at = end
    return False


cdef bint _names_owned(const char* part, Py_ssize_t size):
    cdef bytes word
    cdef Py_ssize_t length
    for word in <tuple>OWNED:
        length = PyBytes_GET_SIZE(word)
        if (size == length or (size == length + 1 and (part[length] | 32) == 115)) \
                and strncasecmp(part, PyBytes_AS_STRING(word), length) == 0:
            return True
    return False
