from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from tcpmirror.decap.cursor cimport Cursor, Verdict
from tcpmirror.model.segment cimport Segment


cdef class Decapsulator:
    cdef public int link_type
    cdef int depth_limit
    cdef uint8_t[::1] tcp_ports       # 65536 flags; all set when no port list was given
    cdef uint8_t[::1] vxlan_ports
    cdef uint8_t[::1] geneve_ports
    cdef uint8_t[::1] vlan_ids        # 4096 flags
    cdef bint has_vlan_filter, has_vni_filter, has_host_filter
    cdef frozenset vni_allow, vni_deny, inner_vni_allow, hosts
    cdef list ignored
    cdef uint8_t[::1] own_ports
    cdef frozenset own_endpoints
    cdef bint is_own(self, Segment* segment)
    cdef Verdict decode(self, const uint8_t* data, Py_ssize_t length, Segment* out, const uint8_t** payload)
    cdef Verdict decode_ip(self, const uint8_t* data, Py_ssize_t length, Segment* out, const uint8_t** payload)
    cdef Verdict decode_more(self, Segment* out, const uint8_t** payload)
    cdef tuple facts(self, Verdict verdict, const Segment* segment, const uint8_t* payload)
    cdef void enter_aggregate(self, Cursor* c)
    cdef Verdict walk(self, Cursor* c, const uint8_t** payload)
    cdef Verdict enter_vxlan(self, Cursor* c)
    cdef Verdict read_udp(self, Cursor* c)
    cdef Verdict read_tcp(self, Cursor* c, const uint8_t** payload)
    cdef bint is_wanted(self, Segment* segment)
    cdef bint is_ignored(self, Segment* segment)
    cdef uint32_t identity            # of the segment last read: IPv4 identification, TCP checksum
    cdef uint16_t stripped_vlan       # id of a tag that the kernel took off the next frame, or 0
    cdef const uint8_t* inner_at      # what the innermost encapsulation of the segment last read carries, or NULL
    cdef bint is_inner_frame          # a frame; otherwise an IP packet
    cdef const uint8_t* more_at       # the next frame of the aggregate that the frame last read is, up to `more_end`; or NULL
    cdef const uint8_t* more_end
    cdef Segment around               # what is known of the layers around the aggregate
    cdef bint is_alone                # what is read now cannot have more frames beside it
    cdef const uint8_t* fragment_at
    cdef Py_ssize_t fragment_length
