/* environment.c: every function of the header, called with every floating-point environment that a host may have: it
 * computes the same bits, raises no signal, and leaves the environment as it was; a callback gets the host's own.
 * argv[1]: the library. */
#include "nnkit_loader.h"

#include "check.h"
#include "networks.h"

#include <fenv.h>

enum { SAMPLES = 6, CHILD_SECONDS = 60 };

/* What of the environment a program can set or see: control and status of the SSE and the x87 unit. */
typedef struct environment {
    const char *title;
    uint32_t mxcsr;
    uint16_t x87_control;
    uint16_t x87_status; /* only read */
} environment;

enum {
    SSE = 0x1f80,
    X87 = 0x037f,
    SSE_UP = 0x4000,
    SSE_DOWN = 0x2000,
    X87_UP = 0x0800,
    X87_DOWN = 0x0400,
    FLUSH = 0x8040
};

static const environment environments[] = {
    {"the default", SSE, X87, 0},
    {"upward", SSE | SSE_UP, X87 | X87_UP, 0},
    {"downward", SSE | SSE_DOWN, X87 | X87_DOWN, 0},
    {"toward zero", SSE | SSE_UP | SSE_DOWN, X87 | X87_UP | X87_DOWN, 0},
    {"flush to zero", SSE | FLUSH, X87, 0},
    {"sticky flags", SSE | 0x3f, X87, 0},
    {"x87 in single precision", SSE, 0x007f, 0},
    {"inexact unmasked", SSE & ~0x1000u, X87 & ~0x20, 0},
    {"everything unmasked", 0, 0x0340, 0},
    {"everything unmasked, upward, flush to zero", SSE_UP | FLUSH, 0x0340 | X87_UP, 0},
};
enum { ENVIRONMENTS = sizeof environments / sizeof environments[0] };

static void set_environment(const environment *e) {
    const uint32_t mxcsr = e->mxcsr;
    const uint16_t control = e->x87_control;
    __asm__ volatile("fnclex\n\tfldcw %0\n\tldmxcsr %1" : : "m"(control), "m"(mxcsr));
}

static environment get_environment(void) {
    environment e = {"", 0, 0, 0};
    __asm__ volatile("stmxcsr %0\n\tfnstcw %1\n\tfnstsw %2" : "=m"(e.mxcsr), "=m"(e.x87_control), "=m"(e.x87_status));
    return e;
}

static int is_same(const environment *a, const environment *b) {
    return a->mxcsr == b->mxcsr && a->x87_control == b->x87_control && a->x87_status == b->x87_status;
}

static const environment *host;   /* the environment of the present round */
static uint64_t digest;           /* of everything that calls gave */
static const char *function = ""; /* that is being called */
static char called[64][40];       /* names */
static int called_count;

static void add(const void *bytes, size_t count) {
    size_t i;
    for (i = 0; i < count; i++) digest = (digest ^ ((const unsigned char *)bytes)[i]) * UINT64_C(1099511628211);
}

static void add_text(const char *text) { add(text, strlen(text)); }

static void begin(const char *name) {
    int i;
    for (i = 0; i < called_count && strcmp(called[i], name) != 0; i++) {}
    if (i == called_count) snprintf(called[called_count++], sizeof called[0], "%s", name);
    function = name;
    set_environment(host);
}

static void end(void) {
    const environment now = get_environment();
    char what[160];
    set_environment(&environments[0]);
    snprintf(what, sizeof what, "%s, %s: mxcsr %x, x87 control %x and status %x afterwards", host->title, function,
             now.mxcsr, now.x87_control, now.x87_status);
    check_true(is_same(&now, host), what, __FILE__, __LINE__);
}

static void end_status(nnk_status status) {
    char what[160];
    end();
    snprintf(what, sizeof what, "%s, %s: %.80s", host->title, function, status ? nnk_last_error() : "");
    check_true(status == NNK_OK, what, __FILE__, __LINE__);
}

static nnk_value end_value(nnk_value value) {
    end();
    check_true(value >= 0, function, __FILE__, __LINE__);
    return value;
}

static void end_text(const char *text) {
    end();
    add_text(text);
}

/* A call in the host's environment. */
#define TRY(name, arguments)   (begin(#name), end_status(name arguments))
#define VALUE(name, arguments) (begin(#name), end_value(name arguments))
#define TEXT(name, arguments)  (begin(#name), end_text(name arguments))
#define VOID(name, arguments)  (begin(#name), name arguments, end())

static int in_callback, callbacks;

