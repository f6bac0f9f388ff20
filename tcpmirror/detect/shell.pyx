# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Shell as tokens: what a value would be on a command line of POSIX shells, cmd or PowerShell.

One character a token:

    ; semicolon   n line end   | pipe   & single ampersand   A && or ||   ( substitution: $( <( >( or a backtick   ) its end
    { brace before a command   P other parenthesis   > redirection   # comment, the rest is not read
    C tool   L language   p probe   e verb   c word that is a command too   (see commands.yaml)
    T before one of these: its name was spelt so that a filter would not see it
    g path with wildcards   / path from a root or from here   r other path   ~ expansion of a part of a variable   v variable   = assignment   o option
    u URL or network address   f file name   d number   w other word

Quotes, backslashes, carets, empty substitutions and unset variables inside a word are taken away before the word is looked up.
Whether quotes are balanced says nothing: the value may stand within some. ``+`` is a blank where no other blank is.
Linear; at most `TOKENS` tokens are returned.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memchr

from tcpmirror.detect.commands import KINDS

DEF TOKENS = 2048
DEF WORD = 24

ctypedef unsigned char uchar

cdef dict _COMMANDS = {
    name.encode() + end: ord(token)
    for kind, token in (("words", "c"), ("methods", "c"), ("verbs", "e"), ("tools", "C"), ("languages", "L"), ("probes", "p"))
    for name in KINDS[kind]
    for end in (b"", b".exe")
}


cdef struct Word:
    uchar name[WORD]   # without quoting, in lower case
    int size           # WORD + 1: longer
    uchar base[WORD]   # what stands behind the last slash
    int base_size
    int slashes        # both kinds
    int backslashes
    int dots
    int digits
    int letters
    bint hidden        # quoting inside
    bint glob
    bint variable      # it begins with one
    bint expansion
    bint is_url
    bint is_option
    int tail           # bytes behind the last dot
    uchar first


cdef inline bint _is_name(uchar byte) noexcept nogil:
    return 97 <= (byte | 32) <= 122 or 48 <= byte <= 57 or byte == 95 or byte >= 128


cdef inline bint _is_end(uchar byte) noexcept nogil:
    """Blanks and what ends a word."""
    return byte <= 32 or byte == 59 or byte == 124 or byte == 38 or byte == 60 or byte == 62 or byte == 40 or byte == 41


cdef inline void _put(Word* word, uchar byte) noexcept nogil:
    """Add a byte to the word. A backslash is nothing to its name, as POSIX shells read it, and parts folders as Windows does."""
    cdef uchar lower = byte | 32 if 65 <= byte <= 90 else byte
    if word.size == 0 and word.backslashes == 0:
        word.first = byte
    if byte == 47 or byte == 92:
        word.slashes += 1
        word.backslashes += byte == 92
        word.base_size = 0
        word.dots = 0
    if byte == 92:
        return
    if word.size < WORD:
        word.name[word.size] = lower
    word.size += word.size <= WORD
    if byte == 47:
        return
    if word.base_size < WORD:
        word.base[word.base_size] = lower
    word.base_size += word.base_size <= WORD
    word.tail = 0 if byte == 46 else word.tail + 1
    word.dots += byte == 46
    word.digits += 48 <= byte <= 57
    word.letters += 97 <= (byte | 32) <= 122


cdef inline Py_ssize_t _variable_end(const uchar* data, Py_ssize_t size, Py_ssize_t at, bint* part) noexcept nogil:
    """Return where the variable at *at* ends; *part*: only a part of its value is taken. *at* itself: there is none."""
    cdef Py_ssize_t end = at + 1
    if end >= size:
        return at
    if data[end] == 123:
        while end < size and data[end] != 125 and end - at < 64 and data[end] > 32:
            if end > at + 2 and (data[end] == 58 or data[end] == 37 or data[end] == 35 or data[end] == 47 or data[end] == 94):
                part[0] = True
            end += 1
        return end + 1 if end < size and data[end] == 125 else at
    if data[end] in (64, 42, 36, 33, 63) or 48 <= data[end] <= 57:
        return end + 1
    while end < size and _is_name(data[end]) and data[end] < 128:
        end += 1
    return end if end > at + 1 else at


cdef inline Py_ssize_t _ifs_end(const uchar* data, Py_ssize_t size, Py_ssize_t at) noexcept nogil:
    """Return where ``$IFS``, ``${IFS}``, ``${IFS%..}`` or ``$IFS$9`` ends, which is a blank; *at*: it is none of them."""
    cdef Py_ssize_t end = at + 1
    cdef bint braced = end < size and data[end] == 123
    end += braced
    if end + 3 > size or data[end] != 73 or data[end + 1] != 70 or data[end + 2] != 83:
        return at
    end += 3
    while braced and end < size and data[end] != 125 and end - at < 24:
        end += 1
    end += braced
    if end + 1 < size and data[end] == 36 and 48 <= data[end + 1] <= 57:
        end += 2
    return end if end <= size else size


cdef inline bint _is_quoted(const uchar* data, Py_ssize_t size, Py_ssize_t at, Py_ssize_t* closed) noexcept nogil:
    """Tell whether the quote at *at* ends within the same word, and where: an apostrophe does not."""
    cdef Py_ssize_t end = at + 1
    while end < size and end - at < WORD and data[end] != data[at]:
        if data[end] <= 32:
            return False
        end += 1
    if end >= size or data[end] != data[at]:
        return False
    closed[0] = end
    return True


cdef inline bint _is_expansion(const uchar* data, Py_ssize_t size, Py_ssize_t at) noexcept nogil:
    """Tell whether the brace at *at* opens a list of words without blanks: ``{cat,/etc/hosts}``."""
    cdef Py_ssize_t end = at + 1
    while end < size and end - at < WORD and data[end] > 32 and data[end] != 44 and data[end] != 58 and data[end] != 125:
        end += 1
    return end > at + 1 and end + 1 < size and data[end] == 44 and data[end + 1] > 32


cdef Py_ssize_t _read_word(const uchar* data, Py_ssize_t size, Py_ssize_t at, bint plus, bint braces, Word* word) noexcept nogil:
    """Read the word at *at*, without its quoting; return where it ends."""
    cdef uchar byte, following, before = 0
    cdef Py_ssize_t end, closed = -1  # closed: where the quote ends that was opened last
    cdef bint part = False
    while at < size:
        byte = data[at]
        following = data[at + 1] if at + 1 < size else 0
        if (byte == 60 or byte == 62) and following == 40 and at + 2 < size and data[at + 2] == 41 and word.size:
            word.hidden = True  # <() and >() within a word
            at += 3
            continue
        if _is_end(byte) or plus and byte == 43 or braces and (byte == 44 or byte == 125):
            break
        if byte == 96:
            if following == 96 and word.size:  # an empty substitution
                word.hidden = True
                at += 2
                continue
            break
        if byte == 36:
            if following == 40:
                if at + 2 < size and data[at + 2] == 41 and word.size:
                    word.hidden = True
                    at += 3
                    continue
                break
            if following == 39 or following == 34:  # $'...'
                at += 1
                continue
            if _ifs_end(data, size, at) > at:
                break
            end = _variable_end(data, size, at, &part)
            if end > at:
                word.expansion |= part
                if word.size == 0:
                    word.variable = True
                elif _is_name(before) and (end >= size or _is_name(data[end]) or data[end] <= 32 or data[end] in (39, 34, 92)):
                    word.hidden = True
                at = end
                before = 0
                continue
        if byte == 39 or byte == 34:
            if following == byte:
                word.hidden |= word.size > 0 and at + 2 < size
                at += 2
                continue
            if closed < at and _is_quoted(data, size, at, &closed):
                word.hidden |= _is_name(before) or closed + 1 < size and _is_name(data[closed + 1])
            at += 1
            continue
        if byte == 94:
            word.hidden |= word.size > 0 and _is_name(following)
            at += 1
            continue
        if byte == 63 or byte == 42 or byte == 91:
            word.glob = True
        if byte == 58 and following == 47 and at + 2 < size and data[at + 2] == 47:
            word.is_url = True
        if byte == 37 and word.size == 0 and memchr(data + at + 1, 37, min(size - at - 1, WORD)) != NULL:
            word.variable = True
        if word.size == 0 and byte == 45:
            word.is_option = True
        _put(word, byte)
        before = byte
        at += 1
    return at


cdef inline int _command(const uchar* name, int size):
    """Return the kind of command, or 0."""
    if size <= 0 or size > WORD:
        return 0
    return _COMMANDS.get(PyBytes_FromStringAndSize(<char*>name, size), 0)


cdef int _kind(Word* word):
    """Return what a word is."""
    cdef int kind = 0
    if word.is_url:
        return 117
    if word.glob and word.slashes > word.backslashes:
        return 103
    if not word.variable and not word.is_option:
        kind = _command(word.name, word.size)
        if kind and word.backslashes:
            word.hidden |= word.size > 1
            return kind
        if kind == 0 and word.slashes:
            kind = _command(word.base, word.base_size)
            return kind if kind and _is_program_path(word) else _path(word)
    if kind:
        return kind
    if word.slashes:
        return _path(word)
    if word.expansion:
        return 126
    if word.variable:
        return 118
    if word.is_option:
        return 111 if word.size > 1 else 119
    if word.first == 126:
        return 47
    if word.digits and not word.letters:
        return 117 if word.dots == 3 else 100
    if word.dots and word.letters and 1 <= word.tail <= 12:
        return 102
    return 119


cdef inline int _path(const Word* word) noexcept nogil:
    """Return which kind of path a word with slashes is."""
    if word.first in (47, 46, 92, 126) or word.size > 1 and word.name[1] == 58 or word.variable:
        return 47
    return 114


cdef inline bint _is_program_path(const Word* word) noexcept nogil:
    """Tell whether a path that ends in a command begins where programs are: /bin/cat, usr/bin/id, c:\\windows\\...\\cmd.exe."""
    if word.first == 47 or word.first == 92 or word.size > 2 and word.name[1] == 58:
        return True
    return word.size > 4 and (word.name[0] == 98 and word.name[1] == 105 and word.name[2] == 110 and word.name[3] == 47
                              or word.name[0] == 117 and word.name[1] == 115 and word.name[2] == 114 and word.name[3] == 47)


cdef inline Py_ssize_t _entity_end(const uchar* data, Py_ssize_t size, Py_ssize_t at) noexcept nogil:
    """Return where the HTML entity at *at* ends that markup writes for its own characters; *at*: it is none."""
    cdef Py_ssize_t end = at + 1
    cdef uchar first = data[end] | 32 if end < size else 0
    while end < size and end - at < 7 and data[end] != 59:
        end += 1
    if end >= size or data[end] != 59 or end - at < 3:
        return at
    if first in (108, 103) and end - at == 3 or first in (113, 97, 110) and 4 <= end - at <= 5 or data[at + 1] == 35:
        return end + 1  # lt gt quot amp apos nbsp #39
    return at


cdef inline bint _is_assignment(const Word* word, const uchar* data, Py_ssize_t start, Py_ssize_t* value) noexcept nogil:
    """Tell whether a word is ``name=value``; *value*: where its value begins."""
    cdef Py_ssize_t at = start
    while _is_name(data[at]) and data[at] < 128 and at - start < 20:
        at += 1
    if at == start or data[at] != 61 or data[at + 1] == 61:
        return False
    value[0] = at + 1
    return True


cdef Py_ssize_t _tokenize(const uchar* data, Py_ssize_t size, uchar* out):
    """Write the tokens to *out*; return how many. *data* has a zero behind its end."""
    cdef Py_ssize_t at = 0, end = 0, start, stop
    cdef uchar byte, following
    cdef Word word
    cdef int kind, braces = 0
    cdef bint plus = memchr(data, 32, size) == NULL and memchr(data, 43, size) != NULL
    while at < size and end < TOKENS - 2:
        byte = data[at]
        following = data[at + 1]
        kind = 0
        start = at
        if byte == 10 or byte == 13:
            if end and out[end - 1] == 110:
                at += 1
                continue
            kind = 110
        elif byte <= 32 or plus and byte == 43:
            at += 1
            continue
        elif byte == 36 and _ifs_end(data, size, at) > at:
            at = _ifs_end(data, size, at)
            continue
        elif byte == 38 and _entity_end(data, size, at) > at:
            at = _entity_end(data, size, at)
            continue
        elif byte == 59:
            kind = 59
        elif byte == 124 or byte == 38:
            kind = byte
            if following == byte:
                kind = 65
                at += 1
            elif following == 62 or byte == 124 and following == 38:
                at += 1
        elif byte == 96:
            kind = 40
        elif (byte == 36 or byte == 60 or byte == 62) and following == 40:
            kind = 40
            at += 1
        elif byte == 60 or byte == 62:
            kind = 62
            while at + 1 < size and (data[at + 1] == 60 or data[at + 1] == 62 or data[at + 1] == 38):
                at += 1
        elif byte == 40:
            kind = 80
        elif byte == 41:
            kind = 41
        elif byte == 123 and _is_expansion(data, size, at):
            kind = 123
            braces += 1
        elif byte == 44 and braces or byte == 125:
            braces -= byte == 125 and braces > 0
            at += 1
            continue
        elif byte == 123 or byte == 33:
            at += 1
            continue
        elif byte == 35 and (start == 0 or data[start - 1] <= 32):
            out[end] = 35
            return end + 1
        if kind:
            out[end] = <uchar>kind
            end += 1
            at += 1
            continue
        word.size = word.base_size = word.slashes = word.backslashes = word.dots = word.digits = word.letters = word.tail = 0
        word.hidden = word.glob = word.variable = word.expansion = word.is_url = word.is_option = False
        word.first = 0
        if _is_assignment(&word, data, start, &stop):
            out[end] = 61
            end += 1
            if stop < size and not _is_end(data[stop]) and data[stop] != 36 and data[stop] != 96:
                at = _read_word(data, size, stop, plus, False, &word)
            else:
                at = stop
            continue
        at = _read_word(data, size, start, plus, braces > 0, &word)
        if at == start:
            at += 1
            continue
        if word.size == 0 and not word.variable:
            continue
        kind = _kind(&word)
        if word.hidden and kind in (67, 76, 112, 101, 99):
            out[end] = 84
            end += 1
        out[end] = <uchar>kind
        end += 1
    return end


def tokens(bytes value):
    """Return the tokens of *value*."""
    cdef uchar out[TOKENS]
    cdef Py_ssize_t count = _tokenize(<const uchar*>PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value), out)
    return PyBytes_FromStringAndSize(<char*>out, count).decode("ascii")
