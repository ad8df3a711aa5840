#include "CNNKitPlatform.h"

NNKIT_PLATFORM_THREAD_LOCAL bool nnkit_platform_memory_failed_storage;

/* ------------------------------------------------------------------------------------------- the gate of forks */

/* The threads inside, and whether a fork is under way. */
static uint32_t gate;
enum { CLOSED = 1u << 31 };

/* Only the first time that a thread enters counts in the gate. */
NNKIT_PLATFORM_THREAD_LOCAL uint32_t nnkit_platform_times_inside_storage;
#define times_inside nnkit_platform_times_inside_storage

bool nnkit_platform_fork_gate_try_enter(void) {
    uint32_t old = __atomic_load_n(&gate, __ATOMIC_RELAXED);
    while (times_inside == 0) {
        if (old & CLOSED) return false;
        if (__atomic_compare_exchange_n(&gate, &old, old + 1, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) break;
    }
    times_inside++;
    return true;
}

void nnkit_platform_fork_gate_await_open(void) {
    uint32_t old;
    while ((old = __atomic_load_n(&gate, __ATOMIC_RELAXED)) & CLOSED) nnkit_platform_futex_wait(&gate, old);
}

void nnkit_platform_fork_gate_enter(void) {
    while (!nnkit_platform_fork_gate_try_enter()) nnkit_platform_fork_gate_await_open();
}

static void leave_gate(void) {
    if (__atomic_sub_fetch(&gate, 1, __ATOMIC_RELEASE) == (uint32_t)CLOSED) nnkit_platform_futex_wake_all(&gate);
}

void nnkit_platform_fork_gate_leave(void) {
    if (--times_inside == 0) leave_gate();
}

void nnkit_platform_fork_gate_leave_altogether(void) {
    if (times_inside == 0) return;
    times_inside = 0;
    leave_gate();
}

static void (*child_hooks[2])(void);

void nnkit_platform_set_child_hook(nnkit_platform_child_hook which, void (*hook)(void)) {
    __atomic_store_n(&child_hooks[which], hook, __ATOMIC_RELEASE);
}

/* A thread that forks while it is inside waits for the others as one who has left, and is inside again afterwards. In
 * between it counts as inside: whatever else the process does at a fork may call the library. */
static void before_fork(void) {
    uint32_t old;
    if (times_inside++ > 0) leave_gate();
    do {
        nnkit_platform_fork_gate_await_open();
        old = __atomic_load_n(&gate, __ATOMIC_RELAXED) & ~(uint32_t)CLOSED;
    } while (!__atomic_compare_exchange_n(&gate, &old, old | CLOSED, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
    while ((old = __atomic_load_n(&gate, __ATOMIC_ACQUIRE)) != (uint32_t)CLOSED) nnkit_platform_futex_wait(&gate, old);
}

static void open_gate(void) {
    __atomic_store_n(&gate, --times_inside > 0, __ATOMIC_RELEASE);
    nnkit_platform_futex_wake_all(&gate);
}

uint32_t nnkit_platform_fork_generation_storage = 1;

static void in_child(void) {
    nnkit_platform_fork_generation_storage++;
    for (int i = 0; i < 2; i++)
        if (child_hooks[i]) child_hooks[i]();
    open_gate();
}

__attribute__((constructor)) static void register_fork_handlers(void) {
    pthread_atfork(before_fork, open_gate, in_child);
}

/* ------------------------------------------------------------------------------------------------------- locks */

int nnkit_platform_lock(pthread_mutex_t *mutex) {
    nnkit_platform_fork_gate_enter();
    const int status = nnkit_platform_lock_beside_gate(mutex);
    if (status != 0) nnkit_platform_fork_gate_leave();
    return status;
}

int nnkit_platform_unlock(pthread_mutex_t *mutex) {
    const int status = nnkit_platform_unlock_beside_gate(mutex);
    if (status == 0) nnkit_platform_fork_gate_leave();
    return status;
}

nnkit_platform_pool_registry nnkit_platform_pool_registry_storage = {PTHREAD_MUTEX_INITIALIZER, NULL};

static pthread_mutex_t global_lock = PTHREAD_MUTEX_INITIALIZER;
static NNKIT_PLATFORM_THREAD_LOCAL bool holds_global_lock;

void nnkit_platform_lock_global(void) {
    nnkit_platform_lock(&global_lock);
    holds_global_lock = true;
}

void nnkit_platform_unlock_global(void) {
    holds_global_lock = false;
    nnkit_platform_unlock(&global_lock);
}

void nnkit_platform_unlock_global_if_held(void) {
    if (holds_global_lock) nnkit_platform_unlock_global();
}
