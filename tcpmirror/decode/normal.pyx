# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The normal form: one run of bytes in which everything that the full decoding could find stands somewhere.

The first tier scans it once. It holds the head line by line and the body as regions, and behind each what a decoding makes of
it: unfolded (percent, plus, entities, escapes together, again until nothing changes), folded, and the text inside Base64. A body
that is a JSON document is its keys and values, as the full path judges them; any other body is one region.
Regions are separated by 0x01, which also stands for the ``&`` between parameters and the ``;`` between cookies, so that those
never look like a shell's separators. They are sorted by the alphabet that they are written in (`model.alphabet`): few bytes allow
few patterns.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint16_t, uint64_t
from libc.string cimport memchr, memcmp, memcpy, memmove

from tcpmirror.decode.clean cimport KEPT_BYTES, CleanTexts
from tcpmirror.decode.json_scan cimport (JSON_BAD, JSON_DEPTH, JSON_END, JSON_KEY, JsonScan, JsonToken, json_next, json_start,
                                         json_unescape)
from tcpmirror.decode.regions cimport SEPARATOR, Regions, append, by_alphabet, close, cut, release, reserve, start
from tcpmirror.decode.text cimport base64_into, fold_into, hex_into, is_packed, is_plausible, uchar, unfold_into
from tcpmirror.decode.traits cimport BASE64, DISGUISE, ESCAPE, MIN_RUN, PLUS, TRAITS_OF
from tcpmirror.model.exchange cimport Request

from tcpmirror.decode import grpc
from tcpmirror.decode.body import texts as body_texts
from tcpmirror.decode.body import whole as whole_body

DEF DEPTH = 4             # rounds of decoding; a value that still changes is for the full path
DEF LOOK_BASE64 = 16      # characters of a token that show whether it can be packed or text
DEF NAME_BYTES = 24       # of the name before a packed value
DEF SEGMENTS = 64         # of a run; a target with more is for the full path
DEF TEXT_BYTES = 64       # members of documents up to this are remembered as clean, header lines up to KEPT_BYTES
DEF BATCH = 16            # of those are looked up together: what one waits for from memory comes while the next is read
DEF SLACK = 65536         # the form may grow to four times the request and this much

cdef enum BodyKind:
    UNSAID
    FORM
    PARTS
    MESSAGES
    DOCUMENT


cdef bint _append_parted(Regions* out, const uchar* data, Py_ssize_t size, uchar separator) noexcept nogil:
    """Add *data* as a region with the neutral byte for each *separator*."""
    cdef Py_ssize_t at
    cdef uchar* begin
    if not reserve(out, size + 1):
        return False
    begin = out.data + out.size
    for at in range(size):
        begin[at] = SEPARATOR if data[at] == separator else data[at]
    return close(out, size)


cdef Py_ssize_t _count(const uchar* data, Py_ssize_t size, uchar byte) noexcept nogil:
    cdef Py_ssize_t at, found = 0
    for at in range(size):
        found += data[at] == byte
    return found


cdef bint _unpack_runs(Regions* out, Py_ssize_t start, Py_ssize_t size, bint plus, int depth) noexcept nogil:
    """Append the text hidden in the Base64 and hexadecimal runs of a region; False: the full path has to look.

    A slash is a character of Base64 and parts the segments of a path too, so a run is also read from behind its first slashes.
    What a picture's ``data:`` URL holds is the content of a file.
    """
    cdef Py_ssize_t at = start, end = start, stop = start + size
    cdef int segments = 0
    cdef bint was_file = out.is_file, is_picture = _is_picture(out.data + start, size), is_whole
    while at < stop:
        if at >= end:
            at = _next_run(out.data, at, stop)
            end = at
            segments = 0
            while end < stop and TRAITS_OF[out.data[end]] & BASE64:
                end += 1
        if end - at < MIN_RUN or segments > SEGMENTS:
            at = end
            continue
        out.is_file = was_file or is_picture and at > start and out.data[at - 1] == 44
        is_whole = _unpack(out, start, at, _segment_end(out, at, end), end, plus, depth)
        out.is_file = was_file
        if not is_whole:
            return False
        at = _segment_end(out, at, end) + 1
        segments += 1
    return True


