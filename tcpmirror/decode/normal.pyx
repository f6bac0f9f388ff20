# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The normal form: one run of bytes in which everything that the full decoding could find stands somewhere.

The first tier scans it once. It holds the head and the body as sent, and behind them every region that a decoding changes:
unfolded (percent, plus, entities, escapes together, again until nothing changes), folded, and the text inside Base64.
Regions are separated by 0x01, which also stands for the line ends of the head, the ``&`` between parameters and the ``;``
between cookies, so that those never look like a shell's separators or like an injected header.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memchr, memcmp, memcpy

from tcpmirror.decode.text cimport (base64_class, base64_into, fold_into, hex_into, is_packed, is_plausible, needs_fold,
                                    needs_unfold, uchar, unfold_into)
from tcpmirror.model.exchange cimport Request

from tcpmirror.decode import grpc

DEF SEPARATOR = 1
DEF DEPTH = 4             # rounds of decoding; a value that still changes is for the full path
DEF MIN_BASE64 = 8        # shorter runs hold nothing worth hiding
DEF LOOK_BASE64 = 16     # characters of a token that show whether it can be packed or text
DEF LINE_BYTES = 300      # header lines up to this are remembered as clean
DEF REMEMBERED = 4096     # so many of them; then they are forgotten all at once
DEF SLACK = 65536         # the form may grow to four times the request and this much

cdef enum BodyKind:
    OTHER
    FORM


cdef struct Buffer:
    uchar* data
    Py_ssize_t size
    Py_ssize_t room
    Py_ssize_t limit


cdef bint _reserve(Buffer* out, Py_ssize_t more) noexcept nogil:
    """Make room for *more* bytes; False past the limit or out of memory."""
    cdef Py_ssize_t room
    cdef uchar* grown
    if out.size + more > out.limit:
        return False
    if out.size + more <= out.room:
        return True
    room = 2 * (out.size + more)
    grown = <uchar*>realloc(out.data, room)
    if grown == NULL:
        return False
    out.data = grown
    out.room = room
    return True


cdef bint _append(Buffer* out, const uchar* data, Py_ssize_t size) noexcept nogil:
    if not _reserve(out, size + 1):
        return False
    memcpy(out.data + out.size, data, size)
    out.data[out.size + size] = SEPARATOR
    out.size += size + 1
    return True


cdef void _mark(uchar* data, Py_ssize_t size, uchar separator) noexcept nogil:
    """Replace *separator* by the neutral one."""
    cdef Py_ssize_t at
    for at in range(size):
        if data[at] == separator:
            data[at] = SEPARATOR


cdef bint _unpack_runs(Buffer* out, Py_ssize_t start, Py_ssize_t size, bint plus, int depth) noexcept nogil:
    """Append the text hidden in the Base64 runs of a region; False: the full path has to look."""
    cdef Py_ssize_t at = start, end, stop = start + size, wrote, room
    cdef bint fresh = True
    while at < stop:
        if base64_class(out.data[at]) < 0:
            fresh = True
            at += 1
            continue
        if not fresh:
            fresh = out.data[at] == 47 or out.data[at] == 44
            at += 1
            continue
        end = at
        while end < stop and base64_class(out.data[end]) >= 0 and (end - at < 12 or out.data[end] != 47):
            end += 1
        fresh = False
        if end - at < MIN_BASE64:
            at = end
            fresh = True
            continue
        while end < stop and base64_class(out.data[end]) >= 0:
            end += 1
        room = (end - at) + 2
        if not _reserve(out, room):
            return False
        wrote = hex_into(out.data + at, end - at, out.data + out.size)
        if wrote:
            out.data[out.size + wrote] = SEPARATOR
            out.size += wrote + 1
            if not _expand(out, out.size - wrote - 1, wrote, plus, depth + 1):
                return False
        # Most tokens show within a few bytes that they are none: decode those first.
        wrote = base64_into(out.data + at, LOOK_BASE64 if end - at > LOOK_BASE64 else end - at, out.data + out.size)
        if is_packed(out.data + out.size, wrote) and end - at > LOOK_BASE64:
            return False
        if _reads_as_text(out.data + out.size, wrote):
            wrote = base64_into(out.data + at, end - at, out.data + out.size)
            if is_plausible(out.data + out.size, wrote):
                out.data[out.size + wrote] = SEPARATOR
                out.size += wrote + 1
                if not _expand(out, out.size - wrote - 1, wrote, plus, depth + 1):
                    return False
        fresh = out.data[at] == 47  # a path's slash is itself a character of Base64: what follows it begins anew
        at += 1
    return True


