# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The outermost header of a frame, by its link type (libpcap's numbers, pcap-linktype(7))."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from tcpmirror.decap.cursor cimport *
from tcpmirror.decap.ethernet cimport read_ethernet
from tcpmirror.decap.nflog cimport read_nflog
from tcpmirror.decap.point_to_point cimport read_cisco_hdlc, read_ppp, read_pppoe, read_serial
from tcpmirror.decap.wireless cimport read_ppi, read_radiotap

cdef enum LinkType:
    DLT_NULL = 0
    DLT_EN10MB = 1
    DLT_PPP = 9
    DLT_RAW_12 = 12
    DLT_RAW_14 = 14
    DLT_PPP_SERIAL = 50
    DLT_PPP_ETHER = 51
    DLT_RAW = 101
    DLT_CHDLC = 104
    DLT_IEEE802_11 = 105
    DLT_LOOP = 108
    DLT_LINUX_SLL = 113
    DLT_RADIOTAP = 127
    DLT_PPP_PPPD = 166
    DLT_PPI = 192
    DLT_PPP_WITH_DIR = 204
    DLT_MPLS = 219
    DLT_IPV4 = 228
    DLT_IPV6 = 229
    DLT_NFLOG = 239
    DLT_LINUX_SLL2 = 276
    # Not libpcap's: what a UDP socket delivers. Above 16 bits, where no link type can be.
    SOCKET_VXLAN = 0x10001
    SOCKET_GENEVE = 0x10002

# Link type -> its name, of all that are read from files and interfaces.
SUPPORTED = {
    DLT_NULL: "NULL", DLT_EN10MB: "EN10MB", DLT_PPP: "PPP", DLT_RAW_12: "RAW", DLT_RAW_14: "RAW", DLT_PPP_SERIAL: "PPP_SERIAL",
    DLT_PPP_ETHER: "PPP_ETHER", DLT_RAW: "RAW", DLT_CHDLC: "C_HDLC", DLT_IEEE802_11: "IEEE802_11", DLT_LOOP: "LOOP",
    DLT_LINUX_SLL: "LINUX_SLL", DLT_RADIOTAP: "IEEE802_11_RADIO", DLT_PPP_PPPD: "PPP_PPPD", DLT_PPI: "PPI",
    DLT_PPP_WITH_DIR: "PPP_WITH_DIR", DLT_MPLS: "MPLS", DLT_IPV4: "IPV4", DLT_IPV6: "IPV6", DLT_NFLOG: "NFLOG",
    DLT_LINUX_SLL2: "LINUX_SLL2",
}

LINK_VXLAN = SOCKET_VXLAN
LINK_GENEVE = SOCKET_GENEVE


cdef Verdict read_link(Cursor* c, int link_type) noexcept nogil:
    """Take the outermost header of a frame of *link_type* off."""
    if link_type == DLT_EN10MB:
        return read_ethernet(c)
    if link_type in (DLT_RAW, DLT_RAW_12, DLT_RAW_14, DLT_IPV4, DLT_IPV6):
        return skip(c, 0, Layer.LAYER_IP)
    if link_type == DLT_NULL or link_type == DLT_LOOP:  # an address family in either byte order; IP tells its version itself
        return skip(c, 4, Layer.LAYER_IP)
    if link_type == DLT_LINUX_SLL:
        return skip(c, 16, be16(c.at + 14)) if left(c) >= 16 else Verdict.TRUNCATED
    if link_type == DLT_LINUX_SLL2:
        return skip(c, 20, be16(c.at)) if left(c) >= 20 else Verdict.TRUNCATED
    if link_type == SOCKET_VXLAN:
        return skip(c, 0, Layer.LAYER_VXLAN)
    if link_type == SOCKET_GENEVE:
        return skip(c, 0, Layer.LAYER_GENEVE)
    return read_rare_link(c, link_type)


cdef Verdict read_rare_link(Cursor* c, int link_type) noexcept nogil:
    if link_type == DLT_PPP or link_type == DLT_PPP_PPPD or link_type == DLT_PPP_WITH_DIR:
        if link_type != DLT_PPP:  # a byte for the direction
            if left(c) < 1:
                return Verdict.TRUNCATED
            c.at += 1
        return read_ppp(c)
    if link_type == DLT_PPP_SERIAL:
        return read_serial(c)
    if link_type == DLT_PPP_ETHER:
        return read_pppoe(c)
    if link_type == DLT_CHDLC:
        return read_cisco_hdlc(c)
    if link_type == DLT_IEEE802_11:
        return skip(c, 0, Layer.LAYER_WLAN)
    if link_type == DLT_RADIOTAP:
        return read_radiotap(c)
    if link_type == DLT_PPI:
        return read_ppi(c)
    if link_type == DLT_NFLOG:
        return read_nflog(c)
    if link_type == DLT_MPLS:
        return skip(c, 0, 0x8847)
    return Verdict.UNKNOWN_LINK
