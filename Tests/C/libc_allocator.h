/* The C library's own allocator, for programs that stand between it and the library: they are linked with -rdynamic and
 * define malloc and its kin, NEVER_THROWS as glibc declares them, which C++ wants to hear again. */
#ifndef LIBC_ALLOCATOR_H
#define LIBC_ALLOCATOR_H

#include <stddef.h>

#ifdef __cplusplus
#define NEVER_THROWS noexcept
extern "C" {
#else
#define NEVER_THROWS
#endif

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *memory);

#ifdef __cplusplus
}
#endif

#endif
