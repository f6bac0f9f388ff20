from libc.stdint cimport uint8_t, uint64_t

from tcpmirror.behavior.fields cimport Fields, Resource
from tcpmirror.behavior.usual cimport Usual
from tcpmirror.model.exchange cimport Request
from tcpmirror.model.heads cimport Span

cdef enum:
    KEY_BYTES = 512       # of host, method and path; what is longer is counted under its beginning
    CHECKS = 32           # of a route


cdef class Route:
    cdef str host, path, method
    cdef tuple payloads         # checks of attacks
    cdef tuple checks, targets  # of each check: the path under which it counts
    cdef uint64_t[CHECKS] hashes  # of each target
    cdef bint reads_body, is_asset
    cdef Usual usual            # None: no control asks for it
    cdef Resource resource      # None, as well
    cdef uint64_t seen
    cdef uint64_t place, host_place  # hashes of method, host and path, and of the host


cdef class Routes:
    cdef dict known, resources
    cdef object choice
    cdef tuple checks
    cdef Fields fields          # None: no control asks for them

    cdef Route of(self, Request request, Span* host)
    cdef Route _new(self, bytes name, Request request)
    cdef Resource _resource(self, str host, str path)


cdef uint64_t hash64(bytes text)
cdef bint is_value(const uint8_t* text, Py_ssize_t size) noexcept nogil
