# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""HPACK (RFC 7541): header blocks of one direction to (name, value) pairs.

A tap may join late or lose blocks. Entries of the dynamic table that it never saw are then unknown, not errors: a value read
through one is ``b""``, its name too, with the anomaly HPACK_UNKNOWN. Entries added since are known by their distance from the
newest, which is how HPACK counts, so the table is never reset.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from tcpmirror.model.anomaly import Anomaly

cdef uint64_t HPACK_UNKNOWN = 1 << Anomaly.HPACK_UNKNOWN
cdef uint64_t BAD_HPACK = 1 << Anomaly.BAD_HPACK
cdef uint64_t HEAD_LIMIT = 1 << Anomaly.HEAD_LIMIT

cdef enum:
    FIRST_LIMIT = 4096         # of the dynamic table until the encoder says otherwise (RFC 9113, section 6.5.2)
    TABLE_LIMIT = 65536        # bytes of it that are kept (what Chrome and Firefox ask for); older entries count as unknown
    ENTRY_OVERHEAD = 32        # RFC 7541, section 4.1
    NUMBER_LIMIT = 1 << 28     # larger than any block that is kept
    SHORTEST = 5
    LONGEST = 30
    END_OF_STRING = 256

# Bits of each symbol's code (RFC 7541, appendix B). The code is canonical: codes of one length count up with their symbols.
CODE_BITS = bytes([
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
])

cdef uint16_t SYMBOLS[257]     # by length of code, then by value
cdef uint32_t FIRST_CODE[32]   # of each length
cdef uint32_t FIRST_PLACE[32]  # in SYMBOLS
cdef uint64_t CODE_END[32]     # the first 32-bit window beyond the codes of each length


cdef void fill_tables() noexcept:
    cdef uint32_t code = 0
    cdef int bits, place = 0
    for bits in range(1, LONGEST + 1):
        code <<= 1
        FIRST_CODE[bits] = code
        FIRST_PLACE[bits] = place
        for symbol in range(257):
            if CODE_BITS[symbol] == bits:
                SYMBOLS[place] = symbol
                place += 1
                code += 1
        CODE_END[bits] = <uint64_t>code << (32 - bits)


fill_tables()

# RFC 7541, appendix A; index 1 is the first
cdef tuple STATIC_TABLE = (
    (b":authority", b""), (b":method", b"GET"), (b":method", b"POST"), (b":path", b"/"), (b":path", b"/index.html"),
    (b":scheme", b"http"), (b":scheme", b"https"), (b":status", b"200"), (b":status", b"204"), (b":status", b"206"),
    (b":status", b"304"), (b":status", b"400"), (b":status", b"404"), (b":status", b"500"), (b"accept-charset", b""),
    (b"accept-encoding", b"gzip, deflate"), (b"accept-language", b""), (b"accept-ranges", b""), (b"accept", b""),
    (b"access-control-allow-origin", b""), (b"age", b""), (b"allow", b""), (b"authorization", b""), (b"cache-control", b""),
    (b"content-disposition", b""), (b"content-encoding", b""), (b"content-language", b""), (b"content-length", b""),
    (b"content-location", b""), (b"content-range", b""), (b"content-type", b""), (b"cookie", b""), (b"date", b""),
    (b"etag", b""), (b"expect", b""), (b"expires", b""), (b"from", b""), (b"host", b""), (b"if-match", b""),
    (b"if-modified-since", b""), (b"if-none-match", b""), (b"if-range", b""), (b"if-unmodified-since", b""),
    (b"last-modified", b""), (b"link", b""), (b"location", b""), (b"max-forwards", b""), (b"proxy-authenticate", b""),
    (b"proxy-authorization", b""), (b"range", b""), (b"referer", b""), (b"refresh", b""), (b"retry-after", b""),
    (b"server", b""), (b"set-cookie", b""), (b"strict-transport-security", b""), (b"transfer-encoding", b""),
    (b"user-agent", b""), (b"vary", b""), (b"via", b""), (b"www-authenticate", b""),
)
cdef Py_ssize_t STATIC_SIZE = len(STATIC_TABLE)
cdef tuple UNKNOWN = (b"", b"")


