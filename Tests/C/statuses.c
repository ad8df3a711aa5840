/* statuses.c: every function is called into every status that its comment in the header lists, and gives no other.
 * argv[1]: the library; the header is the one beside it, ../include/nnkit.h.
 *
 * The program stands between the library and the C library's allocator (it is linked with -rdynamic). */
#include "statuses.h"

#include <pthread.h>

enum { CHILD_SECONDS = 60 };

/* -------------------------------------------------------------------- what every function gives, whatever it does */

/* Calls every function that is given a handle, each of which must give `expected`; where that may be NULL for the
 * default runtime, `of_runtime`. */
static void call_with_handles(const objects *o, nnk_status expected, nnk_status of_runtime) {
    network *n = o->n;
    const nnk_value pair[2] = {0, 0};
    nnk_value sum = -1;
    nnk_model *made[3] = {NULL, NULL, NULL};
    nnk_trainer *trainer = NULL;
    nnk_session *session = NULL;
    nnk_stream *stream = NULL;
    nnk_tensor view, out = o->s.out;
    const char *text = NULL;
    int64_t shape[8], bytes = 0;
    int32_t rank = 8, count = 0;
    double number = 0;
    REACH(of_runtime, nnk_runtime_info_json, (o->runtime, &text));
    REACH(expected, nnk_graph_layer_multi, (o->graph, "add", "", pair, 2, &sum, 1));
    REACH(expected, nnk_graph_output, (o->graph, "y", 0));
    REACH(expected, nnk_graph_shape, (o->graph, 0, shape, &rank));
    REACH(expected, nnk_model_create, (o->runtime, o->graph, "seed=1", &made[0]));
    REACH(expected, nnk_model_save, (o->model, path));
    REACH(of_runtime, nnk_model_load, (o->runtime, path, &made[1]));
    if (expected == NNK_OK) file.count = state.count = 0;
    REACH(expected, nnk_model_write, (o->model, take, &file));
    REACH(of_runtime, nnk_model_read, (o->runtime, file.bytes, file.count, &made[2]));
    REACH(expected, nnk_model_info_json, (o->model, &text));
    REACH(expected, nnk_model_counts, (o->model, &count, NULL));
    REACH(expected, nnk_model_input, (o->model, 0, &text, NULL, NULL, NULL));
    REACH(expected, nnk_model_output, (o->model, 0, &text, NULL, NULL, NULL));
    REACH(expected, nnk_model_parameters_view, (o->model, &view));
    REACH(expected, nnk_model_parameters_changed, (o->model));
    REACH(expected, nnk_trainer_create, (o->model, "loss=softmax_cross_entropy", &trainer));
    REACH(expected, nnk_trainer_freeze, (o->trainer, "*", 0, &count));
    REACH(expected, nnk_trainer_is_frozen, (o->trainer, "logits/kernel", &count));
    REACH(expected, nnk_trainer_set, (o->trainer, "learning_rate=0.01"));
    REACH(expected, nnk_trainer_get, (o->trainer, "learning_rate", &number));
    REACH(expected, nnk_trainer_fit, (o->trainer, o->dataset, "batch_size=4", NULL, NULL));
    REACH(expected, nnk_trainer_set_validation, (o->trainer, NULL));
    REACH(expected, nnk_trainer_evaluate, (o->trainer, o->dataset, "", &number, NULL));
    REACH(expected, nnk_trainer_evaluate_reporting, (o->trainer, o->dataset, "", &number, NULL, NULL, NULL));
    REACH(expected, nnk_trainer_step, (o->trainer, n->inputs, n->n_inputs, n->targets, 1, &number));
    REACH(expected, nnk_trainer_forward, (o->trainer, n->inputs, n->n_inputs, n->outputs, 1));
    REACH(expected, nnk_trainer_backward, (o->trainer, n->outputs, 1, NULL, 0));
    REACH(expected, nnk_trainer_gradients, (o->trainer, n->inputs, n->n_inputs, n->targets, 1, &number));
    REACH(expected, nnk_trainer_apply, (o->trainer));
    REACH(expected, nnk_trainer_gradients_view, (o->trainer, &view));
    REACH(expected, nnk_trainer_write_state, (o->trainer, take, &state));
    REACH(expected, nnk_trainer_read_state, (o->trainer, state.bytes, state.count));
    REACH(expected, nnk_session_create, (o->model, "max_batch=2", &session));
    REACH(expected, nnk_session_run, (o->session, n->inputs, n->n_inputs, n->outputs, 1));
    REACH(expected, nnk_session_cancel, (o->session));
    REACH(expected, nnk_session_bytes, (o->model, "max_batch=2", &bytes));
    REACH(expected, nnk_stream_create, (o->s.model, &stream));
    REACH(expected, nnk_stream_reset, (o->s.stream));
    REACH(expected, nnk_streams_step, (o->s.session, &o->s.stream, 1, &o->s.in, 1, &out, 1));
    for (count = 0; count < 3; count++) nnk_model_destroy(made[count]);
    nnk_stream_destroy(stream), nnk_session_destroy(session), nnk_trainer_destroy(trainer);
}

