# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What decodings make of a region of the normal form, appended behind it.

Unfolded (percent, plus, entities, escapes together, again until nothing changes), folded, and the text inside Base64 and
hexadecimal, behind the name of its field.
"""
from libc.stdint cimport uint16_t
from libc.string cimport memchr, memcmp, memcpy, memmove

from tcpmirror.decode.regions cimport SEPARATOR, Regions, close, reserve
from tcpmirror.decode.text cimport base64_into, fold_into, hex_into, is_packed, is_plausible, uchar, unfold_into
from tcpmirror.decode.traits cimport BASE64, DISGUISE, ESCAPE, MIN_RUN, PLUS, TRAITS_OF

DEF DEPTH = 4             # rounds of decoding; a value that still changes is for the full path
DEF LOOK_BASE64 = 16      # characters of a token that show whether it can be packed or text
DEF NAME_BYTES = 24       # of the name before a packed value


cdef bint expand(Regions* out, Py_ssize_t start, Py_ssize_t size, bint plus, int depth) noexcept nogil:
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
            if not close(out, wrote) or not expand(out, out.size - wrote - 1, wrote, plus, depth + 1):
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
    cdef const void* key_end = memchr(data, SEPARATOR, size if size < KEY_BYTES else KEY_BYTES)
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
    while name > start and name > name_end - NAME_BYTES and TRAITS_OF[out.data[name - 1]] & BASE64 and out.data[name - 1] != 47:
        name -= 1
    if name < name_end < at:
        memmove(data + (name_end - name) + 1, data, wrote)
        memcpy(data, out.data + name, name_end - name)
        data[name_end - name] = SEPARATOR
        wrote += name_end - name + 1
    return close(out, wrote) and expand(out, out.size - wrote - 1, wrote, plus, depth + 1)


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
