from tcpmirror.decode.text cimport uchar

# Sixteen bytes at a time: which of them is a quote or a backslash. The lowest byte of a word comes first, as on all
# processors that this runs on.
cdef extern from *:
    """
    typedef unsigned char lanes __attribute__((vector_size(16)));
    typedef unsigned long long halves __attribute__((vector_size(16)));

    /* Where the first quote or backslash from `at` on is, or `stop`. */
    static inline Py_ssize_t string_end(const unsigned char *data, Py_ssize_t at, Py_ssize_t stop) {
        lanes here;
        halves ends;
        for (; at + 16 <= stop; at += 16) {
            __builtin_memcpy(&here, data + at, 16);
            ends = (halves) ((lanes) (here == '"') | (lanes) (here == 92));
            if (ends[0])
                return at + (__builtin_ctzll(ends[0]) >> 3);
            if (ends[1])
                return at + 8 + (__builtin_ctzll(ends[1]) >> 3);
        }
        while (at < stop && data[at] != '"' && data[at] != 92)
            at++;
        return at;
    }
    """
    Py_ssize_t string_end(const uchar* data, Py_ssize_t at, Py_ssize_t stop) noexcept nogil

cdef enum JsonToken:
    JSON_BAD
    JSON_END
    JSON_KEY      # without its quotes
    JSON_STRING   # without its quotes
    JSON_SCALAR   # a number, true, false or null

cdef enum JsonState:
    WANT_VALUE        # at the start, after a colon
    WANT_FIRST        # after [: a value or ]
    WANT_FIRST_KEY    # after {: a key or }
    WANT_KEY          # after a comma in an object
    WANT_ELEMENT      # after a comma in an array
    WANT_COLON
    WANT_MORE         # after a value: a comma or the end of what it is in

cdef enum:
    JSON_DEPTH = 128

# Where a scan stands. After each token `begin` and `size` say where it is, `is_escaped` that it holds a backslash.
cdef struct JsonScan:
    const uchar* data
    Py_ssize_t stop
    Py_ssize_t at
    Py_ssize_t begin
    Py_ssize_t size
    bint is_escaped
    int state
    int depth
    bint in_object[JSON_DEPTH]

cdef void json_start(JsonScan* scan, const uchar* data, Py_ssize_t size) noexcept nogil
cdef JsonToken json_step(JsonScan* scan) noexcept nogil
cdef Py_ssize_t json_unescape(const uchar* data, Py_ssize_t size, uchar* out) noexcept nogil


cdef inline JsonToken json_next(JsonScan* scan) noexcept nogil:
    """Return the next token; JSON_END after a whole document, JSON_BAD where it is none: `at` and `state` say where.

    What programs write is read in line: one comma or colon, one blank or none, and what `json_plain` reads.
    All else takes the road of states.
    """
    cdef const uchar* data = scan.data
    cdef Py_ssize_t at = scan.at
    cdef JsonToken token = JSON_STRING
    if at >= scan.stop - 2:
        return json_step(scan)
    if scan.state == WANT_COLON:
        if data[at] != 58:
            return json_step(scan)
    elif scan.state != WANT_MORE or data[at] != 44 or scan.depth == 0:
        return json_step(scan)
    elif scan.in_object[scan.depth - 1]:
        token = JSON_KEY
    at += 2 if data[at + 1] == 32 else 1
    if token != JSON_KEY:
        token = json_plain(scan, at)
        return json_step(scan) if token == JSON_BAD else token
    if data[at] != 34 or not json_text(scan, at + 1):
        return json_step(scan)
    scan.state = WANT_COLON
    return JSON_KEY


cdef inline JsonToken json_plain(JsonScan* scan, Py_ssize_t at) noexcept nogil:
    """Read the value at *at*, where one may stand: a text without escapes or a short number; JSON_BAD for all else."""
    cdef const uchar* data = scan.data
    cdef Py_ssize_t end = at, stop = scan.stop - 2
    if at < stop and data[at] == 34:
        if not json_text(scan, at + 1):
            return JSON_BAD
        scan.state = WANT_MORE
        return JSON_STRING
    while end < stop and 48 <= data[end] <= 57:
        end += 1
    if end == at or data[at] == 48 or data[end] != 44:
        return JSON_BAD
    scan.begin, scan.size, scan.is_escaped = at, end - at, False
    scan.at = end
    scan.state = WANT_MORE
    return JSON_SCALAR


cdef inline bint json_text(JsonScan* scan, Py_ssize_t at) noexcept nogil:
    """Read the rest of a text without escapes, from behind its quote."""
    cdef Py_ssize_t end = string_end(scan.data, at, scan.stop)
    if end == scan.stop or scan.data[end] != 34:
        return False
    scan.begin, scan.size, scan.is_escaped = at, end - at, False
    scan.at = end + 1
    return True