cdef Py_ssize_t huffman_decode(const uint8_t* data, Py_ssize_t size, uint8_t* output) noexcept nogil:
    """Decode into *output*, which holds 8/5 of *size*; return the bytes written, or -1 for what is no Huffman text."""
    cdef uint64_t held = 0
    cdef int bits = 0, length
    cdef uint32_t window
    cdef uint16_t symbol
    cdef Py_ssize_t at = 0, written = 0
    while True:
        while bits <= 32 and at < size:
            held = held << 8 | data[at]
            at += 1
            bits += 8
        if bits == 0:
            return written
        if bits >= 32:
            window = <uint32_t>(held >> (bits - 32))
        else:
            window = <uint32_t>(held << (32 - bits)) | <uint32_t>((<uint64_t>1 << (32 - bits)) - 1)
        length = SHORTEST
        while length < LONGEST and window >= CODE_END[length]:
            length += 1
        if length > bits:  # only the beginning of the end-of-string code may follow the last symbol (section 5.2)
            return written if bits < 8 and window == <uint32_t>0xFFFFFFFF else -1
        symbol = SYMBOLS[FIRST_PLACE[length] + (window >> (32 - length)) - FIRST_CODE[length]]
        if symbol == END_OF_STRING:
            return -1
        output[written] = <uint8_t>symbol
        written += 1
        bits -= length


