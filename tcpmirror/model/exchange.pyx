# cython: language_level=3, boundscheck=False, wraparound=False
"""Exchange: a request, the response that belongs to it, and where both were seen.

Heads stay in wire order as bytes; whatever most exchanges never need (header pairs, printable addresses) is computed when
first asked for. Compiled, because one is made for every exchange.
"""
cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from libc.string cimport memchr

import ipaddress

cdef extern from "strings.h" nogil:
    int strncasecmp(const char*, const char*, size_t)

TUNNEL_NAMES = ("", "vxlan", "geneve", "gre", "erspan", "ipip", "mpls", "pppoe", "gtp", "teredo", "vxlan-gpe", "ayiya", "pbb")


cdef tuple parse_headers(bytes head):
    """Return ((name, value), ...) of *head*, in wire order, names as sent, values stripped of blanks (RFC 9112, section 5).

    A folded line (obs-fold) is joined to the value before it with one space; a line without a colon is a name with an empty value.
    """
    cdef const unsigned char* data = <const unsigned char*>PyBytes_AS_STRING(head)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(head)
    cdef Py_ssize_t at = 0, end, stop, colon, start
    cdef list pairs = []
    while at < size and data[at] != 10:
        at += 1
    at += 1
    while at < size:
        end = at
        while end < size and data[end] != 10:
            end += 1
        stop = end
        if stop > at and data[stop - 1] == 13:
            stop -= 1
        if stop == at:
            break
        if data[at] in (32, 9) and pairs:
            name, value = pairs.pop()
            pairs.append((name, (value + b" " + data[at:stop].strip(b" \t")).strip(b" ")))
        else:
            colon = at
            while colon < stop and data[colon] != 58:
                colon += 1
            start = colon + 1
            while start < stop and (data[start] == 32 or data[start] == 9):
                start += 1
            while stop > start and (data[stop - 1] == 32 or data[stop - 1] == 9):
                stop -= 1
            pairs.append((<bytes>data[at:colon], <bytes>data[start:stop] if start < stop else b""))
        at = end + 1
    return tuple(pairs)


cdef object find_header(bytes head, bytes name):
    """Return what `parse_headers` would give as the first value of *name* (lower case) or None, without the other headers."""
    cdef const char* data = PyBytes_AS_STRING(head)
    cdef const char* wanted = PyBytes_AS_STRING(name)
    cdef const char* stop = data + PyBytes_GET_SIZE(head)
    cdef const char* end
    cdef const char* next_line
    cdef Py_ssize_t size = PyBytes_GET_SIZE(name)
    data = <const char*>memchr(data, 10, stop - data)
    while data != NULL and data + 1 < stop:
        data += 1
        next_line = <const char*>memchr(data, 10, stop - data)
        end = stop if next_line == NULL else next_line
        if end > data and (end - 1)[0] == 13:
            end -= 1
        if end == data:
            return None
        if end - data >= size and (end - data == size or data[size] == 58) and strncasecmp(data, wanted, size) == 0:
            if next_line != NULL and next_line + 1 < stop and next_line[1] in (32, 9):
                break  # folded
            data += size + (end - data > size)
            while data < end and data[0] in (32, 9):
                data += 1
            while data < end and (end - 1)[0] in (32, 9):
                end -= 1
            return <bytes>data[:end - data]
        data = next_line
    else:
        return None
    for candidate, value in parse_headers(head):
        if candidate.lower() == name:
            return value
    return None


def ip_text(bytes packed):
    """Return the printable form of a packed IPv4 (4 bytes) or IPv6 (16 bytes) address."""
    if len(packed) == 4:
        return "%d.%d.%d.%d" % (packed[0], packed[1], packed[2], packed[3])
    return str(ipaddress.IPv6Address(packed))


@cython.no_gc
cdef class KnownBody:
    """A whole body that several messages have: readers remember here what they found in ``body``."""


# Messages and exchanges refer to bytes and each other downwards, never in a cycle: the collector need not look at them.
@cython.no_gc
cdef class Message:
    """What a request and a response share.

    ``head``: start line and headers as received, ending in the blank line; ``body``: content after transfer and content
    codings were undone, cut at the body limit; ``body_length``: bytes of decoded body seen, kept or not; ``wire_length``:
    bytes of body as sent; ``body_sha256``: 32 bytes over the whole decoded body, or None unless asked for; ``known``: the
    KnownBody that ``body`` is of, or None; ``time_ns``, ``end_ns``: packet times of the first and last byte.
    """

    def __init__(self, bytes head=b"", bytes body=b"", unsigned long long time_ns=0):
        self.head = head
        self.body = body
        self.body_length = len(body)
        self.wire_length = len(body)
        self.time_ns = time_ns
        self.end_ns = time_ns

    @property
    def headers(self):
        """((name, value), ...) in wire order: names as sent, values without the blanks around them."""
        if self._headers is None:
            self._headers = parse_headers(self.head)
        return self._headers

    def header(self, bytes name):
        """Return the first value of header *name* (lower case), or None."""
        return self.value_of(name)

    cdef object value_of(self, bytes name):
        """`header`, for compiled callers."""
        if self._headers is None:
            return find_header(self.head, name)
        for candidate, value in self._headers:
            if candidate.lower() == name:
                return value
        return None


