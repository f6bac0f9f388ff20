# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The kernel's receive ring of a packet socket (packet(7), TPACKET_V3), walked where it lies: frames are not copied.

The kernel fills blocks one after another and hands a block over when it is full or has waited; each block holds many frames, each behind
a header with time, lengths, the VLAN tag that the kernel took off, and the address it came from.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from tcpmirror.capture.receiver cimport FrameReceiver

cdef extern from *:
    """
    #include <linux/if_ether.h>
    #include <linux/if_packet.h>
    static inline struct tpacket_hdr_v1 *block_head(uint8_t *block) {
        return &((struct tpacket_block_desc *)block)->hdr.bh1;
    }
    /* The kernel writes a block and then its status; what is read of the block must not be read before the status. */
    static inline uint32_t block_status(uint8_t *block) {
        return __atomic_load_n(&block_head(block)->block_status, __ATOMIC_ACQUIRE);
    }
    static inline void give_back(uint8_t *block) {
        __atomic_store_n(&block_head(block)->block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    }
    static inline struct sockaddr_ll *origin(struct tpacket3_hdr *head) {
        return (struct sockaddr_ll *)((uint8_t *)head + TPACKET_ALIGN(sizeof(struct tpacket3_hdr)));
    }
    """
    ctypedef struct BlockHead "struct tpacket_hdr_v1":
        uint32_t num_pkts
        uint32_t offset_to_first_pkt
    ctypedef struct Variant "struct tpacket_hdr_variant1":
        uint32_t tp_vlan_tci
    ctypedef struct FrameHead "struct tpacket3_hdr":
        uint32_t tp_next_offset
        uint32_t tp_sec
        uint32_t tp_nsec
        uint32_t tp_snaplen
        uint32_t tp_status
        uint16_t tp_mac
        uint16_t tp_net
        Variant hv1
    ctypedef struct Origin "struct sockaddr_ll":
        uint16_t sll_hatype
        uint8_t sll_pkttype
    enum:
        TP_STATUS_USER
        TP_STATUS_VLAN_VALID
        PACKET_OUTGOING
    BlockHead* block_head(uint8_t* block) nogil
    uint32_t block_status(uint8_t* block) nogil
    void give_back(uint8_t* block) nogil
    Origin* origin(FrameHead* head) nogil

# Hardware types (linux/if_arp.h) and the link types they are read as; all else is read from its network header on.
cdef enum:
    ARPHRD_ETHER = 1
    ARPHRD_LOOPBACK = 772
    ARPHRD_IEEE80211 = 801
    ARPHRD_RADIOTAP = 803
    LINK_ETHERNET = 1
    LINK_RAW = 12
    LINK_WLAN = 105
    LINK_RADIOTAP = 127


cdef class PacketRing:
    """The ring in *memory*, *block_count* blocks of *block_bytes*. *is_cooked*: the socket takes link headers off itself."""
    cdef uint8_t[::1] memory
    cdef Py_ssize_t block_bytes
    cdef int block_count, current
    cdef bint is_cooked

    def __init__(self, memory, Py_ssize_t block_bytes, int block_count, bint is_cooked=False):
        self.memory = memory
        self.block_bytes = block_bytes
        self.block_count = block_count
        self.is_cooked = is_cooked
        if self.memory.shape[0] < block_bytes * block_count:
            raise ValueError("the memory is smaller than the ring")

    cdef uint8_t* block(self) noexcept:
        return &self.memory[0] + self.current * self.block_bytes

    def is_ready(self):
        """Whether the kernel has handed the next block over."""
        return bool(block_status(self.block()) & TP_STATUS_USER)

    def receive(self, FrameReceiver receiver, int max_blocks=16):
        """Hand over the frames of up to *max_blocks* blocks that are ready; return how many frames."""
        cdef int blocks, taken = 0
        cdef uint8_t* block
        for blocks in range(max_blocks):
            block = self.block()
            if not block_status(block) & TP_STATUS_USER:
                break
            taken += self.walk(block, receiver)
            give_back(block)
            self.current = (self.current + 1) % self.block_count
        return taken

    cdef int walk(self, uint8_t* block, FrameReceiver receiver) except -1:
        cdef FrameHead* head = <FrameHead*>(block + block_head(block).offset_to_first_pkt)
        cdef uint32_t index, count = block_head(block).num_pkts
        cdef int taken = 0
        for index in range(count):
            # A frame that loopback sends comes back by it: one of the two is enough.
            if not (origin(head).sll_hatype == ARPHRD_LOOPBACK and origin(head).sll_pkttype == PACKET_OUTGOING):
                self.hand_over(head, receiver)
                taken += 1
            head = <FrameHead*>(<uint8_t*>head + head.tp_next_offset)
        return taken

    cdef int hand_over(self, FrameHead* head, FrameReceiver receiver) except -1:
        cdef uint16_t hardware = origin(head).sll_hatype
        cdef uint16_t vlan = head.hv1.tp_vlan_tci & 0x0fff if head.tp_status & TP_STATUS_VLAN_VALID else 0
        cdef uint64_t time_ns = <uint64_t>head.tp_sec * 1000000000 + head.tp_nsec
        cdef uint8_t* frame = <uint8_t*>head + head.tp_mac
        cdef Py_ssize_t size = head.tp_snaplen
        cdef int link_type = LINK_ETHERNET
        if self.is_cooked:
            link_type = LINK_RAW
        elif hardware == ARPHRD_IEEE80211:
            link_type = LINK_WLAN
        elif hardware == ARPHRD_RADIOTAP:
            link_type = LINK_RADIOTAP
        elif hardware != ARPHRD_ETHER and hardware != ARPHRD_LOOPBACK:
            link_type = LINK_RAW
            if head.tp_net > head.tp_mac:
                frame = <uint8_t*>head + head.tp_net
                size -= head.tp_net - head.tp_mac
        return receiver.take(time_ns, frame, size if size > 0 else 0, link_type, vlan)

    def close(self):
        """Let go of the memory, so that it can be unmapped."""
        self.memory = None