def huffman_text(bytes coded):
    """Return what *coded* stands for, or None if it is no Huffman text."""
    cdef bytes text = PyBytes_FromStringAndSize(NULL, len(coded) * 8 // 5 + 1)
    cdef Py_ssize_t size = huffman_decode(<const uint8_t*>PyBytes_AS_STRING(coded), len(coded), <uint8_t*>PyBytes_AS_STRING(text))
    return None if size < 0 else text[:size]


cdef class HeaderDecoder:
    """The decoding context of one direction; *is_uncertain*: it was joined after its start."""

    def __init__(self, bint is_uncertain):
        self.entries = []
        self.limit = FIRST_LIMIT
        if is_uncertain:
            self.lose()

    def read(self, bytes block, Py_ssize_t room=1 << 20):
        """Return the fields of *block*, at most *room* bytes of them (for Python callers)."""
        return self.decode(<const uint8_t*>PyBytes_AS_STRING(block), len(block), room)

    cdef void lose(self) noexcept:
        """Note that blocks were not seen: how far older entries have moved on is not known."""
        self.entries.clear()
        self.size = 0
        self.is_uncertain = True
        self.limit = TABLE_LIMIT  # the encoder's may be anything by now; entries kept too long are never asked for

    cdef list decode(self, const uint8_t* data, Py_ssize_t size, Py_ssize_t room):
        """Return the fields of one block as (name, value) tuples and set `anomalies`.

        Past *room* bytes of names, values and four bytes each, fields still move the table on but are left out. A block that
        is none, or is cut, gives the fields before the fault.
        """
        cdef const uint8_t* at = data
        cdef const uint8_t* end = data + size
        cdef list fields = []
        cdef tuple field
        cdef uint8_t first
        cdef Py_ssize_t number = 0
        self.anomalies = 0
        while at < end:
            first = at[0]
            if first & 0x80:
                if not self.read_number(&at, end, 7, &number):
                    return self.fail(fields)
                field = self.entry(number)
            elif first & 0xE0 == 0x20:
                if not self.read_number(&at, end, 5, &number):
                    return self.fail(fields)
                self.resize(number)
                continue
            else:
                if not self.read_number(&at, end, 6 if first & 0x40 else 4, &number):
                    return self.fail(fields)
                field = self.literal(&at, end, number)
                if field is not None and first & 0x40:
                    self.insert(field)
            if field is None:
                return self.fail(fields)
            if self.is_uncertain and not field[0]:
                self.anomalies |= HPACK_UNKNOWN
            room -= len(<bytes>field[0]) + len(<bytes>field[1]) + 4
            if room < 0:
                self.anomalies |= HEAD_LIMIT
            else:
                fields.append(field)
        return fields

    cdef list fail(self, list fields):
        self.anomalies |= BAD_HPACK
        self.lose()
        return fields

    cdef bint read_number(self, const uint8_t** at, const uint8_t* end, int bits, Py_ssize_t* number) noexcept:
        """Read an integer with a prefix of *bits* (section 5.1); False if it is cut or too large."""
        cdef const uint8_t* byte = at[0]
        cdef Py_ssize_t mask = (1 << bits) - 1
        cdef Py_ssize_t value
        cdef int shift = 0
        if byte >= end:
            return False
        value = byte[0] & mask
        byte += 1
        if value == mask:
            while True:
                if byte >= end or shift > 28:
                    return False
                value += <Py_ssize_t>(byte[0] & 0x7F) << shift
                shift += 7
                byte += 1
                if not (byte - 1)[0] & 0x80:
                    break
            if value > NUMBER_LIMIT:
                return False
        at[0] = byte
        number[0] = value
        return True

    cdef bytes read_text(self, const uint8_t** at, const uint8_t* end):
        """Return a string literal (section 5.2), or None."""
        cdef bint is_coded
        cdef Py_ssize_t size = 0, written
        cdef const uint8_t* data
        cdef bytes text
        if at[0] >= end:
            return None
        is_coded = at[0][0] & 0x80
        if not self.read_number(at, end, 7, &size) or size > end - at[0]:
            return None
        data = at[0]
        at[0] = data + size
        if not is_coded:
            return PyBytes_FromStringAndSize(<const char*>data, size)
        text = PyBytes_FromStringAndSize(NULL, size * 8 // 5 + 1)
        written = huffman_decode(data, size, <uint8_t*>PyBytes_AS_STRING(text))
        return None if written < 0 else PyBytes_FromStringAndSize(PyBytes_AS_STRING(text), written)

    cdef tuple literal(self, const uint8_t** at, const uint8_t* end, Py_ssize_t index):
        """Return the field whose name is that of entry *index*, or a literal one when that is 0."""
        cdef bytes name, value
        cdef tuple known
        if index:
            known = self.entry(index)
            if known is None:
                return None
            name = <bytes>known[0]
        else:
            name = self.read_text(at, end)
        value = self.read_text(at, end)
        return None if name is None or value is None else (name, value)

    cdef tuple entry(self, Py_ssize_t index):
        """Return entry *index* (section 2.3.3): None if there is none, UNKNOWN if it was never seen."""
        cdef Py_ssize_t place
        if index <= STATIC_SIZE:
            return <tuple>STATIC_TABLE[index - 1] if index > 0 else None
        place = len(self.entries) - (index - STATIC_SIZE)
        if place >= 0:
            return <tuple>self.entries[place]
        return UNKNOWN if self.is_uncertain else None

    cdef int insert(self, tuple entry) except -1:
        self.entries.append(entry)
        self.size += PyBytes_GET_SIZE(<bytes>entry[0]) + PyBytes_GET_SIZE(<bytes>entry[1]) + ENTRY_OVERHEAD
        return self.evict()

    cdef int resize(self, Py_ssize_t limit) except -1:
        """Take a new table size (section 6.3). No SETTINGS is asked whether it may be: the peer took it."""
        if limit > TABLE_LIMIT:
            self.is_uncertain = True
            limit = TABLE_LIMIT
        self.limit = limit
        return self.evict()

    cdef int evict(self) except -1:
        cdef Py_ssize_t gone = 0
        cdef tuple entry
        while self.size > self.limit:
            entry = <tuple>self.entries[gone]
            self.size -= PyBytes_GET_SIZE(<bytes>entry[0]) + PyBytes_GET_SIZE(<bytes>entry[1]) + ENTRY_OVERHEAD
            gone += 1
        if gone:
            del self.entries[:gone]
        return 0