/* The same of the functions that are given none. */
static void call_without_handles(const network *n, nnk_status expected) {
    nnk_runtime *runtime = NULL;
    nnk_dataset *dataset = NULL;
    REACH(expected, nnk_runtime_create, ("threads=1", &runtime));
    REACH(expected, nnk_dataset_create_from_arrays, (n->inputs, n->n_inputs, n->targets, 1, &dataset));
    nnk_dataset_destroy(dataset), nnk_runtime_destroy(runtime);
}

static void good_stale_and_no_handles(void *unused) {
    objects o, none;
    nnk_runtime *runtime = NULL;
    nnk_dataset *dataset = NULL;
    nnk_model *model = NULL;
    int64_t bytes = -1;
    (void)unused;
    make_objects(&o);
    call_with_handles(&o, NNK_OK, NNK_OK);
    call_without_handles(o.n, NNK_OK);
    /* What its comment says of open time. */
    REACH(NNK_OK, nnk_session_bytes, (o.s.model, "", &bytes));
    CHECK(bytes == 0);
    REACH(NNK_OK, nnk_session_bytes, (o.s.model, "max_time=9 max_bytes=1", &bytes));
    CHECK(bytes > 1);
    destroy_objects(&o);
    call_with_handles(&o, NNK_ERROR_INVALID_HANDLE, NNK_ERROR_INVALID_HANDLE);
    none = o;
    none.runtime = NULL, none.graph = NULL, none.model = none.s.model = NULL, none.dataset = NULL, none.trainer = NULL;
    none.session = none.s.session = NULL, none.s.stream = NULL;
    call_with_handles(&none, NNK_ERROR_INVALID_ARGUMENT, NNK_OK);
    REACH(NNK_ERROR_INVALID_ARGUMENT, nnk_runtime_create, ("threads=many", &runtime));
    REACH(NNK_ERROR_INVALID_ARGUMENT, nnk_runtime_info_json, (NULL, NULL));
    REACH(NNK_ERROR_INVALID_ARGUMENT, nnk_model_load, (NULL, NULL, &model));
    REACH(NNK_ERROR_INVALID_ARGUMENT, nnk_model_read, (NULL, file.bytes, -1, &model));
    REACH(NNK_ERROR_INVALID_ARGUMENT, nnk_dataset_create_from_arrays, (NULL, 0, NULL, 0, &dataset));
}

/* Functions that say so while the library goes on; and once a call was given up in the middle, because the reserve was
 * empty too, every function. */
static void no_memory(void *unused) {
    objects o;
    nnk_session *session = NULL;
    nnk_model *model = NULL;
    int64_t count = 0, plan_bytes = -1;
    char *bytes = large_file(&count);
    (void)unused;
    make_objects(&o);
    call_with_handles(&o, NNK_OK, NNK_OK);
    REACH(NNK_ERROR_OUT_OF_MEMORY, nnk_session_create, (o.model, "max_bytes=1", &session));
    __atomic_store_n(&refuses, 1, __ATOMIC_SEQ_CST);
    REACH(NNK_ERROR_OUT_OF_MEMORY, nnk_session_bytes, (o.model, "max_batch=3", &plan_bytes));
    REACH(NNK_ERROR_OUT_OF_MEMORY, nnk_session_create, (o.model, "max_batch=3", &session));
    __atomic_store_n(&refuses, 0, __ATOMIC_SEQ_CST);
    CHECK(plan_bytes == -1 && session == NULL);
    REACH(NNK_OK, nnk_session_run, (o.session, o.n->inputs, 1, o.n->outputs, 1));
    __atomic_store_n(&refuses, 1, __ATOMIC_SEQ_CST);
    REACH(NNK_ERROR_OUT_OF_MEMORY, nnk_model_read, (NULL, bytes, count, &model));
    __atomic_store_n(&refuses, 0, __ATOMIC_SEQ_CST);
    call_with_handles(&o, NNK_ERROR_OUT_OF_MEMORY, NNK_ERROR_OUT_OF_MEMORY);
    call_without_handles(o.n, NNK_ERROR_OUT_OF_MEMORY);
}

