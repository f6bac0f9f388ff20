# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""HTML as a browser reads it: what a value would do in the page that prints it.

A value reaches a page as text between tags, or inside an attribute: unquoted, between double, single or back quotes. It is read
from its start as text, and from behind its first quote of each kind as the rest of a tag (HTML, section 13.2.5, as far as
it decides what runs). What older browsers took for markup counts as well: back quotes, NUL bytes in names, a slash or a quote
in place of a blank.

The result is a mask:

    RUNS     script by itself: an element, a handler, a URL with a script's scheme, style that runs, an animated link
    LOADS    a page, plugin or style sheet from elsewhere
    BREAKS   leaves an attribute, a comment or raw text, and goes on as markup
    CLAIMS   an element that draws over a page or asks its reader for something: form, input, heading, marquee
    CONTENT  elements of texts: paragraphs, links, lists, tables, pictures
    FOREIGN  the start of a drawing, formula or style and nothing that it shows
    ODD      markup as no editor writes it: cut off, other bytes for blanks

Linear: every byte is read once as text, once more where it stands inside a tag, and at most twice more where a comment or an
attribute hides other markup.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memchr

import re

ctypedef unsigned char uchar

cpdef enum:
    RUNS = 1
    LOADS = 2
    BREAKS = 4
    CLAIMS = 8
    CONTENT = 16
    FOREIGN = 32
    ODD = 64

DEF NAME = 40             # bytes of a name that are looked at
DEF GAP = 80              # bytes between the quote that leaves an attribute and the end of its tag
DEF NESTED = 2            # levels of markup hidden in comments and attributes

cdef set _CONTENT_NAMES = set(
    b"a abbr acronym address area article aside audio b bdi bdo big blockquote br caption center cite code col colgroup data dd del"
    b" details dfn dir div dl dt em figcaption figure font footer header hr i img ins kbd label li main map mark nav nobr ol p"
    b" picture pre q rp rt ruby s samp section small source span strike strong sub summary sup table tbody td tfoot th thead time tr"
    b" tt u ul var video wbr".split())
cdef set _CLAIMS_NAMES = set(
    b"blink body button fieldset form h1 h2 h3 head html input isindex keygen listing marquee menu noembed noframes noscript option"
    b" select textarea title xml".split())
cdef set _LOADS_NAMES = set(b"applet bgsound embed fencedframe frame frameset iframe ilayer layer object portal vmlframe ?import ?xml-stylesheet".split())
cdef set _FOREIGN_NAMES = set(b"handler listener math plaintext style svg xmp xss".split())
cdef set _DRAWS = set(b"circle ellipse g line mfrac mi mn mo mrow path polygon polyline rect text use defs lineargradient".split())
# A value of theirs ends only at their own end tag, so a lone end tag leaves it.
cdef set _RAW_NAMES = set(
    b"iframe math noembed noframes noscript option plaintext script select style svg template textarea title xmp".split())
cdef set _URLS = set(
    b"action background by classid code codebase data dynsrc formaction from href lowsrc manifest ping poster src to values"
    b" xlink:href xml:base".split())
cdef set _MEDIA = set(b"audio image img input source track video".split())
cdef set _TEXT_TYPES = set(b"application/json application/ld+json text/template text/html text/x-template importmap speculationrules".split())
cdef set _EVENTS = set(
    b"abort activate afterprint afterscriptexecute animationcancel animationend animationiteration animationstart auxclick beforecopy"
    b" beforecut beforeinput beforematch beforepaste beforeprint beforescriptexecute beforetoggle beforeunload begin blur bounce cancel"
    b" canplay canplaythrough change click close command contentvisibilityautostatechange contextlost contextmenu contextrestored copy"
    b" cuechange cut dblclick drag dragend dragenter dragexit dragleave dragover dragstart drop durationchange emptied end ended error"
    b" filterchange finish focus focusin focusout formdata fullscreenchange fullscreenerror gotpointercapture hashchange help input"
    b" invalid keydown keypress keyup load loadeddata loadedmetadata loadend loadstart location losecapture lostpointercapture media"
    b" message messageerror mousedown mouseenter mouseleave mousemove mouseout mouseover mouseup mousewheel offline online page pagehide"
    b" pagereveal pageshow pageswap paste pause play playing pointercancel pointerdown pointerenter pointerleave pointermove pointerout"
    b" pointerover pointerrawupdate pointerup popstate progress propertychange ratechange readystatechange rejectionhandled repeat reset"
    b" resize resume reverse rowenter rowexit rowinserted scroll scrollend scrollsnapchange scrollsnapchanging search"
    b" securitypolicyviolation seek seeked seeking select selectionchange selectstart show slotchange stalled start stop storage submit"
    b" suspend syncrestored timeupdate toggle touchcancel touchend touchmove touchstart transitioncancel transitionend transitionrun"
    b" transitionstart unhandledrejection unload urlflip volumechange waiting webkitanimationend webkitanimationiteration"
    b" webkitanimationstart webkitfullscreenchange webkitmouseforcechanged webkitmouseforcedown webkitmouseforceup"
    b" webkitmouseforcewillbegin webkitplaybacktargetavailabilitychanged webkittransitionend wheel zoom".split())
