# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Template expressions as tokens: what a value would be to the engine that renders it.

Text outside of expressions is ``t``, or ``T`` from 32 bytes on. An expression begins with one character and ends with ``>``:

    m two braces (Jinja, Twig, Handlebars, Angular, Go)    B ``{%`` block    D brace behind ``$ # * @ ~ %`` (EL, Freemarker, Ruby)
    S single brace (Smarty, Latte)    R ``<%`` (ERB, JSP, EJS)    Q ``[[`` or ``[(`` (Thymeleaf)    F directive: ``<#x``, ``[#x``,
    ``#set(``, ``<@x`` (Freemarker, Velocity)    Z ``@(`` (Razor)

Inside of it:

    n number   s string   q string left open   b name   K name that only attacks touch: __class__, getClass, popen ...
    p constructor, prototype   r what Ruby and .NET run or read with   J ``T``, a type of SpEL   N new
    k name that engines keep for themselves: config, self, request ...   c statement of a block: set, for, import ...
    . ( ) [ ] { } , : = ? | marks   o operator   * times   x any other

Linear; at most `TOKENS` tokens are looked at.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

DEF TOKENS = 384
DEF WORD = 32
DEF LONG_TEXT = 32

ctypedef unsigned char uchar

# Names in lower case: what engines' own documentation and the published ways out of their sandboxes name.
cdef dict _WORDS = {
    word.encode(): ord(kind)
    for kind, words in {
        "K": "getclass forname getruntime processbuilder getmethod getmethods getdeclaredmethod getdeclaredconstructors newinstance"
             " classloader getclassloader getprotectiondomain scriptenginemanager getenginebyname objectconstructor"
             " jythonruntime templatemodel lipsum cycler joiner url_for get_flashed_messages subclasses mro globals builtins"
             " popen passthru shell_exec phpinfo proc_open pcntl_exec call_user_func registerundefinedfiltercallback"
             " registerundefinedfunctioncallback getfilter _self template_object getstreamvariable freemarker mainmodule"
             " child_process execsync spawnsync readfilesync binding_of_caller instance_variable_get instance_variables"
             " file_get_contents file_put_contents base64_decode func_globals func_code gi_frame f_globals f_locals f_builtins"
             " cr_frame ctypes subprocess check_output pickle methodhandles unsafeallocator urlclassloader beanfactory"
             " getsystemproperties fileinputstream inputstreamreader bufferedreader memberaccess _memberaccess ognlcontext"
             " facescontext externalcontext pagecontext classresolver objectwrapper java_method instance_eval getastnode",
        "p": "constructor prototype",
        "r": "kernel open3 io dir fileutils diagnostics processstartinfo assembly gettype file pty process dl syscall",
        "k": "config self request session application settings app env environ global root this system exec eval require os"
             " java javax include dump debug param header cookie cookies applicationscope sessionscope requestscope initparam php"
             " literal smarty getattr attr map filter reduce sort send range dict namespace runtime thread server window alert"
             " t inspect print class getresource getproperty reflect",
        "N": "new",
        "c": "set for if elif import from include extends block macro call with raw autoescape do filter apply embed use print"
             " php assign foreach evaluate parse define stop list function ftl attempt setting local each lookup unless let",
    }.items()
    for word in words.split()
}


cdef inline bint _is_word(uchar byte) noexcept nogil:
    return 97 <= (byte | 32) <= 122 or 48 <= byte <= 57 or byte == 95 or byte >= 128


cdef inline bint _is_at(const uchar* data, Py_ssize_t size, Py_ssize_t at, uchar first, uchar second) noexcept nogil:
    return at + 1 < size and data[at] == first and data[at + 1] == second


cdef int _word(const uchar* data, Py_ssize_t size):
    """Return the kind of a name: of its own accord, or by the two underscores that it begins and ends with."""
    cdef uchar lower[WORD]
    cdef Py_ssize_t at
    if size > 4 and data[0] == 95 and data[1] == 95 and (data[size - 1] == 95 and data[size - 2] == 95):
        return 75
    if size > WORD:
        return 98
    if size == 1 and data[0] == 84:
        return 74
    for at in range(size):
        lower[at] = data[at] | 32 if 65 <= data[at] <= 90 else data[at]
    return _WORDS.get(PyBytes_FromStringAndSize(<char*>lower, size), 98)


cdef int _opens(const uchar* data, Py_ssize_t size, Py_ssize_t at, Py_ssize_t* length) noexcept nogil:
    """Return the kind of expression that begins at *at*, and how long its mark is; 0 for none."""
    cdef uchar byte = data[at]
    cdef uchar following = data[at + 1] if at + 1 < size else 0
    length[0] = 2
    if byte == 123:
        if following == 123:
            return 109
        if following == 37:
            return 66
        length[0] = 1
        return 83
    if byte == 60:
        if following == 37:
            return 82
        if (following == 35 or following == 64) and at + 2 < size and 97 <= (data[at + 2] | 32) <= 122:
            return 70
    elif byte == 91:
        if following == 91 or following == 40:
            return 81
        if following == 35 and at + 2 < size and 97 <= (data[at + 2] | 32) <= 122:
            return 70
    elif byte in (36, 35, 42, 64, 126, 37) and following == 123:
        return 68
    elif byte == 64 and following == 40:
        return 90
    elif byte == 35 and 97 <= (following | 32) <= 122:
        at += 1
        while at < size and 97 <= (data[at] | 32) <= 122:
            at += 1
        while at < size and data[at] == 32:
            at += 1
        length[0] = 1
        return 70 if at < size and data[at] == 40 else 0
    return 0


cdef Py_ssize_t _closes(const uchar* data, Py_ssize_t size, Py_ssize_t at, int kind, int depth) noexcept nogil:
    """Return the length of the mark at *at* that ends an expression of *kind*, or 0; *depth*: brackets open inside of it."""
    if kind == 109:
        return 2 if _is_at(data, size, at, 125, 125) and depth <= 0 else 0
    if kind == 66:
        return 2 if _is_at(data, size, at, 37, 125) else 0
    if kind == 82:
        return 2 if _is_at(data, size, at, 37, 62) else 0
    if kind == 81:
        return 2 if _is_at(data, size, at, 93, 93) or _is_at(data, size, at, 41, 93) else 0
    if kind == 70:
        return 1 if (data[at] == 62 or data[at] == 41 or data[at] == 93) and depth <= 0 else 0
    if kind == 90:
        return 1 if data[at] == 41 and depth <= 0 else 0
    return 1 if data[at] == 125 and depth <= 0 else 0


cdef inline Py_ssize_t _string_end(const uchar* data, Py_ssize_t size, Py_ssize_t at, uchar quote) noexcept nogil:
    """Return where the string that begins before *at* ends, behind its quote; past *size* if it is left open."""
    while at < size:
        if data[at] == 92:
            at += 2
        elif data[at] == quote:
            return at + 1
        else:
            at += 1
    return size + 1


cdef Py_ssize_t _tokenize(const uchar* data, Py_ssize_t size, uchar* out):
    """Write the tokens on to *out*; return how many."""
    cdef Py_ssize_t end = 0, at = 0, text = 0, start, length = 0, mark
    cdef int kind = 0, depth = 0, opened
    cdef uchar byte
    while at < size and end < TOKENS:
        opened = _opens(data, size, at, &length)
        if kind == 0:
            if opened == 0:
                at += 1
                text += 1
                continue
            if text:
                out[end], end, text = 116 if text < LONG_TEXT else 84, end + 1, 0
            out[end], end = <uchar>opened, end + 1
            kind = opened
            depth = -1 if opened == 70 and length == 1 else 0  # #set( ends with its own bracket
            at += length
            while at < size and (data[at] in (45, 33) or data[at] in (61, 35, 64) and kind != 109) and kind in (109, 66, 82):
                at += 1  # marks of output, blanks and comments
            continue
        byte = data[at]
        start = at
        mark = _closes(data, size, at, kind, depth)
        if mark:
            out[end], end, kind = 62, end + 1, 0
            at += mark
            continue
        if opened in (68, 109, 66, 82) and opened != kind or opened == 68:  # one inside another: ${{, {{${, __${..}__
            out[end], end, kind, depth = <uchar>opened, end + 1, opened, 0
            at += length
            continue
        at += 1
        if byte <= 32:
            continue
        if 48 <= byte <= 57:
            while at < size and (48 <= data[at] <= 57 or data[at] == 46 and at + 1 < size and 48 <= data[at + 1] <= 57):
                at += 1
            out[end] = 110
        elif _is_word(byte):
            while at < size and _is_word(data[at]):
                at += 1
            out[end] = <uchar>_word(data + start, at - start)
        elif byte == 34 or byte == 39 or byte == 96:
            at = _string_end(data, size, at, byte)
            out[end] = 115 if at <= size else 113
            if byte == 96 and kind == 82:
                out[end] = 75  # Ruby runs what backticks hold
            if at > size:  # the quote may be a stray one: what follows is read as well
                at = start + 1
        else:
            depth += (byte in (40, 91, 123)) - (byte in (41, 93, 125))
            if byte in (43, 45, 47, 37, 126, 94, 38, 60, 62, 33):
                byte = 111
            elif byte not in (46, 40, 41, 91, 93, 123, 125, 44, 58, 61, 63, 124, 42, 35, 36):
                byte = 120
            out[end] = byte
        end += 1
    if text and end < TOKENS:
        out[end], end = 116 if text < LONG_TEXT else 84, end + 1
    return end


def tokens(bytes value):
    """Return the tokens of *value*."""
    cdef uchar out[TOKENS + 2]
    cdef Py_ssize_t count = _tokenize(<const uchar*>PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value), out)
    return PyBytes_FromStringAndSize(<char*>out, count).decode("ascii")