/* ------------------------------------------------------------------------------------------------ shapes and types */

/* A graph whose first error is this one. */
static nnk_graph *failed_graph(nnk_status status) {
    const int64_t shape[1] = {3};
    nnk_graph *graph = nnk_graph_create();
    if (status == NNK_ERROR_SHAPE)
        nnk_graph_input(graph, "x", NNK_FLOAT32, shape, 9);
    else
        nnk_graph_input(graph, "x", NNK_INT64, shape, 1);
    return graph;
}

/* Calls every function that is given tensors or a graph with what does not fit, by its shape or by its type. */
static void call_with_misfits(const objects *o, const nnk_tensor *wrong, nnk_tensor *wrong_output,
                              nnk_status expected) {
    network *n = o->n;
    const nnk_value pair[2] = {0, 0};
    nnk_graph *graph = failed_graph(expected);
    nnk_value sum;
    nnk_model *model = NULL;
    nnk_dataset *dataset = NULL;
    nnk_tensor out = o->s.out;
    int64_t shape[8];
    int32_t rank = 8;
    double loss;
    REACH(expected, nnk_graph_layer_multi, (graph, "add", "", pair, 2, &sum, 1));
    REACH(expected, nnk_graph_output, (graph, "y", 0));
    REACH(expected, nnk_graph_shape, (graph, 0, shape, &rank));
    REACH(expected, nnk_model_create, (o->runtime, graph, "", &model));
    REQUIRE_OK(nnk_dataset_create_from_arrays(wrong, 1, n->targets, 1, &dataset));
    REACH(expected, nnk_trainer_fit, (o->trainer, dataset, "", NULL, NULL));
    REACH(expected, nnk_trainer_evaluate, (o->trainer, dataset, "", &loss, NULL));
    REACH(expected, nnk_trainer_evaluate_reporting, (o->trainer, dataset, "", &loss, NULL, NULL, NULL));
    REACH(expected, nnk_trainer_step, (o->trainer, wrong, 1, n->targets, 1, &loss));
    REACH(expected, nnk_trainer_gradients, (o->trainer, wrong, 1, n->targets, 1, &loss));
    REACH(expected, nnk_trainer_forward, (o->trainer, wrong, 1, n->outputs, 1));
    REACH(NNK_OK, nnk_trainer_forward, (o->trainer, n->inputs, 1, n->outputs, 1));
    REACH(expected, nnk_trainer_backward, (o->trainer, wrong_output, 1, NULL, 0));
    REACH(expected, nnk_session_run, (o->session, wrong, 1, n->outputs, 1));
    REACH(expected, nnk_streams_step, (o->s.session, &o->s.stream, 1, wrong, 1, &out, 1));
    nnk_dataset_destroy(dataset), nnk_graph_destroy(graph);
}

