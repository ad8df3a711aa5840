/* What Swift cannot spell: processor features, the pause instruction, the floating-point environment, variadic
 * system calls, and locks that exist before any code runs. Internal to NNKit; x86-64 Linux. */
#ifndef CNNKIT_PLATFORM_H
#define CNNKIT_PLATFORM_H

#if !defined(__x86_64__) || !defined(__linux__)
#error "NNKit supports x86-64 Linux only."
#endif

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#pragma clang assume_nonnull begin

/* ------------------------------------------------------------------------------------ processor features */

typedef struct nnkit_platform_cpuid_result {
    uint32_t eax, ebx, ecx, edx;
} nnkit_platform_cpuid_result;

/* The processor's answer for one leaf (from 0, 0x40000000 or 0x80000000 on); all zero for one that it lacks. */
static inline nnkit_platform_cpuid_result nnkit_platform_cpuid(uint32_t leaf, uint32_t subleaf) {
    nnkit_platform_cpuid_result highest, result = {0, 0, 0, 0};
    __asm__ volatile("cpuid"
                     : "=a"(highest.eax), "=b"(highest.ebx), "=c"(highest.ecx), "=d"(highest.edx)
                     : "a"(leaf & 0xc0000000u), "c"(0));
    if (leaf > highest.eax) return result;
    __asm__ volatile("cpuid"
                     : "=a"(result.eax), "=b"(result.ebx), "=c"(result.ecx), "=d"(result.edx)
                     : "a"(leaf), "c"(subleaf));
    return result;
}

