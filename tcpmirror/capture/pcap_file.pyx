# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""pcap (draft-ietf-opsawg-pcap): one link type and one clock, then packets; in either byte order, of micro- or nanoseconds.

libpcap reads 4 KiB at a time, and pypcap makes a Python object of each packet.
"""
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy

from tcpmirror.capture.capture_reader cimport SECOND_NS, CaptureReader, __builtin_bswap32
from tcpmirror.capture.filter_program cimport FilterProgram
from tcpmirror.capture.receiver cimport FrameReceiver

cdef enum:
    MICROSECONDS = 0xa1b2c3d4
    NANOSECONDS = 0xa1b23c4d
    MODIFIED = 0xa1b2cd34        # Kuznetzov's: microseconds, and eight bytes more in front of a packet
    VERSION = 2
    HEAD_BYTES = 24
    PACKET_HEAD_BYTES = 16
    MORE_BYTES = 8
    LONGEST_PACKET = 262144      # libpcap's limit: a longer one means that the file is damaged


cdef class PcapReader(CaptureReader):
    """As `CaptureReader`."""
    cdef int link_type
    cdef uint32_t part_ns            # what a second's parts are counted in
    cdef Py_ssize_t packet_head
    cdef FilterProgram program
    cdef bint is_begun

    def link_types(self):
        return [self.link_type] if self.is_begun else []

    def prepare(self):
        cdef uint32_t magic
        if self.is_begun or self.is_partial and self.size < HEAD_BYTES:
            return
        if self.size < HEAD_BYTES:
            raise self.fault("the file is cut inside its header")
        memcpy(&magic, self.start(0), 4)
        if magic not in (MICROSECONDS, NANOSECONDS, MODIFIED):
            self.is_swapped = True
            magic = __builtin_bswap32(magic)
        if self.u16(4) != VERSION:
            raise self.fault(f"version {self.u16(4)} of the format is not known; {VERSION} is,")
        self.part_ns = 1 if magic == NANOSECONDS else 1000
        self.packet_head = PACKET_HEAD_BYTES + (MORE_BYTES if magic == MODIFIED else 0)
        self.link_type = self.add_link_type(self.u32(20) & 0xffff)  # above it: how long a frame's check sequence is
        if self.expression:
            self.program = FilterProgram(self.expression, self.link_type)
        self.at = HEAD_BYTES
        self.is_begun = True

    cdef bint is_starved(self) except -1:
        cdef Py_ssize_t left = self.size - self.at
        return left < self.packet_head or left - self.packet_head < self.captured()

    cdef int read_next(self, FrameReceiver receiver) except -1:
        """Read one packet."""
        cdef Py_ssize_t at = self.at, left = self.size - self.at
        cdef uint32_t captured
        if left < self.packet_head:
            raise self.fault("the file is cut inside a packet's header")
        captured = self.captured()
        if captured > left - self.packet_head:
            raise self.fault("the file is cut inside a packet")
        self.at = at + self.packet_head + captured
        if self.program is not None and not self.program.matches(self.start(at + self.packet_head), captured, self.u32(at + 12)):
            return 0
        receiver.take(self.u32(at) * <uint64_t>SECOND_NS + self.u32(at + 4) * <uint64_t>self.part_ns,
                      self.start(at + self.packet_head), captured, self.link_type, 0)
        return 1

    cdef uint32_t captured(self) except? 0xffffffff:
        """Return how many bytes of the packet here the file holds, whose header is in memory."""
        cdef uint32_t size = self.u32(self.at + 8)
        if size > LONGEST_PACKET:
            raise self.fault(f"a packet cannot be {size} bytes long,")
        return size
