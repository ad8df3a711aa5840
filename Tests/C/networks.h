/* networks.h: a small convolutional and a small recurrent network with data, which most programs here test with.
 * Included after check.h. */
#ifndef NETWORKS_H
#define NETWORKS_H

#include <math.h>
#include <stdint.h>

enum { NETWORK_CLASSES = 3, NETWORK_STEPS = 7, NETWORK_VOCABULARY = 11 };

typedef enum network_kind {
    NETWORK_CNN,         /* image [S,S,2] */
    NETWORK_CNN_DROPOUT, /* the same with dropout */
    NETWORK_LSTM,        /* tokens [T] and lengths [] */
    NETWORK_TAGGER       /* the same, with an output for each time step */
} network_kind;

/* A model with `samples` samples to train on and room for its output on all of them. */
typedef struct network {
    network_kind kind;
    nnk_model *model;
    int64_t samples;
    int32_t n_inputs;
    nnk_tensor inputs[2];
    nnk_tensor targets[1];
    nnk_tensor outputs[1];
    float *output; /* [samples, NETWORK_CLASSES], or of a tagger [samples, NETWORK_STEPS, NETWORK_CLASSES] */
    void *memory[4];
    int64_t shapes[4][4];
} network;

#define NETWORK_TRAINER "loss=softmax_cross_entropy optimizer=adam learning_rate=0.02 metric=accuracy"

static inline const char *network_title(network_kind kind) {
    static const char *titles[] = {"cnn", "cnn with dropout", "lstm", "tagger"};
    return titles[kind];
}

static inline int network_is_recurrent(network_kind kind) { return kind >= NETWORK_LSTM; }

/* How many rows of classes a sample's output has. */
static inline int64_t network_rows(network_kind kind) { return kind == NETWORK_TAGGER ? NETWORK_STEPS : 1; }

/* The size of the images: large enough for several threads, small in a small run. */
static inline int64_t network_image_size(void) { return scaled(12, 6); }

/* Numbers from 0 to below 1, the same on every machine. */
static inline float network_random(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return (float)(*state >> 8) / 16777216.0f;
}

static inline void *network_memory(size_t bytes) {
    void *memory = calloc(1, bytes);
    if (!memory) exit(3);
    return memory;
}

/* Describes the network in `graph`. */
static inline void network_describe(network_kind kind, nnk_graph *graph) {
    nnk_value x;
    if (network_is_recurrent(kind)) {
        const int64_t steps[1] = {NETWORK_STEPS};
        nnk_value inputs[2];
        x = nnk_graph_input(graph, "tokens", NNK_INT32, steps, 1);
        inputs[1] = nnk_graph_input(graph, "lengths", NNK_INT32, steps, 0);
        inputs[0] = nnk_graph_layer(graph, "embedding", "vocabulary=11 units=6", x);
        REQUIRE_OK(nnk_graph_layer_multi(graph, "lstm", "units=9 return_sequences=true", inputs, 2, inputs, 1));
        if (kind == NETWORK_TAGGER) inputs[0] = nnk_graph_layer(graph, "batchnorm", "", inputs[0]);
        REQUIRE_OK(nnk_graph_layer_multi(
            graph, "lstm", kind == NETWORK_TAGGER ? "units=17 return_sequences=true" : "units=17", inputs, 2, &x, 1));
    } else {
        const int64_t image[3] = {network_image_size(), network_image_size(), 2};
        x = nnk_graph_input(graph, "image", NNK_FLOAT32, image, 3);
        x = nnk_graph_layer(graph, "conv2d", "filters=5 kernel=3 padding=same activation=relu", x);
        x = nnk_graph_layer(graph, "maxpool2d", "size=2", x);
        x = nnk_graph_layer(graph, "conv2d", "filters=10 kernel=3 padding=same groups=5 activation=relu", x);
        x = nnk_graph_layer(graph, "conv2d", "filters=17 kernel=3 padding=same activation=relu", x);
        x = nnk_graph_layer(graph, "flatten", "", x);
        if (kind == NETWORK_CNN_DROPOUT) x = nnk_graph_layer(graph, "dropout", "rate=0.25", x);
    }
    x = nnk_graph_layer(graph, "dense", "units=3 name=logits", x);
    REQUIRE_OK(nnk_graph_output(graph, "logits", x));
}

/* A model of the network on `runtime`. */
static inline nnk_model *network_model(network_kind kind, nnk_runtime *runtime) {
    nnk_model *model = NULL;
    nnk_graph *graph = nnk_graph_create();
    network_describe(kind, graph);
    REQUIRE_OK(nnk_model_create(runtime, graph, "seed=7", &model));
    nnk_graph_destroy(graph);
    return model;
}

/* Samples whose class can be seen in them: a wave in the image, or the first token. */
static inline void network_fill(network *n) {
    uint32_t state = 20240607u;
    int32_t *labels = (int32_t *)n->memory[2];
    const int64_t rows = network_rows(n->kind);
    int64_t i, j;
    for (i = 0; i < n->samples; i++) {
        const int32_t label = (int32_t)(i % NETWORK_CLASSES);
        for (j = 0; j < rows; j++) labels[i * rows + j] = label;
        if (network_is_recurrent(n->kind)) {
            int32_t *tokens = (int32_t *)n->memory[0] + i * NETWORK_STEPS;
            for (j = 0; j < NETWORK_STEPS; j++) tokens[j] = (int32_t)(network_random(&state) * NETWORK_VOCABULARY);
            tokens[0] = label;
            ((int32_t *)n->memory[1])[i] = 1 + (int32_t)(network_random(&state) * NETWORK_STEPS);
        } else {
            const int64_t pixels = network_image_size() * network_image_size() * 2;
            float *image = (float *)n->memory[0] + i * pixels;
            for (j = 0; j < pixels; j++)
                image[j] = sinf((float)j * (0.5f + 0.7f * (float)label)) + network_random(&state) - 0.5f;
        }
    }
}