static void shapes_and_types(void *unused) {
    const int64_t sizes[5] = {STATUSES_SAMPLES, network_image_size(), network_image_size(), 2, 1};
    const int64_t row[2] = {STATUSES_SAMPLES, NETWORK_CLASSES};
    objects o;
    nnk_tensor wrong, wrong_output, scalar;
    nnk_model *whole_numbers = model_of(NULL, NULL, NNK_INT32, 3, 0),
              *wide = model_of(NULL, NULL, NNK_FLOAT32, 1 << 20, 0);
    nnk_model *model = NULL;
    nnk_trainer *trainer = NULL;
    nnk_session *session = NULL;
    nnk_dataset *dataset = NULL;
    int64_t bytes;
    (void)unused;
    make_objects(&o);
    wrong = nnk_tensor_view(o.n->inputs[0].data, NNK_FLOAT32, sizes, 5);
    wrong_output = nnk_tensor_view(o.n->outputs[0].data, NNK_FLOAT32, row, 1);
    call_with_misfits(&o, &wrong, &wrong_output, NNK_ERROR_SHAPE);
    wrong = nnk_tensor_view(o.n->inputs[0].data, NNK_INT32, sizes, 4);
    wrong_output = nnk_tensor_view(o.n->outputs[0].data, NNK_INT32, row, 2);
    call_with_misfits(&o, &wrong, &wrong_output, NNK_ERROR_TYPE);

    scalar = nnk_tensor_view(o.n->inputs[0].data, NNK_FLOAT32, sizes, 0);
    REACH(NNK_ERROR_SHAPE, nnk_dataset_create_from_arrays, (&scalar, 1, NULL, 0, &dataset));
    scalar = nnk_tensor_view(o.n->inputs[0].data, 99, sizes, 1);
    REACH(NNK_ERROR_TYPE, nnk_dataset_create_from_arrays, (&scalar, 1, NULL, 0, &dataset));
    REACH(NNK_ERROR_SHAPE, nnk_trainer_create, (whole_numbers, "loss=softmax_cross_entropy", &trainer));
    REACH(NNK_ERROR_TYPE, nnk_trainer_create, (whole_numbers, "loss=mean_squared_error", &trainer));
    REACH(NNK_ERROR_SHAPE, nnk_session_create, (wide, "max_batch=1073741824", &session));
    REACH(NNK_ERROR_SHAPE, nnk_session_bytes, (wide, "max_batch=1073741824", &bytes));
    write_huge_model(&file);
    write_file(&file);
    REACH(NNK_ERROR_SHAPE, nnk_model_load, (NULL, path, &model));
    REACH(NNK_ERROR_SHAPE, nnk_model_read, (NULL, file.bytes, file.count, &model));
}

/* --------------------------------------------------------------------- files, writers, numbers, and other versions */

static void files_and_numbers(void *unused) {
    objects o;
    nnk_model *model = NULL, *no_recurrent = model_of("dense", "units=3", NNK_FLOAT32, 3, 0);
    nnk_stream *stream = NULL;
    nnk_tensor gradients;
    double loss;
    (void)unused;
    make_objects(&o);
    REACH(NNK_ERROR_IO, nnk_model_save, (o.model, no_path));
    REACH(NNK_ERROR_IO, nnk_model_load, (NULL, no_path, &model));
    REACH(NNK_ERROR_IO, nnk_model_write, (o.model, refuse_bytes, NULL));
    REACH(NNK_ERROR_IO, nnk_trainer_write_state, (o.trainer, refuse_bytes, NULL));
    memcpy(file.bytes, "no model", 9), file.count = 9;
    write_file(&file);
    REACH(NNK_ERROR_FORMAT, nnk_model_load, (NULL, path, &model));
    REACH(NNK_ERROR_FORMAT, nnk_model_read, (NULL, file.bytes, file.count, &model));
    REACH(NNK_ERROR_FORMAT, nnk_trainer_read_state, (o.trainer, file.bytes, file.count));
    write_later_versions(&file, &state);
    write_file(&file);
    REACH(NNK_ERROR_UNSUPPORTED, nnk_model_load, (NULL, path, &model));
    REACH(NNK_ERROR_UNSUPPORTED, nnk_model_read, (NULL, file.bytes, file.count, &model));
    REACH(NNK_ERROR_UNSUPPORTED, nnk_trainer_read_state, (o.trainer, state.bytes, state.count));
    REACH(NNK_ERROR_UNSUPPORTED, nnk_stream_create, (no_recurrent, &stream));

    REQUIRE_OK(nnk_trainer_gradients(o.trainer, o.n->inputs, 1, o.n->targets, 1, &loss));
    REQUIRE_OK(nnk_trainer_gradients_view(o.trainer, &gradients));
    ((float *)gradients.data)[0] = NAN;
    REACH(NNK_ERROR_NUMERIC, nnk_trainer_apply, (o.trainer));
    ((float *)o.n->memory[0])[0] = NAN;
    REACH(NNK_ERROR_NUMERIC, nnk_trainer_step, (o.trainer, o.n->inputs, 1, o.n->targets, 1, &loss));
    REACH(NNK_ERROR_NUMERIC, nnk_trainer_fit, (o.trainer, o.dataset, "", NULL, NULL));
}