cdef dict _NAMED_CHARACTERS = {b"tab": 9, b"newline": 10, b"colon": 58, b"lpar": 40, b"rpar": 41, b"amp": 38, b"sol": 47, b"lt": 60,
                               b"gt": 62, b"quot": 34, b"apos": 39, b"nbsp": 32, b"semi": 59, b"period": 46, b"comma": 44}

_ENTITY = re.compile(rb"&(?:#[xX]0*([0-9a-fA-F]{1,6});?|#0*([0-9]{1,7});?|([A-Za-z]{2,8});)")
_CODE = re.compile(rb"[(`=;]|\w\s*\.\s*\w")
_HIDDEN_EVENT = re.compile(rb"(?:\A|[/\"'`;,+\x00])on([a-z]{3,40})[\s\x00]*=", re.IGNORECASE)
_QUOTED_EVENT = re.compile(rb"[\s/\"'`;,+\x00]on([a-z]{3,40})[\s\x00]*=[\s\"'`]*[\w.$:]+[(`=\[]", re.IGNORECASE)
_SCHEME = re.compile(rb"(?:feed:|view-source:|jar:|url[\s\x00]*[=(][\s\x00'\"]*)?(javascript|vbscript|livescript|mocha|vbs|wscript|jscript|data):(.*)",
                     re.DOTALL | re.IGNORECASE)
_CODE_URL = re.compile(rb"(?:javascript|vbscript|jscript):[^(=`\[]{0,80}?[\w.)\]/'\"]\s{0,8}[(=`\[]", re.IGNORECASE)
_DATA_PAGE = re.compile(rb"[^,]{0,100}(?:html|xml|svg|script)|[^,]{0,60},.{0,20}(?:<|%3c|alert|eval|expression)", re.DOTALL | re.IGNORECASE)
_IDLE = re.compile(
    rb"(?:(?:void|return|undefined)[\s(]*0?\)?|false|true|null|;|//|#|history\.(?:back|forward|go)\(-?\d*\)|window\.(?:print|close)\(\)"
    rb"|print\(\)|self\.close\(\)|(?:__dopostback|webform_dopostback\w*)\(.*\))?[\s;]*\Z", re.DOTALL | re.IGNORECASE)
_STYLE_RUNS = re.compile(
    rb"expression\(|-moz-binding|behaviou?r:|(?:java|vb|live)script:|-o-link:|data:text|data:image/svg\+xml[^,]*,.{0,200}<script", re.IGNORECASE | re.DOTALL)
_STYLE_ESCAPE = re.compile(rb"\\([0-9a-fA-F]{1,6})[ \t\r\n\f]?|\\|/\*.{0,200}?\*/|[\x00-\x20'\"]", re.DOTALL)
_REFRESH = re.compile(rb"refresh", re.IGNORECASE)
_OLD_CHARSET = re.compile(rb"utf-?7\b|imap", re.IGNORECASE)  # they write "<" in letters
_LINKS = re.compile(rb"stylesheet|import|file-list|preload|prefetch|manifest", re.IGNORECASE)
_REMOTE = re.compile(rb"[\s\x00]*(?:[a-z][a-z0-9+.-]*:)?[/\\]{2}", re.IGNORECASE)
_ANIMATED = re.compile(rb"(?:xlink:)?href|on[a-z]+|formaction|action|src|style", re.IGNORECASE)


cdef inline bint _is_letter(uchar byte) noexcept nogil:
    return 97 <= (byte | 32) <= 122