/* A host that looks at its environment, and changes it when it is asked to. */
static int report(const nnk_progress *progress, void *user) {
    const environment now = get_environment(), *next = (const environment *)user;
    set_environment(&environments[0]);
    callbacks++;
    in_callback += is_same(&now, host);
    add(&progress->loss, sizeof progress->loss);
    add(&progress->metric, sizeof progress->metric);
    set_environment(next);
    return 0;
}

/* A host that keeps what it is given. */
static unsigned char kept[1 << 20];
static int64_t kept_count;
static int in_writer, writes;

static int keep(const void *bytes, int64_t count, void *user) {
    const environment now = get_environment(), *next = (const environment *)user;
    set_environment(&environments[0]);
    writes++;
    in_writer += is_same(&now, host);
    if (kept_count + count > (int64_t)sizeof kept) return 1;
    memcpy(kept + kept_count, bytes, (size_t)count);
    kept_count += count;
    set_environment(next);
    return 0;
}

static void add_parameters(nnk_model *model) {
    size_t bytes;
    void *copy = network_parameters(model, &bytes);
    add(copy, bytes);
    free(copy);
}

static void graphs_and_models(nnk_runtime *runtime) {
    nnk_graph *graph;
    nnk_model *model = NULL;
    nnk_tensor view;
    const int64_t shape[3] = {8, 8, 2};
    int64_t sizes[4];
    int32_t n_inputs = 0, n_outputs = 0;
    nnk_dtype dtype = 0;
    int32_t rank = 4;
    nnk_value x, pair[2];
    const char *text = NULL;
    begin("nnk_graph_create");
    graph = nnk_graph_create();
    end();
    x = VALUE(nnk_graph_input, (graph, "x", NNK_FLOAT32, shape, 3));
    x = VALUE(nnk_graph_layer, (graph, "conv2d", "filters=4 kernel=3", x));
    x = VALUE(nnk_graph_layer, (graph, "batchnorm", "epsilon=0.0011 momentum=0.93", x));
    pair[0] = pair[1] = x;
    TRY(nnk_graph_layer_multi, (graph, "add", "", pair, 2, &x, 1));
    x = VALUE(nnk_graph_layer, (graph, "globalavgpool2d", "", x));
    x = VALUE(nnk_graph_layer, (graph, "dropout", "rate=0.3", x));
    TRY(nnk_graph_output, (graph, "y", x));
    TRY(nnk_graph_shape, (graph, x, sizes, &rank));
    add(sizes, sizeof sizes[0]);
    TRY(nnk_model_create, (runtime, graph, "seed=5", &model));
    TRY(nnk_model_info_json, (model, &text));
    add_text(text);
    TRY(nnk_model_counts, (model, &n_inputs, &n_outputs));
    rank = 4;
    TRY(nnk_model_input, (model, n_inputs - 1, &text, &dtype, sizes, &rank));
    add_text(text), add(sizes, sizeof sizes[0]);
    rank = 4;
    TRY(nnk_model_output, (model, n_outputs - 1, &text, &dtype, sizes, &rank));
    add_text(text), add(sizes, sizeof sizes[0]);
    TRY(nnk_model_parameters_view, (model, &view));
    TRY(nnk_model_parameters_changed, (model));
    add_parameters(model);
    VOID(nnk_model_destroy, (model));
    VOID(nnk_graph_destroy, (graph));
}

/* What a writer of the host gets. */
typedef struct written {
    char bytes[1 << 20];
    int64_t count;
    int in_own_environment;
} written;

static int write_down(const void *bytes, int64_t count, void *user) {
    written *w = (written *)user;
    const environment now = get_environment();
    set_environment(&environments[0]);
    w->in_own_environment &= is_same(&now, host);
    memcpy(w->bytes + w->count, bytes, (size_t)count);
    w->count += count;
    add(bytes, (size_t)count);
    set_environment(host);
    return 0;
}

static written *new_written(void) {
    written *w = (written *)network_memory(sizeof *w);
    w->in_own_environment = 1;
    return w;
}

static void in_memory(network *n, nnk_trainer *trainer) {
    written *w = new_written();
    nnk_model *model = NULL;
    TRY(nnk_model_write, (n->model, write_down, w));
    CHECK(w->in_own_environment);
    TRY(nnk_model_read, (NULL, w->bytes, w->count, &model));
    add_parameters(model);
    nnk_model_destroy(model);
    w->count = 0;
    TRY(nnk_trainer_write_state, (trainer, write_down, w));
    CHECK(w->in_own_environment);
    TRY(nnk_trainer_read_state, (trainer, w->bytes, w->count));
    free(w);
}

