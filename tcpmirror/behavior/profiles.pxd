from libc.stdint cimport uint32_t, uint64_t

from tcpmirror.behavior.route cimport Route
from tcpmirror.behavior.traits cimport SKETCHED, Traits
from tcpmirror.model.exchange cimport Exchange
from tcpmirror.model.heads cimport Span


cdef struct Looks:
    # What a head says of who sent it; NULL where it does not say.
    Span agent, language, encoding
    bint has_referer, has_cookie, has_credential


cdef enum:
    HOST, ADDRESS, SESSION, CLIENT  # in the order of window.KINDS


cdef class Agent:
    cdef bint is_tool
    cdef uint64_t outdated_ns
    cdef uint32_t hash
    cdef bytes text


cdef class Profile:
    cdef Traits traits
    cdef int kind
    cdef bytes subject
    cdef str host
    cdef uint64_t slot, count, first_ns, last_ns
    cdef Exchange sample        # None: nothing about its requests is odd


cdef class Profiles:
    cdef list cells
    cdef uint64_t* keys
    cdef dict agents
    cdef Agent agent            # the last one
    cdef int threshold
    cdef readonly uint64_t evicted, used
    # of the exchange that is noted
    cdef Exchange exchange
    cdef Route route
    cdef Looks looks
    cdef bint is_asset, is_attack
    cdef uint32_t[SKETCHED] values
    cdef bint[SKETCHED] has_value

    cdef void begin(self, Exchange exchange, Route route, bint is_asset, bint is_attack)
    cdef void login(self, uint32_t account, bint has_account, uint32_t password)
    cdef object note(self, bytes source, uint64_t source_hash, bytes session, uint64_t session_hash)
    cdef Agent _agent(self)
    cdef void _query(self)
    cdef void _set(self, int sketch, uint32_t value) noexcept
    cdef void _add(self, int kind, uint64_t hashed, bytes subject)
    cdef Profile _cell(self, uint64_t key)
    cdef void _sum(self, Traits traits, uint64_t time_ns)
    cdef list take(self)
