/* cancel.c: nnk_session_cancel ends the call that a session is in, and no other; nothing is written by what it ends.
 * argv[1]: the library. */
#include "nnkit_loader.h"

#include "check.h"
#include "networks.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>

enum { WIDTH = 192, BATCH = 192, STEPS = 40 };

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* A model of `layers` equal layers, each a step of the plan at least. */
static nnk_model *chain(const char *kind, const char *options, int layers, const int64_t *shape, int32_t rank) {
    nnk_graph *graph = nnk_graph_create();
    nnk_value value = nnk_graph_input(graph, "x", NNK_FLOAT32, shape, rank);
    nnk_model *model = NULL;
    while (layers--) value = nnk_graph_layer(graph, kind, options, value);
    nnk_graph_output(graph, "y", value);
    REQUIRE_OK(nnk_model_create(NULL, graph, NULL, &model));
    nnk_graph_destroy(graph);
    return model;
}

static float *numbers(size_t count) {
    float *memory = (float *)network_memory(count * sizeof(float));
    uint32_t state = 5;
    size_t i;
    for (i = 0; i < count; i++) memory[i] = network_random(&state) - 0.5f;
    return memory;
}

/* ------------------------------------------------------------------------------- a thread that cancels */

typedef struct canceller {
    nnk_session *session;
    unsigned pause; /* microseconds between two calls */
    int stop, failed;
    pthread_t thread;
} canceller;

static void *cancels(void *argument) {
    canceller *c = (canceller *)argument;
    unsigned turn = 0;
    while (!__atomic_load_n(&c->stop, __ATOMIC_SEQ_CST)) {
        c->failed += nnk_session_cancel(c->session) != NNK_OK;
        usleep(c->pause * (1 + turn++ % 8) / 4);
    }
    return NULL;
}

static void start(canceller *c, nnk_session *session, double seconds_of_a_call) {
    memset(c, 0, sizeof *c);
    c->session = session;
    c->pause = 1 + (unsigned)(seconds_of_a_call * 1e6);
    if (pthread_create(&c->thread, NULL, cancels, c) != 0) exit(3);
}

static void stop(canceller *c) {
    __atomic_store_n(&c->stop, 1, __ATOMIC_SEQ_CST);
    pthread_join(c->thread, NULL);
    CHECK(c->failed == 0);
}

/* ------------------------------------------------------------------------------------------------- runs */

static void runs_end_whole_or_without_a_trace(void) {
    const int64_t width[1] = {WIDTH};
    int64_t shape[2] = {BATCH, WIDTH};
    const size_t bytes = (size_t)BATCH * WIDTH * sizeof(float);
    nnk_model *model = chain("dense", "units=192 activation=tanh", 24, width, 1);
    nnk_session *session = NULL;
    float *x = numbers(BATCH * WIDTH), *expected = numbers(BATCH * WIDTH), *y = numbers(BATCH * WIDTH);
    float *untouched = numbers(BATCH * WIDTH);
    nnk_tensor input = nnk_tensor_view(x, NNK_FLOAT32, shape, 2), output = nnk_tensor_view(y, NNK_FLOAT32, shape, 2);
    int i, ended = 0, whole = 0;
    double began, whole_run = 1e9;
    canceller c;
    memset(untouched, 0xff, bytes);
    REQUIRE_OK(nnk_session_create(model, "max_batch=192", &session));
    for (i = 0; i < 5; i++) {
        began = seconds();
        REQUIRE_OK(nnk_session_run(session, &input, 1, &output, 1));
        if (seconds() - began < whole_run) whole_run = seconds() - began;
    }
    memcpy(expected, y, bytes);

    /* A call that begins later is not touched. */
    CHECK_OK(nnk_session_cancel(session));
    memset(y, 0, bytes);
    CHECK_OK(nnk_session_run(session, &input, 1, &output, 1));
    CHECK(memcmp(y, expected, bytes) == 0);

    start(&c, session, whole_run);
    for (i = 0; i < 10000 && (i < scaled(200, 20) || !ended || !whole); i++) {
        nnk_status status;
        memset(y, 0xff, bytes);
        status = nnk_session_run(session, &input, 1, &output, 1);
        if (status == NNK_OK) {
            whole++;
            CHECK(memcmp(y, expected, bytes) == 0);
        } else {
            ended++;
            CHECK(status == NNK_ERROR_CANCELLED);
            CHECK(memcmp(y, untouched, bytes) == 0);
            CHECK(strstr(nnk_last_error(), "cancelled") != NULL);
        }
    }
    stop(&c);
    CHECK(ended > 0 && whole > 0);
    CHECK_OK(nnk_session_run(session, &input, 1, &output, 1));
    CHECK(memcmp(y, expected, bytes) == 0);
    nnk_session_destroy(session);
    CHECK_STATUS(nnk_session_cancel(session), NNK_ERROR_INVALID_HANDLE);
    nnk_model_destroy(model);
    free(x), free(expected), free(y), free(untouched);
}

/* ---------------------------------------------------------------------------------------------- streams */