/* Which register files the operating system saves at a context switch (XCR0); 0 where it says nothing. */
static inline uint64_t nnkit_platform_saved_registers(void) {
    uint32_t low, high;
    if (!(nnkit_platform_cpuid(1, 0).ecx & (1u << 27))) return 0; /* OSXSAVE: xgetbv may be executed */
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

/* Whether x86-64-v3 code runs here: AVX2, FMA, BMI1, BMI2, F16C, LZCNT, MOVBE, all of v2, and an operating
 * system that saves the 256-bit registers. Source: System V ABI, AMD64 supplement, micro-architecture levels. */
static inline bool nnkit_platform_supports_v3(void) {
    const uint32_t v2_leaf1_ecx = 1u << 0 | 1u << 9 | 1u << 13 | 1u << 19 | 1u << 20 | 1u << 23;
    const uint32_t v3_leaf1_ecx = 1u << 12 | 1u << 22 | 1u << 28 | 1u << 29; /* FMA, MOVBE, AVX, F16C */
    const uint32_t v3_leaf7_ebx = 1u << 3 | 1u << 5 | 1u << 8;               /* BMI1, AVX2, BMI2 */
    const uint32_t v3_extended_ecx = 1u << 0 | 1u << 5;                      /* LAHF, LZCNT */
    const uint64_t saved_registers = 1u << 1 | 1u << 2;                      /* SSE, AVX */
    const uint32_t leaf1_ecx = v2_leaf1_ecx | v3_leaf1_ecx;
    return (nnkit_platform_cpuid(1, 0).ecx & leaf1_ecx) == leaf1_ecx &&
           (nnkit_platform_cpuid(7, 0).ebx & v3_leaf7_ebx) == v3_leaf7_ebx &&
           (nnkit_platform_cpuid(0x80000001u, 0).ecx & v3_extended_ecx) == v3_extended_ecx &&
           (nnkit_platform_saved_registers() & saved_registers) == saved_registers;
}

/* Whether x86-64-v4 code runs here: v3, AVX512F, DQ, CD, BW, VL, and an operating system that saves the
 * 512-bit and the mask registers. */
static inline bool nnkit_platform_supports_v4(void) {
    const uint32_t v4_leaf7_ebx = 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31;
    const uint64_t saved_registers = 1u << 1 | 1u << 2 | 1u << 5 | 1u << 6 | 1u << 7;
    return nnkit_platform_supports_v3() && (nnkit_platform_cpuid(7, 0).ebx & v4_leaf7_ebx) == v4_leaf7_ebx &&
           (nnkit_platform_saved_registers() & saved_registers) == saved_registers;
}

/* Whether the processor adds vectors in other units than it multiplies them in, at the same time: AMD's do, from Zen on.
 * Source: Software Optimization Guide for the AMD Zen4 Microarchitecture, floating-point unit. */
static inline bool nnkit_platform_adds_beside_multiplying(void) {
    const nnkit_platform_cpuid_result vendor = nnkit_platform_cpuid(0, 0);
    return vendor.ebx == 0x68747541 && vendor.edx == 0x69746e65 && vendor.ecx == 0x444d4163; /* AuthenticAMD */
}

/* What the compiler's own run-time library says of the same two levels: a second opinion for the tests. */
static inline bool nnkit_platform_compiler_supports_v3(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("x86-64-v3");
}
static inline bool nnkit_platform_compiler_supports_v4(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("x86-64-v4");
}

/* Tells the processor that this is a spin loop. */
static inline void nnkit_platform_pause(void) { __builtin_ia32_pause(); }

/* ---------------------------------------------------------------------------- floating-point environment */

typedef struct nnkit_platform_float_environment {
    uint32_t mxcsr;
    uint16_t x87_control;
    bool has_x87;    /* whether `x87` is filled */
    uint8_t x87[28]; /* all of the x87 environment, where the control word was not the default */
} nnkit_platform_float_environment;

enum { nnkit_platform_default_mxcsr = 0x1f80, nnkit_platform_default_x87_control = 0x037f };

/* The calling thread's. Where the x87 control word is not the default, exceptions of the x87 are masked afterwards: one
 * that the thread has pending comes when it makes the environment its own again. So this is always followed by a set. */
static inline nnkit_platform_float_environment nnkit_platform_float_environment_get(void) {
    nnkit_platform_float_environment environment;
    environment.mxcsr = __builtin_ia32_stmxcsr();
    __asm__ volatile("fnstcw %0" : "=m"(environment.x87_control));
    environment.has_x87 = environment.x87_control != nnkit_platform_default_x87_control;
    if (environment.has_x87) __asm__ volatile("fnstenv %0" : "=m"(environment.x87));
    return environment;
}

/* Makes `environment` the calling thread's, the sticky exception flags included. */
static inline void nnkit_platform_float_environment_set(nnkit_platform_float_environment environment) {
    uint16_t x87_control;
    __builtin_ia32_ldmxcsr(environment.mxcsr);
    if (environment.has_x87) {
        __asm__ volatile("fldenv %0" : : "m"(environment.x87));
        return;
    }
    __asm__ volatile("fnstcw %0" : "=m"(x87_control));
    if (x87_control != environment.x87_control) __asm__ volatile("fldcw %0" : : "m"(environment.x87_control));
}

/* Round to nearest, no flush to zero, no denormals as zero, every exception masked. */
static inline nnkit_platform_float_environment nnkit_platform_float_environment_default(void) {
    const nnkit_platform_float_environment environment = {
        nnkit_platform_default_mxcsr, nnkit_platform_default_x87_control, false, {0}};
    return environment;
}

/* Whether nothing but sticky flags differs from the default. */
static inline bool nnkit_platform_float_environment_is_default(nnkit_platform_float_environment environment) {
    return (environment.mxcsr & ~0x3fu) == nnkit_platform_default_mxcsr &&
           environment.x87_control == nnkit_platform_default_x87_control;
}

/* --------------------------------------------------------------------------------- processes and threads */

/* How many processors the calling thread's affinity mask allows, up to 65,536; 0 if the kernel does not say.
 * The raw call, because the C library's needs a mask of the kernel's size, which nothing tells. */
static inline int nnkit_platform_affinity_count(void) {
    uint64_t mask[1024];
    const long bytes = syscall(SYS_sched_getaffinity, 0, sizeof mask, mask);
    int count = 0;
    for (long i = 0; i < bytes / 8; i++) count += __builtin_popcountll(mask[i]);
    return count;
}

/* Takes all processors but one from the calling thread's affinity mask; whether that was possible. For tests. */
static inline bool nnkit_platform_keep_one_processor(void) {
    uint64_t mask[1024];
    const long bytes = syscall(SYS_sched_getaffinity, 0, sizeof mask, mask);
    bool is_kept = false;
    for (long i = 0; i < bytes / 8; i++) {
        mask[i] = is_kept ? 0 : mask[i] & -mask[i];
        is_kept |= mask[i] != 0;
    }
    return is_kept && syscall(SYS_sched_setaffinity, 0, bytes, mask) == 0;
}

/* Names the calling thread; the kernel keeps the first 15 bytes. */
static inline void nnkit_platform_set_thread_name(const char *name) { prctl(PR_SET_NAME, name, 0, 0, 0); }

/* Writes the calling thread's name, zero-terminated, to 16 bytes. */
static inline void nnkit_platform_get_thread_name(char *name) { prctl(PR_GET_NAME, name, 0, 0, 0); }

/* Blocks until the word is woken, unless it is not `expected` any more; may return for no reason. errno stays. */
static inline void nnkit_platform_futex_wait(const void *word, uint32_t expected) {
    const int number = errno;
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
    errno = number;
}

/* Wakes every thread that blocks on the word. errno stays. */
static inline void nnkit_platform_futex_wake_all(const void *word) {
    const int number = errno;
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
    errno = number;
}

/* A number that no other process has: random or, where the kernel gives no such thing, the time. */
static inline uint64_t nnkit_platform_random_number(void) {
    uint64_t number = 0;
    struct timespec time;
    if (getrandom(&number, sizeof number, 0) == sizeof number) return number;
    clock_gettime(CLOCK_REALTIME, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* O_PATH of <fcntl.h>: a folder's place without its list. */
enum { nnkit_platform_o_path = 010000000 };

/* Another number in a forked child than in its parent, from 1 on: what a thread of the parent had taken, which the child
 * does not have, is nobody's there. */
extern uint32_t nnkit_platform_fork_generation_storage;
static inline uint32_t nnkit_platform_fork_generation(void) { return nnkit_platform_fork_generation_storage; }

/* fork(), which Swift hides: for the tests of what a child may do. */
static inline pid_t nnkit_platform_fork(void) { return fork(); }

/* Thread-local variables of the shared library have their place from the thread's start: reaching them, or any other
 * thread-local variable of the library, allocates nothing. */
#define NNKIT_PLATFORM_THREAD_LOCAL __thread __attribute__((tls_model("initial-exec")))

/* The gate of forks. A child has the calling thread alone: a lock that another thread holds at the fork would stay locked
 * there for ever, and what it guards half done. So whoever takes a lock enters the gate first and leaves it behind the
 * lock's release; a fork closes the gate and waits until nobody is inside. A thread that is inside may enter again. Between
 * the two it must not call code of the host, nor wait for a thread outside: who works for it joins it.
 *
 * In the shared library, all locks of the Swift runtime do so too (CNNKitBoundary/Forks.c). */
void nnkit_platform_fork_gate_enter(void);
void nnkit_platform_fork_gate_leave(void);
/* False, at once, where a fork is under way. */
bool nnkit_platform_fork_gate_try_enter(void);
/* Returns when no fork is under way; the next may have begun. */
void nnkit_platform_fork_gate_await_open(void);
/* However often the calling thread has entered. */
void nnkit_platform_fork_gate_leave_altogether(void);

/* How often the calling thread has entered and not left. */
extern NNKIT_PLATFORM_THREAD_LOCAL uint32_t nnkit_platform_times_inside_storage;
static inline bool nnkit_platform_is_inside_fork_gate(void) { return nnkit_platform_times_inside_storage > 0; }
/* For a thread that works for one that is inside and waits for it: it may enter, however the gate stands. */
static inline void nnkit_platform_fork_gate_join(void) { nnkit_platform_times_inside_storage++; }
static inline void nnkit_platform_fork_gate_part(void) { nnkit_platform_times_inside_storage--; }

/* What a child does, with the gate closed, before anything else. */
typedef enum nnkit_platform_child_hook {
    nnkit_platform_child_hook_pools,
    nnkit_platform_child_hook_parameters
} nnkit_platform_child_hook;
void nnkit_platform_set_child_hook(nnkit_platform_child_hook which, void (*hook)(void));

/* pthread_mutex_lock and pthread_mutex_unlock without the gate: for a lock that a child makes anew. */
extern int __real_pthread_mutex_lock(pthread_mutex_t *mutex) __attribute__((weak));
extern int __real_pthread_mutex_unlock(pthread_mutex_t *mutex) __attribute__((weak));
static inline int nnkit_platform_lock_beside_gate(pthread_mutex_t *mutex) {
    return (__real_pthread_mutex_lock ? __real_pthread_mutex_lock : pthread_mutex_lock)(mutex);
}
static inline int nnkit_platform_unlock_beside_gate(pthread_mutex_t *mutex) {
    return (__real_pthread_mutex_unlock ? __real_pthread_mutex_unlock : pthread_mutex_unlock)(mutex);
}

/* The same with the gate. */
int nnkit_platform_lock(pthread_mutex_t *mutex);
int nnkit_platform_unlock(pthread_mutex_t *mutex);

/* The head of the list of thread pools that a fork's child walks. It is constant-initialised, so a fork can
 * never meet it half made, as it could a lazily made Swift global. */
typedef struct nnkit_platform_pool_registry {
    pthread_mutex_t mutex;
    void *_Nullable first;
} nnkit_platform_pool_registry;

extern nnkit_platform_pool_registry nnkit_platform_pool_registry_storage;

static inline nnkit_platform_pool_registry *nnkit_platform_pools(void) { return &nnkit_platform_pool_registry_storage; }

static inline void nnkit_platform_lock_pools(void) { nnkit_platform_lock(&nnkit_platform_pool_registry_storage.mutex); }

static inline void nnkit_platform_unlock_pools(void) {
    nnkit_platform_unlock(&nnkit_platform_pool_registry_storage.mutex);
}

/* The library's one lock, constant-initialised too. It is never held where code of the host runs. */
void nnkit_platform_lock_global(void);
void nnkit_platform_unlock_global(void);
/* Where the calling thread holds it. */
void nnkit_platform_unlock_global_if_held(void);

/* ---------------------------------------------------------------------------------------- memory that is gone */

extern NNKIT_PLATFORM_THREAD_LOCAL bool nnkit_platform_memory_failed_storage;

/* Whether an allocation of the thread's present call failed and was served from the reserve. Only the shared library
 * has a reserve; elsewhere this stays false. */
static inline bool *nnkit_platform_memory_failed(void) { return &nnkit_platform_memory_failed_storage; }

#pragma clang assume_nonnull end

#endif
