/* streams.c: recurrent models step by step: the numbers of a whole run, every error, threads and fork.
 * argv[1]: the library. */
#include "nnkit_loader.h"

#include "check.h"
#include "networks.h"

#include <pthread.h>

enum { STREAMS = 6, UNITS = NETWORK_CLASSES };

/* A recurrent network with a session, streams, and room for one step of all of them. */
typedef struct fixture {
    network *net; /* tokens [T] and lengths [] */
    nnk_session *session;
    nnk_stream *streams[STREAMS];
    int32_t tokens[STREAMS], lengths[STREAMS];
    float output[STREAMS * UNITS];
    int64_t rows[1], output_shape[2];
    nnk_tensor inputs[2], outputs[1];
} fixture;

/* For `n` streams. */
static void set_rows(fixture *f, int64_t n) { f->rows[0] = f->output_shape[0] = n; }

static fixture *fixture_create(nnk_runtime *runtime) {
    fixture *f = (fixture *)network_memory(sizeof *f);
    int i;
    f->net = network_create(NETWORK_LSTM, runtime, STREAMS);
    f->session = network_session(f->net);
    for (i = 0; i < STREAMS; i++) {
        REQUIRE_OK(nnk_stream_create(f->net->model, &f->streams[i]));
        f->lengths[i] = 1;
    }
    set_rows(f, STREAMS);
    f->output_shape[1] = UNITS;
    f->inputs[0] = nnk_tensor_view(f->tokens, NNK_INT32, f->rows, 1);
    f->inputs[1] = nnk_tensor_view(f->lengths, NNK_INT32, f->rows, 1);
    f->outputs[0] = nnk_tensor_view(f->output, NNK_FLOAT32, f->output_shape, 2);
    return f;
}

static void fixture_destroy(fixture *f) {
    int i;
    nnk_session_destroy(f->session);
    for (i = 0; i < STREAMS; i++) nnk_stream_destroy(f->streams[i]);
    network_destroy(f->net);
    free(f);
}

static nnk_status step(fixture *f, int32_t n) {
    set_rows(f, n);
    return nnk_streams_step(f->session, f->streams, n, f->inputs, 2, f->outputs, 1);
}

/* Puts the tokens of time step `t` where the next step reads them. */
static void load(fixture *f, int t) {
    int i;
    for (i = 0; i < STREAMS; i++) f->tokens[i] = ((int32_t *)f->net->memory[0])[i * NETWORK_STEPS + t];
}

/* The outputs of a run over the whole sequences. */
static void run_whole(fixture *f, float *expected) {
    int i;
    for (i = 0; i < STREAMS; i++) ((int32_t *)f->net->memory[1])[i] = NETWORK_STEPS;
    REQUIRE_OK(network_run(f->net, f->session));
    memcpy(expected, f->net->output, sizeof f->output);
}

/* Whether all steps, `at_once` streams a call, end with `expected`. */
static int steps_give(fixture *f, int at_once, const float *expected) {
    nnk_stream *all[STREAMS];
    float result[STREAMS * UNITS];
    int t, first;
    memcpy(all, f->streams, sizeof all);
    for (t = 0; t < NETWORK_STEPS; t++) {
        for (first = 0; first < STREAMS; first += at_once) {
            load(f, t);
            memmove(f->tokens, f->tokens + first, (size_t)at_once * sizeof f->tokens[0]);
            memcpy(f->streams, all + first, (size_t)at_once * sizeof all[0]);
            if (!CHECK_OK(step(f, at_once))) return 0;
            memcpy(result + first * UNITS, f->output, (size_t)at_once * UNITS * sizeof(float));
        }
        memcpy(f->streams, all, sizeof all);
    }
    return memcmp(result, expected, sizeof result) == 0;
}

static void reset_all(fixture *f) {
    int i;
    for (i = 0; i < STREAMS; i++) CHECK_OK(nnk_stream_reset(f->streams[i]));
}

