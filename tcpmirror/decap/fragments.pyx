# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""IP datagrams from their fragments.

The first copy of each byte stays. Receivers differ where copies disagree (RFC 5722 has IPv6 receivers drop such a
datagram, and Linux drops it for IPv4 too since 4.19), but none of today lets the later copy win, so the first is what a
server may have read. Bounded by datagrams in progress and by the bytes they hold; the oldest goes first, and after 30
seconds of packet time (RFC 791 suggests 15, RFC 8200 allows 60). The number of pieces is not bounded: a request in pieces of
8 bytes is whole too. The time for a piece depends on its length, not on what is held.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcmp, memcpy, memset

from tcpmirror.decap.cursor cimport be16, be32
from tcpmirror.model.hashing cimport mixed

cdef enum:
    NONE = -1
    LARGEST = 65535      # of a datagram (RFC 791, RFC 8200)
    UNIT = 8             # offsets count units of 8 bytes
    FLAG_BYTES = 1024    # a bit for each unit of the largest datagram
    HEAD_ROOM = 64       # for a header, in front of the bytes
    FIRST_CAPACITY = 2048
    MEAN_BYTES = 16384   # a datagram's share of the memory that all may hold
    IPV6_FRAGMENT = 44

cdef int64_t TIMEOUT = 30_000_000_000
# A mirror's second copy of a piece comes within this time; an identifier is not used again so soon.
cdef int64_t REPEAT = 10_000_000

TIMEOUT_NS = TIMEOUT
REPEAT_NS = REPEAT


