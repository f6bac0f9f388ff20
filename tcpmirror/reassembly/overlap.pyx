# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Which copy of overlapping bytes is kept, by the rule of the host that receives them, and the evidence where copies differ.

The rules are those measured at real hosts (Shankar and Paxson 2003; Novak and Sturges 2007). They decide between segments that
wait behind a hole; what was delivered is final, in a host as here. Always: bytes that the capture cut off lose to bytes seen.

first      the older copy (Windows since Vista)
last       the newer copy
bsd        the older one, unless the newer segment starts before it (the BSDs, macOS, Windows to 2003)
linux      as bsd, and the newer one too where both start together and it ends later
old-linux  as linux, and also where both end together (Linux to 2.2)
solaris    the newer one where it ends later, or ends together and starts no later (Solaris, HP-UX)
"""
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcmp, memcpy

import ipaddress

from tcpmirror.model.overlap import EVIDENCE_BYTES

cdef enum:
    CONFLICTS_KEPT = 4   # of one direction; the rest is counted
    CONTEXT = 16         # bytes shown before the first that differs
cdef uint32_t SHOWN = EVIDENCE_BYTES

RULES = {
    "first": KEEP_FIRST,
    "last": KEEP_LAST,
    "bsd": KEEP_BSD,
    "linux": KEEP_LINUX,
    "old-linux": KEEP_OLD_LINUX,
    "macos": KEEP_BSD,
    "solaris": KEEP_SOLARIS,
    "hpux": KEEP_SOLARIS,
    "windows": KEEP_FIRST,
    "windows-2003": KEEP_BSD,
}


cdef class Conflicts:
    """The conflicts of one direction."""

    def __cinit__(self):
        self.found = []

    cdef int compare(self, uint32_t seq, const uint8_t* kept, const uint8_t* other, uint32_t length) except -1:
        """Count a conflict if the copies of the *length* bytes from *seq* on differ, and keep the first few."""
        cdef uint32_t at = 0
        if memcmp(kept, other, length) == 0:
            return 0
        self.count += 1
        if self.shown >= CONFLICTS_KEPT:
            return 0
        self.shown += 1
        while kept[at] == other[at]:
            at += 1
        at -= min(at, <uint32_t>CONTEXT)
        length = min(length - at, SHOWN)
        self.found.append((seq + at, PyBytes_FromStringAndSize(<const char*>kept + at, length),
                           PyBytes_FromStringAndSize(<const char*>other + at, length)))
        return 0

    cdef list fresh(self):
        """Return what was found since the last call."""
        cdef list found = self.found
        self.found = []
        return found


cdef class HostRules:
    """The rule of each host: ``policy``, or that of the smallest of *networks* ((CIDR, policy), ...) it lies in."""

    def __init__(self, str policy="first", networks=()):
        cdef Network* network
        cdef bytes packed
        cdef list ordered = sorted(((ipaddress.ip_network(name, strict=False), rule) for name, rule in networks),
                                   key=lambda pair: -pair[0].prefixlen)
        self.otherwise = <OverlapRule><int>RULES[policy]
        self.networks = <Network*>PyMem_Calloc(max(1, len(ordered)), sizeof(Network))
        if self.networks == NULL:
            raise MemoryError
        for address, rule in ordered:
            network = &self.networks[self.count]
            packed = address.network_address.packed
            memcpy(network.prefix, <const char*>packed, len(packed))
            network.bits = address.prefixlen
            network.ip_version = address.version
            network.rule = <OverlapRule><int>RULES[rule]
            self.count += 1

    def __dealloc__(self):
        PyMem_Free(self.networks)

    cdef OverlapRule of(self, const uint8_t* ip, int ip_version) noexcept:
        cdef Py_ssize_t index
        cdef Network* network
        for index in range(self.count):
            network = &self.networks[index]
            if network.ip_version == ip_version and has_prefix(ip, network):
                return network.rule
        return self.otherwise


cdef bint has_prefix(const uint8_t* ip, const Network* network) noexcept nogil:
    cdef int whole = network.bits >> 3, rest = network.bits & 7
    if memcmp(ip, network.prefix, whole):
        return False
    return rest == 0 or (ip[whole] ^ network.prefix[whole]) >> (8 - rest) == 0
