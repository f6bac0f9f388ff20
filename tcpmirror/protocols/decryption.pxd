from libc.stdint cimport uint64_t

from tcpmirror.model.stream cimport StreamSink


cdef class Decryption:
    cdef readonly object secrets
    cdef uint64_t wait_ns
    cdef Py_ssize_t flow_bytes
    cdef Py_ssize_t worker_bytes
    cdef object ended
    cdef public Py_ssize_t tls_waiting_bytes
    cdef public unsigned long long tls_decrypted_flows
    cdef public unsigned long long tls_decrypted_bytes
    cdef public unsigned long long tls_no_secret
    cdef public unsigned long long tls_unsupported
    cdef public unsigned long long tls_bad_records
    cdef public unsigned long long tls_unauthentic
    cdef public unsigned long long tls_joined
    cdef public unsigned long long tls_lost
    cdef int count(self, int fault) except -1
