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

/* A fork waits for the lock, so that a child never inherits it locked. */
__attribute__((constructor)) static void register_fork_handlers(void) {
    pthread_atfork(nnkit_platform_lock_global, nnkit_platform_unlock_global, nnkit_platform_unlock_global);
}
