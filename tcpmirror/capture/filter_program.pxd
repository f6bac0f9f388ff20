from libc.stdint cimport uint8_t, uint32_t

cdef extern from "pcap/pcap.h":
    cdef struct bpf_insn:
        pass
    cdef struct bpf_program:
        unsigned int bf_len
        bpf_insn* bf_insns
    unsigned int bpf_filter(const bpf_insn* program, const uint8_t* packet, unsigned int length, unsigned int captured) nogil


cdef class FilterProgram:
    cdef bpf_program program
    cdef bint matches(self, const uint8_t* packet, Py_ssize_t captured, Py_ssize_t original) noexcept nogil
