# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The members of a JSON document in the normal form: each value behind its key, unless the two are known as clean."""
from libc.stdint cimport uint64_t
from libc.string cimport memcpy, memset

from tcpmirror.decode.clean cimport KEPT_BYTES, CleanTexts, ask_later, knows, mark_of
from tcpmirror.decode.expansion cimport KEY_BYTES, expand
from tcpmirror.decode.json_scan cimport (JSON_BAD, JSON_DEPTH, JSON_END, JSON_KEY, WANT_MORE, WANT_VALUE, JsonScan, JsonToken,
                                         json_next, json_plain, json_start, json_unescape)
from tcpmirror.decode.regions cimport SEPARATOR, Regions, close, reserve
from tcpmirror.decode.text cimport uchar

# Thirty-two bytes at once, as two vectors: wider ones become a loop where the target lacks them.
cdef extern from *:
    """
    typedef unsigned char step_lanes __attribute__((vector_size(16)));
    typedef unsigned long long step_halves __attribute__((vector_size(16)));

    /* Whether the thirty-two bytes at `data` are those of `text` where `mask` has ones. */
    static inline int is_alike(const unsigned char *data, const unsigned char *text, const unsigned char *mask) {
        step_lanes here[2], known[2], told[2];
        step_halves others;
        __builtin_memcpy(here, data, 32);
        __builtin_memcpy(known, text, 32);
        __builtin_memcpy(told, mask, 32);
        others = (step_halves) (((here[0] ^ known[0]) & told[0]) | ((here[1] ^ known[1]) & told[1]));
        return !(others[0] | others[1]);
    }
    """
    bint is_alike(const uchar* data, const uchar* text, const uchar* mask) noexcept nogil

DEF BATCH = 16            # members that may be known are looked up together: what one waits for from memory comes while the next is read
DEF STEP_BYTES = 32
DEF NAMES = 32            # that are noted of one document
DEF PLACES = 2 * NAMES


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


# A key, and what stood from the end of the value before it to where its own begins: an array or an object may end and
# another object begin there. Where the same bytes come again in the same place, they mean the same.
cdef struct Step:
    Member key
    Step* follower           # the step that came next, NULL: none
    Py_ssize_t size          # of `text`, 0: none was noted
    uchar[STEP_BYTES] text
    uchar[STEP_BYTES] mask   # ones as far as `text` goes
    int least_depth
    int falls                # how much less deep it is behind
    bint in_object           # what it stands in, before
    bint under_object        # and what that stands in


cdef struct Steps:
    int count
    Step* last
    Step start               # before the first key
    Step[NAMES] noted
    uchar[PLACES] places     # 1 + the step whose key's mark belongs there or before; 0: free


cdef inline Step* _noted(Steps* steps, MemberNames* names, const Member* key) noexcept nogil:
    """Return the step of *key*, after noting a name that did not come before; NULL: there is no room for it."""
    cdef int place = key.mark >> 1 & (PLACES - 1)
    cdef Step* step
    while steps.places[place]:
        step = &steps.noted[steps.places[place] - 1]
        if step.key.mark == key.mark:
            return step
        place = (place + 1) & (PLACES - 1)
    if key.is_escaped or steps.count == NAMES:
        names.is_whole = False
        return NULL
    step = &steps.noted[steps.count]
    step.key, step.follower, step.size = key[0], NULL, 0
    steps.count += 1
    steps.places[place] = steps.count
    if names.size + key.size + 3 > NAMES_BYTES:
        names.is_whole = False
    if names.is_whole:
        names.text[names.size] = 34
        memcpy(names.text + names.size + 1, key.data, key.size)
        names.text[names.size + 1 + key.size] = 34
        names.text[names.size + 2 + key.size] = 58
        names.size += key.size + 3
    return step


cdef void _learn(Step* step, const JsonScan* scan, Py_ssize_t at, int depth) noexcept nogil:
    """Note how *scan* came to behind the key of *step* from *at*, where a value had ended *depth* deep."""
    cdef const uchar* data = scan.data
    cdef Py_ssize_t end = scan.at, place = at
    cdef int brackets = 0
    step.size = 0
    if end + 2 > scan.stop or data[end] != 58:
        return
    end += 2 if data[end + 1] == 32 else 1
    while data[place] != 34:
        brackets += data[place] == 123 or data[place] == 125 or data[place] == 91 or data[place] == 93
        place += 1
    step.falls = depth - scan.depth
    if end - at > STEP_BYTES or step.falls != (brackets == 1) or brackets > 2:
        return
    if data[at] != (44 if brackets == 0 else 93 + 32 * scan.in_object[depth - 1]):
        return
    step.in_object = scan.in_object[depth - 1]
    step.under_object = brackets and scan.in_object[depth - 2]
    step.least_depth = 2 if brackets else 1
    step.size = end - at
    memset(step.mask, 0, STEP_BYTES)
    memset(step.mask, 0xFF, step.size)
    memcpy(step.text, data + at, step.size)


cdef inline bint _comes(const Step* step, const JsonScan* scan) noexcept nogil:
    """Tell whether what stood before the key of *step* and the key stand where *scan* is, behind a value."""
    return (step != NULL and step.size and scan.at + STEP_BYTES <= scan.stop and scan.depth >= step.least_depth
            and scan.in_object[scan.depth - 1] == step.in_object
            and (step.least_depth == 1 or scan.in_object[scan.depth - 2] == step.under_object)
            and is_alike(scan.data + scan.at, step.text, step.mask))


cdef bint add_document(Regions* out, CleanTexts clean, const uchar* data, Py_ssize_t size, MemberNames* names) noexcept nogil:
    """Add the members of a JSON document; False if it is none or its form grows too large.

    A value stands behind its key, because some rules ask for both; an element of an array behind the key of the array.
    *names* become those of its members.
    """
    cdef JsonScan scan
    cdef Steps steps
    cdef Step* step
    cdef Member keys[JSON_DEPTH + 1]
    cdef Member member
    cdef Member* key
    cdef Member no_key
    cdef Member* open_key = NULL  # that no value followed yet
    cdef JsonToken token
    cdef Batch batch
    cdef Py_ssize_t before
    cdef int depth
    batch.count = 0
    no_key.mark = 0
    names.is_whole, names.size = True, 1
    names.text[0] = 123
    steps.count, steps.last, steps.start.follower = 0, &steps.start, NULL
    memset(steps.places, 0, sizeof(steps.places))
    json_start(&scan, data, size)
    while True:
        step = steps.last.follower
        if scan.state == WANT_MORE and _comes(step, &scan):
            scan.at += step.size
            scan.depth -= step.falls
            steps.last = step
            keys[scan.depth] = step.key
            if json_plain(&scan, scan.at) != JSON_BAD:
                member.data, member.size, member.is_escaped = scan.data + scan.begin, scan.size, False
                if not _add_text(out, clean, &batch, &step.key, &member):
                    return False
                continue
            open_key = &keys[scan.depth]
            scan.state = WANT_VALUE
        before, depth = scan.at if scan.state == WANT_MORE else -1, scan.depth
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
                step = _noted(&steps, names, &member)
                if step != NULL:
                    steps.last.follower = steps.last = step
                    if before >= 0:
                        _learn(step, &scan, before, depth)
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
