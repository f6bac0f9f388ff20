# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The members of a JSON document in the normal form: each value behind its key, unless the two are known as clean."""
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

from tcpmirror.decode.clean cimport CleanTexts
from tcpmirror.decode.expansion cimport KEY_BYTES, expand
from tcpmirror.decode.json_scan cimport (JSON_BAD, JSON_DEPTH, JSON_END, JSON_KEY, JsonScan, JsonToken, json_next, json_start,
                                         json_unescape)
from tcpmirror.decode.regions cimport SEPARATOR, Regions, append, close, reserve
from tcpmirror.decode.text cimport uchar

DEF TEXT_BYTES = 64       # members up to this are remembered as clean
DEF BATCH = 16            # of those are looked up together: what one waits for from memory comes while the next is read


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


cdef bint add_document(Regions* out, CleanTexts clean, const uchar* data, Py_ssize_t size) noexcept nogil:
    """Add the members of a JSON document; False if it is none or its form grows too large.

    A value stands behind its key, because some rules ask for both; an element of an array behind the key of the array.
    """
    cdef JsonScan scan
    cdef Member keys[JSON_DEPTH + 1]
    cdef Member member
    cdef Member* key
    cdef Member* open_key = NULL  # that no value followed yet
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


cdef inline Member* _key_of(const JsonScan* scan, Member* keys) noexcept nogil:
    """Return the key that the value in *scan* stands under; NULL: none, or one too long for a rule to ask for."""
    cdef int depth = scan.depth
    while depth and not scan.in_object[depth - 1]:
        depth -= 1
    return &keys[depth] if depth and keys[depth].size < KEY_BYTES else NULL


cdef bint _add_text(Regions* out, CleanTexts clean, Batch* batch, const Member* key, const Member* value) noexcept nogil:
    """Add *value* behind its *key* (NULL: alone), unless the two are known as clean."""
    cdef Py_ssize_t begin = out.size, size = value.size + (key.size + 1 if key != NULL else 0)
    cdef uchar* room
    if size > TEXT_BYTES:
        if not reserve(out, size + 1):
            return False
        size = _write_both(key, value, out.data + begin)
        return close(out, size) and expand(out, begin, size, True, 0)
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
                                                     and expand(out, begin, batch.sizes[at], True, 0)):
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
