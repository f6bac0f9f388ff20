# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""From a captured frame to a TCP segment: takes layer after layer off until TCP, in any order, to a limited depth.

Nothing here makes a Python object for a frame. A frame that goes no further gets a `Verdict`, whose name in `REASONS` is the
counter that tells of it. A wrong checksum is noted and never a reason to drop: on a mirror they are often wrong because the
sender's network card would have filled them in.
"""
import ipaddress

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from tcpmirror.decap.checksum cimport add_bytes, is_sum_right, is_tcp_checksum_right
from tcpmirror.decap.cursor cimport *
from tcpmirror.decap.ethernet cimport read_backbone, read_ethernet, read_group_tag, read_llc, read_vlan, read_vntag
from tcpmirror.decap.gre cimport read_gre
from tcpmirror.decap.gtp cimport read_gtp
from tcpmirror.decap.ipv6_over_udp cimport read_ayiya, read_teredo
from tcpmirror.decap.link cimport read_link
from tcpmirror.decap.mpls cimport read_mpls, read_nsh
from tcpmirror.decap.network cimport read_ip
from tcpmirror.decap.overlay cimport read_geneve, read_vxlan
from tcpmirror.decap.point_to_point cimport read_ppp, read_pppoe
from tcpmirror.decap.wireless cimport read_subframe, read_wlan
from tcpmirror.model.segment cimport Segment, TcpFlag

# Verdict -> the capture counter it is counted in.
REASONS = {
    Verdict.NOT_IP: "lost_not_ip",
    Verdict.NOT_TCP: "lost_not_tcp",
    Verdict.TRUNCATED: "lost_truncated",
    Verdict.MALFORMED: "lost_malformed",
    Verdict.FRAGMENT: "lost_fragment",
    Verdict.FILTERED: "lost_filtered",
    Verdict.DEPTH: "lost_depth",
    Verdict.UNKNOWN_LINK: "lost_unknown_link",
}


cdef enum Port:
    GTP_U = 2152
    TEREDO = 3544
    AYIYA = 5072


cdef Verdict read_rare_layer(Cursor* c, uint32_t layer) noexcept nogil:
    """Take a layer off that few mirrors carry."""
    if layer == 0x8847 or layer == 0x8848:
        return read_mpls(c)
    if layer == 0x8864:
        return read_pppoe(c)
    if layer == 0x880b:
        return read_ppp(c)
    if layer < 0x0600:
        return read_llc(c)
    if layer == 0x88e7:
        return read_backbone(c)
    if layer == 0x8926:
        return read_vntag(c)
    if layer == 0x8909:
        return read_group_tag(c)
    if layer == 0x894f:
        return read_nsh(c)
    if layer == Layer.LAYER_WLAN:
        return read_wlan(c)
    return Verdict.NOT_IP


cdef flags_for(numbers, int size, bint default):
    """Return a bytearray of *size* flags: those in *numbers* set, or all when there are none and *default*."""
    if not numbers:
        return bytearray(b"\x01" * size if default else size)
    flags = bytearray(size)
    for number in numbers:
        flags[number] = 1
    return flags


cdef class Decapsulator:
    """Decapsulates the frames of one source; see `settings.tree.Source` for what each argument keeps or drops.

    ``ignored``: (networks, match_type) pairs; ``hosts``: addresses of which one must be an end of the segment;
    ``own_endpoints``: (packed address, port) pairs of the sensor's own connections.
    """

    def __init__(self, int link_type, int depth_limit=8, tcp_ports=(), hosts=(), vlan_ids=(), vxlan_ports=(4789,), geneve_ports=(6081,),
                 vni_allow=(), vni_deny=(), inner_vni_allow=(), ignored=(), own_endpoints=()):
        self.link_type = link_type
        self.depth_limit = depth_limit
        self.tcp_ports = flags_for(tcp_ports, 65536, True)
        self.vxlan_ports = flags_for(vxlan_ports, 65536, False)
        self.geneve_ports = flags_for(geneve_ports, 65536, False)
        self.vlan_ids = flags_for(vlan_ids, 4096, True)
        self.has_vlan_filter = bool(vlan_ids)
        self.vni_allow = frozenset(vni_allow)
        self.vni_deny = frozenset(vni_deny)
        self.inner_vni_allow = frozenset(inner_vni_allow)
        self.has_vni_filter = bool(vni_allow or vni_deny or inner_vni_allow)
        self.hosts = frozenset(ipaddress.ip_address(host).packed for host in hosts)
        self.has_host_filter = bool(hosts)
        self.own_endpoints = frozenset(own_endpoints)
        self.own_ports = flags_for([port for _, port in self.own_endpoints], 65536, False)
        self.ignored = [(tuple(ipaddress.ip_network(net, strict=False) for net in networks), match) for networks, match in ignored]

    cdef Verdict decode(self, const uint8_t* data, Py_ssize_t length, Segment* out, const uint8_t** payload):
        """Fill *out* from the frame; OK, or why not. *payload* points into *data*."""
        cdef Cursor c
        cdef Verdict verdict
        memset(out, 0, sizeof(Segment))
        out.vni = -1
        out.vlan = self.stripped_vlan
        c.at = data
        c.end = data + length
        c.missing = 0
        c.ip = c.more = NULL
        c.segment = out
        self.is_alone = False
        self.more_at = NULL
        verdict = read_link(&c, self.link_type)
        return self.walk(&c, payload) if verdict == Verdict.AGAIN else verdict

    cdef Verdict decode_ip(self, const uint8_t* data, Py_ssize_t length, Segment* out, const uint8_t** payload):
        """Go on with a datagram that was joined from fragments; what *out* knows of outer layers stays."""
        cdef Cursor c
        c.at = data
        c.end = data + length
        c.missing = 0
        c.ip = c.more = NULL
        c.segment = out
        c.next = Layer.LAYER_IP
        self.is_alone = True
        return self.walk(&c, payload)

    cdef Verdict decode_more(self, Segment* out, const uint8_t** payload):
        """Fill *out* from the next frame of an aggregate, where `more_at` says that there is one."""
        cdef Cursor c
        out[0] = self.around
        c.at = self.more_at
        c.end = self.more_end
        c.missing = 0
        c.ip = c.more = NULL
        c.segment = out
        c.next = Layer.LAYER_SUBFRAME
        self.is_alone = False
        self.more_at = NULL
        return self.walk(&c, payload)

    cdef void enter_aggregate(self, Cursor* c):
        """Keep what the other frames of an aggregate need; none is read where the aggregate itself is one of several frames."""
        self.more_at = c.more
        self.more_end = c.more_end
        self.around = c.segment[0]

    cdef Verdict walk(self, Cursor* c, const uint8_t** payload):
        cdef Verdict verdict = Verdict.AGAIN
        cdef uint32_t layer
        cdef int depth = 0
        cdef bint is_outer = True, is_framed = False
        self.inner_at = NULL
        while verdict == Verdict.AGAIN:
            layer = c.next
            if layer == 0x0800 or layer == 0x86dd or layer == Layer.LAYER_IP:
                depth += 1
                if not is_outer and not is_framed:
                    self.inner_at = c.at
                    self.is_inner_frame = False
                is_outer = is_framed = False
                verdict = read_ip(c)
            elif layer == Layer.LAYER_TCP:
                return self.read_tcp(c, payload)
            elif layer == 0x8100 or layer == 0x88a8 or layer == 0x9100 or layer == 0x9200 or layer == 0x9300:
                depth += 1
                verdict = read_vlan(c)
            elif layer == Layer.LAYER_UDP:
                verdict = self.read_udp(c)
            elif layer == Layer.LAYER_ETHERNET or layer == 0x6558:
                is_framed = self.is_inner_frame = True
                self.inner_at = c.at
                verdict = read_ethernet(c)
            elif layer == Layer.LAYER_GRE:
                verdict = read_gre(c)
            elif layer == Layer.LAYER_VXLAN:
                verdict = self.enter_vxlan(c)
            elif layer == Layer.LAYER_GENEVE:
                verdict = read_geneve(c)
            elif layer == Layer.LAYER_SUBFRAME:
                verdict = read_subframe(c)
                if c.more != NULL:
                    if self.is_alone:
                        return Verdict.DEPTH
                    self.enter_aggregate(c)
                    self.is_alone = True
                    c.more = NULL
            else:
                depth += layer != 0x880b  # PPP was counted with what carries it
                verdict = read_rare_layer(c, layer)
            if depth > self.depth_limit + 1:  # the segment's own IP header is no encapsulation
                return Verdict.DEPTH
        if verdict == Verdict.FRAGMENT:
            self.fragment_at = c.ip
            self.fragment_length = c.end - c.ip
        return verdict

    cdef Verdict enter_vxlan(self, Cursor* c):
        """Take a VXLAN header off. Inside GENEVE the outer id was checked when it was read; now only the inner one counts."""
        if self.has_vni_filter and c.segment.tunnel == Tunnel.TUNNEL_GENEVE and not self.is_wanted(c.segment):
            return Verdict.FILTERED
        return read_vxlan(c)

    cdef Verdict read_udp(self, Cursor* c):
        """Go into the tunnels that run over UDP; anything else is not TCP."""
        cdef uint16_t sport, dport
        if left(c) < 8:
            return Verdict.TRUNCATED
        sport = be16(c.at)
        dport = be16(c.at + 2)
        c.at += 8
        if self.vxlan_ports[dport]:
            return self.enter_vxlan(c)
        if self.geneve_ports[dport]:
            return read_geneve(c)
        if dport == Port.GTP_U or sport == Port.GTP_U:
            return read_gtp(c)
        if dport == Port.TEREDO or sport == Port.TEREDO:
            return read_teredo(c)
        if dport == Port.AYIYA or sport == Port.AYIYA:
            return read_ayiya(c)
        return Verdict.NOT_TCP

    cdef Verdict read_tcp(self, Cursor* c, const uint8_t** payload):
        """Read the TCP header (RFC 9293, section 3.1) and apply the filters."""
        cdef Segment* s = c.segment
        cdef Py_ssize_t header_length
        if left(c) < 20:
            return Verdict.TRUNCATED
        header_length = (c.at[12] >> 4) * 4
        if header_length < 20:
            return Verdict.MALFORMED
        s.sport = be16(c.at)
        s.dport = be16(c.at + 2)
        s.seq = be32(c.at + 4)
        s.ack = be32(c.at + 8)
        s.flags = c.at[13]
        s.window = be16(c.at + 14)
        s.urgent = be16(c.at + 18)
        if left(c) < header_length:
            return Verdict.TRUNCATED if c.missing else Verdict.MALFORMED
        if not (self.tcp_ports[s.sport] or self.tcp_ports[s.dport]):
            return Verdict.FILTERED
        if (self.own_ports[s.sport] or self.own_ports[s.dport]) and self.is_own(s):
            return Verdict.FILTERED
        if self.has_vlan_filter and not (self.vlan_ids[s.vlan] or (s.inner_vlan and self.vlan_ids[s.inner_vlan])):
            return Verdict.FILTERED
        if self.has_vni_filter and not self.is_wanted(s):
            return Verdict.FILTERED
        if (self.has_host_filter or self.ignored) and self.is_ignored(s):
            return Verdict.FILTERED
        s.has_bad_checksum = not c.missing and not is_tcp_checksum_right(s, c.at, left(c))
        if s.ip_version == 4 and not is_sum_right(add_bytes(0, c.ip, (c.ip[0] & 0x0f) * 4)):
            s.has_bad_checksum = True
        self.identity = be16(c.at + 16)
        if s.ip_version == 4:
            self.identity |= <uint32_t>be16(c.ip + 4) << 16
        c.at += header_length
        payload[0] = c.at
        s.payload_length = <uint32_t>left(c)
        s.missing_length = c.missing
        return Verdict.OK

    cdef bint is_own(self, Segment* segment):
        """Whether one end of the segment is a place the sensor itself serves or calls."""
        cdef int size = 4 if segment.ip_version == 4 else 16
        return (((<const char*>segment.src)[:size], segment.sport) in self.own_endpoints
                or ((<const char*>segment.dst)[:size], segment.dport) in self.own_endpoints)

    cdef bint is_wanted(self, Segment* segment):
        """Whether the VNI filters keep the segment; one that came in no VXLAN or GENEVE has no VNI and is kept."""
        if segment.vni < 0 or segment.tunnel not in (Tunnel.TUNNEL_VXLAN, Tunnel.TUNNEL_GENEVE, Tunnel.TUNNEL_VXLAN_GPE):
            return True
        if segment.vni in self.vni_deny:
            return False
        if self.inner_vni_allow and segment.tunnel != Tunnel.TUNNEL_GENEVE:
            return segment.vni in self.inner_vni_allow
        return not self.vni_allow or segment.vni in self.vni_allow

    cdef bint is_ignored(self, Segment* segment):
        """Whether the address filters drop the segment."""
        cdef int size = 4 if segment.ip_version == 4 else 16
        src = (<const char*>segment.src)[:size]
        dst = (<const char*>segment.dst)[:size]
        if self.has_host_filter and src not in self.hosts and dst not in self.hosts:
            return True
        if not self.ignored:
            return False
        source, target = ipaddress.ip_address(src), ipaddress.ip_address(dst)
        for networks, match in self.ignored:
            from_it = any(source in net for net in networks)
            to_it = any(target in net for net in networks)
            if {"src": from_it, "dst": to_it, "src_or_dst": from_it or to_it, "src_and_dst": from_it and to_it}[match]:
                return True
        return False

    def reason(self, bytes frame):
        """Return why `decode` takes no segment from *frame* (a counter's name), "" when it does."""
        cdef Segment segment
        cdef const uint8_t* payload = NULL
        cdef Verdict verdict = self.decode(<const uint8_t*><const char*>frame, len(frame), &segment, &payload)
        return "" if verdict == Verdict.OK else REASONS[verdict]

    def observe(self, bytes frame):
        """Return what can be known of *frame*, also where decapsulation went no further; for diagnosis at capture speed.

        A tuple: reason (as of `reason`), VLAN, inner VLAN, VNI, tunnel, source, destination, IP protocol (0: no IP), their ports (of TCP
        and UDP, else 0), sequence number, ACK number, TCP flags, missing bytes, whether a checksum is wrong, IP id (0: none), the EtherType
        or layer where it ended, payload (of TCP and UDP).
        """
        cdef Segment s
        cdef Cursor c
        cdef const uint8_t* payload = NULL
        cdef Verdict verdict
        cdef int protocol = 0, ip_id = 0, size
        cdef Py_ssize_t length = 0
        memset(&s, 0, sizeof(Segment))
        memset(&c, 0, sizeof(Cursor))
        s.vni = -1
        c.at = <const uint8_t*><const char*>frame
        c.end = c.at + len(frame)
        c.segment = &s
        self.is_alone = False
        self.more_at = NULL
        verdict = read_link(&c, self.link_type)
        if verdict == Verdict.AGAIN:
            verdict = self.walk(&c, &payload)
        if verdict == Verdict.OK:
            length = s.payload_length
        if c.ip != NULL and c.end - c.ip >= 20:
            if s.ip_version == 4:
                ip_id = be16(c.ip + 4)
                protocol = c.ip[9]
            else:
                protocol = 6 if verdict == Verdict.OK else c.ip[6]
        if verdict == Verdict.NOT_TCP and protocol == 17 and c.at - c.ip >= 28:  # read_udp has gone over the header
            s.sport = be16(c.at - 8)
            s.dport = be16(c.at - 6)
            payload = c.at
            length = left(&c)
        size = 4 if s.ip_version == 4 else 16
        return ("" if verdict == Verdict.OK else REASONS[verdict], s.vlan, s.inner_vlan, s.vni, s.tunnel,
                (<const char*>s.src)[:size], (<const char*>s.dst)[:size], protocol, s.sport, s.dport, s.seq, s.ack, s.flags,
                s.missing_length, bool(s.has_bad_checksum), ip_id, c.next, (<const char*>payload)[:length] if length > 0 else b"")

    def read_frame(self, bytes frame):
        """Return (reason, facts): what `decode` makes of *frame*, for tests and tools.

        ``reason`` is "" for a segment, else the counter's name; ``facts`` is None or a dict of the segment's fields.
        """
        return self.read_frames(frame)[0]

    def read_frames(self, bytes frame):
        """Return what `read_frame` returns for each frame of an aggregate; one for any other frame."""
        cdef Segment segment
        cdef const uint8_t* payload = NULL
        cdef list found = [self.facts(self.decode(<const uint8_t*><const char*>frame, len(frame), &segment, &payload), &segment, payload)]
        while self.more_at != NULL:
            found.append(self.facts(self.decode_more(&segment, &payload), &segment, payload))
        return found

    cdef tuple facts(self, Verdict verdict, const Segment* segment, const uint8_t* payload):
        if verdict != Verdict.OK:
            return REASONS[verdict], None
        size = 4 if segment.ip_version == 4 else 16
        return "", {
            "src": (<const char*>segment.src)[:size], "dst": (<const char*>segment.dst)[:size],
            "sport": segment.sport, "dport": segment.dport, "seq": segment.seq, "ack": segment.ack, "flags": segment.flags,
            "window": segment.window, "vlan": segment.vlan, "inner_vlan": segment.inner_vlan, "vni": segment.vni,
            "tunnel": segment.tunnel, "missing": segment.missing_length,
            "has_bad_checksum": bool(segment.has_bad_checksum),
            "payload": (<const char*>payload)[:segment.payload_length],
        }
