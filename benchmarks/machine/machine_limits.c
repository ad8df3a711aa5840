#include "machine_limits.h"

#include <immintrin.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* As many as cover the latency of a multiply-add on every port, and fit into the registers of every level. */
#define CHAINS       12
#define MAX_THREADS  256
#define INNER_ROUNDS 4096

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

int machine_best_level(void) {
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")) return MACHINE_AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return MACHINE_AVX2;
    return MACHINE_BASELINE;
}

/* Makes the compiler forget what it knows about six values: it would fold equal chains into one, or drop them all. */
#define FORGET(a, b, c, d, e, f) __asm__ volatile("" : "+x"(a), "+x"(b), "+x"(c), "+x"(d), "+x"(e), "+x"(f))

/* One function a level: INNER_ROUNDS rounds of CHAINS independent multiply-adds, whose sums stay in registers. */
#define DEFINE_PEAK(name, target_text, vector, set, step)                                                              \
    __attribute__((target(target_text), noinline)) static void name(void) {                                            \
        const vector factor = set(0.999f), term = set(0.001f);                                                         \
        vector c0 = term, c1 = term, c2 = term, c3 = term, c4 = term, c5 = term;                                       \
        vector c6 = term, c7 = term, c8 = term, c9 = term, c10 = term, c11 = term;                                     \
        FORGET(c0, c1, c2, c3, c4, c5);                                                                                \
        FORGET(c6, c7, c8, c9, c10, c11);                                                                              \
        for (int round = 0; round < INNER_ROUNDS; round++) {                                                           \
            c0 = step(c0, factor, term), c1 = step(c1, factor, term), c2 = step(c2, factor, term);                     \
            c3 = step(c3, factor, term), c4 = step(c4, factor, term), c5 = step(c5, factor, term);                     \
            c6 = step(c6, factor, term), c7 = step(c7, factor, term), c8 = step(c8, factor, term);                     \
            c9 = step(c9, factor, term), c10 = step(c10, factor, term), c11 = step(c11, factor, term);                 \
        }                                                                                                              \
        FORGET(c0, c1, c2, c3, c4, c5);                                                                                \
        FORGET(c6, c7, c8, c9, c10, c11);                                                                              \
    }

#define MULTIPLY_THEN_ADD(a, b, c) _mm_add_ps(_mm_mul_ps(a, b), c)

DEFINE_PEAK(peak_baseline, "sse2", __m128, _mm_set1_ps, MULTIPLY_THEN_ADD)
DEFINE_PEAK(peak_avx2, "avx2,fma", __m256, _mm256_set1_ps, _mm256_fmadd_ps)
DEFINE_PEAK(peak_avx512, "avx512f", __m512, _mm512_set1_ps, _mm512_fmadd_ps)

/* One function a level: a = b + s c for `count` floats, a multiple of 64; the arrays are aligned. */
#define DEFINE_TRIAD(name, target_text, lanes, vector, set, load, store, step)                                         \
    __attribute__((target(target_text), noinline)) static void name(float *a, const float *b, const float *c,          \
                                                                    size_t count) {                                    \
        const vector s = set(3.0f);                                                                                    \
        for (size_t i = 0; i < count; i += 4 * (lanes)) {                                                              \
            store(a + i, step(s, load(c + i), load(b + i)));                                                           \
            store(a + i + (lanes), step(s, load(c + i + (lanes)), load(b + i + (lanes))));                             \
            store(a + i + 2 * (lanes), step(s, load(c + i + 2 * (lanes)), load(b + i + 2 * (lanes))));                 \
            store(a + i + 3 * (lanes), step(s, load(c + i + 3 * (lanes)), load(b + i + 3 * (lanes))));                 \
        }                                                                                                              \
    }

