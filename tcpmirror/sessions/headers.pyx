# cython: language_level=3, boundscheck=False, wraparound=False
"""The few headers that tell whose a request is, in one pass over its head."""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.string cimport memchr

from tcpmirror.model.heads cimport Span, stripped, strncasecmp


def header_values(bytes head not None, dict wanted):
    """Return {name: first value} of those headers of *head* that *wanted* has, by their names in lower case.

    *wanted* is keyed by length: {length: (names, ...)}: most lines are passed over without a look at their letters.
    """
    cdef const char* data = PyBytes_AS_STRING(head)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(head), at = 0, end, colon, start
    cdef dict found = {}
    cdef bytes name
    while at < size and data[at] != 10:
        at += 1
    at += 1
    while at < size and data[at] != 13 and data[at] != 10:
        colon = at
        while colon < size and data[colon] != 58 and data[colon] != 10:
            colon += 1
        end = colon
        while end < size and data[end] != 10:
            end += 1
        names = wanted.get(colon - at)
        if names is not None:
            for name in <tuple>names:
                if strncasecmp(data + at, PyBytes_AS_STRING(name), colon - at) == 0 and name not in found:
                    start = colon + 1
                    found[name] = head[start:end].strip()
        at = end + 1
    return found


cdef void tell(bytes head, tuple more, unsigned int letters, Told* told):
    """Write to *told* what `header_values` would give for the four headers, and whether one of *more* stands there too.

    *more*: names in lower case; *letters*: bit n is set where one of them begins with the nth letter. None of them is one
    of the four.
    """
    cdef const char* data = PyBytes_AS_STRING(head)
    cdef const char* stop = data + PyBytes_GET_SIZE(head)
    cdef const char* end
    cdef Py_ssize_t size
    cdef int letter
    cdef bytes name
    told.host.data = told.agent.data = told.cookie.data = told.authorization.data = NULL
    told.host.size = told.agent.size = told.cookie.size = told.authorization.size = 0
    told.has_more = False
    data = <const char*>memchr(data, 10, stop - data)
    while data != NULL and data + 1 < stop:
        data += 1
        if data[0] == 13 or data[0] == 10:
            return
        end = <const char*>memchr(data, 10, stop - data)
        size = (stop if end == NULL else end) - data
        letter = (data[0] | 32) - 97
        if letter == 7:     # host
            take(data, size, b"host", 4, &told.host)
        elif letter == 20:  # user-agent
            take(data, size, b"user-agent", 10, &told.agent)
        elif letter == 2:   # cookie
            take(data, size, b"cookie", 6, &told.cookie)
        elif letter == 0:   # authorization
            take(data, size, b"authorization", 13, &told.authorization)
        if not told.has_more and 0 <= letter < 26 and letters >> letter & 1:
            for name in more:
                if size > PyBytes_GET_SIZE(name) and data[PyBytes_GET_SIZE(name)] == 58 \
                        and strncasecmp(data, PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name)) == 0:
                    told.has_more = True
        data = end


cdef inline void take(const char* data, Py_ssize_t size, const char* name, Py_ssize_t length, Span* found) noexcept nogil:
    """Write the value of the line at *data* to *found* if it is the first one of *name*."""
    if size > length and data[length] == 58 and found.data == NULL and strncasecmp(data, name, length) == 0:
        found[0] = stripped(data + length + 1, data + size)
