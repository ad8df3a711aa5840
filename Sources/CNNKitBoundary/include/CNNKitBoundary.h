/* What surrounds every call that a host makes into the shared library, and every call that the library makes back:
 * floating-point environment, cancellation, non-local exits, and a way out when all memory is gone. Internal to NNKit.
 */
#ifndef CNNKIT_BOUNDARY_H
#define CNNKIT_BOUNDARY_H

#include "CNNKitPlatform.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma clang assume_nonnull begin

/* One call of the host, on its stack. */
typedef struct nnkit_boundary_frame {
    void *_Nullable way_out[8];                   /* what setjmp would keep; the first member */
    nnkit_platform_float_environment environment; /* the host's */
    int cancellation;                             /* the host's */
    bool failed_outside;
    struct nnkit_boundary_frame *_Nullable outer;
} nnkit_boundary_frame;

/* Begins a call of the host: it runs in the default floating-point environment, with cancellation put off. True where it
 * may go on, and then nnkit_boundary_end ends it.
 *
 * False where the library is closed. RETURNS FALSE A SECOND TIME, the call being ended, where memory was needed in a
 * place that cannot report it, and the reserve was empty (see Reserve.c); from then on the library is closed: it refuses
 * every call of the process. So the function that calls this uses nothing but constants behind `false`. */
bool nnkit_boundary_begin(nnkit_boundary_frame *frame);

/* Gives the host's floating-point environment and cancellation back. */
void nnkit_boundary_end(nnkit_boundary_frame *frame);

/* How a callback of the host ended: it returned `answer`, or threw a C++ (or other foreign) exception, which was caught
 * and said `what`. */
typedef struct nnkit_callback_outcome {
    int answer;
    bool threw;
    char what[256];
} nnkit_callback_outcome;

/* What to do where a callback never returns, because it uses longjmp or pthread_exit: `abandon(object)` frees what the
 * call had locked. */
typedef struct nnkit_callback_exit {
    void (*abandon)(void *_Nullable object);
    void *_Nullable object;
} nnkit_callback_exit;

/* Call the host back with the floating-point environment that is its own, and take over the one that it leaves.
 * Cancellation stays put off. Only inside of a call of the host. */
nnkit_callback_outcome nnkit_boundary_report(int (*callback)(const void *progress, void *_Nullable user),
                                             const void *progress, void *_Nullable user, nnkit_callback_exit on_exit);
nnkit_callback_outcome
nnkit_boundary_write(int (*callback)(const void *_Nullable bytes, int64_t count, void *_Nullable user),
                     const void *_Nullable bytes, int64_t count, void *_Nullable user, nnkit_callback_exit on_exit);

/* Texts that a thread keeps until it sets them again or ends. */
typedef enum nnkit_text { nnkit_text_last_error, nnkit_text_runtime_info, nnkit_text_model_info } nnkit_text;

/* Keeps a copy of `bytes` bytes and a zero. NULL, and the old text stays, where memory cannot be had. */
const char *_Nullable nnkit_boundary_set_text(nnkit_text which, const char *text, size_t bytes);

/* The text; NULL where none was set. */
const char *_Nullable nnkit_boundary_text(nnkit_text which);

/* Whether so much of the memory for failed allocations is in use that no call should begin that needs any. */
bool nnkit_reserve_is_low(void);

/* NNK_VERSION_MAJOR.MINOR.PATCH of nnkit.h. */
const char *nnkit_boundary_version(void);

#pragma clang assume_nonnull end

#ifdef __cplusplus
}
#endif

#endif