/* At a level that the processor lacks, if there is one: then *every becomes 0. */
static void levels(void *every) {
    static const char *const names[] = {"avx2", "avx512"};
    nnk_graph *graph = graph_of(NULL, NULL, NNK_FLOAT32, 3, 0);
    nnk_model *model = NULL;
    const char *text = NULL;
    int i;
    for (i = 0; i < 2; i++) {
        nnk_runtime *runtime = NULL;
        setenv("NNKIT_ISA", names[i], 1);
        if (nnk_runtime_create("threads=1", &runtime) == NNK_OK) {
            nnk_runtime_destroy(runtime);
            continue;
        }
        *(int *)every = 0;
        REACH(NNK_ERROR_UNSUPPORTED, nnk_runtime_create, ("threads=1", &runtime));
        REACH(NNK_ERROR_UNSUPPORTED, nnk_runtime_info_json, (NULL, &text));
        REACH(NNK_ERROR_UNSUPPORTED, nnk_model_create, (NULL, graph, "", &model));
    }
}

/* ------------------------------------------------------------------------------------------- calls inside of calls */

static void *call_elsewhere(void *trainer) {
    int32_t frozen;
    REACH(NNK_ERROR_BUSY, nnk_trainer_write_state, ((nnk_trainer *)trainer, take, &state));
    REACH(NNK_ERROR_BUSY, nnk_trainer_is_frozen, ((nnk_trainer *)trainer, "logits/kernel", &frozen));
    return NULL;
}

static int call_again(const nnk_progress *progress, void *user) {
    const objects *o = (const objects *)user;
    network *n = o->n;
    const nnk_status busy = NNK_ERROR_BUSY;
    pthread_t thread;
    double loss;
    (void)progress;
    REACH(busy, nnk_trainer_freeze, (o->trainer, "*", 1, NULL));
    REACH(busy, nnk_trainer_fit, (o->trainer, o->dataset, "", NULL, NULL));
    REACH(busy, nnk_trainer_set_validation, (o->trainer, NULL));
    REACH(busy, nnk_trainer_evaluate, (o->trainer, o->dataset, "", &loss, NULL));
    REACH(busy, nnk_trainer_evaluate_reporting, (o->trainer, o->dataset, "", &loss, NULL, NULL, NULL));
    REACH(busy, nnk_trainer_step, (o->trainer, n->inputs, 1, n->targets, 1, &loss));
    REACH(busy, nnk_trainer_gradients, (o->trainer, n->inputs, 1, n->targets, 1, &loss));
    REACH(busy, nnk_trainer_forward, (o->trainer, n->inputs, 1, n->outputs, 1));
    REACH(busy, nnk_trainer_backward, (o->trainer, n->outputs, 1, NULL, 0));
    REACH(busy, nnk_trainer_apply, (o->trainer));
    REACH(busy, nnk_trainer_read_state, (o->trainer, state.bytes, state.count));
    if (pthread_create(&thread, NULL, call_elsewhere, o->trainer) != 0) exit(3);
    pthread_join(thread, NULL);
    return 1;
}

/* What a second thread does with a session all the time. */
typedef struct companion {
    objects *o;
    int cancels, steps, stop;
    nnk_tensor in, out;
    pthread_t thread;
} companion;

static nnk_status run_long(const companion *c) {
    nnk_tensor out = c->out;
    return nnk_session_run(c->o->s.session, &c->in, 1, &out, 1);
}

static nnk_status step_long(const objects *o) {
    nnk_tensor out = o->s.out;
    return nnk_streams_step(o->s.session, &o->s.stream, 1, &o->s.in, 1, &out, 1);
}

static void *accompany(void *argument) {
    companion *c = (companion *)argument;
    while (!__atomic_load_n(&c->stop, __ATOMIC_SEQ_CST)) {
        if (c->cancels)
            nnk_session_cancel(c->o->s.session);
        else if (c->steps)
            step_long(c->o);
        else
            run_long(c);
        if (c->cancels) usleep(20);
    }
    return NULL;
}

static void start(companion *c, int cancels, int steps) {
    c->cancels = cancels, c->steps = steps, c->stop = 0;
    if (pthread_create(&c->thread, NULL, accompany, c) != 0) exit(3);
}

static void stop(companion *c) {
    __atomic_store_n(&c->stop, 1, __ATOMIC_SEQ_CST);
    pthread_join(c->thread, NULL);
}

