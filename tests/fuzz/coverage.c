/* What gcc's -fsanitize-coverage=trace-pc,trace-cmp calls: a map of the edges taken, and the last comparisons.
 *
 * Loaded before everything else (LD_PRELOAD), read and cleared from Python by ctypes. One thread.
 */
#include <stdint.h>
#include <string.h>

#define MAP_SIZE 65536
#define COMPARED 1024

struct comparison { uint64_t left, right; uint32_t size; uint32_t line; };

static uint8_t map[MAP_SIZE], seen[MAP_SIZE];
static struct comparison compared[COMPARED];
static uint32_t compared_count;
static uintptr_t before;
static int is_noting;

void __sanitizer_cov_trace_pc(void) {
    uintptr_t here = (uintptr_t)__builtin_return_address(0);
    uintptr_t mixed = (here >> 2) * (uintptr_t)0x9e3779b97f4a7c15u >> 40;
    uint8_t *cell = &map[(mixed ^ before) & (MAP_SIZE - 1)];
    *cell += *cell != 255;
    before = mixed >> 1;
}

static void note(uint64_t left, uint64_t right, uint32_t size) {
    if (is_noting && left != right) {
        struct comparison *next = &compared[compared_count++ % COMPARED];
        next->left = left, next->right = right, next->size = size;
    }
}
void __sanitizer_cov_trace_cmp1(uint8_t a, uint8_t b) { (void)a, (void)b; }
void __sanitizer_cov_trace_const_cmp1(uint8_t a, uint8_t b) { (void)a, (void)b; }
void __sanitizer_cov_trace_cmp2(uint16_t a, uint16_t b) { note(a, b, 2); }
void __sanitizer_cov_trace_const_cmp2(uint16_t a, uint16_t b) { note(a, b, 2); }
void __sanitizer_cov_trace_cmp4(uint32_t a, uint32_t b) { note(a, b, 4); }
void __sanitizer_cov_trace_const_cmp4(uint32_t a, uint32_t b) { note(a, b, 4); }
void __sanitizer_cov_trace_cmp8(uint64_t a, uint64_t b) { note(a, b, 8); }
void __sanitizer_cov_trace_const_cmp8(uint64_t a, uint64_t b) { note(a, b, 8); }
void __sanitizer_cov_trace_cmpf(float a, float b) { (void)a, (void)b; }
void __sanitizer_cov_trace_cmpd(double a, double b) { (void)a, (void)b; }
void __sanitizer_cov_trace_switch(uint64_t value, uint64_t *cases) {
    for (uint64_t at = 0; is_noting && at < cases[0] && at < 64; at++)
        note(cases[2 + at], value, (uint32_t)cases[1] / 8);
}

/* Forget the edges of the last input. */
void coverage_clear(void) {
    memset(map, 0, sizeof map);
    before = 0;
}

/* Add the edges to those seen; return how many are new, an edge taken about twice as often as ever before counted as one. */
int coverage_merge(void) {
    int fresh = 0;
    for (int at = 0; at < MAP_SIZE; at += 8) {
        if (*(uint64_t *)(map + at) == 0)
            continue;
        for (int cell = at; cell < at + 8; cell++) {
            if (map[cell] == 0)
                continue;
            uint8_t bit = (uint8_t)(1u << (31 - __builtin_clz(map[cell])));
            fresh += !(seen[cell] & bit);
            seen[cell] |= bit;
        }
    }
    return fresh;
}

int coverage_edges(void) {
    int count = 0;
    for (int at = 0; at < MAP_SIZE; at++)
        count += seen[at] != 0;
    return count;
}

void comparisons_note(int on) {
    is_noting = on;
    if (on)
        compared_count = 0;
}
uint32_t comparisons_count(void) { return compared_count < COMPARED ? compared_count : COMPARED; }
const struct comparison *comparisons(void) { return compared; }