cdef inline bint _is_blank(uchar byte) noexcept nogil:
    return byte <= 32


cdef inline bint _is_name(uchar byte) noexcept nogil:
    return _is_letter(byte) or 48 <= byte <= 57 or byte == 45 or byte == 58 or byte == 95 or byte == 46 or byte == 0 or byte >= 128


cdef class _Reading:
    """One value; ``marks`` grows as it is read."""

    cdef int marks
    cdef bint was_closed      # an end tag of raw text, or of a comment, without its start
    cdef bint has_no_end      # a comment was never closed: do not look for the end of another
    cdef bint has_no_style_end
    cdef set open_raw         # names of raw elements that were opened

    def __init__(self):
        self.marks = 0
        self.was_closed = False
        self.has_no_end = self.has_no_style_end = False
        self.open_raw = set()

    cdef void text(self, const uchar* data, Py_ssize_t size, int level) except *:
        """Read *data* as the text of a page."""
        cdef Py_ssize_t at = 0
        cdef const void* found
        while at < size and not self.marks & RUNS:
            found = memchr(data + at, 60, size - at)
            if found == NULL:
                break
            at = <const uchar*>found - data + 1
            if at < size:
                at = self.tag(data, size, at, level)

    cdef Py_ssize_t tag(self, const uchar* data, Py_ssize_t size, Py_ssize_t at, int level) except -1:
        """Read what follows a ``<``; return where text goes on."""
        cdef uchar first = data[at]
        cdef bint is_end = False
        if first == 33:
            return self.declaration(data, size, at + 1, level)
        if first == 47:
            is_end = True
            at += 1
            first = data[at] if at < size else 0
        if _is_letter(first) or first == 63 or first == 37:
            return self.element(data, size, at, is_end, level)
        if is_end or first == 126:
            self.attributes(data, size, at, b"", level)  # to old browsers ``</ `` and ``<~`` began tags
        if is_end or first == 60 or _is_blank(first):
            return self.sloppy(data, size, at)
        return at

    cdef Py_ssize_t sloppy(self, const uchar* data, Py_ssize_t size, Py_ssize_t at) except -1:
        """``< script>``, ``<\\0script``, ``</ script``: filters and old browsers take them for tags."""
        cdef Py_ssize_t end = at
        while end < size and end < at + 8 and (_is_blank(data[end]) or data[end] == 47):
            end += 1
        if size - end >= 6 and PyBytes_FromStringAndSize(<char*>data + end, 6).lower() == b"script":
            end += 6
            while end < size and _is_blank(data[end]):
                end += 1
            if end < size and (data[end] == 62 or data[end] == 47) or data[at] == 0:
                self.marks |= RUNS | ODD
        return at

    cdef Py_ssize_t declaration(self, const uchar* data, Py_ssize_t size, Py_ssize_t at, int level) except -1:
        """Read what follows ``<!``: a comment, CDATA or a document type."""
        cdef Py_ssize_t end
        cdef const void* found
        if at + 1 < size and data[at] == 45 and data[at + 1] == 45:
            return self.comment(data, size, at + 2, level)
        if at + 6 < size and PyBytes_FromStringAndSize(<char*>data + at, 7) == b"[CDATA[":
            return at + 7  # in drawings and formulas text, elsewhere a comment up to the first ">": what follows is read as text
        if at < size and _is_letter(data[at]):
            self.attributes(data, size, at, b"!", level)
        found = memchr(data + at, 62, size - at)
        end = size if found == NULL else <const uchar*>found - data + 1
        return end

    cdef Py_ssize_t comment(self, const uchar* data, Py_ssize_t size, Py_ssize_t at, int level) except -1:
        """Read a comment; what stands in one for certain browsers, or in one that never ends, is read as text."""
        cdef Py_ssize_t end = at
        if at < size and data[at] == 62 or at + 1 < size and data[at] == 45 and data[at + 1] == 62:
            self.marks |= ODD
            return at  # <!--> and <!---> end at once
        if self.has_no_end:
            return at
        while end + 2 < size and not (data[end] == 45 and data[end + 1] == 45 and (
                data[end + 2] == 62 or end + 3 < size and data[end + 2] == 33 and data[end + 3] == 62)):
            end += 1
        if end + 2 >= size:
            self.has_no_end = level == 0
            return at
        if level < NESTED and (data[at] == 91 or at + 3 < size and _is_blank(data[at]) and data[at + 1] == 91):
            self.text(data + at, end - at, level + 1)
        return end + 3

    cdef Py_ssize_t element(self, const uchar* data, Py_ssize_t size, Py_ssize_t at, bint is_end, int level) except -1:
        cdef Py_ssize_t start = at, close
        cdef bytes name
        at += 1
        while at < size and _is_name(data[at]):
            at += 1
        name = _name(data, start, at)
        close = self.attributes(data, size, at, b"/" + name if is_end else name, level)
        if b":" in name:
            name = name.rpartition(b":")[2]
        if is_end:
            self.end_tag(name)
            return close
        if self.was_closed and (name in _CONTENT_NAMES or name in _CLAIMS_NAMES or name in _LOADS_NAMES):
            self.marks |= BREAKS
        if name in _CONTENT_NAMES or name in (b"h4", b"h5", b"h6"):
            self.marks |= CONTENT
        elif name in _CLAIMS_NAMES:
            self.marks |= CLAIMS
        elif name in _LOADS_NAMES:
            self.marks |= LOADS
        elif name in _FOREIGN_NAMES:
            self.marks |= FOREIGN
        elif name in _DRAWS:
            self.marks = self.marks & ~FOREIGN | CONTENT
        if name in _RAW_NAMES:
            self.open_raw.add(name)
        if name == b"style":
            self.style(data, size, close)
        return close

    cdef void end_tag(self, bytes name) except *:
        if name in _RAW_NAMES and name not in self.open_raw:
            self.was_closed = True
            self.marks |= BREAKS if name == b"script" else CLAIMS
        elif name in _CONTENT_NAMES:
            self.marks |= CONTENT

    cdef void style(self, const uchar* data, Py_ssize_t size, Py_ssize_t at) except *:
        """Judge the text of a style element up to its end tag; in a drawing it is markup, too, so it is read as text as well."""
        cdef Py_ssize_t end = at
        cdef bytes content
        if self.has_no_style_end:
            return
        while end + 1 < size and not (data[end] == 60 and data[end + 1] == 47):
            end += 1
        if end + 1 >= size:
            end = size
            self.has_no_style_end = True
        if end > at + 1:
            content = PyBytes_FromStringAndSize(<char*>data + at, end - at)
            if end < size:
                self.marks = self.marks & ~FOREIGN | CONTENT
            if style_runs(content):
                self.marks |= RUNS
            elif b"@" in content and b"import" in content.lower():
                self.marks |= LOADS

    cdef Py_ssize_t attributes(self, const uchar* data, Py_ssize_t size, Py_ssize_t at, bytes tag, int level) except -1:
        """Read the attributes of *tag* from *at* up to its end; return where text goes on."""
        cdef Py_ssize_t start, end, stop
        cdef uchar byte, quote
        cdef bytes name, value
        cdef bint is_text = False, is_closed = False, has_event = False, is_handler = False
        cdef int count = 0
        while at < size:
            byte = data[at]
            if byte == 62:
                at += 1
                is_closed = True
                break
            if byte == 60 and count == 0 and at + 1 < size and (_is_letter(data[at + 1]) or data[at + 1] == 47 or data[at + 1] == 33):
                break  # the next tag begins: this one was cut off
            if _is_blank(byte) or byte == 47:
                at += 1
                continue
            start = at
            while at < size and not _is_blank(data[at]) and data[at] != 61 and data[at] != 62 and (data[at] != 47 or at == start):
                at += 1
            if at == start:
                at += 1
            stop = at
            while at < size and _is_blank(data[at]):
                at += 1
            name = _name(data, start, stop)
            if at >= size or data[at] != 61:
                has_event = has_event or name.startswith(b"on") and not name.isalpha() and _event_of(name) in _EVENTS
                at = stop
                count += 1
                continue
            if has_event:
                name = b"onload"  # onload!#$%&[/|=alert(1): the name goes on up to the equals sign
                has_event = False
            at += 1
            while at < size and _is_blank(data[at]):
                at += 1
            quote = data[at] if at < size else 0
            if quote == 34 or quote == 39 or quote == 96:
                at += 1
                end = at
                while end < size and data[end] != quote:
                    end += 1
                value = PyBytes_FromStringAndSize(<char*>data + at, end - at)
                if end >= size:
                    self.marks |= ODD
                at = end + 1 if end < size else size
                if b"=" in value:
                    self.find_events(_QUOTED_EVENT, value)
            else:
                end = at
                while end < size and not _is_blank(data[end]) and data[end] != 62:
                    end += 1
                value = PyBytes_FromStringAndSize(<char*>data + at, end - at)
                at = end
                if b"=" in value:
                    self.find_events(_HIDDEN_EVENT, value)
            count += 1
            if name == b"type" and tag == b"script":
                is_text = value.strip().lower() in _TEXT_TYPES
            elif name == b"type" and tag == b"style" and b"script" in value.lower():
                self.marks |= RUNS
            is_handler = tag != b"" and name.startswith(b"on") and len(name) > 4 and name.isalpha()
            self.attribute(tag, name, value, level)
        if not is_closed:
            self.marks |= ODD
            if is_handler:
                self.marks |= RUNS
        if (tag == b"script" or tag.endswith(b":script")) and not is_text:
            self.marks |= RUNS
        return at

    cdef void find_events(self, pattern, bytes value) except *:
        """Find a handler in a value, behind what some parser takes for the value's end."""
        for match in pattern.finditer(value):
            if match.group(1).lower() in _EVENTS:
                self.marks |= RUNS | ODD

    cdef void attribute(self, bytes tag, bytes name, bytes value, int level) except *:
        """Judge one attribute of *tag*."""
        if name.startswith(b"on") and len(name) > 4:
            self.event(name, value)
            return
        if b"&" in value:
            value = plain(value)
        if name == b"style":
            if style_runs(value):
                self.marks |= RUNS
        elif name == b"srcdoc":
            if b"<" in value:
                self.marks |= RUNS
        elif name in _URLS or name.endswith(b":href") or name.endswith(b"src"):
            self.url(tag, name, value)
        elif name == b"attributename":
            if tag in (b"animate", b"set", b"animatetransform", b"animatemotion") and _ANIMATED.match(value):
                self.marks |= RUNS
        elif name == b"content":
            if _OLD_CHARSET.search(value) or _CODE_URL.search(_bare_url(value)) or url_kind(value.partition(b";")[2].strip()):
                self.marks |= RUNS
        elif name == b"http-equiv":
            if _REFRESH.search(value):
                self.marks |= LOADS
        elif name == b"charset":
            if _OLD_CHARSET.search(value):
                self.marks |= RUNS
        elif name == b"rel":
            if tag == b"link" and _LINKS.search(value):
                self.marks |= LOADS
        elif name == b"datasrc" or name == b"datafld":
            self.marks |= LOADS
        elif b":" in value and _CODE_URL.match(_bare_url(value)):
            self.marks |= RUNS
        if level < NESTED and b"<" in value:
            self.text(<const uchar*>PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value), level + 1)

    cdef void event(self, bytes name, bytes value) except *:
        cdef bytes event = _event_of(name)
        if not value.strip() or value[:1] == b"{":  # a program's own template (JSX): no browser sees it as it is
            return
        if event in _EVENTS or len(event) > 2 and len(event) == len(name) - 2 and _CODE.search(value):
            self.marks |= RUNS

    cdef void url(self, bytes tag, bytes name, bytes value) except *:
        cdef int kind = url_kind(value)
        if kind == RUNS:
            self.marks |= RUNS
        elif kind == LOADS:  # a page in a data: URL
            if tag not in _MEDIA:
                self.marks |= RUNS
        elif tag == b"base" and b"script:" in value.lower():
            self.marks |= RUNS
        elif tag == b"base" or tag == b"use" or tag == b"xml" or name == b"formaction" or name == b"code" or name == b"classid":
            if _REMOTE.match(value):
                self.marks |= LOADS


