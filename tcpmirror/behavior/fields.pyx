# cython: language_level=3, boundscheck=False, wraparound=False
"""Fields of rights and money: which of them answers of a resource hold, and which requests carry.

CWE-915: who sends a field that only answers know may assign what is not theirs. What is seen is counted here; which field "only
answers know" is said where all workers' counts are merged (`history`). So what is read depends on the exchange alone.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memchr, memcpy

from tcpmirror.model.exchange cimport Request, Response
from tcpmirror.model.hashing cimport mixed, short_word, siphash13
from tcpmirror.model.needle cimport holds

import os
import re

from tcpmirror.behavior.counter import Counter, Slot
from tcpmirror.behavior.history import FIELDS_BLOCK_NS, answers_key, requests_key

# Sixteen bytes at a time. The lowest byte of a word comes first, as on all processors that this runs on.
cdef extern from *:
    """
    typedef unsigned char field_lanes __attribute__((vector_size(16)));
    typedef unsigned long long field_halves __attribute__((vector_size(16)));

    /* The first colon from `at` on that follows a quote or a blank, or `end`; there is a byte before `at`. */
    static inline const char *name_colon(const char *at, const char *end) {
        field_lanes here, before;
        field_halves found;
        for (; end - at >= 16; at += 16) {
            __builtin_memcpy(&here, at, 16);
            __builtin_memcpy(&before, at - 1, 16);
            found = (field_halves) ((field_lanes) (here == ':') & ((field_lanes) (before == '"') | (field_lanes) (before <= ' ')));
            if (found[0])
                return at + (__builtin_ctzll(found[0]) >> 3);
            if (found[1])
                return at + 8 + (__builtin_ctzll(found[1]) >> 3);
        }
        while (at < end && (*at != ':' || (at[-1] != '"' && (unsigned char) at[-1] > ' ')))
            at++;
        return at;
    }

    /* Where the name that ends before `stop` begins: behind the last quote of the sixteen bytes before it, or NULL. */
    static inline const char *behind_quote(const char *stop) {
        field_lanes here;
        field_halves quotes;
        __builtin_memcpy(&here, stop - 16, 16);
        quotes = (field_halves) (here == '"');
        if (quotes[1])
            return stop - (__builtin_clzll(quotes[1]) >> 3);
        if (quotes[0])
            return stop - 8 - (__builtin_clzll(quotes[0]) >> 3);
        return 0;
    }
    """
    const char* name_colon(const char* at, const char* end) noexcept nogil
    const char* behind_quote(const char* stop) noexcept nogil

DEF ANSWER_BYTES = 16_384
DEF REQUEST_BYTES = 262_144   # a larger body is not read
DEF SMALL_BYTES = 1024        # answers up to it are all read, of larger ones one in SAMPLED
DEF SAMPLED = 8
DEF NAME_BYTES = 40
DEF NAMES = 8                 # of one body
DEF COUNTS = 64               # of a resource between two digests

cdef uint64_t BLOCK = FIELDS_BLOCK_NS
# A role that is no right: who speaks in a conversation with a language model.
cdef object OTHER_ROLE = re.compile(rb'"role"\s*:(?!\s*"(?:user|assistant|system|developer|tool|function|model)")|(?:^|&)role=|name="role"')


cdef inline uint64_t _hashed(uint64_t key0, uint64_t key1, const char* name, Py_ssize_t size) noexcept:
    """Return a hash of *name*, not 0: two words that overlap hold one of up to sixteen bytes."""
    cdef uint64_t first, last = 0
    if size > 16:
        return siphash13(key0, key1, <const uint8_t*>name, size) | 1
    if size >= 8:
        memcpy(&first, name, 8)
        memcpy(&last, name + size - 8, 8)
    else:
        first = short_word(<const uint8_t*>name, size)
    return mixed(mixed(first ^ key0) ^ last ^ key1 ^ <uint64_t>size << 56) | 1


cdef class Fields:
    """Finds names of fields that are followed; *wanted* tells whether one is."""

    def __init__(self, wanted):
        self.wanted = wanted
        self.key0, self.key1 = int.from_bytes(os.urandom(8), "little"), int.from_bytes(os.urandom(8), "little")

    cdef list names(self, bytes body):
        """Return the names that are followed of the fields in *body*: of JSON, of a form, or of one in parts (multipart)."""
        cdef const char* data = PyBytes_AS_STRING(body)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(body)
        cdef list found = []
        if data[0] == b"{" or data[0] == b"[":
            self._find_members(data, data + size, found)
        else:
            self._find_pairs(data, data + size, data[0] == b"-", found)
        return found

    cdef void _find_members(self, const char* data, const char* end, list found):
        """Add to *found* the names of members of the JSON from *data* to *end*: what stands in quotes before a colon."""
        cdef const char* at = data + 1
        cdef const char* stop
        cdef const char* begin
        while len(found) < NAMES:
            at = name_colon(at, end)
            if at == end:
                break
            stop = at - 1
            at += 1
            while stop > data and <uint8_t>stop[0] <= 32:
                stop -= 1
            if stop[0] != b'"':
                continue
            begin = behind_quote(stop) if stop - data >= 16 else NULL
            if begin == NULL:
                begin = stop
                while begin > data and stop - begin <= NAME_BYTES and (begin - 1)[0] != b'"':
                    begin -= 1
            _take(self, begin, stop - begin, found)

    cdef void _find_pairs(self, const char* data, const char* end, bint has_parts, list found):
        """Add to *found* the names before an equals sign, or those in quotes behind it in a form of parts."""
        cdef const char* at = data
        cdef const char* begin
        while len(found) < NAMES:
            at = <const char*>memchr(at, b"=", end - at)
            if at == NULL:
                break
            begin = at
            at += 1
            if has_parts:
                if at - data > 6 and at < end and at[0] == b'"' and (at - 2)[0] == b"e" and (at - 6)[0] == b" ":  # name="
                    begin = at + 1
                    at = <const char*>memchr(begin, b'"', end - begin)
                    if at == NULL:
                        break
                    _take(self, begin, at - begin, found)
                continue
            while begin > data and at - begin <= NAME_BYTES + 1 and (begin - 1)[0] != b"&":
                begin -= 1
            _take(self, begin, at - 1 - begin, found)

    cdef void _take_new(self, const char* name, Py_ssize_t size, uint64_t hashed, list found):
        text = PyBytes_FromStringAndSize(name, size).decode("latin-1")
        if not self.wanted(text):
            self.unwanted[hashed >> 1 & (KNOWN - 1)] = hashed
        elif text not in found:
            found.append(text)


cdef inline int _take(Fields fields, const char* name, Py_ssize_t size, list found) except -1:
    """Add *name* to *found*, if it is followed; no method, so that it is in line: it happens to each member."""
    cdef uint64_t hashed
    if 0 < size <= NAME_BYTES:
        hashed = _hashed(fields.key0, fields.key1, name, size)
        if fields.unwanted[hashed >> 1 & (KNOWN - 1)] != hashed:
            fields._take_new(name, size, hashed, found)
    return 0


cdef class Resource:
    """A host and a path without the value at its end."""

    def __init__(self, host, path, fields):
        self.host, self.path, self.fields = host, path, fields
        self.counts = {}

    cdef void learn(self, Request request, Response response):
        """Count the names in *response* that are no echo of *request*."""
        cdef Py_ssize_t size = PyBytes_GET_SIZE(response.body)
        if not 200 <= response.status < 300 or not 2 < size <= ANSWER_BYTES or PyBytes_AS_STRING(response.body)[0] not in b"{[":
            return
        if size > SMALL_BYTES and mixed(response.time_ns) % SAMPLED:
            return
        for name in self.fields.names(response.body):
            if not holds(request.body, (<str>name).encode("latin-1")):
                self._count("", name, request.time_ns)

    cdef list sent(self, Request request, uint32_t source):
        """Return the names that are followed of the fields in *request*, and count it for what is usual."""
        cdef list names
        if not 2 < PyBytes_GET_SIZE(request.body) <= REQUEST_BYTES:
            return []
        names = self.fields.names(request.names_or_body())
        if "role" in names and not OTHER_ROLE.search(request.body):
            names.remove("role")
        self._count_request(request)
        for name in names:
            slot = self._count(request.method.decode("latin-1"), name, request.time_ns)
            if slot is not None:
                slot.merge(Slot(0, 0, 0, frozenset((source,))))
        return names

    cdef object _count_request(self, Request request):
        """Count *request* with those of its method before, in one number until another method or block comes."""
        if self.method is None or self.block != request.time_ns // BLOCK or self.method != request.method:
            self._add_requests()
            self.method, self.block = request.method, request.time_ns // BLOCK
            self.first_ns = self.last_ns = request.time_ns
            self.slot = self._slot(request.method.decode("latin-1"), "", request.time_ns)
        self.requests += 1
        self.first_ns = min(self.first_ns, request.time_ns)
        self.last_ns = max(self.last_ns, request.time_ns)

    cdef object _add_requests(self):
        """Add the requests that were counted to their slot."""
        if self.method is not None and self.slot is not None:
            self.slot.merge(Slot(self.requests, self.first_ns, self.last_ns))
        self.method, self.requests = None, 0

    cdef object _count(self, str method, str name, uint64_t time_ns):
        slot = self._slot(method, name, time_ns)
        if slot is not None:
            slot.merge(Slot(1, time_ns, time_ns))
        return slot

    cdef object _slot(self, str method, str name, uint64_t time_ns):
        """Return the slot of the block of *time_ns*, None: there is no room."""
        key = (method, name, time_ns // BLOCK)
        slot = self.counts.get(key)
        if slot is None and len(self.counts) < COUNTS:
            slot = self.counts[key] = Slot(0, time_ns, time_ns)
        return slot

    cdef list take(self):
        """Return counters of what was seen since the last call."""
        self._add_requests()
        taken, self.counts, self.is_noted = self.counts, {}, False
        return [
            Counter(requests_key(self.host, self.path, method, name) if method else answers_key(self.host, self.path, name),
                    {block: slot})
            for (method, name, block), slot in taken.items()
        ]
