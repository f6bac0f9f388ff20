# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The members of a JSON document in the normal form: each value behind its key, unless the two are known as clean."""
from libc.stdint cimport uint64_t
from libc.string cimport memcpy, memset

from tcpmirror.decode.clean cimport KEPT_BYTES, CleanTexts, ask_later, knows, mark_of
from tcpmirror.decode.expansion cimport KEY_BYTES, expand
from tcpmirror.decode.json_scan cimport (JSON_BAD, JSON_DEPTH, JSON_END, JSON_KEY, JsonScan, JsonToken, json_next, json_start,
                                         json_unescape)
from tcpmirror.decode.regions cimport SEPARATOR, Regions, close, reserve
from tcpmirror.decode.text cimport uchar

DEF BATCH = 16            # members that may be known are looked up together: what one waits for from memory comes while the next is read


cdef struct Member:  # a key or a value, as it is written
    const uchar* data
    Py_ssize_t size
    bint is_escaped
    uint64_t mark  # of a key, 0 for no key


cdef struct Batch:
    int count
    Member keys[BATCH]
    Member values[BATCH]
    uint64_t marks[BATCH]


cdef void _note(MemberNames* names, const Member* key) noexcept nogil:
    """Note a key that no other of the same name came before: the place of its mark, or the next free one, tells."""
    cdef int place = key.mark >> 1 & (NAME_PLACES - 1)
    while names.marks[place]:
        if names.marks[place] == key.mark:
            return
        place = (place + 1) & (NAME_PLACES - 1)
    if key.is_escaped or names.count == NAME_PLACES // 2 or names.size + key.size + 3 > NAMES_BYTES:
        names.is_whole = False
        return
    names.marks[place] = key.mark
    names.count += 1
    names.text[names.size] = 34
    memcpy(names.text + names.size + 1, key.data, key.size)
    names.text[names.size + 1 + key.size] = 34
    names.text[names.size + 2 + key.size] = 58
    names.size += key.size + 3


cdef bint add_document(Regions* out, CleanTexts clean, const uchar* data, Py_ssize_t size, MemberNames* names) noexcept nogil:
    """Add the members of a JSON document; False if it is none or its form grows too large.

    A value stands behind its key, because some rules ask for both; an element of an array behind the key of the array.
    *names* become those of its members.
    """
    cdef JsonScan scan
    cdef Member keys[JSON_DEPTH + 1]
    cdef Member member
    cdef Member* key
    cdef Member no_key
    cdef Member* open_key = NULL  # that no value followed yet
    cdef JsonToken token
    cdef Batch batch
    batch.count = 0
    no_key.mark = 0
    names.is_whole, names.count, names.size = True, 0, 1
    names.text[0] = 123
    memset(names.marks, 0, sizeof(names.marks))
    json_start(&scan, data, size)
    while True:
        token = json_next(&scan)
        if token == JSON_BAD:
            return False
        key = &no_key if token == JSON_KEY or token == JSON_END else _key_of(&scan, keys, &no_key)
        if open_key != NULL and open_key != key and not _add_text(out, clean, &batch, &no_key, open_key):
            return False
        open_key = NULL
        if token == JSON_END:
            return _flush(out, clean, &batch)
        member.data, member.size, member.is_escaped = scan.data + scan.begin, scan.size, scan.is_escaped
        if member.is_escaped:
            names.is_whole = False  # a quote in a text may end what looks like a name
        if token == JSON_KEY:
            if member.size >= KEY_BYTES:
                names.is_whole = False
            else:
                member.mark = mark_of(clean._keys, member.data, member.size, member.is_escaped, 0)
                if names.is_whole:
                    _note(names, &member)
            keys[scan.depth] = member
            open_key = &keys[scan.depth]
        elif not _add_text(out, clean, &batch, key, &member):
            return False


cdef inline Member* _key_of(const JsonScan* scan, Member* keys, Member* no_key) noexcept nogil:
    """Return the key that the value in *scan* stands under; *no_key*: none, or one too long for a rule to ask for."""
    cdef int depth = scan.depth
    while depth and not scan.in_object[depth - 1]:
        depth -= 1
    return &keys[depth] if depth and keys[depth].size < KEY_BYTES else no_key


cdef bint _add_text(Regions* out, CleanTexts clean, Batch* batch, const Member* key, const Member* value) noexcept nogil:
    """Add *value* behind its *key*, unless the two are known as clean."""
    cdef uint64_t mark
    if value.size > KEPT_BYTES:
        return _write_both(out, key, value)
    if batch.count == BATCH and not _flush(out, clean, batch):
        return False
    batch.keys[batch.count] = key[0]
    batch.values[batch.count] = value[0]
    mark = mark_of(clean._keys, value.data, value.size, value.is_escaped, key.mark)
    batch.marks[batch.count] = mark
    batch.count += 1
    ask_later(clean, mark)
    return True


cdef bint _flush(Regions* out, CleanTexts clean, Batch* batch) noexcept nogil:
    """Add those texts of *batch* that are not known as clean."""
    cdef int at
    for at in range(batch.count):
        if not knows(clean, batch.marks[at]) and not _write_both(out, &batch.keys[at], &batch.values[at]):
            return False
    batch.count = 0
    return True


cdef bint _write_both(Regions* out, const Member* key, const Member* value) noexcept nogil:
    """Add *key*, if it is one, the neutral byte and *value* as a region, and what decodings make of it."""
    cdef Py_ssize_t begin = out.size, size = 0
    if not reserve(out, key.size + value.size + 2 if key.mark else value.size + 1):
        return False
    if key.mark:
        size = _write(key, out.data + begin) + 1
        out.data[begin + size - 1] = SEPARATOR
    size += _write(value, out.data + begin + size)
    return close(out, size) and expand(out, begin, size, True, 0)


cdef inline Py_ssize_t _write(const Member* member, uchar* out) noexcept nogil:
    """Write the text of *member* to *out* and return its length."""
    if member.is_escaped:
        return json_unescape(member.data, member.size, out)
    memcpy(out, member.data, member.size)
    return member.size
