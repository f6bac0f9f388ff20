# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The normal form: one run of bytes in which everything that the full decoding could find stands somewhere.

The first tier scans it once. It holds the head line by line and the body as regions, and behind each what decodings make of
it (`expansion`). A body that is a JSON document is its keys and values (`document`), as the full path judges them; any other
body is one region.
Regions are separated by 0x01, which also stands for the ``&`` between parameters and the ``;`` between cookies, so that those
never look like a shell's separators. They are sorted by the alphabet that they are written in (`model.alphabet`): few bytes allow
few patterns.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint64_t
from libc.string cimport memchr, memcpy

from tcpmirror.decode.clean cimport CleanTexts, knows_text
from tcpmirror.decode.document cimport MemberNames, add_document
from tcpmirror.decode.expansion cimport expand
from tcpmirror.decode.parameters cimport add_cookies, add_form, add_request_line
from tcpmirror.decode.regions cimport SEPARATOR, Regions, append, by_alphabet, close, cut, release, reserve, start
from tcpmirror.decode.text cimport uchar
from tcpmirror.model.exchange cimport Request
from tcpmirror.model.hashing cimport short_word

from tcpmirror.decode import grpc
from tcpmirror.decode.body import texts as body_texts
from tcpmirror.decode.body import whole as whole_body
from tcpmirror.decode.points import headers_by_name

DEF HEADERS = 64          # of one head whose names are compared; of more it is supposed that one comes again
DEF SLACK = 65536         # the form may grow to four times the request and this much

cdef enum BodyKind:
    UNSAID
    FORM
    PARTS
    MESSAGES
    DOCUMENT


cdef bint _is_cookie(const uchar* line, Py_ssize_t size) noexcept nogil:
    return size > 7 and line[6] == 58 and (line[0] | 32) == 99 and (line[1] | 32) == 111 and (line[4] | 32) == 105


cdef BodyKind _said_kind(const uchar* line, Py_ssize_t size) noexcept nogil:
    """Return what a header line says the body is; UNSAID if it is no Content-Type of a form, of parts or of messages."""
    cdef Py_ssize_t at
    if size < 17 or line[12] != 58 or (line[0] | 32) != 99 or (line[8] | 32) != 116:
        return UNSAID
    for at in range(13, size - 3):
        if (line[at] | 32) == 117 and (line[at + 1] | 32) == 114 and (line[at + 2] | 32) == 108 and (line[at + 3] | 32) == 101:
            return FORM
        if (line[at] | 32) == 109 and (line[at + 1] | 32) == 117 and (line[at + 2] | 32) == 108 and (line[at + 3] | 32) == 116:
            return PARTS
        if (line[at] | 32) == 103 and (line[at + 1] | 32) == 114 and (line[at + 2] | 32) == 112 and (line[at + 3] | 32) == 99:
            return MESSAGES
        if (line[at] | 32) == 111 and (line[at + 1] | 32) == 98 and (line[at + 2] | 32) == 117 and (line[at + 3] | 32) == 102:
            return MESSAGES
    return UNSAID


cdef BodyKind _body_kind(const uchar* body, Py_ssize_t size, BodyKind said) noexcept nogil:
    """Return how the full path would read the body."""
    cdef Py_ssize_t at = 0
    while at < size and (body[at] == 32 or 9 <= body[at] <= 13):
        at += 1
    if at == size or body[at] == 60:
        return UNSAID
    if body[at] in (123, 91):
        return UNSAID if said in (PARTS, MESSAGES) else DOCUMENT
    if said == FORM:
        return FORM
    while at < size and (48 <= body[at] <= 57 or 97 <= (body[at] | 32) <= 122 or body[at] in (45, 46, 95, 91, 93, 37)):
        at += 1
    return FORM if at < size and body[at] == 61 and memchr(body, 10, size) == NULL else UNSAID


cdef class Normalizer:
    """Makes normal forms, and leaves out header lines, parameters and members of documents that it was told are clean.

    Browsers send the same dozen lines with every request, programs the same paths, keys and words. A text in which no rule saw
    anything says nothing the next time either, because rules judge values one by one; so `learn` after a scan without any match
    makes the next scan shorter.
    """

    cdef CleanTexts _clean

    def __init__(self):
        self._clean = CleanTexts()

    def learn(self):
        """Remember the texts of the last form as clean."""
        self._clean.learn()

    def normal_form(self, Request request not None):
        """Return the normal form of *request* by alphabet, or None when something in it only the full path can unfold."""
        cdef Py_ssize_t size = PyBytes_GET_SIZE(request.head) + PyBytes_GET_SIZE(request.body)
        cdef Regions out
        cdef BodyKind said = UNSAID
        cdef Names names
        cdef bint is_whole
        self._clean.forget_fresh()
        if not start(&out, 4 * size + 64 if size < 8192 else size + 8192, 4 * size + SLACK):
            raise MemoryError
        try:
            is_whole = (_add_head(&out, self._clean, request.head, &said, &names)
                        and (not names.may_come_again or _add_joined_headers(&out, request))
                        and _add_body(&out, self._clean, request, said)
                        and (said != MESSAGES or _add_messages(&out, request)))
            return by_alphabet(&out) if is_whole else None
        finally:
            release(&out)


cdef struct Names:
    uint64_t[HEADERS] keys
    Py_ssize_t count
    bint may_come_again


