# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Data of one direction that is ahead of a hole: sorted, without overlaps, decided by the receiver's rule.

A list and not a tree: it holds `limits.reorder_segments` pieces at most, and moving 32 KiB of pointers is cheaper than walking a
tree. Pieces share the bytes they were cut from until most of those are no longer needed, so that many small overlaps with a large
piece cost O(n log n) and not O(n * n).
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from tcpmirror.reassembly.overlap cimport Conflicts, OverlapRule, newer_wins
from tcpmirror.reassembly.sequence cimport seq_diff

cdef enum:
    SHARED_BYTES = 64  # bytes objects so small are not worth a copy


cdef inline const uint8_t* behind(const uint8_t* data, uint32_t count) noexcept nogil:
    """Return where the data goes on after *count* bytes; NULL for bytes nobody saw."""
    return data if data == NULL else data + count


cdef class Piece:
    pass


cdef class ReorderQueue:
    """``put`` keeps what is new or wins; ``pieces`` are taken off the front by the half-stream."""

    def __cinit__(self):
        self.pieces = []

    cdef int64_t put(self, OverlapRule rule, uint32_t seq, const uint8_t* data, uint32_t length, uint64_t time_ns) except -1:
        """Take *length* bytes (*data* NULL: cut off by the capture); return how many of them there are two copies of now."""
        cdef uint32_t end = seq + length, run = seq, first, stop
        cdef int64_t repeated = 0
        cdef Py_ssize_t at = self.place(seq)
        cdef Piece old
        cdef const uint8_t* kept
        cdef bint wins
        if at and seq_diff((<Piece>self.pieces[at - 1]).seq + (<Piece>self.pieces[at - 1]).length, seq) > 0:
            at -= 1
        while at < len(self.pieces):
            old = <Piece>self.pieces[at]
            if seq_diff(old.seq, end) >= 0:
                break
            first = old.seq if seq_diff(old.seq, seq) > 0 else seq
            stop = old.seq + old.length
            wins = data != NULL and (old.data is None or newer_wins(rule, seq_diff(seq, old.seq), seq_diff(end, stop)))
            if seq_diff(stop, end) > 0:
                stop = end
            if data != NULL and old.data is not None:
                repeated += stop - first
                kept = <const uint8_t*>PyBytes_AS_STRING(old.data) + old.skip + (first - old.seq)
                if wins:
                    self.conflicts.compare(first, data + (first - seq), kept, stop - first)
                else:
                    self.conflicts.compare(first, kept, data + (first - seq), stop - first)
            if wins:
                at = self.cut_out(at, first, stop)
                continue
            if seq_diff(first, run) > 0:
                self.insert(at, run, behind(data, run - seq), first - run, time_ns)
                at += 1
            run = stop
            at += 1
        if seq_diff(end, run) > 0:
            self.insert(at, run, behind(data, run - seq), end - run, time_ns)
        return repeated

    cdef Py_ssize_t place(self, uint32_t seq) noexcept:
        """Return the index of the first piece that starts after *seq*."""
        cdef Py_ssize_t low = 0, high = len(self.pieces), middle
        while low < high:
            middle = (low + high) >> 1
            if seq_diff((<Piece>self.pieces[middle]).seq, seq) <= 0:
                low = middle + 1
            else:
                high = middle
        return low

    cdef int insert(self, Py_ssize_t at, uint32_t seq, const uint8_t* data, uint32_t length, uint64_t time_ns) except -1:
        cdef Piece piece = Piece.__new__(Piece)
        piece.seq = seq
        piece.length = length
        piece.time_ns = time_ns
        if data != NULL:
            piece.data = PyBytes_FromStringAndSize(<const char*>data, length)
            self.held_bytes += length
            self.data_bytes += length
        self.held_bytes += PIECE_BYTES
        self.pieces.insert(at, piece)
        return 0

    cdef Py_ssize_t cut_out(self, Py_ssize_t at, uint32_t first, uint32_t stop) except -1:
        """Take the bytes from *first* to *stop* out of a piece; return the index of what stands behind them now."""
        cdef Piece old = <Piece>self.pieces[at], right
        cdef uint32_t before = first - old.seq, behind = old.seq + old.length - stop
        if not before and not behind:
            self.remove(at, at + 1)
            return at
        if old.data is not None:
            self.data_bytes -= stop - first
        if before and behind:
            right = Piece.__new__(Piece)
            right.seq, right.length, right.time_ns = stop, behind, old.time_ns
            right.data, right.skip = old.data, old.skip + (stop - old.seq)
            self.held_bytes += PIECE_BYTES + (0 if right.data is None else len(right.data))
            self.pieces.insert(at + 1, right)
            self.shrink(right)
        elif behind:
            old.skip += stop - old.seq
            old.seq, old.length = stop, behind
            self.shrink(old)
            return at
        old.length = before
        self.shrink(old)
        return at + 1

    cdef int shrink(self, Piece piece) except -1:
        """Let go of the bytes a piece was cut from when it is less than half of them."""
        if piece.data is None or len(piece.data) <= SHARED_BYTES or 2 * <Py_ssize_t>piece.length > len(piece.data):
            return 0
        self.held_bytes -= len(piece.data) - piece.length
        piece.data = PyBytes_FromStringAndSize(PyBytes_AS_STRING(piece.data) + piece.skip, piece.length)
        piece.skip = 0
        return 0

    cdef bint covers(self, uint32_t seq) noexcept:
        """Whether a byte is held that has this sequence number."""
        cdef Py_ssize_t at = self.place(seq)
        return at > 0 and seq_diff((<Piece>self.pieces[at - 1]).seq + (<Piece>self.pieces[at - 1]).length, seq) > 0

    cdef int remove(self, Py_ssize_t first, Py_ssize_t stop) except -1:
        """Drop the pieces from index *first* to *stop*."""
        cdef Py_ssize_t at
        cdef Piece piece
        for at in range(first, stop):
            piece = <Piece>self.pieces[at]
            self.held_bytes -= PIECE_BYTES
            if piece.data is not None:
                self.held_bytes -= len(piece.data)
                self.data_bytes -= piece.length
        del self.pieces[first:stop]
        return 0
