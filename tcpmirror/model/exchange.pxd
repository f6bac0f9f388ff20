cdef class KnownBody:
    cdef readonly bytes body
    cdef bytes sent                     # `body` in its codings
    cdef tuple codings                  # to be undone, None: none
    cdef unsigned long long mark
    cdef Py_ssize_t held_bytes
    cdef bint was_found                 # since room was last made
    cdef public unsigned long long clean_for  # the number of the search that found nothing in it


cdef class Message:
    cdef public bytes head
    cdef public bytes body
    cdef public long long body_length
    cdef public long long wire_length
    cdef public object body_sha256
    cdef public unsigned long long time_ns
    cdef public unsigned long long end_ns
    cdef public unsigned long long anomalies
    cdef public KnownBody known
    cdef tuple _headers
    cdef object value_of(self, bytes name)


cdef class Request(Message):
    cdef public bytes method
    cdef public bytes target
    cdef public bytes version
    cdef public object disagreement
    cdef public bytes member_names
    cpdef bytes names_or_body(self)


cdef class Response(Message):
    cdef public int status
    cdef public bytes version


cdef class Exchange:
    cdef public Request request
    cdef public Response response
    cdef public bytes client_ip
    cdef public bytes server_ip
    cdef public int client_port
    cdef public int server_port
    cdef public int source
    cdef public unsigned int vlan
    cdef public unsigned int inner_vlan
    cdef public long long vni
    cdef public int tunnel
    cdef public unsigned long long flow_hash
    cdef public unsigned int index
    cdef public tuple overlaps  # of `model.overlap.Overlap`
    cdef public unsigned long long anomalies
