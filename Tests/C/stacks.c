/* stacks.c: how much of a thread's stack each call takes, for layers of every kind: no more than the header says. Each
 * call has a thread of its own, whose stack is filled before and looked at afterwards. argv[1]: the library. */
#include "nnkit_loader.h"

#include "check.h"
#include "networks.h"

#include <pthread.h>
#include <sys/mman.h>

enum { STACK = 256 << 10, FILLING = 0xa5, TIME = 9 };

/* ---------------------------------------------------------------------------------------------------- networks */

/* Layers one after another, the first one `repeats` times. The last one has three outputs. */
typedef struct chain {
    const char *title;
    nnk_dtype dtype;
    int32_t rank;
    int64_t shape[3];
    const char *layers[10][2];
    int repeats;
    int64_t samples;
} chain;

static const chain chains[] = {
    {"images",
     NNK_FLOAT32,
     3,
     {12, 12, 8},
     {{"conv2d", "filters=8 kernel=3 padding=same activation=relu"},
      {"batchnorm", "activation=gelu"},
      {"conv2d", "filters=8 kernel=3 padding=same groups=8"},
      {"maxpool2d", "size=2"},
      {"conv2d", "filters=16 kernel=5 dilation=2 stride=2 padding=same groups=4"},
      {"avgpool2d", "size=2 stride=1"},
      {"conv2d", "filters=16 kernel=1 activation=hard_swish"},
      {"globalavgpool2d", ""},
      {"softmax", ""},
      {"dense", "units=3"}},
     1,
     6},
    {"large convolutions",
     NNK_FLOAT32,
     3,
     {32, 32, 64},
     {{"conv2d", "filters=64 kernel=3 padding=same"},
      {"batchnorm", "activation=relu"},
      {"conv2d", "filters=64 kernel=3 padding=same activation=relu"},
      {"maxpool2d", "size=2"},
      {"flatten", ""},
      {"dropout", "rate=0.5"},
      {"dense", "units=3"}},
     1,
     4},
    {"many channels",
     NNK_FLOAT32,
     3,
     {4, 4, 256},
     {{"conv2d", "filters=256 kernel=3 padding=same activation=tanh"},
      {"conv2d", "filters=256 kernel=3 padding=same"},
      {"globalavgpool2d", ""},
      {"dense", "units=3"}},
     1,
     2},
    {"sequences",
     NNK_FLOAT32,
     2,
     {-1, 16, 0},
     {{"lstm", "units=160 return_sequences=true"},
      {"batchnorm", ""},
      {"dense", "units=64 activation=silu"},
      {"gru", "units=160 return_sequences=true"},
      {"dropout", "rate=0.1"},
      {"lstm", "units=64 return_sequences=true"},
      {"gru", "units=9"},
      {"dense", "units=3"},
      {"log_softmax", ""}},
     1,
     16},
    {"tokens",
     NNK_INT32,
     1,
     {TIME, 0, 0},
     {{"embedding", "vocabulary=9 units=16"}, {"gru", "units=600"}, {"dense", "units=3"}},
     1,
     1},
    {"moved elements",
     NNK_FLOAT32,
     2,
     {12, 10, 0},
     {{"permute", "axes=1,0"},
      {"slice", "start=2"},
      {"concat", "axis=0"},
      {"multiply", ""},
      {"subtract", ""},
      {"repeat", "count=3"},
      {"reshape", "shape=-1"},
      {"dense", "units=3"}},
     1,
     3},
    {"many layers", NNK_FLOAT32, 1, {8, 0, 0}, {{"dense", "units=8 activation=sigmoid"}, {"dense", "units=3"}}, 500, 3},
};

static const chain *current;
static nnk_model *model;
static nnk_trainer *trainer;
static nnk_dataset *dataset;
static nnk_session *session;
static nnk_tensor input, output, labels;
static char written[32 << 20];
static int64_t written_count;

static int take(const void *bytes, int64_t count, void *user) {
    (void)user;
    if (written_count + count > (int64_t)sizeof written) return 1;
    memcpy(written + written_count, bytes, (size_t)count);
    written_count += count;
    return 0;
}

