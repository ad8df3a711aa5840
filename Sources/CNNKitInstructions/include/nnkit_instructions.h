/* Instructions that Swift cannot spell, for kernels. x86-64. */
#ifndef NNKIT_INSTRUCTIONS_H
#define NNKIT_INSTRUCTIONS_H

/* Fetches the cache line at `address`, which need not be valid, for a write that follows later. By its encoding,
 * since no instruction-set level names it: a processor without it does nothing. */
static inline void nnkit_prefetch_for_write(const void *_Nonnull address) {
    __asm__ volatile("prefetchw %0" : : "m"(*(const char *)address));
}

#endif
