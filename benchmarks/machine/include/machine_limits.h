/* machine_limits.h: how fast this machine can be at best, measured.
 *
 * Every share of peak or of bandwidth in the benchmarks is held against one of these two figures, taken in the same
 * invocation: machines are shared and noisy, and only ratios carry over from one to another.
 */
#ifndef MACHINE_LIMITS_H
#define MACHINE_LIMITS_H

#include <stddef.h>

/* The instruction sets that a limit can be taken for. The processor must have the one that is asked for. */
enum { MACHINE_BASELINE = 0, MACHINE_AVX2 = 1, MACHINE_AVX512 = 2 };

/* The best level of this processor. */
int machine_best_level(void);

/* Multiply-adds that use registers alone, in 10^9 floating-point operations a second (2 for each multiply-add), on
 * `threads` threads at once for about `seconds`. At MACHINE_BASELINE a multiplication and an addition. */
double machine_peak(int level, int threads, double seconds);

/* The triad a = b + s c over three arrays of `bytes` bytes together, in 10^9 bytes a second that the program reads
 * and writes, on `threads` threads at once, each with arrays of its own, for about `seconds`. 0 without memory. */
double machine_triad(int level, int threads, size_t bytes, double seconds);

#endif
