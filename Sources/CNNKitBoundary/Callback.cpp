/* Calls of the host's own code, which may leave by every way that C and C++ have. */

#include "CNNKitBoundary.h"

#include "boundary_internal.h"

#include <cstdio>
#include <cxxabi.h>
#include <exception>
#include <pthread.h>

/* The C library runs such a handler when a longjmp or the unwinding of pthread_exit takes its frame away. <pthread.h>
 * declares the structure only. */
extern "C" void _pthread_cleanup_push(struct _pthread_cleanup_buffer *buffer, void (*routine)(void *), void *argument);
extern "C" void _pthread_cleanup_pop(struct _pthread_cleanup_buffer *buffer, int execute);

namespace {

struct Departure {
    nnkit_boundary_frame *frame;
    nnkit_callback_exit on_exit;
};

/* The host has left the call and goes on, or ends the thread, with its own floating-point environment. */
void left_without_return(void *argument) {
    const Departure &departure = *static_cast<Departure *>(argument);
    departure.on_exit.abandon(departure.on_exit.object);
    nnkit_boundary_forget(departure.frame);
}

template <typename Callback> nnkit_callback_outcome call_back(nnkit_callback_exit on_exit, Callback callback) {
    nnkit_boundary_frame *const frame = nnkit_boundary_current();
    Departure departure = {frame, on_exit};
    struct _pthread_cleanup_buffer buffer;
    nnkit_callback_outcome outcome = {};
    nnkit_platform_float_environment_set(frame->environment);
    _pthread_cleanup_push(&buffer, left_without_return, &departure);
    try {
        outcome.answer = callback();
    } catch (abi::__forced_unwind &) { // pthread_exit
        throw;
    } catch (const std::exception &exception) {
        outcome.threw = true;
        std::snprintf(outcome.what, sizeof outcome.what, "%s", exception.what());
    } catch (...) {
        outcome.threw = true;
        std::snprintf(outcome.what, sizeof outcome.what, "not a std::exception");
    }
    _pthread_cleanup_pop(&buffer, 0);
    frame->environment = nnkit_platform_float_environment_get();
    nnkit_platform_float_environment_set(nnkit_platform_float_environment_default());
    return outcome;
}

} // namespace

nnkit_callback_outcome nnkit_boundary_report(int (*callback)(const void *progress, void *user), const void *progress,
                                             void *user, nnkit_callback_exit on_exit) {
    return call_back(on_exit, [=] { return callback(progress, user); });
}

nnkit_callback_outcome nnkit_boundary_write(int (*callback)(const void *bytes, int64_t count, void *user),
                                            const void *bytes, int64_t count, void *user, nnkit_callback_exit on_exit) {
    return call_back(on_exit, [=] { return callback(bytes, count, user); });
}