@cython.no_gc
cdef class Request(Message):
    """A request; ``target`` is the request target as sent (RFC 9112, section 3.2).

    ``disagreement``: a Disagreement if servers in a row may see different ends of it, else None. ``member_names``: None, or
    what `decode.document` saw while it read a body in JSON: a brace, and the names of all members, each once, in quotes and
    with a colon behind.
    """

    def __init__(self, bytes head=b"", bytes body=b"", unsigned long long time_ns=0, bytes method=b"GET", bytes target=b"/",
                 bytes version=b"HTTP/1.1"):
        Message.__init__(self, head, body, time_ns)
        self.method = method
        self.target = target
        self.version = version

    cpdef bytes names_or_body(self):
        """Return the shortest known text that holds all names of members: `member_names`, or the body."""
        return self.body if self.member_names is None else self.member_names


@cython.no_gc
cdef class Response(Message):
    """A final response (interim 1xx ones are not kept)."""

    def __init__(self, bytes head=b"", bytes body=b"", unsigned long long time_ns=0, int status=200, bytes version=b"HTTP/1.1"):
        Message.__init__(self, head, body, time_ns)
        self.status = status
        self.version = version


@cython.no_gc
cdef class Exchange:
    """A request and its response; either may be None, never both.

    ``index`` counts exchanges on the flow from 0; with the 4-tuple and the time it names the exchange.
    ``vlan``/``inner_vlan``: VLAN ids, 0 for none; ``vni``: -1 for none; ``tunnel``: index into TUNNEL_NAMES.
    """

    def __init__(self, Request request=None, Response response=None, bytes client_ip=b"\0\0\0\0", int client_port=0,
                 bytes server_ip=b"\0\0\0\0", int server_port=0):
        self.request = request
        self.response = response
        self.client_ip = client_ip
        self.client_port = client_port
        self.server_ip = server_ip
        self.server_port = server_port
        self.vni = -1
        self.overlaps = ()

    @property
    def client(self):
        """``ip:port`` of the client; an IPv6 address stands in brackets."""
        return endpoint_text(self.client_ip, self.client_port)

    @property
    def server(self):
        """``ip:port`` of the server; an IPv6 address stands in brackets."""
        return endpoint_text(self.server_ip, self.server_port)

    @property
    def time_ns(self):
        """Packet time of the first byte, in nanoseconds since the epoch."""
        return self.request.time_ns if self.request is not None else self.response.time_ns

    @property
    def duration_ns(self):
        """Nanoseconds from the request's first byte to the response's last, or None without both."""
        if self.request is None or self.response is None:
            return None
        return max(0, <long long>self.response.end_ns - <long long>self.request.time_ns)

    @property
    def protocol(self):
        """The protocol version as sent, lower case, such as ``http/1.1``."""
        version = self.request.version if self.request is not None else self.response.version
        return version.decode("latin-1").lower()

    @property
    def host(self):
        """The authority the request is for: that of an absolute target, else the Host header, else None."""
        if self.request is None:
            return None
        target = self.request.target
        if not target.startswith(b"/"):
            scheme, separator, rest = target.partition(b"://")
            if separator:
                return rest.partition(b"/")[0].decode("latin-1")
        value = self.request.header(b"host")
        return None if value is None else value.decode("latin-1")

    @property
    def encapsulation(self):
        """How the packets arrived, outermost first, such as ``vlan:5/vxlan:42``; empty when they came plain."""
        parts = []
        if self.vlan:
            parts.append("vlan:%d" % self.vlan)
        if self.inner_vlan:
            parts.append("vlan:%d" % self.inner_vlan)
        if self.tunnel:
            name = TUNNEL_NAMES[self.tunnel]
            parts.append("%s:%d" % (name, self.vni) if self.vni >= 0 else name)
        return "/".join(parts)


def endpoint_text(bytes packed, int port):
    """Return ``ip:port``, with brackets around an IPv6 address."""
    if len(packed) == 4:
        return "%d.%d.%d.%d:%d" % (packed[0], packed[1], packed[2], packed[3], port)
    return "[%s]:%d" % (ip_text(packed), port)