cdef inline bint _reads_as_text(const uchar* data, Py_ssize_t size) noexcept nogil:
    """A quick look: `is_plausible` on so few bytes allows no odd one, but the last sequence may be cut."""
    cdef Py_ssize_t at
    cdef int odd = 0
    for at in range(size):
        if data[at] < 9 or 13 < data[at] < 32 or data[at] == 127:
            odd += 1
        elif data[at] >= 0xF5 or data[at] == 0xC0 or data[at] == 0xC1:
            odd += 1
    return odd == 0


cdef bint _expand(Buffer* out, Py_ssize_t start, Py_ssize_t size, bint plus, int depth) noexcept nogil:
    """Append what decodings make of the region; False: the full path has to look."""
    cdef Py_ssize_t wrote
    cdef bint changed = False
    if size == 0:
        return True
    if needs_unfold(out.data + start, size, plus):
        if not _reserve(out, size + 1):
            return False
        wrote = unfold_into(out.data + start, size, out.data + out.size, plus)
        changed = wrote != size or memcmp(out.data + start, out.data + out.size, size) != 0
        if changed:
            if depth >= DEPTH:
                return False
            out.data[out.size + wrote] = SEPARATOR
            out.size += wrote + 1
            if not _expand(out, out.size - wrote - 1, wrote, plus, depth + 1):
                return False
    if needs_fold(out.data + start, size):
        if not _reserve(out, size + 1):
            return False
        wrote = fold_into(out.data + start, size, out.data + out.size)
        if wrote != size or memcmp(out.data + start, out.data + out.size, size) != 0:
            out.data[out.size + wrote] = SEPARATOR
            out.size += wrote + 1
    if depth >= DEPTH:
        return True
    return _unpack_runs(out, start, size, plus, depth)


cdef bint _is_cookie(const uchar* line, Py_ssize_t size) noexcept nogil:
    return size > 7 and line[6] == 58 and (line[0] | 32) == 99 and (line[1] | 32) == 111 and (line[4] | 32) == 105


cdef bint _says_form(const uchar* line, Py_ssize_t size) noexcept nogil:
    """Tell whether a header line is ``Content-Type: application/x-www-form-urlencoded``."""
    cdef Py_ssize_t at
    if size < 30 or line[12] != 58 or (line[0] | 32) != 99 or (line[8] | 32) != 116:
        return False
    for at in range(13, size - 9):
        if (line[at] | 32) == 117 and (line[at + 1] | 32) == 114 and (line[at + 2] | 32) == 108 and (line[at + 3] | 32) == 101:
            return True
    return False


cdef bint _says_protobuf(const uchar* line, Py_ssize_t size) noexcept nogil:
    """Tell whether a header line is a Content-Type with ``grpc`` or ``protobuf`` in it."""
    cdef Py_ssize_t at
    if size < 17 or line[12] != 58 or (line[0] | 32) != 99 or (line[8] | 32) != 116:
        return False
    for at in range(13, size - 3):
        if (line[at] | 32) == 103 and (line[at + 1] | 32) == 114 and (line[at + 2] | 32) == 112 and (line[at + 3] | 32) == 99:
            return True
        if (line[at] | 32) == 111 and (line[at + 1] | 32) == 98 and (line[at + 2] | 32) == 117 and (line[at + 3] | 32) == 102:
            return True
    return False


cdef BodyKind _body_kind(const uchar* body, Py_ssize_t size, bint said_form) noexcept nogil:
    """Tell whether `body_kind` of the full path would read the body as a form."""
    cdef Py_ssize_t at = 0
    while at < size and (body[at] == 32 or 9 <= body[at] <= 13):
        at += 1
    if at == size or body[at] in (123, 91, 60):
        return OTHER
    if said_form:
        return FORM
    while at < size and (48 <= body[at] <= 57 or 97 <= (body[at] | 32) <= 122 or body[at] in (45, 46, 95, 91, 93, 37)):
        at += 1
    return FORM if at < size and body[at] == 61 and memchr(body, 10, size) == NULL else OTHER


cdef bint _is_repeated(const uchar* line, Py_ssize_t size) noexcept nogil:
    """Tell whether a client sends this header line the same again and again: not those that name a page, a user or a length."""
    cdef uchar first = line[0] | 32
    if size < 4 or size > LINE_BYTES:
        return False
    if first == 99:
        return not _is_cookie(line, size) and not (size > 14 and (line[8] | 32) == 108)  # Cookie, Content-Length
    return first != 114 and first != 105 and not (first == 97 and (line[1] | 32) == 117)  # Referer, If-*, Authorization