cdef bytes _name(const uchar* data, Py_ssize_t start, Py_ssize_t end):
    """Return a name in lower case, without NUL bytes and without what stands before its first letter."""
    while start < end and not _is_letter(data[start]) and data[start] != 63 and data[start] != 37:
        start += 1
    if end - start > NAME:
        end = start + NAME
    cdef bytes name = PyBytes_FromStringAndSize(<char*>data + start, end - start)
    return name.replace(b"\0", b"").lower()


cdef bytes _event_of(bytes name):
    """Return the event that the handler *name* is for: the letters behind its ``on``."""
    cdef Py_ssize_t end = 2
    while end < len(name) and _is_letter(name[end]):
        end += 1
    return name[2:end]


cdef bytes _bare_url(bytes value):
    """Return the start of *value* without the bytes that browsers pass over, or that fuzzers put, before and inside a scheme."""
    return bytes([byte for byte in value[:512] if 32 < byte < 127 and byte != 92])


def plain(bytes value):
    """Return *value* with its character references resolved, as a browser does in attributes; those past ASCII become ``?``."""
    return _ENTITY.sub(_character, value)


def _character(match):
    cdef bytes digits = match.group(1)
    cdef long code
    if digits is not None:
        code = int(digits, 16)
    elif match.group(2) is not None:
        code = int(match.group(2))
    else:
        code = _NAMED_CHARACTERS.get(match.group(3).lower(), -1)
        if code < 0:
            return match.group()
    return bytes([code]) if code < 128 else b"?"


