# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The parameters of a request line, of cookies and of a form in the normal form; those known as clean are left out.

A parameter stands between two ``&``, in cookies ``;``; method and path are one part with the first. The full path judges parameters
one by one, so one says the same wherever it stands. Where a name comes again it judges the values joined, too: so they
stand here, behind the parameters.
"""
from libc.stdint cimport int32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memchr, memcmp, memcpy

from tcpmirror.decode.clean cimport KEPT_BYTES, CleanTexts, knows_text, mark_of
from tcpmirror.decode.expansion cimport SEGMENTS, expand
from tcpmirror.decode.regions cimport SEPARATOR, Regions, close, reserve
from tcpmirror.decode.text cimport percent_into, uchar

DEF COOKIE_BYTES = 7      # of "Cookie:", which stays in front of the parts
DEF FEW = 32              # parts for which no memory is asked
DEF NOBODY = -1

cdef enum:
    AMPERSAND = 38
    SEMICOLON = 59
    # What the marks of parts stand under, so that none is taken for another kind of text.
    NEVER = 0
    PATH = 1
    PARAMETER = 2
    COOKIE = 3
    FIELD = 4
    JOINED = 5

cdef struct Part:
    const uchar* data
    Py_ssize_t size
    const uchar* value    # behind the first "="; the end where there is none
    const uchar* name
    uint64_t name_mark
    int32_t next          # the next part with the same name, or NOBODY
    int32_t last          # of the first with its name: the last one; NOBODY: not the first

cdef struct Parts:
    Part* items
    int32_t* table        # the first part of each name, by its mark
    Py_ssize_t count
    Py_ssize_t places
    bint has_same
    Part few[FEW]
    int32_t few_places[2 * FEW]

# How a text is cut: at `separator`, from `begin` on, the first name at `name`. `is_line`: method and path stand before that;
# `is_coded`: names may be percent-encoded.
cdef struct Notation:
    uchar separator
    bint is_line
    Py_ssize_t begin
    Py_ssize_t name
    bint is_coded
    uint64_t first_kind
    uint64_t kind


cdef bint add_request_line(Regions* out, CleanTexts clean, const uchar* line, Py_ssize_t size) noexcept nogil:
    """Add what is not known of a request line, and what decodings make of it; False: the full path has to look."""
    cdef const void* query = memchr(line, 63, size)
    cdef bint is_usual = _is_usual(line, size)  # of another method, to which rules look, all is told
    cdef Notation notation
    if _count(line, size, 47) > SEGMENTS:
        return False
    notation.separator, notation.is_line, notation.begin, notation.is_coded = AMPERSAND, True, 0, True
    notation.name = size if query == NULL else <const uchar*>query + 1 - line
    notation.first_kind, notation.kind = PATH if is_usual else NEVER, PARAMETER if is_usual else NEVER
    return _add(out, clean, line, size, &notation)


cdef bint add_cookies(Regions* out, CleanTexts clean, const uchar* line, Py_ssize_t size) noexcept nogil:
    """Add what is not known of a Cookie header behind its name, and what decodings make of it; False: the full path has to look."""
    cdef Notation notation
    notation.separator, notation.is_line, notation.is_coded = SEMICOLON, False, False
    notation.begin = notation.name = COOKIE_BYTES
    notation.first_kind = notation.kind = COOKIE
    return _add(out, clean, line, size, &notation)


cdef bint add_form(Regions* out, CleanTexts clean, const uchar* body, Py_ssize_t size) noexcept nogil:
    """Add what is not known of a form, and what decodings make of it; False: the full path has to look."""
    cdef Notation notation
    notation.separator, notation.is_line, notation.is_coded = AMPERSAND, False, True
    notation.begin = notation.name = 0
    notation.first_kind = notation.kind = FIELD
    return _add(out, clean, body, size, &notation)


cdef bint _add(Regions* out, CleanTexts clean, const uchar* text, Py_ssize_t size, const Notation* notation) noexcept nogil:
    cdef Parts parts
    cdef bint is_done
    if not _start(&parts, 1 + _count(text, size, notation.separator)):
        return False
    _split(&parts, clean._keys, text, size, notation)
    is_done = _add_unknown(out, clean, &parts, text, size, notation) and (not parts.has_same or _add_joined(out, clean, &parts))
    if parts.items != parts.few:
        free(parts.items)
        free(parts.table)
    return is_done


cdef bint _start(Parts* parts, Py_ssize_t room) noexcept nogil:
    """Make room for so many parts; False: out of memory."""
    cdef Py_ssize_t at
    parts.items, parts.table, parts.places = parts.few, parts.few_places, 4
    parts.count, parts.has_same = 0, False
    while parts.places < 2 * room:
        parts.places *= 2
    if room > FEW:
        parts.items = <Part*>malloc(room * sizeof(Part))
        parts.table = <int32_t*>malloc(parts.places * sizeof(int32_t))
        if parts.items == NULL or parts.table == NULL:
            free(parts.items)
            free(parts.table)
            return False
    for at in range(parts.places):
        parts.table[at] = NOBODY
    return True


cdef void _split(Parts* parts, const uint64_t* keys, const uchar* text, Py_ssize_t size, const Notation* notation) noexcept nogil:
    """Cut *text* into parts."""
    cdef const uchar* stop = text + size
    cdef const uchar* name = text + notation.name
    cdef const uchar* end
    cdef Part* part
    text += notation.begin
    while True:
        end = <const uchar*>memchr(name, notation.separator, stop - name)
        if end == NULL:
            end = stop
        part = &parts.items[parts.count]
        part.data, part.size = text, end - text
        _read_name(part, keys, name, notation.is_coded)
        _note_name(parts, parts.count)
        parts.count += 1
        if end == stop:
            return
        text = name = end + 1


cdef void _read_name(Part* part, const uint64_t* keys, const uchar* name, bint is_coded) noexcept nogil:
    """Note the name of *part* that begins at *name*, and where its value does."""
    cdef uchar decoded[KEPT_BYTES]
    cdef const uchar* stop = part.data + part.size
    cdef const uchar* end = <const uchar*>memchr(name, 61, stop - name)
    cdef Py_ssize_t size
    part.value = stop if end == NULL else end + 1
    if end == NULL:
        end = stop
    while not is_coded and name < end and name[0] <= 32:
        name += 1
    if part.value == stop or not is_coded:  # the version may follow; blanks around the names of cookies are none of them
        size = 0
        while size < end - name and name[size] > 32:
            size += 1
        end = name + size
    part.name = name
    size = end - name if end - name < KEPT_BYTES else KEPT_BYTES
    if is_coded and (memchr(name, 37, size) != NULL or memchr(name, 43, size) != NULL):
        size = percent_into(name, size, decoded, True)
        name = decoded
    part.name_mark = mark_of(keys, name, size, False, NEVER)


cdef void _note_name(Parts* parts, int32_t which) noexcept nogil:
    """Link a part to those before with its name."""
    cdef Part* part = &parts.items[which]
    cdef Py_ssize_t place = part.name_mark & (parts.places - 1)
    cdef Part* first
    part.next = NOBODY
    part.last = which
    if part.size == 0:
        return
    while parts.table[place] != NOBODY:
        first = &parts.items[parts.table[place]]
        if first.name_mark == part.name_mark:
            parts.items[first.last].next = which
            first.last = which
            part.last = NOBODY
            parts.has_same = True
            return
        place = (place + 1) & (parts.places - 1)
    parts.table[place] = which


cdef bint _add_unknown(Regions* out, CleanTexts clean, const Parts* parts, const uchar* text, Py_ssize_t size,
                       const Notation* notation) noexcept nogil:
    """Add the parts that are not known as clean as one region, if there are any, behind what stands before them."""
    cdef Py_ssize_t begin = out.size, at
    cdef uchar* head
    cdef uchar* to
    cdef const Part* part
    if not reserve(out, size + 1):
        return False
    head = out.data + begin
    to = head + notation.begin
    for at in range(parts.count):
        part = &parts.items[at]
        if _is_known(clean, part.data, part.size, notation.kind if at else notation.first_kind):
            continue
        if to > head + notation.begin:
            to[0] = SEPARATOR
            to += 1
        memcpy(to, part.data, part.size)
        if at == 0 and notation.is_line:
            _part_line(to, part.value - part.data)
        to += part.size
    if to == head + notation.begin:
        return True
    memcpy(head, text, notation.begin)
    return close(out, to - head) and expand(out, begin, out.size - begin - 1, True, 0)


cdef bint _add_joined(Regions* out, CleanTexts clean, const Parts* parts) noexcept nogil:
    """Add for each name that comes again the values joined by commas."""
    cdef Py_ssize_t begin, at, size
    cdef int32_t which
    cdef const Part* part
    cdef uchar* to
    for at in range(parts.count):
        part = &parts.items[at]
        if part.next == NOBODY or part.last == NOBODY:
            continue
        begin, size = out.size, part.value - part.name
        which = at
        while which != NOBODY:
            size += parts.items[which].data + parts.items[which].size - parts.items[which].value + 1
            which = parts.items[which].next
        if not reserve(out, size + 1):
            return False
        to = out.data + begin
        memcpy(to, part.name, part.value - part.name)
        to += part.value - part.name
        which = at
        while which != NOBODY:
            part = &parts.items[which]
            memcpy(to, part.value, part.data + part.size - part.value)
            to += part.data + part.size - part.value
            to[0] = 44
            to += 1
            which = part.next
        size = to - 1 - (out.data + begin)
        if not _is_known(clean, out.data + begin, size, JOINED) and not (close(out, size) and expand(out, begin, size, True, 0)):
            return False
    return True


cdef inline bint _is_known(CleanTexts clean, const uchar* data, Py_ssize_t size, uint64_t kind) noexcept nogil:
    return kind != NEVER and knows_text(clean, data, size, kind)


cdef void _part_line(uchar* line, Py_ssize_t size) noexcept nogil:
    """Put the neutral byte between method and target, which are values of their own, and for the ``&`` of a path."""
    cdef Py_ssize_t at = 0
    while at < size and line[at] != 32 and line[at] != 9:
        at += 1
    while at < size and (line[at] == 32 or line[at] == 9):
        line[at] = SEPARATOR
        at += 1
    while at < size:
        if line[at] == AMPERSAND:
            line[at] = SEPARATOR
        at += 1


cdef Py_ssize_t _count(const uchar* data, Py_ssize_t size, uchar byte) noexcept nogil:
    cdef Py_ssize_t at, found = 0
    for at in range(size):
        found += data[at] == byte
    return found


cdef bint _is_usual(const uchar* line, Py_ssize_t size) noexcept nogil:
    """Tell whether a request line begins with a method that no rule looks at."""
    return (_begins(line, size, b"GET ", 4) or _begins(line, size, b"POST ", 5) or _begins(line, size, b"PUT ", 4)
            or _begins(line, size, b"HEAD ", 5) or _begins(line, size, b"PATCH ", 6) or _begins(line, size, b"DELETE ", 7)
            or _begins(line, size, b"OPTIONS ", 8))


cdef inline bint _begins(const uchar* line, Py_ssize_t size, const char* lead, Py_ssize_t length) noexcept nogil:
    return size > length and memcmp(line, lead, length) == 0
