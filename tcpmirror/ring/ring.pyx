# cython: language_level=3, boundscheck=False, wraparound=False
"""Single-producer single-consumer byte rings in shared memory, and the doorbell that wakes a consumer.

A record is an 8-byte header (u32 payload size, u16 kind, u16 zero) and its payload, padded to 8 bytes; it never wraps: where
it would, a filler record (kind 0) takes the rest of the ring. Positions count bytes since the ring was made and only grow.
The producer publishes a record with a release store of `head`; the consumer gives its bytes back with a release store of
`tail`, so each side may die between any two instructions and its successor finds whole records only.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from tcpmirror.ring.atomics cimport (
    tm_add32, tm_futex_wait, tm_futex_wake, tm_load32, tm_load_acquire, tm_store32, tm_store_release,
)

cdef uint64_t MAGIC = 0x31474E4952544350

HEADER_BYTES = sizeof(RingHeader)
KIND_FILLER = 0
KIND_SEGMENT = 1
KIND_SOURCE_END = 2
KIND_REPORT = 3
KIND_LINE = 4
KIND_DRAIN = 5
KIND_DIGEST = 6
KIND_IGNORED = 7
KIND_APIS = 8
KIND_PROTOCOLS = 9
KIND_BEHAVIOR = 10
KIND_SESSIONS = 11
KIND_WEAKNESSES = 12


def ring_bytes(unsigned long long capacity):
    """Return the bytes of shared memory a ring for at least *capacity* payload bytes takes (a power of two and its header)."""
    return HEADER_BYTES + (1 << max(12, int(capacity - 1).bit_length()))


cdef RingHeader* attach(unsigned char[::1] memory) except NULL:
    """Return the header in *memory*, made when the memory is fresh (all zero)."""
    cdef RingHeader* header = <RingHeader*>&memory[0]
    cdef uint64_t capacity = len(memory) - sizeof(RingHeader)
    if len(memory) < <Py_ssize_t>sizeof(RingHeader) + 4096 or capacity & (capacity - 1):
        raise ValueError(f"a ring takes ring_bytes(capacity) bytes of memory, not {len(memory)}")
    if header.magic == 0:
        header.capacity = capacity
        header.magic = MAGIC
    if header.magic != MAGIC or header.capacity != capacity:
        raise ValueError("this memory holds no ring of this size")
    return header


cdef class RingWriter:
    """The producing end. A new writer on used memory goes on where the last one published."""

    def __init__(self, memory):
        cdef unsigned char[::1] view = memory
        self.memory = view
        self.header = attach(view)
        self.data = &view[0] + sizeof(RingHeader)
        self.capacity = self.header.capacity
        self.mask = self.capacity - 1
        self.head = tm_load_acquire(&self.header.head)
        self.tail_seen = tm_load_acquire(&self.header.tail)

    cdef uint8_t* reserve(self, int kind, uint64_t size) noexcept nogil:
        """Return where *size* payload bytes may be written, or NULL when they do not fit now; `commit` publishes them."""
        cdef uint64_t need = sizeof(RecordHeader) + ((size + 7) & ~<uint64_t>7)
        cdef uint64_t at = self.head & self.mask
        cdef uint64_t to_end = self.capacity - at
        cdef uint64_t total = need if need <= to_end else to_end + need
        cdef RecordHeader* record
        if need > self.capacity // 2:
            return NULL
        if self.head + total - self.tail_seen > self.capacity:
            self.tail_seen = tm_load_acquire(&self.header.tail)
            if self.head + total - self.tail_seen > self.capacity:
                return NULL
        if need > to_end:
            record = <RecordHeader*>(self.data + at)
            record.size = <uint32_t>(to_end - sizeof(RecordHeader))
            record.kind = 0
            record.reserved = 0
            at = 0
        record = <RecordHeader*>(self.data + at)
        record.size = <uint32_t>size
        record.kind = <uint16_t>kind
        record.reserved = 0
        self.next_head = self.head + total
        return self.data + at + sizeof(RecordHeader)

    cdef void commit(self) noexcept nogil:
        self.head = self.next_head
        tm_store_release(&self.header.head, self.head)

    cdef double fill_level(self) noexcept nogil:
        self.tail_seen = tm_load_acquire(&self.header.tail)
        return <double>(self.head - self.tail_seen) / <double>self.capacity

    def write(self, int kind, bytes payload):
        """Append a record; False when it does not fit now (nothing was written)."""
        cdef Py_ssize_t size = len(payload)
        cdef uint8_t* target = self.reserve(kind, size)
        if target == NULL:
            return False
        memcpy(target, <const char*>payload, size)
        self.commit()
        return True

    @property
    def fill(self):
        """How full the ring is, from 0.0 to 1.0."""
        return self.fill_level()

    @property
    def largest_payload(self):
        """The most bytes one record can carry: half the ring, so that a record always fits once the ring is empty."""
        return self.capacity // 2 - sizeof(RecordHeader)


cdef class RingReader:
    """The consuming end. `read` shows the next record, `advance` takes it off: a consumer that dies between finds it again."""

    def __init__(self, memory):
        cdef unsigned char[::1] view = memory
        self.memory = view
        self.header = attach(view)
        self.data = &view[0] + sizeof(RingHeader)
        self.capacity = self.header.capacity
        self.mask = self.capacity - 1
        self.tail = tm_load_acquire(&self.header.tail)
        self.head_seen = self.tail

    cdef const uint8_t* peek(self, int* kind, uint32_t* size) noexcept nogil:
        """Return the payload of the next record, or NULL when there is none; the bytes stay valid until `release`."""
        cdef RecordHeader* record
        cdef uint64_t need
        while True:
            if self.tail == self.head_seen:
                self.head_seen = tm_load_acquire(&self.header.head)
                if self.tail == self.head_seen:
                    return NULL
            record = <RecordHeader*>(self.data + (self.tail & self.mask))
            need = sizeof(RecordHeader) + ((<uint64_t>record.size + 7) & ~<uint64_t>7)
            if need > self.head_seen - self.tail or need > self.capacity - (self.tail & self.mask):
                # Only a producer gone wrong writes this: everything up to `head` is given up, never read as records.
                self.corruptions += 1
                self.tail = self.head_seen
                tm_store_release(&self.header.tail, self.tail)
                continue
            self.next_tail = self.tail + need
            if record.kind == 0:
                self.release()
                continue
            kind[0] = record.kind
            size[0] = record.size
            return <const uint8_t*>record + sizeof(RecordHeader)

    cdef void release(self) noexcept nogil:
        self.tail = self.next_tail
        tm_store_release(&self.header.tail, self.tail)

    cdef bint is_counted(self) noexcept nogil:
        """Whether a consumer, perhaps one that died over it, has counted the record at the front; from now on one has."""
        if self.header.counted == self.tail + 1:
            return True
        self.header.counted = self.tail + 1
        return False

    def read(self):
        """Return (kind, payload) of the next record, or None when the ring is empty."""
        cdef int kind = 0
        cdef uint32_t size = 0
        cdef const uint8_t* payload = self.peek(&kind, &size)
        if payload == NULL:
            return None
        return kind, <bytes>(<const char*>payload)[:size]

    def advance(self):
        """Take the record that `read` showed off the ring."""
        if self.next_tail > self.tail:
            self.release()

    @property
    def position(self):
        """Bytes consumed since the ring was made: names the record at the front, also after the consumer died."""
        return tm_load_acquire(&self.header.tail)

    @property
    def fill(self):
        """How full the ring is, from 0.0 to 1.0."""
        return <double>(tm_load_acquire(&self.header.head) - tm_load_acquire(&self.header.tail)) / <double>self.capacity

    @property
    def is_empty(self):
        return tm_load_acquire(&self.header.head) == tm_load_acquire(&self.header.tail)


cdef class Doorbell:
    """One per consumer, rung by any number of producers: a counter that a sleeper watches through futex(2).

    A consumer takes a `ticket`, looks at its rings, and sleeps only while the counter still equals the ticket; a producer
    publishes first and rings after. So no wake-up is lost, and ringing a consumer that is awake costs no system call.
    """
    SIZE = 64

    def __init__(self, memory):
        cdef unsigned char[::1] view = memory
        if len(view) < 64:
            raise ValueError("a doorbell takes 64 bytes")
        self.memory = view
        self.count = <uint32_t*>&view[0]
        self.waiting = <uint32_t*>&view[4]

    cdef void strike(self) noexcept nogil:
        tm_add32(self.count)
        if tm_load32(self.waiting):
            tm_futex_wake(self.count)

    def ring(self):
        """Wake the consumer if it sleeps; call it after publishing, once for a batch of records."""
        self.strike()

    def ticket(self):
        """Return the count to hand to `wait`: take it *before* looking at the rings."""
        return tm_load32(self.count)

    def wait(self, uint32_t ticket, long timeout_ms):
        """Sleep until rung after *ticket* was taken, a signal, or the time-out; True when rung."""
        tm_store32(self.waiting, 1)
        with nogil:
            tm_futex_wait(self.count, ticket, timeout_ms)
        tm_store32(self.waiting, 0)
        return tm_load32(self.count) != ticket
