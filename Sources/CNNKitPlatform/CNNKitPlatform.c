#include "CNNKitPlatform.h"

nnkit_platform_pool_registry nnkit_platform_pool_registry_storage = {PTHREAD_MUTEX_INITIALIZER, NULL, false};

NNKIT_PLATFORM_THREAD_LOCAL bool nnkit_platform_memory_failed_storage;

static pthread_mutex_t global_lock = PTHREAD_MUTEX_INITIALIZER;
static NNKIT_PLATFORM_THREAD_LOCAL bool holds_global_lock;

void nnkit_platform_lock_global(void) {
    pthread_mutex_lock(&global_lock);
    holds_global_lock = true;
}

void nnkit_platform_unlock_global(void) {
    holds_global_lock = false;
    pthread_mutex_unlock(&global_lock);
}

void nnkit_platform_unlock_global_if_held(void) {
    if (holds_global_lock) nnkit_platform_unlock_global();
}

static void (*fork_hooks[3])(void);

void nnkit_platform_set_fork_hooks(void (*before)(void), void (*in_parent)(void), void (*in_child)(void)) {
    fork_hooks[0] = before, fork_hooks[1] = in_parent, fork_hooks[2] = in_child;
}

static void before_fork(void) {
    nnkit_platform_lock_global();
    if (fork_hooks[0]) fork_hooks[0]();
}

static void in_parent(void) {
    if (fork_hooks[1]) fork_hooks[1]();
    nnkit_platform_unlock_global();
}

uint32_t nnkit_platform_fork_generation_storage = 1;

static void in_child(void) {
    nnkit_platform_fork_generation_storage++;
    if (fork_hooks[2]) fork_hooks[2]();
    nnkit_platform_unlock_global();
}

/* A fork waits for the lock, so that a child never inherits it locked. */
__attribute__((constructor)) static void register_fork_handlers(void) {
    pthread_atfork(before_fork, in_parent, in_child);
}