/* Calls a function until it gives the status; the child's time is the limit. */
#define REACH_SOON(expected, function, call)                                                                           \
    do {                                                                                                               \
        nnk_status got;                                                                                                \
        do got = (call);                                                                                               \
        while (is_listed(#function, got) && got != (expected));                                                        \
        reach(expected, #function, got, __LINE__);                                                                     \
    } while (0)

static void busy_and_cancelled(void *unused) {
    enum { UNITS = 256, STEPS = 60 };
    static float x[STEPS * 4], y[UNITS];
    static const int64_t in_shape[3] = {1, STEPS, 4}, out_shape[2] = {1, UNITS};
    objects o;
    companion c;
    (void)unused;
    make_objects(&o);
    REQUIRE_OK(nnk_trainer_write_state(o.trainer, take, &state));
    REACH(NNK_OK, nnk_trainer_fit, (o.trainer, o.dataset, "", call_again, &o));

    memset(&c, 0, sizeof c);
    make_stepping(&o.s, UNITS);
    c.o = &o;
    c.in = nnk_tensor_view(x, NNK_FLOAT32, in_shape, 3), c.out = nnk_tensor_view(y, NNK_FLOAT32, out_shape, 2);
    start(&c, 1, 0);
    REACH_SOON(NNK_ERROR_CANCELLED, nnk_session_run, run_long(&c));
    REACH_SOON(NNK_ERROR_CANCELLED, nnk_streams_step, step_long(&o));
    stop(&c);
    start(&c, 0, 0);
    REACH_SOON(NNK_ERROR_BUSY, nnk_session_run, run_long(&c));
    REACH_SOON(NNK_ERROR_BUSY, nnk_streams_step, step_long(&o));
    stop(&c);
    start(&c, 0, 1);
    REACH_SOON(NNK_ERROR_BUSY, nnk_stream_reset, nnk_stream_reset(o.s.stream));
    stop(&c);
}

/* ---------------------------------------------------------------------------------------------------- all of them */

/* What no call on a processor with every level gives. */
static unsigned needs_another_processor(const char *function) {
    static const char *const names[] = {"nnk_runtime_create", "nnk_runtime_info_json", "nnk_model_create"};
    size_t i;
    for (i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], function) == 0) return 1u << NNK_ERROR_UNSUPPORTED;
    return 0;
}

static void compare(int has_every_level) {
    int i, status;
    for (i = 0; i < of_header->count; i++) {
        const function_statuses *f = &of_header->functions[i];
        const unsigned excused = has_every_level ? needs_another_processor(f->name) : 0;
        for (status = 0; status < HEADER_STATUSES; status++) {
            const unsigned bit = 1u << status;
            char what[128];
            if (!((f->listed | f->given) & bit)) continue;
            if (!(f->given & bit) && (excused & bit)) continue;
            snprintf(what, sizeof what, "%s, %s: the header %s, the calls %s", f->name, short_name(status),
                     f->listed & bit ? "lists it" : "does not list it", f->given & bit ? "gave it" : "never gave it");
            check_true((f->listed & bit) == (f->given & bit), what, __FILE__, __LINE__);
        }
    }
}

int main(int argc, char **argv) {
    const char *library = argc > 1 ? argv[1] : "libnnkit.so";
    char *folder = temporary_folder();
    int *every_level;
    nnkit_load(library);
    read_header_statuses(library);
    CHECK(of_header->count > 0);
    path = path_in(folder, "model.nnkit"), no_path = path_in(folder, "missing/model.nnkit");
    every_level = (int *)mmap(NULL, sizeof *every_level, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (every_level == MAP_FAILED) exit(3);
    *every_level = 1;
    check_in_child("good, stale and no handles", CHILD_SECONDS, good_stale_and_no_handles, NULL);
    check_in_child("no memory", CHILD_SECONDS, no_memory, NULL);
    check_in_child("shapes and types", CHILD_SECONDS, shapes_and_types, NULL);
    check_in_child("files and numbers", CHILD_SECONDS, files_and_numbers, NULL);
    check_in_child("levels", CHILD_SECONDS, levels, every_level);
    check_in_child("busy and cancelled", CHILD_SECONDS, busy_and_cancelled, NULL);
    compare(*every_level);
    unlink(path), rmdir(folder);
    free(path), free(no_path), free(folder);
    return check_summary();
}
