/* Memory for allocations that fail. Swift's own allocations cannot report a failure: its runtime ends the process. So
 * the shared library is linked such that every allocation of its code comes here (--wrap of the linker): first it asks
 * the process's allocator; where that has nothing, the reserve serves, and the thread is marked, so that the call that it
 * is in ends at its next check with a status (checkMemory in Swift) and gives the memory back.
 *
 * The reserve lies in the library's zero pages, which cost nothing until they are used. A host's own allocations never
 * come here. */

#include "CNNKitBoundary.h"
#include "boundary_internal.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *memory, size_t bytes);
int __real_posix_memalign(void **memory, size_t alignment, size_t bytes);
void *__real_aligned_alloc(size_t alignment, size_t bytes);
void __real_free(void *memory);
size_t __real_malloc_usable_size(void *memory);

/* ------------------------------------------------------------------------------------ blocks of the reserve */

/* Blocks lie one behind the other, each with a head; sizes count units of 16 bytes, the head included. */
enum { UNIT = 16, UNITS = (8 << 20) / UNIT };

typedef struct block {
    uint32_t size;
    uint32_t size_before; /* of the block in front; 0 for the first */
    uint32_t is_used;
    uint32_t unused;
} block;

static union {
    block head;
    unsigned char bytes[UNITS * UNIT];
} reserve __attribute__((aligned(4096)));

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t used_units;

static block *first_block(void) {
    if (reserve.head.size == 0) reserve.head.size = UNITS;
    return &reserve.head;
}

/* The block behind; NULL for the last. */
static block *behind(block *b) {
    block *const next = b + b->size;
    return (unsigned char *)next < reserve.bytes + sizeof reserve.bytes ? next : NULL;
}

/* Makes the first `size` units of a block one of its own, and returns the block of the others. */
static block *split(block *b, uint32_t size) {
    block *const rest = b + size;
    block *const after = behind(b);
    rest->size = b->size - size;
    rest->size_before = size;
    rest->is_used = 0;
    b->size = size;
    if (after) after->size_before = rest->size;
    return rest;
}

/* Makes a block and the one behind it one. */
static void join(block *b, const block *next) {
    b->size += next->size;
    block *const after = behind(b);
    if (after) after->size_before = b->size;
}

static void *take(size_t alignment, size_t bytes) {
    if (bytes > sizeof reserve.bytes || alignment > sizeof reserve.bytes) return NULL;
    const uint32_t size = 1 + (uint32_t)((bytes + UNIT - 1) / UNIT);
    void *memory = NULL;
    pthread_mutex_lock(&lock);
    for (block *b = first_block(); b; b = behind(b)) {
        /* Units in front of the block that its memory may begin on a multiple of the alignment. */
        const size_t misfit = alignment > UNIT ? (uintptr_t)(b + 1) & (alignment - 1) : 0;
        const uint32_t front = misfit ? (uint32_t)((alignment - misfit) / UNIT) : 0;
        if (b->is_used || b->size < front + size) continue;
        if (front) b = split(b, front);
        if (b->size > size) split(b, size);
        b->is_used = 1;
        used_units += b->size;
        memory = b + 1;
        break;
    }
    pthread_mutex_unlock(&lock);
    return memory;
}

static bool is_of_reserve(const void *memory) {
    return (uintptr_t)memory - (uintptr_t)reserve.bytes < sizeof reserve.bytes;
}

static size_t room_of(const void *memory) { return ((size_t)((const block *)memory - 1)->size - 1) * UNIT; }

static void give_back(void *memory) {
    block *b = (block *)memory - 1;
    pthread_mutex_lock(&lock);
    b->is_used = 0;
    used_units -= b->size;
    block *const next = behind(b);
    if (next && !next->is_used) join(b, next);
    if (b->size_before) {
        block *const before = b - b->size_before;
        if (!before->is_used) join(before, b);
    }
    pthread_mutex_unlock(&lock);
}

/* An allocation that failed: from the reserve, with the thread marked. Where that is empty too, the call is given up. */
static void *serve(size_t alignment, size_t bytes) {
    void *const memory = take(alignment, bytes);
    if (memory)
        *nnkit_platform_memory_failed() = true;
    else
        nnkit_boundary_give_up();
    return memory;
}

bool nnkit_reserve_is_low(void) { return __atomic_load_n(&used_units, __ATOMIC_RELAXED) > UNITS / 2; }

/* -------------------------------------------------------------------- what the library's code calls instead */

void *__wrap_malloc(size_t bytes) {
    void *const memory = __real_malloc(bytes);
    return __builtin_expect(memory != NULL, 1) ? memory : serve(UNIT, bytes);
}

void *__wrap_calloc(size_t count, size_t bytes) {
    void *memory = __real_calloc(count, bytes);
    size_t all;
    if (__builtin_expect(memory != NULL, 1)) return memory;
    if (__builtin_mul_overflow(count, bytes, &all)) all = SIZE_MAX;
    memory = serve(UNIT, all);
    return memory ? memset(memory, 0, all) : NULL;
}

int __wrap_posix_memalign(void **memory, size_t alignment, size_t bytes) {
    const int status = __real_posix_memalign(memory, alignment, bytes);
    if (__builtin_expect(status != ENOMEM, 1)) return status;
    void *const served = serve(alignment, bytes);
    if (!served) return ENOMEM;
    *memory = served;
    return 0;
}

void *__wrap_aligned_alloc(size_t alignment, size_t bytes) {
    void *const memory = __real_aligned_alloc(alignment, bytes);
    return __builtin_expect(memory != NULL, 1) ? memory : serve(alignment, bytes);
}

void __wrap_free(void *memory) {
    if (__builtin_expect(is_of_reserve(memory), 0))
        give_back(memory);
    else
        __real_free(memory);
}

size_t __wrap_malloc_usable_size(void *memory) {
    return is_of_reserve(memory) ? room_of(memory) : __real_malloc_usable_size(memory);
}

void *__wrap_realloc(void *memory, size_t bytes) {
    if (!memory) return __wrap_malloc(bytes);
    if (bytes == 0) bytes = 1;
    void *larger = is_of_reserve(memory) ? __real_malloc(bytes) : __real_realloc(memory, bytes);
    if (larger && !is_of_reserve(memory)) return larger;
    if (!larger) larger = serve(UNIT, bytes);
    if (!larger) return NULL;
    const size_t room = __wrap_malloc_usable_size(memory);
    memcpy(larger, memory, room < bytes ? room : bytes);
    __wrap_free(memory);
    return larger;
}

/* The C library's own strdup would return NULL. */
char *__wrap_strdup(const char *text) {
    const size_t bytes = strlen(text) + 1;
    char *const copy = (char *)__wrap_malloc(bytes);
    return copy ? (char *)memcpy(copy, text, bytes) : NULL;
}

/* operator new, with and without alignment, and the operators delete: of std::bad_alloc nothing here knows. */
void *__wrap__Znwm(size_t bytes) { return __wrap_malloc(bytes ? bytes : 1); }
void *__wrap__ZnwmSt11align_val_t(size_t bytes, size_t alignment) {
    void *memory = NULL;
    return __wrap_posix_memalign(&memory, alignment, bytes ? bytes : 1) == 0 ? memory : NULL;
}
void __wrap__ZdlPv(void *memory) { __wrap_free(memory); }
void __wrap__ZdlPvm(void *memory, size_t bytes) {
    (void)bytes;
    __wrap_free(memory);
}
void __wrap__ZdlPvmSt11align_val_t(void *memory, size_t bytes, size_t alignment) {
    (void)bytes, (void)alignment;
    __wrap_free(memory);
}
