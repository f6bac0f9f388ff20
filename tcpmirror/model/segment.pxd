from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum TcpFlag:
    TCP_FIN = 0x01
    TCP_SYN = 0x02
    TCP_RST = 0x04
    TCP_ACK = 0x10
    TCP_URG = 0x20

# A TCP segment as it lies on a ring: this struct, then `payload_length` bytes. Native byte order, both ends are on one machine.
# IPv4 addresses take the first 4 bytes of `src` and `dst`, the rest is zero.
cdef struct Segment:
    uint64_t time_ns
    uint64_t flow_hash
    uint8_t src[16]
    uint8_t dst[16]
    uint32_t seq
    uint32_t ack
    uint32_t payload_length
    uint32_t missing_length  # payload bytes that the sender sent but the capture cut off
    int32_t vni              # -1: none
    uint16_t sport
    uint16_t dport
    uint16_t window
    uint16_t domain          # flows of different domains never meet (one per file when files are read)
    uint16_t vlan
    uint16_t inner_vlan
    uint16_t urgent          # pointer, when TCP_URG is set
    uint8_t flags
    uint8_t ip_version       # 4 or 6
    uint8_t tunnel           # index into model.exchange.TUNNEL_NAMES
    uint8_t has_bad_checksum
