# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Messages of a socket, many with one call: frames of a packet socket, or what UDP carries.

The kernel writes beside each message when it came, which VLAN tag it took off, and how many messages it has dropped before.
"""
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from tcpmirror.capture.receiver cimport FrameReceiver

import os

cdef extern from *:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <string.h>
    #include <sys/socket.h>
    #include <time.h>
    #include <linux/if_ether.h>
    #include <linux/if_packet.h>

    #define MESSAGES 64
    #define MESSAGE_BYTES 262144 /* the longest UDP datagram takes 64 KiB, frames of segmentation offload more (BIG TCP) */
    #define NOTE_BYTES 256

    struct reading {
        struct mmsghdr heads[MESSAGES];
        struct iovec parts[MESSAGES];
        struct sockaddr_storage origins[MESSAGES];
        uint8_t notes[MESSAGES][NOTE_BYTES] __attribute__((aligned(8)));
        uint8_t data[MESSAGES][MESSAGE_BYTES];
    };

    struct note {
        uint64_t time_ns;
        uint32_t dropped;
        int has_dropped;
        uint16_t vlan;
    };

    static int receive_many(int fd, struct reading *r) {
        for (int i = 0; i < MESSAGES; i++) {
            struct msghdr *m = &r->heads[i].msg_hdr;
            r->parts[i].iov_base = r->data[i];
            r->parts[i].iov_len = MESSAGE_BYTES;
            m->msg_iov = &r->parts[i];
            m->msg_iovlen = 1;
            m->msg_name = &r->origins[i];
            m->msg_namelen = sizeof(r->origins[i]);
            m->msg_control = r->notes[i];
            m->msg_controllen = NOTE_BYTES;
            m->msg_flags = 0;
        }
        return recvmmsg(fd, r->heads, MESSAGES, MSG_DONTWAIT, NULL);
    }

    static void read_note(struct reading *r, int i, struct note *n) {
        struct msghdr *m = &r->heads[i].msg_hdr;
        memset(n, 0, sizeof(*n));
        for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
            if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
                struct timespec t;
                memcpy(&t, CMSG_DATA(c), sizeof(t));
                n->time_ns = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
            } else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
                memcpy(&n->dropped, CMSG_DATA(c), sizeof(n->dropped));
                n->has_dropped = 1;
            } else if (c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA) {
                struct tpacket_auxdata a;
                memcpy(&a, CMSG_DATA(c), sizeof(a));
                if (a.tp_status & TP_STATUS_VLAN_VALID)
                    n->vlan = a.tp_vlan_tci & 0x0fff;
            }
        }
    }

    /* A frame that loopback sends comes back by it: one of the two is enough. 772 is ARPHRD_LOOPBACK. */
    static int is_echo(struct reading *r, int i) {
        struct sockaddr_ll *from = (struct sockaddr_ll *)&r->origins[i];
        return from->sll_family == AF_PACKET && from->sll_hatype == 772 && from->sll_pkttype == PACKET_OUTGOING;
    }

    static int is_packet_of_network(struct reading *r, int i) {
        struct sockaddr_ll *from = (struct sockaddr_ll *)&r->origins[i];
        return from->sll_family == AF_PACKET && from->sll_hatype != 772 && from->sll_hatype != 1;
    }
    """
    ctypedef struct MessageHead "struct mmsghdr":
        unsigned int msg_len
    ctypedef struct Reading "struct reading":
        MessageHead heads[64]
        uint8_t data[64][262144]
    ctypedef struct Note "struct note":
        uint64_t time_ns
        uint32_t dropped
        bint has_dropped
        uint16_t vlan
    int receive_many(int fd, Reading* reading) nogil
    void read_note(Reading* reading, int index, Note* note) nogil
    bint is_echo(Reading* reading, int index) nogil
    bint is_packet_of_network(Reading* reading, int index) nogil

cdef enum:
    LINK_RAW = 12


cdef class DatagramReader:
    """Reads the socket *descriptor*, whose messages are of *link_type*. dropped: what the kernel dropped, by its own count."""
    cdef int descriptor, link_type
    cdef Reading* reading
    cdef readonly uint64_t dropped, received
    cdef uint32_t last_dropped

    def __cinit__(self, int descriptor, int link_type):
        self.descriptor = descriptor
        self.link_type = link_type
        self.reading = <Reading*>PyMem_Calloc(1, sizeof(Reading))
        if self.reading == NULL:
            raise MemoryError

    def __dealloc__(self):
        PyMem_Free(self.reading)

    def receive(self, FrameReceiver receiver):
        """Hand over the messages that are there, 64 at most; return how many. OSError when the socket fails."""
        cdef int index, count = receive_many(self.descriptor, self.reading)
        cdef Note note
        cdef int link_type
        if count < 0:
            if errno == EAGAIN or errno == EINTR:
                return 0
            raise OSError(errno, os.strerror(errno))
        for index in range(count):
            read_note(self.reading, index, &note)
            if note.has_dropped:
                self.dropped += <uint32_t>(note.dropped - self.last_dropped)  # the kernel's count has 32 bits
                self.last_dropped = note.dropped
            if is_echo(self.reading, index):
                continue
            self.received += 1
            link_type = LINK_RAW if is_packet_of_network(self.reading, index) else self.link_type
            receiver.take(note.time_ns, self.reading.data[index], self.reading.heads[index].msg_len, link_type, note.vlan)
        return count
