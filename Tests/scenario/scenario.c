/* scenario.c: one scenario, which run.sh runs in every language: build, train, set the rate, train with gradients of
 * the program's own, save, load, run, stream. Each line of its output is what was computed, and the hash of its bytes.
 *
 *     scenario <file to save to>
 *
 * By default the library is loaded from the path in NNKIT_LIBRARY; with NNKIT_LINKED defined it was linked. */
#include "../C/nnkit_loader.h"

#include <inttypes.h>

enum { SAMPLES = 96, STEPS = 12, FEATURES = 3, OUTPUTS = 2, BATCH = 16, EPOCHS = 3, RUN = 8 };
enum { SAMPLE = STEPS * FEATURES };

static float x[SAMPLES * SAMPLE], y[SAMPLES * OUTPUTS];

static void require_ok(nnk_status status, const char *what) {
    if (status == NNK_OK) return;
    fprintf(stderr, "%s: %s\n", what, nnk_last_error());
    exit(1);
}

#define REQUIRE_OK(call) require_ok(call, #call)

/* 64-bit FNV-1a: of nothing, and of `count` bytes more. */
static const uint64_t nothing = 14695981039346656037u;

static uint64_t hashed(uint64_t hash, const void *bytes, size_t count) {
    const unsigned char *byte = (const unsigned char *)bytes;
    while (count--) hash = (hash ^ *byte++) * 1099511628211u;
    return hash;
}

static void show(const char *name, uint64_t hash) { printf("%s %016" PRIx64 "\n", name, hash); }

static void show_floats(const char *name, const float *values, size_t count) {
    show(name, hashed(nothing, values, count * sizeof *values));
}

/* Numbers from -1 to below 1, which go on from call to call. */
static void draw(float *values, size_t count) {
    static uint64_t state = 1;
    size_t i;
    for (i = 0; i < count; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        values[i] = (float)(state >> 40) / 8388608.0f - 1.0f;
    }
}

static nnk_model *build(void) {
    static const int64_t shape[2] = {STEPS, FEATURES};
    nnk_model *model = NULL;
    nnk_graph *graph = nnk_graph_create();
    nnk_value value = nnk_graph_input(graph, "input", NNK_FLOAT32, shape, 2);
    value = nnk_graph_layer(graph, "lstm", "units=8 return_sequences=true name=first", value);
    value = nnk_graph_layer(graph, "lstm", "units=8 name=second", value);
    value = nnk_graph_layer(graph, "dense", "units=2 name=head", value);
    nnk_graph_output(graph, "output", value);
    REQUIRE_OK(nnk_model_create(NULL, graph, "seed=7", &model));
    nnk_graph_destroy(graph);
    return model;
}

static int keep_loss(const nnk_progress *progress, void *losses) {
    ((float *)losses)[progress->epoch - 1] = (float)progress->loss;
    return 0;
}

/* A view of samples: of `data`, [count, STEPS, FEATURES] or [count, OUTPUTS]. */
static nnk_tensor inputs_of(float *data, int64_t count) {
    static int64_t shape[3] = {0, STEPS, FEATURES};
    shape[0] = count;
    return nnk_tensor_view(data, NNK_FLOAT32, shape, 3);
}

static nnk_tensor outputs_of(float *data, int64_t count) {
    static int64_t shape[2] = {0, OUTPUTS};
    shape[0] = count;
    return nnk_tensor_view(data, NNK_FLOAT32, shape, 2);
}