static void steps_give_the_bits_of_whole_runs(void) {
    static const int threads[] = {1, 2, 4};
    float expected[STREAMS * UNITS], first[STREAMS * UNITS];
    size_t i;
    for (i = 0; i < sizeof threads / sizeof threads[0]; i++) {
        char options[32];
        nnk_runtime *runtime = NULL;
        nnk_tensor parameters;
        fixture *f;
        snprintf(options, sizeof options, "threads=%d", threads[i]);
        REQUIRE_OK(nnk_runtime_create(options, &runtime));
        f = fixture_create(runtime);
        run_whole(f, expected);
        if (i == 0) memcpy(first, expected, sizeof first);
        CHECK(memcmp(first, expected, sizeof first) == 0);
        CHECK(steps_give(f, STREAMS, expected));
        /* Goes on where it was, and so ends elsewhere; begins again after a reset. */
        CHECK(!steps_give(f, 1, expected));
        reset_all(f);
        CHECK(steps_give(f, 1, expected));
        reset_all(f);
        CHECK(steps_give(f, 3, expected));
        /* Parameters that change are used at once. */
        reset_all(f);
        REQUIRE_OK(nnk_model_parameters_view(f->net->model, &parameters));
        ((float *)parameters.data)[0] += 0.5f;
        CHECK_OK(nnk_model_parameters_changed(f->net->model));
        run_whole(f, expected);
        CHECK(memcmp(first, expected, sizeof first) != 0);
        CHECK(steps_give(f, 2, expected));
        fixture_destroy(f);
        nnk_runtime_destroy(runtime);
    }
}

/* -------------------------------------------------------------------------------------------------- errors */

static nnk_model *dense_model(const char *last) {
    const int64_t shape[2] = {4, 3};
    nnk_graph *graph = nnk_graph_create();
    nnk_model *model = NULL;
    nnk_value x = nnk_graph_input(graph, "x", NNK_FLOAT32, shape, 2);
    if (last) x = nnk_graph_layer(graph, "lstm", "units=3 return_sequences=true", x);
    x = last ? nnk_graph_layer(graph, last, "name=last", x) : nnk_graph_layer(graph, "dense", "units=2", x);
    REQUIRE_OK(nnk_graph_output(graph, "y", x));
    REQUIRE_OK(nnk_model_create(NULL, graph, "", &model));
    nnk_graph_destroy(graph);
    return model;
}

static void models_without_streams_are_refused(void) {
    nnk_model *dense = dense_model(NULL), *flat = dense_model("flatten");
    nnk_stream *stream = NULL;
    CHECK_STATUS(nnk_stream_create(dense, &stream), NNK_ERROR_UNSUPPORTED);
    CHECK(strstr(nnk_last_error(), "no recurrent layer") != NULL);
    CHECK_STATUS(nnk_stream_create(flat, &stream), NNK_ERROR_UNSUPPORTED);
    CHECK(strstr(nnk_last_error(), "\"last\"") != NULL);
    CHECK(stream == NULL);
    nnk_model_destroy(dense), nnk_model_destroy(flat);
}

