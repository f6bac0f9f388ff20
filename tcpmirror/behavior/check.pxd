from libc.stdint cimport uint64_t

cdef enum:
    REQUESTS, OF_VALUES, OF_PATHS, OF_PAYLOADS, OF_LOGINS, OF_AGENTS, OF_UPLOADS, OF_GRAPHQL, OF_FIELDS, OF_SURGES, OF_LARGE, OF_SLOW


cdef class Check:
    cdef object control
    cdef int index, count
    cdef bint by_session, by_all, by_account
    cdef uint64_t slot_ns
    cdef object names           # of parameters, None: identifiers
    cdef object networks
    cdef int[600] statuses      # 1: accepted
    cdef bint has_statuses
    cdef bint is_of_values      # counts different ones
    cdef bint has_history       # asks what is usual at a route
    cdef bint is_relative       # is judged by a history
    cdef object values          # which of the parameters' count, None: all
    cdef object attacks         # types of attacks whose payloads count, None: all
    cdef bint is_by_route       # counts under the path of a request, not under its own
    cdef str unit               # of its counters
    cdef long long limit
    cdef bint is_of_host        # counts what is done anywhere on a host
