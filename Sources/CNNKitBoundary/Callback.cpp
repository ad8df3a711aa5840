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
    void (*abandon)(void *object);
    void *object;
};

/* The host has left the call and goes on, or ends the thread, with its own floating-point environment. */
void left_without_return(void *argument) {
    const Departure &departure = *static_cast<Departure *>(argument);
    departure.abandon(departure.object);
    nnkit_boundary_forget(departure.frame);
}

} // namespace

nnkit_callback_end nnkit_boundary_call_back(int (*callback)(const void *argument, void *user), const void *argument,
                                            void *user, int *answer, char *what, size_t what_bytes,
                                            void (*abandon)(void *object), void *object) {
    nnkit_boundary_frame *const frame = nnkit_boundary_current();
    Departure departure = {frame, abandon, object};
    struct _pthread_cleanup_buffer buffer;
    nnkit_callback_end end = nnkit_callback_returned;
    nnkit_platform_float_environment_set(frame->environment);
    _pthread_cleanup_push(&buffer, left_without_return, &departure);
    try {
        *answer = callback(argument, user);
    } catch (abi::__forced_unwind &) { // pthread_exit
        throw;
    } catch (const std::exception &exception) {
        end = nnkit_callback_threw;
        std::snprintf(what, what_bytes, "%s", exception.what());
    } catch (...) {
        end = nnkit_callback_threw;
        std::snprintf(what, what_bytes, "no std::exception");
    }
    _pthread_cleanup_pop(&buffer, 0);
    frame->environment = nnkit_platform_float_environment_get();
    nnkit_platform_float_environment_set(nnkit_platform_float_environment_default());
    return end;
}
