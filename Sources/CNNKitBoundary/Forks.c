/* Locks of the shared library's code, the Swift runtime's among them, keep a fork waiting. The runtime locks while it
 * makes a type's metadata, looks for a conformance or makes a global: a child that met one of these locked would wait
 * for ever. So the shared library is linked such that every lock of its code comes here (--wrap of the linker); a global
 * that is made already does not. */

#include "CNNKitBoundary.h"

#include <pthread.h>

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex) { return nnkit_platform_lock(mutex); }
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex) { return nnkit_platform_unlock(mutex); }

/* swift::threading_impl::once_slow: what of swift_once is left where the global is not made yet. */
#define ONCE_SLOW(prefix) prefix##_ZN5swift14threading_impl9once_slowERNS0_6once_tEPFvPvES3_
void ONCE_SLOW(__real_)(void *predicate, void (*make)(void *), void *context);

void ONCE_SLOW(__wrap_)(void *predicate, void (*make)(void *), void *context) {
    nnkit_platform_fork_gate_enter();
    ONCE_SLOW(__real_)(predicate, make, context);
    nnkit_platform_fork_gate_leave();
}

/* The same of C++: who is told to make the variable says when it is made. */
int __real___cxa_guard_acquire(uint64_t *guard);
void __real___cxa_guard_release(uint64_t *guard);

int __wrap___cxa_guard_acquire(uint64_t *guard) {
    nnkit_platform_fork_gate_enter();
    const int makes_it = __real___cxa_guard_acquire(guard);
    if (!makes_it) nnkit_platform_fork_gate_leave();
    return makes_it;
}

void __wrap___cxa_guard_release(uint64_t *guard) {
    __real___cxa_guard_release(guard);
    nnkit_platform_fork_gate_leave();
}
