#include "CNNKitPlatform.h"

nnkit_platform_pool_registry nnkit_platform_pool_registry_storage = {PTHREAD_MUTEX_INITIALIZER, NULL, false};
