# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""pcapng (draft-ietf-opsawg-pcapng): sections one after another, each with interfaces of any link types and clocks.

libpcap reads such a file only while all interfaces have one link type; a capture of several interfaces may have more.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from tcpmirror.capture.capture_reader cimport SECOND_NS, CaptureReader, __builtin_bswap32
from tcpmirror.capture.filter_program cimport FilterProgram
from tcpmirror.capture.receiver cimport FrameReceiver

cdef enum:
    SECTION = 0x0a0d0d0a
    INTERFACE = 1
    OBSOLETE_PACKET = 2
    SIMPLE_PACKET = 3
    ENHANCED_PACKET = 6
    BYTE_ORDER = 0x1a2b3c4d
    OPTION_RESOLUTION = 9
    OPTION_OFFSET = 14
    MICROSECONDS = 6
    LONGEST_BLOCK = 1 << 26      # a wrong length would be waited for in memory


cdef class CaptureInterface:
    """What an interface block says: link type, snap length (0: none), clock."""
    cdef int link_type
    cdef uint32_t snaplen
    cdef int resolution          # a power of ten, or of two when the high bit is set
    cdef int64_t offset_s
    cdef FilterProgram program

    cdef uint64_t time_ns(self, uint64_t ticks) noexcept:
        cdef int power = self.resolution & 0x7f, index
        cdef uint64_t ns = ticks, fraction
        if self.resolution & 0x80:
            fraction = ticks & ((<uint64_t>1 << power) - 1) if power < 64 else ticks
            if power > 32:  # a billion times the fraction has to fit into 64 bits
                fraction = fraction >> (power - 32) if power < 96 else 0
            ns = (ticks >> power) * SECOND_NS if power < 64 else 0
            ns += fraction * SECOND_NS >> (power if power < 32 else 32)
        elif power <= 9:
            for index in range(9 - power):
                ns *= 10
        else:
            for index in range(power - 9 if power < 29 else 20):
                ns //= 10
        return ns + <uint64_t>(self.offset_s * SECOND_NS)


cdef class PcapngReader(CaptureReader):
    """As `CaptureReader`; link types are those of the interfaces met so far in this section."""
    cdef list interfaces
    cdef uint64_t last_ns

    def __init__(self, memory, str name, str expression=""):
        CaptureReader.__init__(self, memory, name, expression)
        self.interfaces = []

    def link_types(self):
        return [(<CaptureInterface>each).link_type for each in self.interfaces]

    def prepare(self):
        while self.may_read() and self.is_head(self.kind_at(self.at)):
            self.read_next(None)

    cdef bint is_starved(self) except -1:
        cdef uint32_t length
        cdef uint32_t magic
        if self.size - self.at < 12:
            return True
        length = self.u32(self.at + 4)
        if self.u32(self.at) == SECTION:  # its own byte order holds, which may be another than that of the section before
            memcpy(&magic, &self.memory[self.at + 8], 4)
            memcpy(&length, &self.memory[self.at + 4], 4)
            if magic == __builtin_bswap32(BYTE_ORDER):
                length = __builtin_bswap32(length)
            elif magic != BYTE_ORDER:
                return False  # what is read next says so
        if length > LONGEST_BLOCK:
            raise self.fault(f"a block of {length} bytes is longer than any should be,")
        return length > self.size - self.at

    cdef bint is_head(self, uint32_t kind) noexcept:
        return kind not in (OBSOLETE_PACKET, SIMPLE_PACKET, ENHANCED_PACKET)

    cdef uint32_t kind_at(self, Py_ssize_t at) noexcept:
        return self.u32(at) if self.size - at >= 4 else SECTION

    cdef int read_next(self, FrameReceiver receiver) except -1:
        """Read one block."""
        cdef uint32_t kind, length
        cdef Py_ssize_t at = self.at
        cdef int taken = 0
        if self.size - at < 12:
            raise self.fault("the file is cut inside a block")
        kind = self.u32(at)
        if kind == SECTION:
            self.begin_section()
        length = self.u32(at + 4)
        if length < 12 or length & 3:
            raise self.fault(f"a block cannot be {length} bytes long,")
        if length > self.size - at:
            raise self.fault("the file is cut inside a block")
        if kind == INTERFACE:
            self.add_interface(at + 8, at + length - 4)
        elif kind == ENHANCED_PACKET or kind == OBSOLETE_PACKET or kind == SIMPLE_PACKET:
            taken = self.hand_over(kind, at + 8, at + length - 4, receiver)
        self.at = at + length
        return taken

    cdef int begin_section(self) except -1:
        """Take the byte order of the section that begins here; it knows no interfaces of another."""
        cdef uint32_t magic
        memcpy(&magic, &self.memory[self.at + 8], 4)
        if magic != BYTE_ORDER and magic != __builtin_bswap32(BYTE_ORDER):
            raise self.fault("a section without a byte order begins")
        self.is_swapped = magic != BYTE_ORDER
        self.interfaces = []
        return 0

    cdef int add_interface(self, Py_ssize_t at, Py_ssize_t end) except -1:
        cdef CaptureInterface made = CaptureInterface.__new__(CaptureInterface)
        cdef uint16_t option, length
        cdef uint64_t high
        if end - at < 8:
            raise self.fault("an interface block is too short")
        made.link_type = self.add_link_type(self.u16(at))
        made.snaplen = self.u32(at + 4)
        made.resolution = MICROSECONDS
        at += 8
        while end - at >= 4:
            option, length = self.u16(at), self.u16(at + 2)
            at += 4
            if not option or length > end - at:
                break
            if option == OPTION_RESOLUTION and length >= 1:
                made.resolution = self.memory[at]
            elif option == OPTION_OFFSET and length >= 8:
                high = self.u32(at + (0 if self.is_swapped else 4))
                made.offset_s = <int64_t>(high << 32 | self.u32(at + (4 if self.is_swapped else 0)))
            at += (length + 3) & ~3
        if self.expression:
            made.program = FilterProgram(self.expression, made.link_type)
        self.interfaces.append(made)
        return 0

    cdef int hand_over(self, uint32_t kind, Py_ssize_t at, Py_ssize_t end, FrameReceiver receiver) except -1:
        cdef uint32_t number = 0, captured, original
        cdef Py_ssize_t head = 4 if kind == SIMPLE_PACKET else 20
        cdef CaptureInterface origin
        if end - at < head:
            raise self.fault("a packet block is too short")
        if kind != SIMPLE_PACKET:
            number = self.u32(at) if kind == ENHANCED_PACKET else self.u16(at)
        if number >= <uint32_t>len(self.interfaces):
            raise self.fault(f"a packet of interface {number}, which the section has not,")
        origin = <CaptureInterface>self.interfaces[number]
        if kind == SIMPLE_PACKET:  # it has no time: that of the packet before
            captured = original = self.u32(at)
            if origin.snaplen and captured > origin.snaplen:
                captured = origin.snaplen
            if captured > <uint64_t>(end - at - head):
                captured = <uint32_t>(end - at - head)
        else:
            captured, original = self.u32(at + 12), self.u32(at + 16)
            self.last_ns = origin.time_ns(<uint64_t>self.u32(at + 4) << 32 | self.u32(at + 8))
        if captured > <uint64_t>(end - at - head):
            raise self.fault("a packet reaches beyond its block")
        if origin.program is not None and not origin.program.matches(self.start(at + head), captured, original):
            return 0
        receiver.take(self.last_ns, self.start(at + head), captured, origin.link_type, 0)
        return 1
