# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What the readers of capture files share: a walk over bytes in memory, what came of the file so far."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy

from tcpmirror.capture.receiver cimport FrameReceiver

from tcpmirror.errors import DamagedCaptureFault

cdef extern from *:
    uint16_t __builtin_bswap16(uint16_t) nogil

cdef enum:
    LINKTYPE_RAW = 101    # in files
    LINK_RAW = 12         # what libpcap calls it


cdef class CaptureReader:
    """Walks the file in *memory*; *name* is for messages, *expression* a pcap-filter(7) for each link type.

    ``is_partial``: more follows what is in memory, and what reaches beyond its end is waited for. ``all_link_types``: every link
    type met so far in the file.
    """

    def __init__(self, memory, str name, str expression=""):
        self.memory = memory
        self.size = self.memory.shape[0]
        self.name = name
        self.expression = expression
        self.link_numbers = set()

    @property
    def all_link_types(self):
        return frozenset(self.link_numbers)

    @property
    def taken(self):
        """How many bytes of what is in memory are done with."""
        return self.at

    @property
    def left(self):
        """How many bytes of what is in memory are not."""
        return self.size - self.at

    def go_on(self, memory):
        """Read *memory*, which begins where the last one was not done with."""
        self.before += self.at
        self.memory = memory
        self.size = self.memory.shape[0]
        self.at = 0

    def receive(self, FrameReceiver receiver, int limit):
        """Hand over up to *limit* packets; return how many, 0 at the end of the file.

        DamagedCaptureFault where the file is cut or cannot be; what came before it was handed over.
        """
        cdef int taken = 0
        while taken < limit and self.may_read():
            taken += self.read_next(receiver)
        return taken

    def prepare(self):
        """Read on to the first packet, so that link types and faults of the file's beginning are known."""
        raise NotImplementedError

    def link_types(self):
        """Return the link types known here, in order."""
        raise NotImplementedError

    cdef bint may_read(self) except -1:
        """Whether something comes next, and all of it is in memory that will be."""
        return self.at < self.size and not (self.is_partial and self.is_starved())

    cdef bint is_starved(self) except -1:
        """Whether what comes next ends behind what is in memory."""
        raise NotImplementedError

    cdef int read_next(self, FrameReceiver receiver) except -1:
        """Read on by one step; return 1 when it was a packet that was handed over."""
        raise NotImplementedError

    cdef int add_link_type(self, int number) except -1:
        """Note a link type as a file numbers it; return libpcap's number."""
        cdef int link_type = LINK_RAW if number == LINKTYPE_RAW else number
        self.link_numbers.add(link_type)
        return link_type

    cdef uint32_t u32(self, Py_ssize_t at) noexcept:
        cdef uint32_t value
        memcpy(&value, &self.memory[at], 4)
        return __builtin_bswap32(value) if self.is_swapped else value

    cdef uint16_t u16(self, Py_ssize_t at) noexcept:
        cdef uint16_t value
        memcpy(&value, &self.memory[at], 2)
        return __builtin_bswap16(value) if self.is_swapped else value

    cdef const uint8_t* start(self, Py_ssize_t at) noexcept:
        return &self.memory[0] + at

    cdef object fault(self, str text):
        return DamagedCaptureFault(f"{self.name}: {text} at byte {self.before + self.at}")