/* The outputs of all steps of one stream, [STEPS, WIDTH]; with a canceller, each step is tried until it succeeds. */
static int streamed(nnk_model *model, const float *x, float *y, int cancelled, double *seconds_of_a_step) {
    int64_t shape[2] = {1, WIDTH};
    nnk_session *session = NULL;
    nnk_stream *stream = NULL;
    int i, ended = 0;
    double began;
    canceller c;
    REQUIRE_OK(nnk_session_create(model, NULL, &session));
    REQUIRE_OK(nnk_stream_create(model, &stream));
    if (cancelled) start(&c, session, *seconds_of_a_step);
    began = seconds();
    for (i = 0; i < STEPS; i++) {
        nnk_tensor input = nnk_tensor_view((void *)(uintptr_t)(x + i * WIDTH), NNK_FLOAT32, shape, 2);
        nnk_tensor output = nnk_tensor_view(y + i * WIDTH, NNK_FLOAT32, shape, 2);
        nnk_status status;
        while ((status = nnk_streams_step(session, &stream, 1, &input, 1, &output, 1)) == NNK_ERROR_CANCELLED) ended++;
        REQUIRE_OK(status);
    }
    if (!cancelled) *seconds_of_a_step = (seconds() - began) / STEPS;
    if (cancelled) stop(&c);
    nnk_stream_destroy(stream);
    nnk_session_destroy(session);
    return ended;
}

static void streams_advance_only_with_whole_steps(void) {
    const int64_t shape[2] = {-1, WIDTH};
    nnk_model *model = chain("gru", "units=192 return_sequences=true", 5, shape, 2);
    float *x = numbers(STEPS * WIDTH), *expected = numbers(STEPS * WIDTH), *y = numbers(STEPS * WIDTH);
    double step = 0;
    int i, ended = 0;
    streamed(model, x, expected, 0, &step);
    for (i = 0; i < 1000 && !(i >= scaled(20, 3) && ended); i++) {
        memset(y, 0, STEPS * WIDTH * sizeof(float));
        ended += streamed(model, x, y, 1, &step);
        CHECK(memcmp(y, expected, STEPS * WIDTH * sizeof(float)) == 0);
    }
    CHECK(ended > 0);
    nnk_model_destroy(model);
    free(x), free(expected), free(y);
}

/* ---------------------------------------------------------------------------------------------- signals */

/* As the header says it: the handler posts a semaphore, and a thread that waits for that cancels. */
static sem_t alarms;
static nnk_session *present; /* the session of the latest round, or what was one */
static int stopped, cancelled, wrong;

static void handle_alarm(int number) {
    (void)number;
    sem_post(&alarms);
}

static void *cancels_at_alarms(void *argument) {
    (void)argument;
    while (sem_wait(&alarms) != 0 || !__atomic_load_n(&stopped, __ATOMIC_SEQ_CST)) {
        const nnk_status status = nnk_session_cancel(__atomic_load_n(&present, __ATOMIC_SEQ_CST));
        cancelled += status == NNK_OK;
        wrong += status != NNK_OK && status != NNK_ERROR_INVALID_HANDLE;
    }
    return NULL;
}

static void signals_may_come_at_any_time(void) {
    const int64_t width[1] = {WIDTH};
    int64_t shape[2] = {BATCH, WIDTH};
    const size_t bytes = (size_t)BATCH * WIDTH * sizeof(float);
    const struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    nnk_model *model = chain("dense", "units=192 activation=tanh", 4, width, 1);
    float *x = numbers(BATCH * WIDTH), *expected = numbers(BATCH * WIDTH), *y = numbers(BATCH * WIDTH);
    nnk_tensor input = nnk_tensor_view(x, NNK_FLOAT32, shape, 2), output = nnk_tensor_view(y, NNK_FLOAT32, shape, 2);
    struct sigaction action;
    pthread_t thread;
    double began;
    memset(&action, 0, sizeof action);
    action.sa_handler = handle_alarm;
    if (sem_init(&alarms, 0, 0) != 0 || sigaction(SIGALRM, &action, NULL) != 0) exit(3);
    REQUIRE_OK(nnk_session_create(model, "max_batch=192", &present));
    REQUIRE_OK(nnk_session_run(present, &input, 1, &output, 1));
    memcpy(expected, y, bytes);
    if (pthread_create(&thread, NULL, cancels_at_alarms, NULL) != 0) exit(3);
    setitimer(ITIMER_REAL, &often, NULL);
    for (began = seconds(); seconds() - began < scaled(3, 1);) {
        nnk_session *session = NULL;
        nnk_status status;
        REQUIRE_OK(nnk_session_create(model, "max_batch=192", &session));
        nnk_session_destroy(__atomic_exchange_n(&present, session, __ATOMIC_SEQ_CST));
        status = nnk_session_run(session, &input, 1, &output, 1);
        CHECK(status == NNK_OK || status == NNK_ERROR_CANCELLED);
        if (status == NNK_OK) CHECK(memcmp(y, expected, bytes) == 0);
    }
    setitimer(ITIMER_REAL, &never, NULL);
    __atomic_store_n(&stopped, 1, __ATOMIC_SEQ_CST);
    sem_post(&alarms);
    pthread_join(thread, NULL);
    CHECK(cancelled > 0 && wrong == 0);
    sem_destroy(&alarms);
    nnk_session_destroy(present);
    nnk_model_destroy(model);
    free(x), free(expected), free(y);
}

int main(int argc, char **argv) {
    nnkit_load(argc > 1 ? argv[1] : "libnnkit.so");
    runs_end_whole_or_without_a_trace();
    streams_advance_only_with_whole_steps();
    signals_may_come_at_any_time();
    return check_summary();
}