cdef bint _add_head(Regions* out, CleanTexts clean, bytes head, BodyKind* said, Names* names) noexcept:
    """Add the head line by line, leaving out the lines known as clean."""
    cdef Py_ssize_t size = PyBytes_GET_SIZE(head), at = 0, end, begin
    cdef const uchar* data = <const uchar*>PyBytes_AS_STRING(head)
    cdef const void* found
    names.count, names.may_come_again = 0, False
    while at < size:
        found = memchr(data + at, 10, size - at)
        end = size if found == NULL else <const uchar*>found - data
        begin, at = at, end + 1
        if end > begin and data[end - 1] == 13:
            end -= 1
        if end == begin:
            continue
        if begin:
            _note_name(names, data + begin, end - begin)
            if said[0] == UNSAID:
                said[0] = _said_kind(data + begin, end - begin)
            if knows_text(clean, data + begin, end - begin, 0):
                continue
        if not _add_line(out, clean, data + begin, end - begin, begin == 0):
            return False
    return True


cdef inline void _note_name(Names* names, const uchar* line, Py_ssize_t size) noexcept nogil:
    """Note whether the header of *line* may have come before: the ends of its name are compared."""
    cdef const void* colon = memchr(line, 58, size)
    cdef Py_ssize_t length = size if colon == NULL else <const uchar*>colon - line, at
    cdef uint64_t key = (short_word(line, length) | <uint64_t>0x2020202020202020) + length
    if names.count == HEADERS:
        names.may_come_again = True
        return
    for at in range(names.count):
        names.may_come_again |= names.keys[at] == key
    names.keys[names.count] = key
    names.count += 1


cdef bint _add_joined_headers(Regions* out, Request request) except -1:
    """Add the values of each header that comes again joined, as the full path judges them, too; False: it has to look."""
    cdef bytes name, joined
    cdef list values
    cdef Py_ssize_t begin
    for name, values in headers_by_name(request).items():
        if len(values) < 2:
            continue
        if name == b"COOKIE":
            return False
        joined = name + b": " + b",".join(values)
        begin = out.size
        if not append(out, <const uchar*>PyBytes_AS_STRING(joined), PyBytes_GET_SIZE(joined)):
            return False
        if not expand(out, begin, out.size - begin - 1, name == b"REFERER", 0):
            return False
    return True


cdef bint _add_line(Regions* out, CleanTexts clean, const uchar* line, Py_ssize_t size, bint is_first) noexcept nogil:
    """Add the request line or a header line."""
    cdef Py_ssize_t begin = out.size
    if is_first:
        return add_request_line(out, clean, line, size)
    if _is_cookie(line, size):
        return add_cookies(out, clean, line, size)
    # Referer holds a target.
    return _append_field(out, line, size) and expand(out, begin, out.size - begin - 1, (line[0] | 32) == 114, 0)


cdef bint _append_field(Regions* out, const uchar* line, Py_ssize_t size) noexcept nogil:
    """Add a header line as a region. A blank stands before its value, by which patterns know where that begins."""
    cdef const void* colon = memchr(line, 58, size)
    cdef Py_ssize_t value = size if colon == NULL else <const uchar*>colon - line + 1
    while value < size and (line[value] == 32 or line[value] == 9):
        value += 1
    if value == size or line[value - 1] == 32:
        return append(out, line, size)
    if not reserve(out, size + 2):
        return False
    memcpy(out.data + out.size, line, value)
    out.data[out.size + value] = 32
    memcpy(out.data + out.size + value + 1, line + value, size - value)
    return close(out, size + 1)


cdef bint _add_texts(Regions* out, texts) except -1:
    """Add the texts of a body in parts; what files hold is searched for by rules for files only."""
    cdef bytes text
    cdef bint is_whole = True
    cdef Py_ssize_t begin
    for text, is_file, is_decoded in texts:
        begin = out.size
        out.is_file = is_file
        is_whole = append(out, <const uchar*>PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
        if is_whole and is_decoded:
            is_whole = expand(out, begin, PyBytes_GET_SIZE(text), True, 0)
        out.is_file = False
        if not is_whole:
            break
    return is_whole


cdef bint _add_body(Regions* out, CleanTexts clean, Request request, BodyKind said) except -1:
    cdef bytes body = whole_body(request) if request.body else b""
    cdef Py_ssize_t size = PyBytes_GET_SIZE(body), begin = out.size, count = out.count
    cdef const uchar* data = <const uchar*>PyBytes_AS_STRING(body)
    cdef BodyKind kind
    cdef MemberNames names
    if size == 0:
        return True
    if size > 3 and data[0] == 0x1F and data[1] == 0x8B and data[2] == 8:  # gzip that no header names
        return False
    kind = _body_kind(data, size, said)
    if said == PARTS or data[0] == 45 or kind == UNSAID and memchr(data, 0, size if size < 1024 else 1024) != NULL:
        texts = body_texts(request.header(b"content-type") or b"", body)
        if texts is not None:
            return _add_texts(out, texts)
    if kind == DOCUMENT:
        if add_document(out, clean, data, size, &names):
            if names.is_whole and body is request.body and data[0] in (123, 91):
                request.member_names = PyBytes_FromStringAndSize(<char*>names.text, names.size)
            return True
        cut(out, begin, count)
    if kind == FORM:
        return add_form(out, clean, data, size)
    return append(out, data, size) and expand(out, begin, size, True, 0)


cdef bint _add_messages(Regions* out, Request request) except -1:
    """Add what the messages of a gRPC or Protocol Buffers body hold."""
    cdef bytes kind = (request.header(b"content-type") or b"").lower()
    cdef bytes text
    cdef Py_ssize_t begin
    if not request.body or not grpc.is_protobuf(kind):
        return True
    for text in grpc.texts(request, kind):
        begin = out.size
        if not append(out, <const uchar*>PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text)):
            return False
        if not expand(out, begin, PyBytes_GET_SIZE(text), False, 0):
            return False
    return True
