from libc.stdint cimport uint64_t

from tcpmirror.model.exchange cimport Message, Request, Response


cdef Request request_of(list fields, uint64_t anomalies, Py_ssize_t header_limit)
cdef Response response_of(list fields, uint64_t anomalies, Py_ssize_t header_limit)
cdef int add_trailers(Message message, list fields, uint64_t anomalies) except -1
cdef int status_of(list fields)
cdef bint has_request_fields(list fields)
