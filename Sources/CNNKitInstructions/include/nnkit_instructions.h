/* Instructions that Swift cannot spell, for kernels and the steps that call them. x86-64. */
#ifndef NNKIT_INSTRUCTIONS_H
#define NNKIT_INSTRUCTIONS_H

/* Fetches the cache line at `address`, which need not be valid, for a write that follows later. By its encoding,
 * since no instruction-set level names it: a processor without it does nothing. */
static inline void nnkit_prefetch_for_write(const void *_Nonnull address) {
    __asm__ volatile("prefetchw %0" : : "m"(*(const char *)address));
}

/* Fetches the cache line at `address`, which need not be valid, into the second-level cache. */
static inline void nnkit_prefetch(const void *_Nonnull address) { __builtin_prefetch(address, 0, 2); }

/* Arithmetic on whole vectors. Swift's library computes lane by lane and leaves it to the optimizer to find the vectors
 * again; in long functions it finds pieces of them. The width is that of the level a module is compiled for. */
#if defined(__AVX512F__)
#define NNKIT_VECTOR_BYTES 64
#elif defined(__AVX2__)
#define NNKIT_VECTOR_BYTES 32
#else
#define NNKIT_VECTOR_BYTES 16
#endif

#define NNKIT_ARITHMETIC(type, lanes, name)                                                                            \
    typedef type nnkit_##name __attribute__((ext_vector_type(lanes)));                                                 \
    static inline nnkit_##name nnkit_##name##_add(nnkit_##name a, nnkit_##name b) { return a + b; }                    \
    static inline nnkit_##name nnkit_##name##_subtract(nnkit_##name a, nnkit_##name b) { return a - b; }               \
    static inline nnkit_##name nnkit_##name##_multiply(nnkit_##name a, nnkit_##name b) { return a * b; }               \
    static inline nnkit_##name nnkit_##name##_divide(nnkit_##name a, nnkit_##name b) { return a / b; }                 \
    /* a b + c, rounded once: one instruction at the AVX levels alone. */                                              \
    static inline nnkit_##name nnkit_##name##_multiply_add(nnkit_##name a, nnkit_##name b, nnkit_##name c) {           \
        return __builtin_elementwise_fma(a, b, c);                                                                     \
    }                                                                                                                  \
    static inline nnkit_##name nnkit_##name##_square_root(nnkit_##name a) { return __builtin_elementwise_sqrt(a); }

NNKIT_ARITHMETIC(float, NNKIT_VECTOR_BYTES / 4, floats)
NNKIT_ARITHMETIC(double, NNKIT_VECTOR_BYTES / 8, doubles)

/* Comparisons: all bits of a lane where they hold, else none. */
typedef int nnkit_lanes __attribute__((ext_vector_type(NNKIT_VECTOR_BYTES / 4)));
static inline nnkit_lanes nnkit_floats_less(nnkit_floats a, nnkit_floats b) { return a < b; }
static inline nnkit_lanes nnkit_floats_equal(nnkit_floats a, nnkit_floats b) { return a == b; }

#endif