def style_runs(bytes content):
    """Tell whether a style sheet or the value of a style attribute runs script in some browser."""
    return _STYLE_RUNS.search(_STYLE_ESCAPE.sub(_unescaped, content)) is not None


def _unescaped(match):
    digits = match.group(1)
    if digits is None:
        return b""
    code = int(digits, 16)
    return bytes([code]) if 32 < code < 128 else b""


cdef int url_kind(bytes value) except -1:
    """Return RUNS for a URL that is script, LOADS for one that holds a page, else 0. Blanks and controls do not count."""
    if b":" not in value:
        return 0
    cdef bytes bare = _bare_url(value)
    match = _SCHEME.match(bare)
    if match is None and bare[:1] not in (b"/", b"h", b"H", b"#", b"?"):
        match = _SCHEME.search(bare[:200])
    if match is None:
        return 0
    if match.group(1).lower() == b"data":
        return LOADS if _DATA_PAGE.match(match.group(2)) else 0
    return 0 if _IDLE.match(match.group(2)) else RUNS


def runs_as_url(bytes value):
    """Tell whether *value* is, or names, a URL that is script or a page in itself; pictures are what uploads are made of."""
    cdef bytes bare = _bare_url(plain(value.strip()))
    if bare[:11].lower() == b"data:image/" and b"<" not in bare:
        return False
    if _SCHEME.match(bare):
        return url_kind(bare) != 0
    return url_kind(bare) != 0 or _CODE_URL.search(bare) is not None


