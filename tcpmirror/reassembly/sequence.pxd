from libc.stdint cimport int32_t, uint32_t

cdef inline int32_t seq_diff(uint32_t a, uint32_t b) noexcept nogil:
    """Return how many bytes *a* lies ahead of *b* (RFC 9293, section 3.4): negative means *a* is older data.

    Sequence numbers wrap at 2**32, so two of them are never compared with ``<``.
    """
    return <int32_t>(a - b)