static int go_on(const nnk_progress *progress, void *user) {
    (void)progress, (void)user;
    return 0;
}

/* ------------------------------------------------------------------------------------------------------- calls */

/* A layer of two inputs is given the value twice. */
static nnk_value add_layer(nnk_graph *graph, const char *const *layer, nnk_value x) {
    const int has_two = strcmp(layer[0], "multiply") == 0 || strcmp(layer[0], "subtract") == 0;
    const nnk_value pair[2] = {x, x};
    if (!has_two) return nnk_graph_layer(graph, layer[0], layer[1], x);
    CHECK_OK(nnk_graph_layer_multi(graph, layer[0], layer[1], pair, 2, &x, 1));
    return x;
}

static void *create_model(void *unused) {
    nnk_graph *graph = nnk_graph_create();
    nnk_value x = nnk_graph_input(graph, "x", current->dtype, current->shape, current->rank);
    int i;
    for (i = 1; i < current->repeats; i++) x = add_layer(graph, current->layers[0], x);
    for (i = 0; i < 10 && current->layers[i][0]; i++) x = add_layer(graph, current->layers[i], x);
    CHECK_OK(nnk_graph_output(graph, "y", x));
    CHECK_OK(nnk_model_create(NULL, graph, "seed=1", &model));
    nnk_graph_destroy(graph);
    return unused;
}

static void *create_trainer(void *unused) {
    CHECK_OK(nnk_trainer_create(model, NETWORK_TRAINER, &trainer));
    CHECK_OK(nnk_trainer_set(trainer, "learning_rate=0.001 clip_norm=1"));
    return unused;
}

static void *create_session(void *unused) {
    int64_t bytes;
    CHECK_OK(nnk_session_bytes(model, "max_batch=16", &bytes));
    CHECK_OK(nnk_session_create(model, "max_batch=16", &session));
    return unused;
}

static void *step(void *unused) {
    CHECK_OK(nnk_trainer_step(trainer, &input, 1, &labels, 1, NULL));
    return unused;
}

static void *fit(void *unused) {
    CHECK_OK(nnk_trainer_fit(trainer, dataset, "batch_size=5 report=batch", go_on, NULL));
    return unused;
}

static void *evaluate(void *unused) {
    CHECK_OK(nnk_trainer_evaluate_reporting(trainer, dataset, "batch_size=4", NULL, NULL, go_on, NULL));
    return unused;
}

static void *train_by_hand(void *unused) {
    CHECK_OK(nnk_trainer_forward(trainer, &input, 1, &output, 1));
    CHECK_OK(nnk_trainer_backward(trainer, &output, 1, NULL, 0));
    CHECK_OK(nnk_trainer_apply(trainer));
    return unused;
}

static void *train_frozen(void *unused) {
    CHECK_OK(nnk_trainer_freeze(trainer, "*kernel", 1, NULL));
    return step(unused);
}

static void *run(void *unused) {
    CHECK_OK(nnk_session_run(session, &input, 1, &output, 1));
    return unused;
}

/* Of a model that can be streamed. */
static void *step_a_stream(void *unused) {
    nnk_stream *stream = NULL;
    int64_t in_shape[2] = {1, current->shape[1]}, out_shape[2] = {1, NETWORK_CLASSES};
    nnk_tensor in = nnk_tensor_view(input.data, current->dtype, in_shape, current->rank);
    nnk_tensor out = nnk_tensor_view(output.data, NNK_FLOAT32, out_shape, 2);
    const nnk_status status = nnk_stream_create(model, &stream);
    CHECK(status == NNK_OK || status == NNK_ERROR_UNSUPPORTED);
    if (status == NNK_OK) CHECK_OK(nnk_streams_step(session, &stream, 1, &in, 1, &out, 1));
    nnk_stream_destroy(stream);
    return unused;
}