cdef inline uint64_t digest(const Key* key, uint64_t seed) noexcept nogil:
    cdef const uint64_t* words = <const uint64_t*>key
    cdef size_t index
    for index in range(sizeof(Key) // 8):
        seed = mixed(seed ^ words[index]) + <uint64_t>0x9e3779b97f4a7c15
    return seed


cdef inline void append(Age* age, Datagram* all, int32_t at) noexcept nogil:
    all[at].older, all[at].newer = age.newest, NONE
    if age.newest == NONE:
        age.oldest = at
    else:
        all[age.newest].newer = at
    age.newest = at
    age.count += 1


cdef inline void remove(Age* age, Datagram* all, int32_t at) noexcept nogil:
    cdef int32_t older = all[at].older, newer = all[at].newer
    if older == NONE:
        age.oldest = newer
    else:
        all[older].newer = newer
    if newer == NONE:
        age.newest = older
    else:
        all[newer].older = older
    age.count -= 1


cdef class FragmentJoiner:
    """Joins fragments of one source's IP datagrams: at most *limit* at a time, which hold 16 KiB each on average.

    *seed* is what a sender must not know who would let all datagrams fall into one bucket. Each piece given to `join` ends in
    exactly one place: it completes a datagram, or it is counted in ``joined`` (part of a datagram that was completed, or a copy
    of such a part) or in ``lost``, or it waits and is counted in ``held``. ``incomplete``: datagrams given up.
    """

    def __cinit__(self, int32_t limit=1024, uint64_t seed=0):
        cdef int32_t at, count = 2 * limit  # as many are remembered as are in progress
        cdef uint32_t size = 1
        while size < <uint32_t>count:
            size *= 2
        self.datagrams = <Datagram*>calloc(count, sizeof(Datagram))
        self.buckets = <int32_t*>malloc(size * sizeof(int32_t))
        if self.datagrams == NULL or self.buckets == NULL:
            raise MemoryError
        for at in range(<int32_t>size):
            self.buckets[at] = NONE
        for at in range(count):
            self.datagrams[at].chain = at + 1 if at + 1 < count else NONE
        self.unused = 0
        self.bucket_mask = size - 1
        self.limit = limit
        self.seed = seed
        self.room = max(<int64_t>limit * MEAN_BYTES, LARGEST + 1)
        self.open_ones.oldest = self.open_ones.newest = self.finished.oldest = self.finished.newest = NONE

    def __dealloc__(self):
        if self.datagrams != NULL and self.buckets != NULL:
            self.clear()
        free(self.datagrams)
        free(self.buckets)
        free(self.whole)

    def add(self, bytes packet, int64_t time_ns, uint64_t tags=0):
        """The same as `join` from Python, for tests."""
        cdef Py_ssize_t length = 0
        cdef const uint8_t* whole = self.join(<const uint8_t*><const char*>packet, len(packet), time_ns, tags, &length)
        return None if whole == NULL else (<const char*>whole)[:length]

    def clear(self):
        """Give up all that waits: no more pieces come."""
        while self.open_ones.oldest != NONE:
            self.give_up(self.open_ones.oldest)
        while self.finished.oldest != NONE:
            self.forget(self.finished.oldest)

    cdef const uint8_t* join(self, const uint8_t* packet, Py_ssize_t size, int64_t time_ns, uint64_t tags, Py_ssize_t* length) noexcept nogil:
        """Take *packet* (from its IP header on); return the whole datagram when this was its last missing piece, else NULL.

        The datagram stays until another one is completed. Pieces with other *tags* (VLANs, VNI) belong to other datagrams.
        """
        cdef Piece piece
        cdef Datagram* datagram
        cdef int32_t at
        self.expire(time_ns)
        if not read_piece(packet, size, &piece):
            self.lost += 1
            return NULL
        piece.key.tags = tags
        at = self.find(&piece.key)
        if at == NONE or self.datagrams[at].block == NULL:
            if at != NONE and -REPEAT < time_ns - self.datagrams[at].time_ns < REPEAT:
                self.joined += 1
                return NULL
            at = self.open(at, &piece.key, time_ns)
        if at == NONE or not self.make_room(at, piece.offset + piece.length):
            self.lost += 1
            if at != NONE and not self.datagrams[at].pieces:
                self.give_up(at)
            return NULL
        datagram = &self.datagrams[at]
        self.held += 1
        datagram.pieces += 1
        fill(datagram, &piece)
        if datagram.total < 0 or not datagram.head_length or datagram.first_missing * UNIT < datagram.total:
            return NULL
        return self.complete(at, time_ns, length)

    cdef const uint8_t* complete(self, int32_t at, int64_t time_ns, Py_ssize_t* length) noexcept nogil:
        """Take the datagram out, with a header that no longer calls it a fragment; remember that it was whole."""
        cdef Datagram* datagram = &self.datagrams[at]
        cdef const uint8_t* found
        self.held -= datagram.pieces
        self.joined += datagram.pieces - 1
        free(self.whole)
        self.whole = datagram.block
        self.held_bytes -= datagram.capacity
        datagram.block = NULL
        remove(&self.open_ones, self.datagrams, at)
        datagram.time_ns = time_ns
        append(&self.finished, self.datagrams, at)
        found = with_header(self.whole + FLAG_BYTES + HEAD_ROOM - datagram.head_length, datagram)
        length[0] = datagram.head_length + datagram.total
        if self.finished.count > self.limit:
            self.forget(self.finished.oldest)
        return found

    cdef int32_t find(self, const Key* key) noexcept nogil:
        cdef int32_t at = self.buckets[digest(key, self.seed) & self.bucket_mask]
        while at != NONE and memcmp(&self.datagrams[at].key, key, sizeof(Key)):
            at = self.datagrams[at].chain
        return at

    cdef int32_t open(self, int32_t at, const Key* key, int64_t time_ns) noexcept nogil:
        """Begin a datagram, in place of the completed one at *at* if there is one; NONE without memory."""
        cdef Datagram* datagram
        cdef uint64_t bucket
        cdef uint8_t* block = <uint8_t*>malloc(FLAG_BYTES + HEAD_ROOM + FIRST_CAPACITY)
        if block == NULL:
            return NONE
        if at != NONE:
            self.forget(at)
        if self.open_ones.count >= self.limit:
            self.give_up(self.open_ones.oldest)
        at = self.unused
        datagram = &self.datagrams[at]
        self.unused = datagram.chain
        memset(datagram, 0, sizeof(Datagram))
        memset(block, 0, FLAG_BYTES)
        datagram.key = key[0]
        datagram.time_ns = time_ns
        datagram.block = block
        datagram.capacity = FIRST_CAPACITY
        datagram.total = -1
        self.held_bytes += FIRST_CAPACITY
        bucket = digest(key, self.seed) & self.bucket_mask
        datagram.chain = self.buckets[bucket]
        self.buckets[bucket] = at
        append(&self.open_ones, self.datagrams, at)
        return at

    cdef bint make_room(self, int32_t at, int end) noexcept nogil:
        """Let the datagram have room for *end* bytes; older ones go where all would hold too much. False without memory."""
        cdef Datagram* datagram = &self.datagrams[at]
        cdef int capacity = datagram.capacity
        cdef uint8_t* block
        while capacity < end:
            capacity *= 2
        if capacity != datagram.capacity:
            block = <uint8_t*>realloc(datagram.block, FLAG_BYTES + HEAD_ROOM + capacity)
            if block == NULL:
                return False
            datagram.block = block
            self.held_bytes += capacity - datagram.capacity
            datagram.capacity = capacity
        while self.held_bytes > self.room:
            if self.open_ones.oldest != at:
                self.give_up(self.open_ones.oldest)
            else:
                self.give_up(datagram.newer)
        return True

    cdef void give_up(self, int32_t at) noexcept nogil:
        cdef Datagram* datagram = &self.datagrams[at]
        self.incomplete += 1
        self.held -= datagram.pieces
        self.lost += datagram.pieces
        self.held_bytes -= datagram.capacity
        free(datagram.block)
        datagram.block = NULL
        remove(&self.open_ones, self.datagrams, at)
        self.release(datagram)

    cdef void forget(self, int32_t at) noexcept nogil:
        remove(&self.finished, self.datagrams, at)
        self.release(&self.datagrams[at])

    cdef void release(self, Datagram* datagram) noexcept nogil:
        """Take the datagram out of its bucket, for another to be there."""
        cdef int32_t at = <int32_t>(datagram - self.datagrams)
        cdef int32_t* link = &self.buckets[digest(&datagram.key, self.seed) & self.bucket_mask]
        while link[0] != at:
            link = &self.datagrams[link[0]].chain
        link[0] = datagram.chain
        datagram.chain = self.unused
        self.unused = at

    cdef void expire(self, int64_t now_ns) noexcept nogil:
        while self.open_ones.oldest != NONE and now_ns - self.datagrams[self.open_ones.oldest].time_ns >= TIMEOUT:
            self.give_up(self.open_ones.oldest)


cdef void fill(Datagram* datagram, const Piece* piece) noexcept nogil:
    """Put the bytes of *piece* where none are yet. A second end that lies elsewhere than the first is not believed."""
    cdef uint8_t* flags = datagram.block
    cdef uint8_t* bytes_ = datagram.block + FLAG_BYTES + HEAD_ROOM
    cdef int unit, end
    if piece.is_last:
        if datagram.total >= 0 and datagram.total != piece.offset + piece.length:
            return
        datagram.total = piece.offset + piece.length
    if piece.offset == 0 and not datagram.head_length:
        memcpy(bytes_ - piece.head_length, piece.head, piece.head_length)
        datagram.head_length, datagram.protocol = piece.head_length, piece.protocol
    unit, end = piece.offset // 8, (piece.offset + piece.length + UNIT - 1) // 8
    if unit >= datagram.end:
        memcpy(bytes_ + piece.offset, piece.data, piece.length)
        mark(flags, unit, end)
    else:
        fill_holes(flags, bytes_, unit, end, piece)
    if datagram.end < end:
        datagram.end = end
    unit = datagram.first_missing
    while unit < datagram.end and flags[unit >> 3] >> (unit & 7) & 1:
        unit += 8 if not unit & 7 and flags[unit >> 3] == 0xff else 1
    datagram.first_missing = unit


cdef inline void fill_holes(uint8_t* flags, uint8_t* bytes_, int first, int end, const Piece* piece) noexcept nogil:
    cdef int unit, at
    for unit in range(first, end):
        if not flags[unit >> 3] >> (unit & 7) & 1:
            at = (unit - first) * UNIT
            memcpy(bytes_ + unit * UNIT, piece.data + at, UNIT if piece.length - at > UNIT else piece.length - at)
    mark(flags, first, end)


cdef inline void mark(uint8_t* flags, int first, int end) noexcept nogil:
    """Set the flags of the units from *first* up to *end*."""
    while first < end and first & 7:
        flags[first >> 3] |= <uint8_t>(1 << (first & 7))
        first += 1
    if first + 8 <= end:
        memset(flags + (first >> 3), 0xff, (end - first) >> 3)
        first += (end - first) & ~7
    while first < end:
        flags[first >> 3] |= <uint8_t>(1 << (first & 7))
        first += 1


cdef bint read_piece(const uint8_t* packet, Py_ssize_t size, Piece* piece) noexcept nogil:
    """Read the headers; False where one is cut or says what cannot be, or the capture cut the piece.

    A piece has bytes, whole units of them unless it is the last, and ends within the largest datagram.
    """
    memset(&piece.key, 0, sizeof(Key))
    if size < 20:
        return False
    if not (read_ipv4(packet, size, piece) if packet[0] >> 4 == 4 else read_ipv6(packet, size, piece)):
        return False
    return piece.length > 0 and (piece.is_last or piece.length % UNIT == 0) and piece.offset + piece.length <= LARGEST


cdef bint read_ipv4(const uint8_t* packet, Py_ssize_t size, Piece* piece) noexcept nogil:
    """RFC 791, section 3.1."""
    cdef uint16_t field = be16(packet + 6)
    cdef Py_ssize_t end = be16(packet + 2)
    if end == 0:
        end = size
    piece.head_length = (packet[0] & 15) * 4
    if end > size or piece.head_length < 20 or piece.head_length > end:
        return False
    memcpy(piece.key.src, packet + 12, 4)
    memcpy(piece.key.dst, packet + 16, 4)
    piece.key.identification = be16(packet + 4)
    piece.key.protocol = piece.protocol = packet[9]
    piece.key.version = 4
    piece.head = packet
    piece.data = packet + piece.head_length
    piece.length = <int>(end - piece.head_length)
    piece.offset = (field & 0x1fff) * UNIT
    piece.is_last = not field & 0x2000
    return True


cdef bint read_ipv6(const uint8_t* packet, Py_ssize_t size, Piece* piece) noexcept nogil:
    """RFC 8200, section 4.5. Extension headers before the fragment's own are of no use to what is done with the datagram."""
    cdef Py_ssize_t end, at = 40
    cdef uint8_t following
    cdef uint16_t field
    if size < 48:
        return False
    end = 40 + be16(packet + 4)
    following = packet[6]
    while following != IPV6_FRAGMENT:
        if following not in (0, 43, 60, 135) or at + 8 > size:
            return False
        following = packet[at]
        at += (packet[at + 1] + 1) * 8
    if at + 8 > end or end > size:
        return False
    field = be16(packet + at + 2)
    memcpy(piece.key.src, packet + 8, 16)
    memcpy(piece.key.dst, packet + 24, 16)
    piece.key.identification = be32(packet + at + 4)
    piece.key.version = 6
    piece.protocol = packet[at]
    piece.head = packet
    piece.head_length = 40
    piece.data = packet + at + 8
    piece.length = <int>(end - at - 8)
    piece.offset = field & 0xfff8
    piece.is_last = not field & 1
    return True


cdef const uint8_t* with_header(uint8_t* head, const Datagram* datagram) noexcept nogil:
    """Return the datagram. Longer than its length field can say, the field is 0: then the end of the bytes counts."""
    cdef int length = datagram.total
    if head[0] >> 4 == 4:
        length += datagram.head_length
        if length > LARGEST:
            length = 0
        head[2], head[3] = <uint8_t>(length >> 8), <uint8_t>length
        head[6] = head[7] = 0
    else:
        head[4], head[5] = <uint8_t>(length >> 8), <uint8_t>length
        head[6] = datagram.protocol
    return head