cdef inline Py_ssize_t _next_run(const uchar* data, Py_ssize_t at, Py_ssize_t stop) noexcept nogil:
    """Return where the next MIN_RUN characters of Base64 one behind the other begin, or *stop*."""
    cdef Py_ssize_t begin
    while at + MIN_RUN <= stop:
        begin = at + MIN_RUN
        while begin > at and TRAITS_OF[data[begin - 1]] & BASE64:
            begin -= 1
        if begin == at:
            return at
        at = begin
    return stop


cdef bint _is_picture(const uchar* data, Py_ssize_t size) noexcept nogil:
    """Tell whether a text, or the value behind its key, is a ``data:`` URL of a picture (RFC 2397), as editors send them."""
    cdef const char* lead = b"data:image/"
    cdef const void* key_end = memchr(data, SEPARATOR, size if size < TEXT_BYTES else TEXT_BYTES)
    cdef Py_ssize_t at
    if key_end != NULL:
        size -= <const uchar*>key_end + 1 - data
        data = <const uchar*>key_end + 1
    if size < 11:
        return False
    for at in range(11):
        if data[at] != <uchar>lead[at] and data[at] | 32 != <uchar>lead[at]:
            return False
    return True


cdef Py_ssize_t _segment_end(Regions* out, Py_ssize_t at, Py_ssize_t end) noexcept nogil:
    """Return where the slash behind *at* is, or *end*."""
    cdef const void* found = memchr(out.data + at, 47, end - at)
    return end if found == NULL else <const uchar*>found - out.data


cdef bint _unpack(Regions* out, Py_ssize_t start, Py_ssize_t at, Py_ssize_t segment, Py_ssize_t end, bint plus,
                  int depth) noexcept nogil:
    """Append what the bytes from *at* to *end* hide, and what those to *segment* do, of the region from *start*."""
    cdef Py_ssize_t wrote, look = end - at if end - at < LOOK_BASE64 else LOOK_BASE64
    if segment < end and segment - at >= MIN_RUN and not _unpack(out, start, at, segment, segment, plus, depth):
        return False
    if not reserve(out, (end - at) + NAME_BYTES + 3):
        return False
    wrote = hex_into(out.data + at, end - at, out.data + out.size)
    if wrote and not _close_unpacked(out, start, at, wrote, plus, depth):
        return False
    if not reserve(out, (end - at) + NAME_BYTES + 3):
        return False
    # Most tokens show within a few bytes that they are none: decode those first.
    wrote = base64_into(out.data + at, look, out.data + out.size)
    if is_packed(out.data + out.size, wrote) and end - at > look:
        return False
    if not _reads_as_text(out.data + out.size, wrote):
        return True
    wrote = base64_into(out.data + at, end - at, out.data + out.size)
    return not is_plausible(out.data + out.size, wrote) or _close_unpacked(out, start, at, wrote, plus, depth)


cdef bint _close_unpacked(Regions* out, Py_ssize_t start, Py_ssize_t at, Py_ssize_t wrote, bint plus, int depth) noexcept nogil:
    """Make the *wrote* bytes that the run at *at* hid a region, behind the name that the run has, and expand it."""
    cdef uchar* data = out.data + out.size
    cdef Py_ssize_t name_end = at, name
    while name_end > start and name_end > at - 6 and not TRAITS_OF[out.data[name_end - 1]] & BASE64:
        name_end -= 1  # an equals sign, a colon and a blank, a quote and two ends of lines
    name = name_end
    while name > start and name > name_end - NAME_BYTES and TRAITS_OF[out.data[name - 1]] & BASE64:
        name -= 1
    if name < name_end < at:
        memmove(data + (name_end - name) + 1, data, wrote)
        memcpy(data, out.data + name, name_end - name)
        data[name_end - name] = SEPARATOR
        wrote += name_end - name + 1
    return close(out, wrote) and _expand(out, out.size - wrote - 1, wrote, plus, depth + 1)


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


cdef bint _expand(Regions* out, Py_ssize_t start, Py_ssize_t size, bint plus, int depth) noexcept nogil:
    """Append what decodings make of the last region; False: the full path has to look."""
    cdef Py_ssize_t wrote
    cdef uint16_t traits = out.traits[out.count - 1]
    cdef bint changed = False
    if size == 0:
        return True
    if traits & (ESCAPE | PLUS if plus else ESCAPE):
        if not reserve(out, size + 1):
            return False
        wrote = unfold_into(out.data + start, size, out.data + out.size, plus)
        changed = wrote != size or memcmp(out.data + start, out.data + out.size, size) != 0
        if changed:
            if depth >= DEPTH:
                return False
            if not close(out, wrote) or not _expand(out, out.size - wrote - 1, wrote, plus, depth + 1):
                return False
    if traits & DISGUISE:
        if not reserve(out, size + 1):
            return False
        wrote = fold_into(out.data + start, size, out.data + out.size)
        if (wrote != size or memcmp(out.data + start, out.data + out.size, size) != 0) and not close(out, wrote):
            return False
    if depth >= DEPTH or not traits & BASE64:
        return True
    return _unpack_runs(out, start, size, plus, depth)


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


