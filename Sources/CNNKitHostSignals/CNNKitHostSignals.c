/* The Swift runtime in the shared library installs signal handlers when it is loaded, where the environment lets it
 * find its backtracer (SWIFT_ROOT, SWIFT_BACKTRACE). A host's signals are its own: the first constructor of the library
 * notes every handler, the last one puts those back that have changed. */

#include "CNNKitHostSignals.h"

#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What the kernel holds for a signal. The C library's sigaction would add a flag of its own to what it puts back. */
struct kernel_sigaction {
    void *handler;
    unsigned long flags;
    void *restorer;
    unsigned long mask;
};

enum { SIGNALS = 65 };

static struct kernel_sigaction before[SIGNALS];
static int known[SIGNALS];

static int exchange(int number, const struct kernel_sigaction *set, struct kernel_sigaction *get) {
    return (int)syscall(SYS_rt_sigaction, number, set, get, sizeof get->mask);
}

/* Runs before every constructor without a priority. */
__attribute__((constructor(101))) static void note_handlers(void) {
    for (int number = 1; number < SIGNALS; number++) known[number] = exchange(number, NULL, &before[number]) == 0;
}

static void restore_handlers(void) {
    for (int number = 1; number < SIGNALS; number++) {
        struct kernel_sigaction now;
        if (!known[number] || exchange(number, NULL, &now) != 0) continue;
        if (memcmp(&now, &before[number], sizeof now) != 0) exchange(number, &before[number], NULL);
    }
}

/* Constructors without a priority count as 65536: this one runs after them, whatever the order of linking. */
__attribute__((used, section(".init_array.65537"))) static void (*const last_constructor)(void) = restore_handlers;