def read(bytes value):
    """Return what *value* does in a page, whichever place it is printed at."""
    cdef _Reading reading = _Reading()
    cdef const uchar* data = <const uchar*>PyBytes_AS_STRING(value)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(value)
    reading.text(data, size, 0)
    for quote in (34, 39, 96):
        _behind_quote(reading, value, quote)
    if not reading.marks & RUNS:
        _bare(reading, value)
    return reading.marks


cdef void _behind_quote(_Reading reading, bytes value, int quote) except *:
    """Read *value* from behind its first *quote* as the rest of a tag whose attribute it ended."""
    cdef const uchar* data = <const uchar*>PyBytes_AS_STRING(value)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(value), at = value.find(quote) + 1, end
    cdef _Reading inside
    if at == 0 or memchr(data, 60, at) != NULL:  # a tag before the quote: it is that tag's own
        return
    inside = _Reading()
    end = inside.attributes(data, size, at, b"", 0)
    if inside.marks & RUNS:
        reading.marks |= RUNS | BREAKS
    if end < size and data[end - 1] == 62 and end - at <= GAP and _is_tag_rest(value[at:end - 1]):
        while end < size and _is_blank(data[end]):
            end += 1
        if end + 1 < size and data[end] == 60 and (_is_letter(data[end + 1]) or data[end + 1] in (33, 47, 63)):
            reading.marks |= BREAKS


cdef bint _is_tag_rest(bytes gap):
    """Tell whether the text between a quote and a ``>`` ends a tag rather than a quotation: no arrow, quotes only around values."""
    return not gap.endswith((b"-", b"=")) and (b"=" in gap or not (b"\"" in gap or b"'" in gap))


cdef void _bare(_Reading reading, bytes value) except *:
    """Read *value* as an unquoted attribute, or as what follows a tag's name: a handler behind a blank."""
    if b"<" not in value and b"=" in value and any([
            match.group(1).lower() in _EVENTS for match in _QUOTED_EVENT.finditer(b" " + value)]):
        reading.marks |= BREAKS