static void files(network *n) {
    char *folder = temporary_folder(), *path = path_in(folder, "model.nnkit");
    nnk_model *model = NULL;
    TRY(nnk_model_save, (n->model, path));
    TRY(nnk_model_load, (NULL, path, &model));
    add_parameters(model);
    VOID(nnk_model_destroy, (model));
    kept_count = 0;
    TRY(nnk_model_write, (n->model, keep, (void *)(uintptr_t)host));
    add(kept, (size_t)kept_count);
    TRY(nnk_model_read, (NULL, kept, kept_count, &model));
    add_parameters(model);
    VOID(nnk_model_destroy, (model));
    unlink(path), rmdir(folder);
    free(path), free(folder);
}

static void training(network *n, const char *options) {
    nnk_trainer *trainer = NULL;
    nnk_dataset *dataset = NULL;
    nnk_tensor view;
    double loss = 0, metric = 0;
    int32_t fitting = 0;
    TRY(nnk_trainer_create, (n->model, options, &trainer));
    TRY(nnk_dataset_create_from_arrays, (n->inputs, n->n_inputs, n->targets, 1, &dataset));
    TRY(nnk_trainer_set, (trainer, "learning_rate=0.0217"));
    TRY(nnk_trainer_get, (trainer, "learning_rate", &loss));
    add(&loss, sizeof loss);
    TRY(nnk_trainer_set_validation, (trainer, dataset));
    TRY(nnk_trainer_fit, (trainer, dataset, "epochs=2 batch_size=4", report, (void *)(uintptr_t)host));
    TRY(nnk_trainer_evaluate, (trainer, dataset, "batch_size=4", &loss, &metric));
    add(&loss, sizeof loss), add(&metric, sizeof metric);
    TRY(nnk_trainer_evaluate_reporting,
        (trainer, dataset, "batch_size=4", &loss, &metric, report, (void *)(uintptr_t)host));
    add(&loss, sizeof loss), add(&metric, sizeof metric);
    TRY(nnk_trainer_step, (trainer, n->inputs, n->n_inputs, n->targets, 1, &loss));
    add(&loss, sizeof loss);
    TRY(nnk_trainer_gradients, (trainer, n->inputs, n->n_inputs, n->targets, 1, &loss));
    add(&loss, sizeof loss);
    TRY(nnk_trainer_gradients_view, (trainer, &view));
    add((const char *)view.data + view.byte_offset, (size_t)view.shape[0] * sizeof(float));
    kept_count = 0;
    TRY(nnk_trainer_write_state, (trainer, keep, (void *)(uintptr_t)host));
    add(kept, (size_t)kept_count);
    TRY(nnk_trainer_apply, (trainer));
    TRY(nnk_trainer_read_state, (trainer, kept, kept_count));
    TRY(nnk_trainer_apply, (trainer));
    TRY(nnk_trainer_freeze, (trainer, "*/bias", 1, &fitting));
    TRY(nnk_trainer_is_frozen, (trainer, "logits/bias", &fitting));
    TRY(nnk_trainer_forward, (trainer, n->inputs, n->n_inputs, n->outputs, 1));
    add(n->output, network_output_bytes(n));
    TRY(nnk_trainer_backward, (trainer, n->outputs, 1, NULL, 0));
    add((const char *)view.data + view.byte_offset, (size_t)view.shape[0] * sizeof(float));
    TRY(nnk_trainer_apply, (trainer));
    in_memory(n, trainer);
    VOID(nnk_trainer_destroy, (trainer));
    VOID(nnk_dataset_destroy, (dataset));
    add_parameters(n->model);
}

static void running(network *n) {
    nnk_session *session = NULL;
    int64_t bytes = 0;
    TRY(nnk_session_bytes, (n->model, "max_batch=6", &bytes));
    TRY(nnk_session_create, (n->model, "max_batch=6", &session));
    TRY(nnk_session_run, (session, n->inputs, n->n_inputs, n->outputs, 1));
    TRY(nnk_session_cancel, (session));
    add(n->output, network_output_bytes(n));
    VOID(nnk_session_destroy, (session));
}

static void streaming(nnk_runtime *runtime) {
    const int64_t sample[2] = {-1, 4}, in_shape[2] = {1, 4}, out_shape[2] = {1, 5};
    float x[4] = {0.1f, -0.7f, 1e-39f, 3}, y[5] = {0, 0, 0, 0, 0};
    nnk_graph *graph = nnk_graph_create();
    nnk_model *model = NULL;
    nnk_session *session = NULL;
    nnk_stream *stream = NULL;
    nnk_tensor in = nnk_tensor_view(x, NNK_FLOAT32, in_shape, 2), out = nnk_tensor_view(y, NNK_FLOAT32, out_shape, 2);
    int i;
    REQUIRE_OK(nnk_graph_output(
        graph, "y", nnk_graph_layer(graph, "lstm", "units=5", nnk_graph_input(graph, "x", NNK_FLOAT32, sample, 2))));
    REQUIRE_OK(nnk_model_create(runtime, graph, "", &model));
    REQUIRE_OK(nnk_session_create(model, "", &session));
    TRY(nnk_stream_create, (model, &stream));
    for (i = 0; i < 3; i++) {
        TRY(nnk_streams_step, (session, &stream, 1, &in, 1, &out, 1));
        add(y, sizeof y);
    }
    TRY(nnk_stream_reset, (stream));
    VOID(nnk_stream_destroy, (stream));
    VOID(nnk_session_destroy, (session));
    nnk_model_destroy(model);
    nnk_graph_destroy(graph);
}