/* The data of a network with `samples` samples, without a model: no function of the library allocates anything. */
static inline network *network_data(network_kind kind, int64_t samples) {
    network *n = (network *)network_memory(sizeof *n);
    const int64_t size = network_image_size();
    const size_t count = (size_t)samples, rows = (size_t)network_rows(kind);
    const int32_t stepped = kind == NETWORK_TAGGER ? 1 : 0;
    n->kind = kind;
    n->samples = samples;
    if (network_is_recurrent(kind)) {
        n->n_inputs = 2;
        n->shapes[0][0] = samples, n->shapes[0][1] = NETWORK_STEPS;
        n->memory[0] = network_memory(count * NETWORK_STEPS * sizeof(int32_t));
        n->inputs[0] = nnk_tensor_view(n->memory[0], NNK_INT32, n->shapes[0], 2);
        n->shapes[1][0] = samples;
        n->memory[1] = network_memory(count * sizeof(int32_t));
        n->inputs[1] = nnk_tensor_view(n->memory[1], NNK_INT32, n->shapes[1], 1);
    } else {
        n->n_inputs = 1;
        n->shapes[0][0] = samples, n->shapes[0][1] = size, n->shapes[0][2] = size, n->shapes[0][3] = 2;
        n->memory[0] = network_memory(count * (size_t)(size * size * 2) * sizeof(float));
        n->inputs[0] = nnk_tensor_view(n->memory[0], NNK_FLOAT32, n->shapes[0], 4);
    }
    n->shapes[2][0] = samples, n->shapes[2][1] = NETWORK_STEPS;
    n->memory[2] = network_memory(count * rows * sizeof(int32_t));
    n->targets[0] = nnk_tensor_view(n->memory[2], NNK_INT32, n->shapes[2], 1 + stepped);
    n->shapes[3][0] = samples, n->shapes[3][1] = NETWORK_STEPS, n->shapes[3][1 + stepped] = NETWORK_CLASSES;
    n->memory[3] = network_memory(count * rows * NETWORK_CLASSES * sizeof(float));
    n->output = (float *)n->memory[3];
    n->outputs[0] = nnk_tensor_view(n->memory[3], NNK_FLOAT32, n->shapes[3], 2 + stepped);
    network_fill(n);
    return n;
}

/* The network with `samples` samples, on `runtime` (NULL: the default). */
static inline network *network_create(network_kind kind, nnk_runtime *runtime, int64_t samples) {
    network *n = network_data(kind, samples);
    n->model = network_model(kind, runtime);
    return n;
}

static inline void network_destroy(network *n) {
    int i;
    nnk_model_destroy(n->model);
    for (i = 0; i < 4; i++) free(n->memory[i]);
    free(n);
}

static inline nnk_trainer *network_trainer(const network *n) {
    nnk_trainer *trainer = NULL;
    REQUIRE_OK(nnk_trainer_create(n->model, NETWORK_TRAINER, &trainer));
    return trainer;
}

static inline nnk_dataset *network_dataset(const network *n) {
    nnk_dataset *dataset = NULL;
    REQUIRE_OK(nnk_dataset_create_from_arrays(n->inputs, n->n_inputs, n->targets, 1, &dataset));
    return dataset;
}

/* One training step on all samples. */
static inline nnk_status network_step(const network *n, nnk_trainer *trainer, double *loss) {
    return nnk_trainer_step(trainer, n->inputs, n->n_inputs, n->targets, 1, loss);
}

/* A session for all samples of the network. */
static inline nnk_session *network_session(const network *n) {
    nnk_session *session = NULL;
    char options[48];
    snprintf(options, sizeof options, "max_batch=%d", (int)n->samples);
    REQUIRE_OK(nnk_session_create(n->model, options, &session));
    return session;
}

/* Runs the session on all samples, into n->output. */
static inline nnk_status network_run(network *n, nnk_session *session) {
    return nnk_session_run(session, n->inputs, n->n_inputs, n->outputs, 1);
}

static inline size_t network_output_bytes(const network *n) {
    return (size_t)(n->samples * network_rows(n->kind)) * NETWORK_CLASSES * sizeof(float);
}

static inline int all_finite(const float *values, size_t count) {
    size_t i;
    for (i = 0; i < count; i++)
        if (!isfinite(values[i])) return 0;
    return 1;
}

/* A copy of all parameters, gaps included; *bytes is its size. The caller frees it. */
static inline void *network_parameters(nnk_model *model, size_t *bytes) {
    nnk_tensor view;
    void *copy;
    memset(&view, 0, sizeof view);
    REQUIRE_OK(nnk_model_parameters_view(model, &view));
    *bytes = (size_t)view.shape[0] * sizeof(float);
    copy = network_memory(*bytes);
    memcpy(copy, (const char *)view.data + view.byte_offset, *bytes);
    return copy;
}

#endif /* NETWORKS_H */