/* What fails leaves the output and all streams as they were: the numbers are those of the whole run afterwards. */
static void errors_change_nothing(void) {
    fixture *f = fixture_create(NULL), *other = fixture_create(NULL);
    nnk_stream *kept, *out = NULL, *destroyed;
    nnk_session *narrow = NULL;
    float expected[STREAMS * UNITS], before[STREAMS * UNITS];
    int32_t wide[STREAMS + 1];
    int64_t seven = STREAMS + 1;
    nnk_tensor tensor;
    run_whole(f, expected);
    memset(f->output, 0x5a, sizeof f->output);
    memcpy(before, f->output, sizeof before);
    load(f, 0);

    CHECK_STATUS(nnk_stream_create(NULL, &out), NNK_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(nnk_stream_create(f->net->model, NULL), NNK_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(nnk_stream_create((nnk_model *)f->session, &out), NNK_ERROR_INVALID_HANDLE);
    CHECK_STATUS(nnk_stream_reset(NULL), NNK_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(nnk_stream_reset((nnk_stream *)f->session), NNK_ERROR_INVALID_HANDLE);
    nnk_stream_destroy(NULL), nnk_stream_destroy((nnk_stream *)f->session);
    CHECK(out == NULL);

    CHECK_STATUS(nnk_streams_step(NULL, f->streams, 6, f->inputs, 2, f->outputs, 1), NNK_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(nnk_streams_step(f->session, NULL, 6, f->inputs, 2, f->outputs, 1), NNK_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(nnk_streams_step(f->session, f->streams, 6, NULL, 2, f->outputs, 1), NNK_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(nnk_streams_step(f->session, f->streams, 6, f->inputs, 2, NULL, 1), NNK_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(nnk_streams_step(f->session, f->streams, 6, f->inputs, 1, f->outputs, 1), NNK_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(nnk_streams_step(f->session, f->streams, 6, f->inputs, 2, f->outputs, 0), NNK_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(nnk_streams_step(f->session, f->streams, 6, f->inputs, -1, f->outputs, 1), NNK_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(step(f, 0), NNK_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(step(f, -1), NNK_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(step(f, INT32_MIN), NNK_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(step(f, STREAMS + 1), NNK_ERROR_INVALID_ARGUMENT);
    CHECK(strstr(nnk_last_error(), "max_batch") != NULL);
    CHECK_STATUS(step(f, INT32_MAX), NNK_ERROR_INVALID_ARGUMENT);

    /* The number of rows must be n; shapes and types are checked as those of a run. */
    set_rows(f, 5);
    CHECK_STATUS(nnk_streams_step(f->session, f->streams, 6, f->inputs, 2, f->outputs, 1), NNK_ERROR_SHAPE);
    set_rows(f, STREAMS);
    tensor = nnk_tensor_view(wide, NNK_INT32, &seven, 1);
    CHECK_STATUS(nnk_streams_step(f->session, f->streams, 6, &tensor, 1, f->outputs, 1), NNK_ERROR_INVALID_ARGUMENT);
    f->output_shape[1] = UNITS + 1;
    CHECK_STATUS(step(f, STREAMS), NNK_ERROR_SHAPE);
    f->output_shape[1] = UNITS;
    CHECK_STATUS(nnk_streams_step(f->session, f->streams, 6, f->outputs, 1, f->outputs, 1), NNK_ERROR_INVALID_ARGUMENT);
    tensor = f->inputs[0];
    f->inputs[0] = f->net->inputs[0]; /* with its time dimension */
    CHECK_STATUS(step(f, STREAMS), NNK_ERROR_SHAPE);
    f->inputs[0] = nnk_tensor_view(f->output, NNK_FLOAT32, f->rows, 1);
    CHECK_STATUS(step(f, STREAMS), NNK_ERROR_TYPE);
    f->inputs[0] = tensor;
    f->inputs[0].data = NULL;
    CHECK_STATUS(step(f, STREAMS), NNK_ERROR_INVALID_ARGUMENT);
    f->inputs[0] = tensor;
    f->tokens[STREAMS - 1] = NETWORK_VOCABULARY;
    CHECK_STATUS(step(f, STREAMS), NNK_ERROR_INVALID_ARGUMENT);
    f->tokens[STREAMS - 1] = -1;
    CHECK_STATUS(step(f, STREAMS), NNK_ERROR_INVALID_ARGUMENT);
    load(f, 0);
    f->lengths[2] = 2;
    CHECK_STATUS(step(f, STREAMS), NNK_ERROR_INVALID_ARGUMENT);
    f->lengths[2] = 1;

    /* Streams: NULL, twice, of another model, of another kind, destroyed. */
    kept = f->streams[5];
    f->streams[5] = NULL;
    CHECK_STATUS(step(f, STREAMS), NNK_ERROR_INVALID_ARGUMENT);
    f->streams[5] = f->streams[2];
    CHECK_STATUS(step(f, STREAMS), NNK_ERROR_INVALID_ARGUMENT);
    CHECK(strstr(nnk_last_error(), "twice") != NULL);
    f->streams[5] = other->streams[0];
    CHECK_STATUS(step(f, STREAMS), NNK_ERROR_INVALID_ARGUMENT);
    CHECK(strstr(nnk_last_error(), "another model") != NULL);
    f->streams[5] = (nnk_stream *)f->session;
    CHECK_STATUS(step(f, STREAMS), NNK_ERROR_INVALID_HANDLE);
    REQUIRE_OK(nnk_stream_create(f->net->model, &destroyed));
    nnk_stream_destroy(destroyed), nnk_stream_destroy(destroyed);
    f->streams[5] = destroyed;
    CHECK_STATUS(step(f, STREAMS), NNK_ERROR_INVALID_HANDLE);
    CHECK_STATUS(nnk_stream_reset(destroyed), NNK_ERROR_INVALID_HANDLE);
    f->streams[5] = kept;

    REQUIRE_OK(nnk_session_create(other->net->model, "max_batch=6", &narrow));
    CHECK_STATUS(nnk_streams_step(narrow, f->streams, 6, f->inputs, 2, f->outputs, 1), NNK_ERROR_INVALID_ARGUMENT);
    CHECK(memcmp(before, f->output, sizeof before) == 0);
    CHECK(steps_give(f, STREAMS, expected));
    nnk_session_destroy(narrow);
    fixture_destroy(f), fixture_destroy(other);
}

/* A stream needs neither the handle of its model nor the session that advanced it before. */
static void any_order_of_destruction(void) {
    fixture *f = fixture_create(NULL);
    nnk_session *second = NULL;
    float expected[STREAMS * UNITS];
    run_whole(f, expected);
    REQUIRE_OK(nnk_session_create(f->net->model, "max_batch=6", &second));
    load(f, 0);
    CHECK_OK(step(f, STREAMS));
    nnk_session_destroy(f->session);
    f->session = second;
    nnk_model_destroy(f->net->model);
    reset_all(f);
    CHECK(steps_give(f, STREAMS, expected));
    fixture_destroy(f);
}

/* --------------------------------------------------------------------------------------------------- threads */

typedef struct worker {
    fixture *own; /* shares its streams with the other worker's */
    int good, busy, other;
} worker;

static void *use_shared_streams(void *argument) {
    worker *w = (worker *)argument;
    int i;
    load(w->own, 0);
    for (i = 0; i < scaled(2000, 50); i++) {
        const nnk_status status = i % 7 == 0 ? nnk_stream_reset(w->own->streams[3]) : step(w->own, STREAMS);
        if (status == NNK_OK)
            w->good++;
        else if (status == NNK_ERROR_BUSY)
            w->busy++;
        else
            w->other++;
    }
    return NULL;
}

/* Two sessions of one model, and two threads that advance the same streams. */
static void streams_in_use_are_busy(void) {
    fixture *a = fixture_create(NULL), *b = (fixture *)network_memory(sizeof *b);
    worker workers[2];
    pthread_t thread;
    float expected[STREAMS * UNITS];
    run_whole(a, expected);
    *b = *a;
    b->inputs[0] = nnk_tensor_view(b->tokens, NNK_INT32, b->rows, 1);
    b->inputs[1] = nnk_tensor_view(b->lengths, NNK_INT32, b->rows, 1);
    b->outputs[0] = nnk_tensor_view(b->output, NNK_FLOAT32, b->output_shape, 2);
    b->session = network_session(a->net);
    memset(workers, 0, sizeof workers);
    workers[0].own = a, workers[1].own = b;
    if (pthread_create(&thread, NULL, use_shared_streams, &workers[0]) != 0) exit(3);
    use_shared_streams(&workers[1]);
    pthread_join(thread, NULL);
    CHECK(workers[0].other == 0 && workers[1].other == 0);
    CHECK(workers[0].good + workers[1].good > 0);
    /* Not busy for ever. */
    reset_all(a);
    CHECK(steps_give(a, STREAMS, expected));
    nnk_session_destroy(b->session);
    free(b);
    fixture_destroy(a);
}

static void go_on(void *argument) {
    fixture *f = (fixture *)argument;
    float expected[STREAMS * UNITS];
    load(f, 1);
    CHECK_OK(step(f, STREAMS));
    reset_all(f);
    run_whole(f, expected);
    CHECK(steps_give(f, STREAMS, expected));
}

/* A child goes on with the streams of its parent, and they do not share them. */
static void a_child_goes_on(void) {
    fixture *f = fixture_create(NULL);
    float expected[STREAMS * UNITS];
    run_whole(f, expected);
    load(f, 0);
    CHECK_OK(step(f, STREAMS));
    check_in_child("streams in a child", 20, go_on, f);
    go_on(f);
    fixture_destroy(f);
}

int main(int argc, char **argv) {
    nnkit_load(argc > 1 ? argv[1] : "libnnkit.so");
    steps_give_the_bits_of_whole_runs();
    models_without_streams_are_refused();
    errors_change_nothing();
    any_order_of_destruction();
    streams_in_use_are_busy();
    /* qemu-user cannot start threads in a child of a process with threads. */
    if (!scale_is_small()) a_child_goes_on();
    return check_summary();
}