cdef bint _is_repeated(const uchar* line, Py_ssize_t size) noexcept nogil:
    """Tell whether a client sends this header line the same again and again: not those that name a page or a length."""
    cdef uchar first = line[0] | 32
    if size < 4 or size > KEPT_BYTES:
        return False
    if first == 99:
        return not (size > 14 and (line[8] | 32) == 108)  # Content-Length
    return first != 114 and first != 105  # Referer, If-*


cdef class Normalizer:
    """Makes normal forms, and leaves out header lines and members of documents that it was told are clean.

    Browsers send the same dozen lines with every request, programs the same keys and words. A text in which no rule saw anything
    says nothing the next time either, because rules judge values one by one; so `learn` after a scan without any match makes
    the next scan shorter.
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
        cdef bint is_whole
        self._clean.forget_fresh()
        if not start(&out, 4 * size + 64 if size < 8192 else size + 8192, 4 * size + SLACK):
            raise MemoryError
        try:
            is_whole = (_add_head(&out, self._clean, request.head, &said)
                        and _add_body(&out, self._clean, request, said)
                        and (said != MESSAGES or _add_messages(&out, request)))
            return by_alphabet(&out) if is_whole else None
        finally:
            release(&out)


cdef bint _add_head(Regions* out, CleanTexts clean, bytes head, BodyKind* said) noexcept:
    """Add the head line by line, leaving out the lines known as clean."""
    cdef Py_ssize_t size = PyBytes_GET_SIZE(head), at = 0, end, begin
    cdef const uchar* data = <const uchar*>PyBytes_AS_STRING(head)
    cdef const void* found
    while at < size:
        found = memchr(data + at, 10, size - at)
        end = size if found == NULL else <const uchar*>found - data
        begin, at = at, end + 1
        if end > begin and data[end - 1] == 13:
            end -= 1
        if end == begin:
            continue
        if begin:
            if said[0] == UNSAID:
                said[0] = _said_kind(data + begin, end - begin)
            if _is_repeated(data + begin, end - begin) and clean.knows(clean.mark(data + begin, end - begin)):
                continue
        if not _add_line(out, data + begin, end - begin, begin == 0):
            return False
    return True


cdef bint _add_line(Regions* out, const uchar* line, Py_ssize_t size, bint is_first) noexcept nogil:
    """Add the request line or a header line."""
    cdef Py_ssize_t begin = out.size
    cdef bint plus = is_first or (line[0] | 32) == 114  # Referer holds a target too
    if is_first:
        if _count(line, size, 47) > SEGMENTS or not _append_parted(out, line, size, 38):
            return False
        _part_method(out.data + begin, size)
    elif _is_cookie(line, size):
        plus = True
        if not _append_parted(out, line, size, 59):
            return False
    elif not _append_field(out, line, size):
        return False
    return _expand(out, begin, out.size - begin - 1, plus, 0)


cdef void _part_method(uchar* line, Py_ssize_t size) noexcept nogil:
    """Put the neutral byte between the method and the target: each is a value of its own."""
    cdef Py_ssize_t at = 0
    while at < size and line[at] != 32 and line[at] != 9:
        at += 1
    while at < size and (line[at] == 32 or line[at] == 9):
        line[at] = SEPARATOR
        at += 1


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
            is_whole = _expand(out, begin, PyBytes_GET_SIZE(text), True, 0)
        out.is_file = False
        if not is_whole:
            break
    return is_whole


cdef bint _add_body(Regions* out, CleanTexts clean, Request request, BodyKind said) except -1:
    cdef bytes body = whole_body(request) if request.body else b""
    cdef Py_ssize_t size = PyBytes_GET_SIZE(body), begin = out.size, count = out.count
    cdef const uchar* data = <const uchar*>PyBytes_AS_STRING(body)
    cdef BodyKind kind
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
        if _add_document(out, clean, data, size):
            return True
        cut(out, begin, count)
    if not (_append_parted(out, data, size, 38) if kind == FORM else append(out, data, size)):
        return False
    return _expand(out, begin, size, True, 0)


cdef struct Member:  # a key or a value, as it is written
    const uchar* data
    Py_ssize_t size
    bint is_escaped


cdef struct Batch:
    int count
    const uchar* data[BATCH]
    Py_ssize_t sizes[BATCH]
    uint64_t marks[BATCH]
    uchar room[BATCH * TEXT_BYTES]


cdef bint _add_document(Regions* out, CleanTexts clean, const uchar* data, Py_ssize_t size) noexcept nogil:
    """Add the members of a JSON document; False if it is none or its form grows too large.

    A value stands behind its key, because some rules ask for both; an element of an array behind the key of the array.
    """
    cdef JsonScan scan
    cdef Member keys[JSON_DEPTH + 1]
    cdef Member member
    cdef const Member* key
    cdef const Member* open_key = NULL  # that no value followed yet
    cdef JsonToken token
    cdef Batch batch
    batch.count = 0
    json_start(&scan, data, size)
    while True:
        token = json_next(&scan)
        if token == JSON_BAD:
            return False
        key = NULL if token == JSON_KEY or token == JSON_END else _key_of(&scan, keys)
        if open_key != NULL and open_key != key and not _add_text(out, clean, &batch, NULL, open_key):
            return False
        open_key = NULL
        if token == JSON_END:
            return _flush(out, clean, &batch)
        member.data, member.size, member.is_escaped = scan.data + scan.begin, scan.size, scan.is_escaped
        if token == JSON_KEY:
            keys[scan.depth] = member
            open_key = &keys[scan.depth]
        elif not _add_text(out, clean, &batch, key, &member):
            return False


cdef inline const Member* _key_of(const JsonScan* scan, const Member* keys) noexcept nogil:
    """Return the key that the value in *scan* stands under; NULL: none, or one too long for a rule to ask for."""
    cdef int depth = scan.depth
    while depth and not scan.in_object[depth - 1]:
        depth -= 1
    return &keys[depth] if depth and keys[depth].size < TEXT_BYTES else NULL


cdef bint _add_text(Regions* out, CleanTexts clean, Batch* batch, const Member* key, const Member* value) noexcept nogil:
    """Add *value* behind its *key* (NULL: alone), unless the two are known as clean."""
    cdef Py_ssize_t begin = out.size, size = value.size + (key.size + 1 if key != NULL else 0)
    cdef uchar* room
    if size > TEXT_BYTES:
        if not reserve(out, size + 1):
            return False
        size = _write_both(key, value, out.data + begin)
        return close(out, size) and _expand(out, begin, size, True, 0)
    if batch.count == BATCH and not _flush(out, clean, batch):
        return False
    if key == NULL and not value.is_escaped:
        batch.data[batch.count] = value.data
    else:
        room = batch.room + batch.count * TEXT_BYTES
        size = _write_both(key, value, room)
        batch.data[batch.count] = room
    batch.sizes[batch.count] = size
    batch.marks[batch.count] = clean.mark(batch.data[batch.count], size)
    batch.count += 1
    return True


cdef bint _flush(Regions* out, CleanTexts clean, Batch* batch) noexcept nogil:
    """Add those texts of *batch* that are not known as clean."""
    cdef Py_ssize_t begin
    cdef int at
    for at in range(batch.count):
        begin = out.size
        if not clean.knows(batch.marks[at]) and not (append(out, batch.data[at], batch.sizes[at])
                                                     and _expand(out, begin, batch.sizes[at], True, 0)):
            return False
    batch.count = 0
    return True


cdef inline Py_ssize_t _write_both(const Member* key, const Member* value, uchar* out) noexcept nogil:
    """Write *key*, if there is one, the neutral byte and *value*; return their length."""
    cdef Py_ssize_t size
    if key == NULL:
        return _write(value, out)
    size = _write(key, out)
    out[size] = SEPARATOR
    return size + 1 + _write(value, out + size + 1)


cdef inline Py_ssize_t _write(const Member* member, uchar* out) noexcept nogil:
    """Write the text of *member* to *out* and return its length."""
    if member.is_escaped:
        return json_unescape(member.data, member.size, out)
    memcpy(out, member.data, member.size)
    return member.size


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
        if not _expand(out, begin, PyBytes_GET_SIZE(text), False, 0):
            return False
    return True
