from libc.stdint cimport uint32_t, uint64_t

from tcpmirror.model.exchange cimport Request, Response

cdef enum:
    KNOWN = 4096


cdef class Fields:
    cdef object wanted
    cdef uint64_t key0, key1
    cdef uint64_t[KNOWN] unwanted   # hashes of names that are not followed

    cdef list names(self, bytes body)
    cdef void _find_members(self, const char* data, const char* end, list found)
    cdef void _find_pairs(self, const char* data, const char* end, bint has_parts, list found)
    cdef void _take_new(self, const char* name, Py_ssize_t size, uint64_t hashed, list found)


cdef class Resource:
    cdef str host, path
    cdef Fields fields
    cdef dict counts                # (method, name, block) -> Slot
    cdef bint is_noted
    # requests with one method in one block, not yet added to their slot
    cdef bytes method               # None: none
    cdef uint64_t block, requests, first_ns, last_ns
    cdef object slot                # None: there was no room

    cdef object _count_request(self, Request request)
    cdef object _add_requests(self)
    cdef object _count(self, str method, str name, uint64_t time_ns)
    cdef object _slot(self, str method, str name, uint64_t time_ns)
    cdef void learn(self, Request request, Response response)
    cdef list sent(self, Request request, uint32_t source)
    cdef list take(self)
