from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

# How one direction of a flow ended.
cdef enum EndKind:
    END_FIN = 1      # FIN: everything was said
    END_RESET = 2    # RST
    END_IDLE = 3     # nothing for the idle time-out
    END_EVICTED = 4  # the flow had to go for memory
    END_INPUT = 5    # the capture ended, or the 4-tuple was taken into use again


cdef class FlowInfo:
    """Who speaks with whom. Side 0 is the presumed client (the sender of the SYN, else the first to speak)."""
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
    cdef public bint is_client_known   # a SYN told; otherwise the content has to
    cdef public unsigned int first_index   # exchanges of this flow before what its reader is given
    cdef public unsigned long long anomalies  # transport anomalies, as far as is known
    cdef public tuple overlaps         # of `model.overlap.Overlap`: the first conflicts of each direction


cdef class StreamSink:
    """What reassembly delivers to: in order, each byte once, per side (0 or 1).

    `data` is valid during the call only. After `gap` the next `data` follows *length* missing bytes.
    `end` comes at most once per side. `shed` asks to keep heads only, for want of memory. `tick` comes before the other calls when a `deadline_ns` has passed, with packet time.
    """
    cdef public unsigned long long deadline_ns  # packet time at which `tick` is due; 0: never
    cdef public Py_ssize_t held_bytes            # bytes this sink keeps: counts towards the memory limit
    cdef int data(self, int side, const uint8_t* data, Py_ssize_t length, uint64_t time_ns) except -1
    cdef int gap(self, int side, uint64_t length, uint64_t time_ns) except -1
    cdef int end(self, int side, EndKind how, uint64_t time_ns) except -1
    cdef int tick(self, uint64_t now_ns) except -1
    cdef int shed(self) except -1


cdef class SinkFactory:
    """Makes the sink of a flow that is about to deliver its first byte."""
    cdef StreamSink open(self, FlowInfo flow)
