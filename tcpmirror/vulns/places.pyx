# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""How often a place of a site was seen, and whether a path may name something of one user: asked of each exchange.

A place is a method, a host, a status and a path without its digits. Places are known by a hash under keys that nobody sees.
"""
import os

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from tcpmirror.model.exchange cimport Exchange, Request, Response
from tcpmirror.model.hashing cimport siphash13

DEF ROOM = 32768          # twice the places that are kept, so that a free one is near
DEF PATH_BYTES = 256      # of a path that count

PLACES = ROOM // 2
FIRST = 3  # exchanges of a place that are looked at
cdef unsigned int FIRST_ONES = FIRST, EVERY = 64, MANY = 4096, EVERY_OF_MANY = 256  # then one in so many, and of many fewer
cdef uint8_t[256] LETTER
for _byte in range(256):
    LETTER[_byte] = 0 if _byte in b"0123456789abcdefABCDEF" else 1
# The beginnings of the words by which paths name what belongs to somebody, as `signs.OWNED` has them.
OWNED_WORDS = ("user", "account", "customer", "patient", "profile", "member", "employee", "invoice", "order", "card", "payment")
cdef uint32_t[16] OWNED
cdef int OWNED_COUNT = len(OWNED_WORDS)
for _place, _word in enumerate(OWNED_WORDS):
    OWNED[_place] = ord(_word[0]) << 16 | ord(_word[1]) << 8 | ord(_word[2])


cdef class Places:
    """Counts exchanges by place, PLACES of them at most: then all are forgotten."""

    cdef uint64_t* keys
    cdef uint32_t* counts
    cdef uint64_t key0, key1
    cdef readonly int known

    def __cinit__(self):
        self.keys = <uint64_t*>calloc(ROOM, sizeof(uint64_t))
        self.counts = <uint32_t*>calloc(ROOM, sizeof(uint32_t))
        if self.keys == NULL or self.counts == NULL:
            raise MemoryError
        self.key0, self.key1 = (int.from_bytes(os.urandom(8), "little") for _ in range(2))

    def __dealloc__(self):
        free(self.keys)
        free(self.counts)

    def seen(self, Request request not None, Response response not None):
        """Return how many exchanges there were of the place of this one, with it."""
        return self.count(request, response)

    cdef uint32_t count(self, Request request, Response response) except 0:
        cdef uint64_t key = self._key(request, response)
        cdef Py_ssize_t at = key & (ROOM - 1)
        while self.keys[at] != key:
            if self.keys[at] == 0:
                if self.known == ROOM // 2:
                    memset(self.keys, 0, ROOM * sizeof(uint64_t))
                    self.known = 0
                    at = key & (ROOM - 1)
                self.known += 1
                self.keys[at] = key
                self.counts[at] = 0
                break
            at = (at + 1) & (ROOM - 1)
        self.counts[at] += 1
        return self.counts[at]

    cdef uint64_t _key(self, Request request, Response response):
        cdef const uint8_t* target = <const uint8_t*>PyBytes_AS_STRING(request.target)
        cdef uint8_t[PATH_BYTES] path
        cdef Py_ssize_t at, size = PyBytes_GET_SIZE(request.target), kept = 0
        cdef uint64_t key
        host = request.value_of(b"host")
        for at in range(size):
            if target[at] == 63 or kept == PATH_BYTES:
                break
            path[kept] = target[at]
            kept += LETTER[target[at]]
        key = siphash13(self.key0, self.key1 ^ <uint64_t>response.status, path, kept)
        key = siphash13(key, self.key1, <const uint8_t*>PyBytes_AS_STRING(request.method), PyBytes_GET_SIZE(request.method))
        if host is not None:
            key = siphash13(key, self.key0, <const uint8_t*>PyBytes_AS_STRING(host), PyBytes_GET_SIZE(host))
        return key | <uint64_t>1 << 63  # 0: nothing lies there


cdef class PlaceRoad:
    """What every exchange costs that is not looked at; `examined` of what is made of this looks at the others."""

    cdef Places places

    def __init__(self):
        self.places = Places()

    def look(self, Exchange exchange not None, list findings not None):
        """Return the signs that *exchange* shows.

        Looking costs tens of microseconds, so of each place the first exchanges are looked at, then one in 64, after 4,096 one
        in 256; and those with findings or with an address that may be one user's.
        """
        cdef unsigned int seen
        cdef bint is_due, is_new
        if exchange.request is None or exchange.response is None:
            return []
        seen = self.places.count(exchange.request, exchange.response)
        is_new = seen <= FIRST_ONES
        is_due = is_new or seen % (EVERY if seen <= MANY else EVERY_OF_MANY) == 0
        if is_due or findings or _may_be_owned(exchange.request, exchange.response):
            return self.examined(exchange, findings, is_due, is_new)
        return []


def may_be_owned(Request request not None, Response response not None):
    """Tell, at little cost, whether `signs.is_owned` may say so: False is certain."""
    return _may_be_owned(request, response)


cdef bint _may_be_owned(Request request, Response response) except -1:
    cdef const uint8_t* target = <const uint8_t*>PyBytes_AS_STRING(request.target)
    cdef Py_ssize_t at, size = PyBytes_GET_SIZE(request.target)
    cdef uint32_t begins
    cdef int word
    if response.status != 200 or request.method != b"GET":
        return False
    for at in range(size - 3):
        if target[at] == 47:
            begins = (target[at + 1] | 32) << 16 | (target[at + 2] | 32) << 8 | (target[at + 3] | 32)
            for word in range(OWNED_COUNT):
                if OWNED[word] == begins:
                    return True
    return False