static void *write_and_read(void *unused) {
    nnk_model *copy = NULL;
    const char *text = NULL;
    written_count = 0;
    CHECK_OK(nnk_trainer_write_state(trainer, take, NULL));
    CHECK_OK(nnk_trainer_read_state(trainer, written, written_count));
    CHECK_OK(nnk_model_read(NULL, written, written_count, &copy));
    CHECK_OK(nnk_model_info_json(copy, &text));
    nnk_model_destroy(copy);
    return unused;
}

static void *destroy(void *unused) {
    nnk_session_destroy(session), nnk_trainer_destroy(trainer), nnk_dataset_destroy(dataset), nnk_model_destroy(model);
    nnk_shutdown();
    return unused;
}

static void *texts(void *unused) {
    const char *text = NULL;
    CHECK(nnk_catalog_json() != NULL);
    CHECK_OK(nnk_runtime_info_json(NULL, &text));
    return unused;
}

static const struct part {
    const char *name;
    void *(*body)(void *);
} parts[] = {
    {"texts", texts},
    {"model", create_model},
    {"trainer", create_trainer},
    {"step", step},
    {"fit", fit},
    {"evaluation", evaluate},
    {"by hand", train_by_hand},
    {"frozen", train_frozen},
    {"session", create_session},
    {"run", run},
    {"stream", step_a_stream},
    {"state", write_and_read},
    {"end", destroy},
};

/* --------------------------------------------------------------------------------------------------- measuring */

/* The bytes of its stack that a thread has touched in which `body` ran. */
static int stack_of(void *(*body)(void *), unsigned char *stack) {
    pthread_attr_t attributes;
    pthread_t thread;
    int untouched = 0;
    memset(stack, FILLING, STACK);
    pthread_attr_init(&attributes);
    if (pthread_attr_setstack(&attributes, stack, STACK) != 0) exit(3);
    if (pthread_create(&thread, &attributes, body, NULL) != 0) exit(3);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
    while (untouched < STACK && stack[untouched] == FILLING) untouched++;
    return STACK - untouched;
}

int main(int argc, char **argv) {
    unsigned char *stack =
        (unsigned char *)mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int most = 0;
    size_t i, j;
    if (stack == MAP_FAILED) exit(3);
    unsetenv("NNKIT_VERIFY_PLANS"); /* for tests of the library, with more stack than hosts need */
    nnkit_load(argc > 1 ? argv[1] : "libnnkit.so");
    for (i = 0; i < sizeof chains / sizeof chains[0]; i++) {
        int64_t in_shape[4], out_shape[2];
        int64_t count = 1;
        int32_t axis;
        current = &chains[i];
        in_shape[0] = out_shape[0] = count = current->samples, out_shape[1] = NETWORK_CLASSES;
        for (axis = 0; axis < current->rank; axis++) {
            in_shape[axis + 1] = current->shape[axis] < 0 ? (int64_t)TIME : current->shape[axis];
            count *= in_shape[axis + 1];
        }
        input = nnk_tensor_view(network_memory((size_t)count * 4), current->dtype, in_shape, current->rank + 1);
        output =
            nnk_tensor_view(network_memory((size_t)current->samples * NETWORK_CLASSES * 4), NNK_FLOAT32, out_shape, 2);
        labels = nnk_tensor_view(network_memory((size_t)current->samples * 4), NNK_INT32, out_shape, 1);
        REQUIRE_OK(nnk_dataset_create_from_arrays(&input, 1, &labels, 1, &dataset));
        for (j = 0; j < sizeof parts / sizeof parts[0]; j++) {
            const int bytes = stack_of(parts[j].body, stack);
            char what[128];
            snprintf(what, sizeof what, "%s, %s: %d bytes of stack; the header says that %d are enough", current->title,
                     parts[j].name, bytes, SMALL_STACK);
            check_true(bytes <= SMALL_STACK, what, __FILE__, __LINE__);
            if (bytes > most) most = bytes;
        }
        free(input.data), free(output.data), free(labels.data);
    }
    fprintf(stderr, "the most that a call took of its thread's stack: %d bytes\n", most);
    return check_summary();
}