static void small_functions(nnk_runtime *runtime) {
    const int64_t shape[1] = {1};
    const char *text = NULL;
    TEXT(nnk_version, ());
    VOID(nnk_abi_version, ());
    TEXT(nnk_status_name, (3));
    VOID(nnk_last_error, ());
    VOID(nnk_tensor_view, (NULL, NNK_FLOAT32, shape, 1));
    TEXT(nnk_catalog_json, ());
    TRY(nnk_runtime_info_json, (runtime, &text));
    add_text(text);
    VOID(nnk_shutdown, ());
}

/* Everything once, in one environment; what it gave. */
static uint64_t round_in(const environment *e) {
    static const network_kind kinds[] = {NETWORK_CNN_DROPOUT, NETWORK_LSTM};
    nnk_runtime *runtime = NULL;
    size_t i;
    host = e;
    digest = UINT64_C(14695981039346656037);
    TRY(nnk_runtime_create, ("threads=2", &runtime));
    small_functions(runtime);
    graphs_and_models(runtime);
    for (i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        network *n = network_create(kinds[i], runtime, SAMPLES);
        nnk_graph *graph = nnk_graph_create();
        network_describe(kinds[i], graph);
        nnk_model_destroy(n->model);
        TRY(nnk_model_create, (runtime, graph, "seed=7", &n->model));
        nnk_graph_destroy(graph);
        add_parameters(n->model);
        training(n, "loss=softmax_cross_entropy optimizer=adam learning_rate=0.0123 metric=accuracy");
        training(n, "loss=softmax_cross_entropy optimizer=sgd momentum=0.9 weight_decay=0.001 clip_norm=0.5");
        running(n);
        files(n);
        network_destroy(n);
    }
    streaming(runtime);
    VOID(nnk_runtime_destroy, (runtime));
    return digest;
}

static void one_environment(void *argument) {
    const environment *e = (const environment *)argument;
    const uint64_t expected = round_in(&environments[0]);
    char what[96];
    in_callback = callbacks = in_writer = writes = 0;
    snprintf(what, sizeof what, "%s: other bits", e->title);
    check_true(round_in(e) == expected, what, __FILE__, __LINE__);
    CHECK(callbacks == 16 && in_callback == callbacks);
    CHECK(writes > 8 && in_writer == writes);
}

static void every_function_is_called(void *unused) {
    int i, known = 0;
    (void)unused;
    round_in(&environments[0]);
#define IS_CALLED(result, name, parameters)                                                                            \
    for (i = 0; i < called_count && strcmp(called[i], #name) != 0; i++) {}                                             \
    known++;                                                                                                           \
    check_true(i < called_count, #name " is not tested here", __FILE__, __LINE__);
    NNKIT_FUNCTIONS(IS_CALLED)
#undef IS_CALLED
    CHECK(called_count == known);
}

/* What a callback leaves is the host's environment from then on. */
static void a_callback_may_change_it(void *unused) {
    network *n = network_create(NETWORK_CNN, NULL, SAMPLES);
    nnk_trainer *trainer = network_trainer(n);
    nnk_dataset *dataset = network_dataset(n);
    environment now;
    (void)unused;
    host = &environments[1];
    set_environment(host);
    CHECK_OK(nnk_trainer_fit(trainer, dataset, "", report, (void *)(uintptr_t)&environments[3]));
    now = get_environment();
    set_environment(&environments[0]);
    CHECK(is_same(&now, &environments[3]));
}

int main(int argc, char **argv) {
    int i;
    nnkit_load(argc > 1 ? argv[1] : "libnnkit.so");
    for (i = 0; i < ENVIRONMENTS; i++)
        check_in_child(environments[i].title, CHILD_SECONDS, one_environment, (void *)(uintptr_t)&environments[i]);
    check_in_child("every function", CHILD_SECONDS, every_function_is_called, NULL);
    check_in_child("a callback's environment", CHILD_SECONDS, a_callback_may_change_it, NULL);
    return check_summary();
}