static void train(nnk_model *model) {
    nnk_trainer *trainer = NULL;
    nnk_dataset *dataset = NULL;
    float losses[EPOCHS] = {0}, loss, outputs[BATCH * OUTPUTS], gradients[BATCH * OUTPUTS];
    double step_loss = 0;
    int i;
    nnk_tensor in = inputs_of(x, SAMPLES), out = outputs_of(y, SAMPLES), given;
    REQUIRE_OK(nnk_dataset_create_from_arrays(&in, 1, &out, 1, &dataset));
    REQUIRE_OK(nnk_trainer_create(model, "loss=mean_squared_error optimizer=adam learning_rate=0.01", &trainer));
    REQUIRE_OK(nnk_trainer_fit(trainer, dataset, "epochs=3 batch_size=16", keep_loss, losses));
    show_floats("losses", losses, EPOCHS);

    REQUIRE_OK(nnk_trainer_set(trainer, "learning_rate=0.005"));
    in = inputs_of(x, BATCH), out = outputs_of(y, BATCH);
    REQUIRE_OK(nnk_trainer_step(trainer, &in, 1, &out, 1, &step_loss));
    loss = (float)step_loss;
    show_floats("step", &loss, 1);

    for (i = 0; i < BATCH * OUTPUTS; i++) gradients[i] = 0.125f;
    in = inputs_of(x + BATCH * SAMPLE, BATCH), out = outputs_of(outputs, BATCH), given = outputs_of(gradients, BATCH);
    REQUIRE_OK(nnk_trainer_forward(trainer, &in, 1, &out, 1));
    show_floats("forward", outputs, BATCH * OUTPUTS);
    REQUIRE_OK(nnk_trainer_backward(trainer, &given, 1, NULL, 0));
    REQUIRE_OK(nnk_trainer_apply(trainer));
    nnk_trainer_destroy(trainer);
    nnk_dataset_destroy(dataset);
}

/* The parameters in their order, without the gaps between them; in the JSON keys come in alphabetical order. */
static void show_parameters(nnk_model *model) {
    nnk_tensor view;
    const char *info = NULL, *place, *count;
    uint64_t hash = nothing;
    REQUIRE_OK(nnk_model_parameters_view(model, &view));
    REQUIRE_OK(nnk_model_info_json(model, &info));
    place = strstr(info, "\"parameters\":[");
    while (place && (count = strstr(place, "\"count\":")) && (place = strstr(count, "\"offset\":")))
        hash = hashed(hash, (const float *)view.data + atol(place + strlen("\"offset\":")),
                      (size_t)atol(count + strlen("\"count\":")) * sizeof(float));
    show("parameters", hash);
}

static void run(nnk_model *model) {
    nnk_session *session = NULL;
    float outputs[RUN * OUTPUTS];
    nnk_tensor in = inputs_of(x, RUN), out = outputs_of(outputs, RUN);
    REQUIRE_OK(nnk_session_create(model, "max_batch=8", &session));
    REQUIRE_OK(nnk_session_run(session, &in, 1, &out, 1));
    show_floats("run", outputs, RUN * OUTPUTS);
    nnk_session_destroy(session);
}

static void stream(nnk_model *model) {
    static const int64_t shape[2] = {1, FEATURES};
    nnk_session *session = NULL;
    nnk_stream *stream = NULL;
    float outputs[STEPS * OUTPUTS];
    int step;
    REQUIRE_OK(nnk_session_create(model, "", &session));
    REQUIRE_OK(nnk_stream_create(model, &stream));
    for (step = 0; step < STEPS; step++) {
        nnk_tensor in = nnk_tensor_view(x + step * FEATURES, NNK_FLOAT32, shape, 2);
        nnk_tensor out = outputs_of(outputs + step * OUTPUTS, 1);
        REQUIRE_OK(nnk_streams_step(session, &stream, 1, &in, 1, &out, 1));
    }
    show_floats("stream", outputs, STEPS * OUTPUTS);
    nnk_stream_destroy(stream);
    nnk_session_destroy(session);
}

static void show_file(const char *path) {
    uint64_t hash = nothing;
    int byte;
    FILE *file = fopen(path, "rb");
    if (!file) exit(1);
    while ((byte = getc(file)) != EOF) {
        const unsigned char one = (unsigned char)byte;
        hash = hashed(hash, &one, 1);
    }
    fclose(file);
    show("file", hash);
}

int main(int argc, char **argv) {
    nnk_model *model, *loaded = NULL;
    if (argc != 2) {
        fprintf(stderr, "usage: %s <file to save to>\n", argv[0]);
        return 2;
    }
    nnkit_load(getenv("NNKIT_LIBRARY"));
    draw(x, sizeof x / sizeof *x);
    draw(y, sizeof y / sizeof *y);
    model = build();
    train(model);
    show_parameters(model);
    REQUIRE_OK(nnk_model_save(model, argv[1]));
    REQUIRE_OK(nnk_model_load(NULL, argv[1], &loaded));
    run(loaded);
    stream(loaded);
    show_file(argv[1]);
    nnk_model_destroy(model);
    nnk_model_destroy(loaded);
    return 0;
}
