# cython: language_level=3, boundscheck=False, wraparound=False
"""The few headers that tell whose a request is, in one pass over its head."""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

cdef extern from "strings.h" nogil:
    int strncasecmp(const char*, const char*, size_t)


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