cdef class Normalizer:
    """Makes normal forms, and leaves out header lines that it was told are clean.

    Browsers send the same dozen lines with every request. A line in which no rule saw anything says nothing the next time
    either, because rules judge values one by one; so `learn` after a scan without any match makes the next scan shorter.
    """

    cdef set _clean
    cdef list _fresh

    def __init__(self):
        self._clean = set()
        self._fresh = []

    def learn(self):
        """Remember the header lines of the last form as clean."""
        if len(self._clean) > REMEMBERED:
            self._clean.clear()
        self._clean.update(self._fresh)

    def normal_form(self, Request request not None):
        """Return the normal form of *request*, or None when something in it only the full path can unfold."""
        cdef Py_ssize_t size = PyBytes_GET_SIZE(request.head) + PyBytes_GET_SIZE(request.body)
        cdef Buffer out
        cdef bint said_form = False, may_be_protobuf = False, is_whole
        out.size = 0
        out.room = 4 * size + 64 if size < 8192 else size + 8192
        out.limit = 4 * size + SLACK
        out.data = <uchar*>malloc(out.room)
        if out.data == NULL:
            raise MemoryError
        self._fresh = []
        try:
            is_whole = (self._add_head(&out, request.head, &said_form, &may_be_protobuf)
                        and _add_body(&out, request.body, said_form)
                        and (not may_be_protobuf or _add_messages(&out, request)))
            return PyBytes_FromStringAndSize(<char*>out.data, out.size) if is_whole else None
        finally:
            free(out.data)

    cdef bint _add_head(self, Buffer* out, bytes head, bint* said_form, bint* may_be_protobuf) except -1:
        """Add the head line by line, leaving out the lines known as clean."""
        cdef Py_ssize_t size = PyBytes_GET_SIZE(head), at = 0, end, start
        cdef const uchar* data = <const uchar*>PyBytes_AS_STRING(head)
        cdef const void* found
        cdef bint plus
        while at < size:
            found = memchr(data + at, 10, size - at)
            end = size if found == NULL else <const uchar*>found - data
            start, at = at, end + 1
            if end > start and data[end - 1] == 13:
                end -= 1
            if end == start:
                continue
            if start and _says_form(data + start, end - start):
                said_form[0] = True
            elif start and _says_protobuf(data + start, end - start):
                may_be_protobuf[0] = True
            if start and _is_repeated(data + start, end - start):
                line = PyBytes_FromStringAndSize(<const char*>data + start, end - start)
                if line in self._clean:
                    continue
                self._fresh.append(line)
            if not _append(out, data + start, end - start):
                return False
            plus = start == 0 or (data[start] | 32) == 114  # Referer holds a target too
            start = out.size - 1 - (end - start)
            if start == 0:
                _mark(out.data, out.size, 38)
            elif _is_cookie(out.data + start, out.size - 1 - start):
                _mark(out.data + start, out.size - start, 59)
                plus = True
            if not _expand(out, start, out.size - 1 - start, plus, 0):
                return False
        return True


cdef bint _add_body(Buffer* out, bytes body, bint said_form) except -1:
    cdef Py_ssize_t size = PyBytes_GET_SIZE(body), start = out.size
    cdef const uchar* data = <const uchar*>PyBytes_AS_STRING(body)
    if size == 0:
        return True
    if size > 3 and data[0] == 0x1F and data[1] == 0x8B and data[2] == 8:  # gzip that no header names
        return False
    if not _append(out, data, size):
        return False
    if _body_kind(data, size, said_form) == FORM:
        _mark(out.data + start, size, 38)
    return _expand(out, start, size, True, 0)


cdef bint _add_messages(Buffer* out, Request request) except -1:
    """Add what the messages of a gRPC or Protocol Buffers body hold."""
    cdef bytes kind = (request.header(b"content-type") or b"").lower()
    cdef bytes text
    cdef Py_ssize_t start
    if not request.body or not grpc.is_protobuf(kind):
        return True
    for text in grpc.texts(request, kind):
        start = out.size
        if not _append(out, <const uchar*>PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text)):
            return False
        if not _expand(out, start, PyBytes_GET_SIZE(text), False, 0):
            return False
    return True
