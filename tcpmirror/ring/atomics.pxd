# Loads and stores with the ordering the rings need, correct on weakly ordered processors (C11 memory model, GCC builtins).
from libc.stdint cimport uint32_t, uint64_t

cdef extern from *:
    """
    #include <stdint.h>
    #include <unistd.h>
    #include <time.h>
    #include <sys/syscall.h>
    #include <linux/futex.h>
    static inline uint64_t tm_load_acquire(const uint64_t *p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
    static inline void tm_store_release(uint64_t *p, uint64_t v) { __atomic_store_n(p, v, __ATOMIC_RELEASE); }
    static inline uint32_t tm_load32(const uint32_t *p) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); }
    static inline void tm_store32(uint32_t *p, uint32_t v) { __atomic_store_n(p, v, __ATOMIC_SEQ_CST); }
    static inline void tm_add32(uint32_t *p) { __atomic_fetch_add(p, 1, __ATOMIC_SEQ_CST); }
    static inline long tm_futex_wait(uint32_t *p, uint32_t seen, long timeout_ms) {
        struct timespec t = { timeout_ms / 1000, (timeout_ms % 1000) * 1000000L };
        return syscall(SYS_futex, p, FUTEX_WAIT, seen, &t, 0, 0);
    }
    static inline void tm_futex_wake(uint32_t *p) { syscall(SYS_futex, p, FUTEX_WAKE, 1, 0, 0, 0); }
    """
    uint64_t tm_load_acquire(const uint64_t *p) nogil
    void tm_store_release(uint64_t *p, uint64_t v) nogil
    uint32_t tm_load32(const uint32_t *p) nogil
    void tm_store32(uint32_t *p, uint32_t v) nogil
    void tm_add32(uint32_t *p) nogil
    long tm_futex_wait(uint32_t *p, uint32_t seen, long timeout_ms) nogil
    void tm_futex_wake(uint32_t *p) nogil
