# cython: language_level=3
"""StreamEvent: what reassembly tells protocols about one direction of a flow (Data, Gap, End), as compiled calls.

The stages meet here: reassembly calls a `StreamSink`, protocols is one. `feed`, `skip`, `finish` and `expire` are the same
calls for Python callers (tests, `tcpmirror inspect`).
"""


cdef class FlowInfo:
    def __init__(self, bytes client_ip=b"\0\0\0\0", int client_port=0, bytes server_ip=b"\0\0\0\0", int server_port=0,
                 bint is_client_known=True):
        self.client_ip = client_ip
        self.client_port = client_port
        self.server_ip = server_ip
        self.server_port = server_port
        self.is_client_known = is_client_known
        self.vni = -1
        self.overlaps = ()


cdef class StreamSink:
    cdef int data(self, int side, const uint8_t* data, Py_ssize_t length, uint64_t time_ns) except -1:
        return 0

    cdef int gap(self, int side, uint64_t length, uint64_t time_ns) except -1:
        return 0

    cdef int end(self, int side, EndKind how, uint64_t time_ns) except -1:
        return 0

    cdef int tick(self, uint64_t now_ns) except -1:
        return 0

    cdef int shed(self) except -1:
        return 0

    def feed(self, int side, bytes chunk, unsigned long long time_ns=0):
        """Deliver *chunk* as the next bytes of *side*."""
        self.data(side, <const uint8_t*><const char*>chunk, len(chunk), time_ns)

    def skip(self, int side, unsigned long long length, unsigned long long time_ns=0):
        """Tell that *length* bytes of *side* were never seen."""
        self.gap(side, length, time_ns)

    def finish(self, int side, int how=END_FIN, unsigned long long time_ns=0):
        """Tell how *side* ended (an EndKind)."""
        self.end(side, <EndKind>how, time_ns)

    def lighten(self):
        """Tell that memory is short."""
        self.shed()

    def expire(self, unsigned long long now_ns):
        """Tell that packet time has reached *now_ns*."""
        self.tick(now_ns)


cdef class SinkFactory:
    cdef StreamSink open(self, FlowInfo flow):
        raise NotImplementedError

    def open_flow(self, FlowInfo flow):
        """Return the sink for *flow* (for Python callers)."""
        return self.open(flow)


cdef class SilentFactory(SinkFactory):
    """Makes sinks that do nothing: to measure the stages before them."""

    cdef StreamSink open(self, FlowInfo flow):
        return StreamSink.__new__(StreamSink)
