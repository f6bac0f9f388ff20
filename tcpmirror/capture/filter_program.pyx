# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# distutils: libraries = pcap
"""pcap-filter(7) expressions, compiled by libpcap: for the kernel to run on a socket, or to be run here on an inner frame."""
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint32_t

from tcpmirror.errors import EnvironmentFault

cdef extern from "pcap/pcap.h":
    ctypedef struct pcap_t:
        pass
    enum:
        PCAP_ERRBUF_SIZE
        PCAP_NETMASK_UNKNOWN
    pcap_t* pcap_open_dead(int link_type, int snaplen)
    pcap_t* pcap_create(const char* name, char* error)
    int pcap_set_snaplen(pcap_t* handle, int snaplen)
    int pcap_set_buffer_size(pcap_t* handle, int size)
    int pcap_activate(pcap_t* handle) nogil
    int pcap_compile(pcap_t* handle, bpf_program* program, const char* expression, int optimize, uint32_t netmask)
    void pcap_freecode(bpf_program* program)
    char* pcap_geterr(pcap_t* handle)
    void pcap_close(pcap_t* handle)


cdef class FilterProgram:
    """*expression*, compiled for frames of *link_type*.

    With *interface*: as the kernel needs it there, which takes VLAN tags off before a filter sees the frame; only a handle that is
    open on an interface makes libpcap ask for the tag instead of looking into the frame. EnvironmentFault when libpcap refuses.
    """

    def __cinit__(self, str expression, int link_type, str interface="", int snaplen=65535):
        cdef char error[PCAP_ERRBUF_SIZE]
        cdef pcap_t* handle
        if interface:
            handle = pcap_create(interface.encode(), error)
        else:
            handle = pcap_open_dead(link_type, snaplen)
        if handle == NULL:
            raise EnvironmentFault(f"filter {expression!r}: libpcap has no handle for it")
        try:
            if interface:
                pcap_set_snaplen(handle, snaplen)
                pcap_set_buffer_size(handle, 1 << 17)
                if pcap_activate(handle) < 0:
                    raise EnvironmentFault(
                        f"interface {interface!r} cannot be opened: {pcap_geterr(handle).decode()}; capture needs root or CAP_NET_RAW"
                    )
            if pcap_compile(handle, &self.program, expression.encode(), 1, PCAP_NETMASK_UNKNOWN) < 0:
                raise EnvironmentFault(f"the filter {expression!r} is not accepted: {pcap_geterr(handle).decode()}")
        finally:
            pcap_close(handle)

    def __dealloc__(self):
        pcap_freecode(&self.program)

    cdef bint matches(self, const uint8_t* packet, Py_ssize_t captured, Py_ssize_t original) noexcept nogil:
        """Whether the program keeps *packet*, of whose *original* bytes the first *captured* are there."""
        return bpf_filter(self.program.bf_insns, packet, <unsigned int>original, <unsigned int>captured) != 0

    def __len__(self):
        return self.program.bf_len

    def instructions(self):
        """Return the program as the kernel takes it (struct sock_filter, 8 bytes each)."""
        return PyBytes_FromStringAndSize(<char*>self.program.bf_insns, self.program.bf_len * 8)

    def is_match(self, bytes packet):
        return bool(self.matches(<const uint8_t*><const char*>packet, len(packet), len(packet)))