DEFINE_TRIAD(triad_baseline, "sse2", 4, __m128, _mm_set1_ps, _mm_load_ps, _mm_store_ps, MULTIPLY_THEN_ADD)
DEFINE_TRIAD(triad_avx2, "avx2,fma", 8, __m256, _mm256_set1_ps, _mm256_load_ps, _mm256_store_ps, _mm256_fmadd_ps)
DEFINE_TRIAD(triad_avx512, "avx512f", 16, __m512, _mm512_set1_ps, _mm512_load_ps, _mm512_store_ps, _mm512_fmadd_ps)

typedef struct {
    pthread_barrier_t *start;
    int level;
    size_t count; /* floats in each array of the triad; 0: the peak is measured */
    double seconds;
    double rate; /* operations, or bytes, a second */
} worker;

static void one_peak(int level) {
    if (level == MACHINE_AVX512) {
        peak_avx512();
    } else if (level == MACHINE_AVX2) {
        peak_avx2();
    } else {
        peak_baseline();
    }
}

static void one_triad(int level, float *a, const float *b, const float *c, size_t count) {
    if (level == MACHINE_AVX512) {
        triad_avx512(a, b, c, count);
    } else if (level == MACHINE_AVX2) {
        triad_avx2(a, b, c, count);
    } else {
        triad_baseline(a, b, c, count);
    }
}

static void measure_peak(worker *self) {
    const double lanes = self->level == MACHINE_AVX512 ? 16 : self->level == MACHINE_AVX2 ? 8 : 4;
    one_peak(self->level);
    pthread_barrier_wait(self->start);
    double rounds = 0, begin = now(), end = begin;
    while (end - begin < self->seconds) {
        for (int i = 0; i < 4; i++) one_peak(self->level);
        rounds += 4;
        end = now();
    }
    self->rate = rounds * INNER_ROUNDS * CHAINS * 2 * lanes / (end - begin);
}

static void measure_triad(worker *self) {
    float *memory = aligned_alloc(64, 3 * self->count * sizeof(float));
    if (memory) memset(memory, 0, 3 * self->count * sizeof(float));
    pthread_barrier_wait(self->start);
    if (!memory) return;
    float *a = memory, *b = memory + self->count, *c = memory + 2 * self->count;
    one_triad(self->level, a, b, c, self->count);
    /* Small arrays are walked often between two looks at the clock. */
    const int walks = self->count < 16384 ? (int)(65536 / self->count) + 1 : 1;
    double rounds = 0, begin = now(), end = begin;
    while (end - begin < self->seconds) {
        for (int i = 0; i < walks; i++) one_triad(self->level, a, b, c, self->count);
        rounds += walks;
        end = now();
    }
    self->rate = rounds * 3 * (double)self->count * sizeof(float) / (end - begin);
    free(memory);
}

static void *run_worker(void *argument) {
    worker *self = argument;
    if (self->count) {
        measure_triad(self);
    } else {
        measure_peak(self);
    }
    return NULL;
}

static double measure(int level, int threads, size_t count, double seconds) {
    if (threads < 1) threads = 1;
    if (threads > MAX_THREADS) threads = MAX_THREADS;
    pthread_t handles[MAX_THREADS];
    worker workers[MAX_THREADS];
    pthread_barrier_t start;
    pthread_barrier_init(&start, NULL, (unsigned)threads);
    for (int i = 0; i < threads; i++) workers[i] = (worker){&start, level, count, seconds, 0};
    for (int i = 1; i < threads; i++) {
        /* The others would wait at the barrier for ever. */
        if (pthread_create(&handles[i], NULL, run_worker, &workers[i])) abort();
    }
    run_worker(&workers[0]);
    double rate = workers[0].rate;
    for (int i = 1; i < threads; i++) {
        pthread_join(handles[i], NULL);
        rate += workers[i].rate;
    }
    pthread_barrier_destroy(&start);
    return rate * 1e-9;
}

double machine_peak(int level, int threads, double seconds) { return measure(level, threads, 0, seconds); }

double machine_triad(int level, int threads, size_t bytes, double seconds) {
    const size_t count = bytes / (3 * sizeof(float)) / 64 * 64;
    return measure(level, threads, count ? count : 64, seconds);
}
