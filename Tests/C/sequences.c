/* sequences.c: what stands behind the lengths of sequences counts nowhere.
 * argv[1]: the library. */
#include "nnkit_loader.h"

#include "check.h"

#include <math.h>
#include <stdint.h>

enum { SAMPLES = 5, STEPS = 6, WIDTH = 2, CLASSES = 3 };

static const int32_t lengths[SAMPLES] = {3, 6, 1, 4, 2};

/* A model of sequences that returns classes (labels: int64) or numbers for every step, with data. */
typedef struct fixture {
    nnk_model *model;
    nnk_trainer *trainer;
    float x[SAMPLES * STEPS * WIDTH], numbers[SAMPLES * STEPS * CLASSES], output[SAMPLES * STEPS * CLASSES];
    int64_t labels[SAMPLES * STEPS];
    int32_t lengths[SAMPLES];
    int64_t x_shape[3], output_shape[3];
    nnk_tensor inputs[2], targets[1], outputs[1];
    int labelled;
} fixture;

/* Fills everything behind the lengths. */
static void pad(fixture *f, float number, int64_t label) {
    int n, t, i;
    for (n = 0; n < SAMPLES; n++)
        for (t = lengths[n]; t < STEPS; t++) {
            f->labels[n * STEPS + t] = label;
            for (i = 0; i < WIDTH; i++) f->x[(n * STEPS + t) * WIDTH + i] = number;
            for (i = 0; i < CLASSES; i++) f->numbers[(n * STEPS + t) * CLASSES + i] = number;
        }
}

static fixture *fixture_create(const char *kind, int labelled) {
    static const int64_t shape[2] = {-1, WIDTH};
    fixture *f = (fixture *)calloc(1, sizeof *f);
    nnk_graph *graph = nnk_graph_create();
    nnk_value inputs[2], value;
    int i;
    if (!f) exit(3);
    f->labelled = labelled;
    inputs[0] = nnk_graph_input(graph, "x", NNK_FLOAT32, shape, 2);
    inputs[1] = nnk_graph_input(graph, "lengths", NNK_INT32, shape, 0);
    inputs[0] = nnk_graph_layer(graph, "dense", "units=4 activation=tanh", inputs[0]);
    REQUIRE_OK(nnk_graph_layer_multi(graph, kind, "units=7 return_sequences=true", inputs, 2, &value, 1));
    value = nnk_graph_layer(graph, "batchnorm", "", value);
    value = nnk_graph_layer(graph, kind, "units=5 return_sequences=true", value);
    value = nnk_graph_layer(graph, "dense", "units=3", value);
    REQUIRE_OK(nnk_graph_output(graph, "y", value));
    REQUIRE_OK(nnk_model_create(NULL, graph, "seed=3", &f->model));
    nnk_graph_destroy(graph);
    REQUIRE_OK(nnk_trainer_create(
        f->model, labelled ? "loss=softmax_cross_entropy metric=accuracy" : "loss=mean_squared_error", &f->trainer));
    memcpy(f->lengths, lengths, sizeof lengths);
    for (i = 0; i < SAMPLES * STEPS * WIDTH; i++) f->x[i] = sinf((float)i);
    for (i = 0; i < SAMPLES * STEPS * CLASSES; i++) f->numbers[i] = cosf((float)i);
    for (i = 0; i < SAMPLES * STEPS; i++) f->labels[i] = i % CLASSES;
    f->x_shape[0] = f->output_shape[0] = SAMPLES;
    f->x_shape[1] = f->output_shape[1] = STEPS;
    f->x_shape[2] = WIDTH, f->output_shape[2] = CLASSES;
    f->inputs[0] = nnk_tensor_view(f->x, NNK_FLOAT32, f->x_shape, 3);
    f->inputs[1] = nnk_tensor_view(f->lengths, NNK_INT32, f->x_shape, 1);
    f->targets[0] = labelled ? nnk_tensor_view(f->labels, NNK_INT64, f->x_shape, 2)
                             : nnk_tensor_view(f->numbers, NNK_FLOAT32, f->output_shape, 3);
    f->outputs[0] = nnk_tensor_view(f->output, NNK_FLOAT32, f->output_shape, 3);
    return f;
}

static void fixture_destroy(fixture *f) {
    nnk_trainer_destroy(f->trainer);
    nnk_model_destroy(f->model);
    free(f);
}

static float *parameters(fixture *f, int64_t *count) {
    nnk_tensor view;
    REQUIRE_OK(nnk_model_parameters_view(f->model, &view));
    *count = view.shape[0];
    return (float *)view.data;
}

static int keep(const nnk_progress *progress, void *loss) {
    *(double *)loss = progress->loss;
    return 0;
}

/* Everything that can be asked: outputs, losses, the metric, and the parameters after training. */
typedef struct answers {
    float output[SAMPLES * STEPS * CLASSES];
    double step, fit, evaluated, metric;
    float *parameters;
    int64_t count;
} answers;

static answers ask(const char *kind, int labelled, float number, int64_t label) {
    fixture *f = fixture_create(kind, labelled);
    answers a;
    nnk_session *session = NULL;
    nnk_dataset *dataset = NULL;
    const float *values;
    pad(f, number, label);
    memset(&a, 0, sizeof a);
    REQUIRE_OK(nnk_session_create(f->model, "max_batch=5 max_time=6", &session));
    CHECK_OK(nnk_session_run(session, f->inputs, 2, f->outputs, 1));
    memcpy(a.output, f->output, sizeof a.output);
    nnk_session_destroy(session);
    REQUIRE_OK(nnk_dataset_create_from_arrays(f->inputs, 2, f->targets, 1, &dataset));
    CHECK_OK(nnk_trainer_evaluate(f->trainer, dataset, "batch_size=2", &a.evaluated, &a.metric));
    CHECK_OK(nnk_trainer_step(f->trainer, f->inputs, 2, f->targets, 1, &a.step));
    CHECK_OK(nnk_trainer_fit(f->trainer, dataset, "epochs=3 batch_size=2", keep, &a.fit));
    nnk_dataset_destroy(dataset);
    values = parameters(f, &a.count);
    a.parameters = (float *)malloc((size_t)a.count * sizeof(float));
    if (!a.parameters) exit(3);
    memcpy(a.parameters, values, (size_t)a.count * sizeof(float));
    fixture_destroy(f);
    return a;
}

static void padding_counts_nowhere(void) {
    static const char *kinds[] = {"lstm", "gru"};
    static const float numbers[] = {7, NAN, INFINITY, -3e38f};
    static const int64_t labels[] = {2, -1, 1000000000, INT64_MIN};
    size_t i;
    int k;
    for (k = 0; k < 4; k++) {
        answers plain = ask(kinds[k % 2], k / 2, 0, 0);
        CHECK(isfinite(plain.step) && isfinite(plain.fit) && isfinite(plain.evaluated));
        for (i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
            answers other = ask(kinds[k % 2], k / 2, numbers[i], labels[i]);
            CHECK(memcmp(plain.output, other.output, sizeof plain.output) == 0);
            CHECK(plain.step == other.step && plain.fit == other.fit && plain.evaluated == other.evaluated);
            CHECK(k / 2 ? plain.metric == other.metric : isnan(other.metric));
            CHECK(memcmp(plain.parameters, other.parameters, (size_t)plain.count * sizeof(float)) == 0);
            free(other.parameters);
        }
        free(plain.parameters);
    }
}

/* The loss is the mean over the real steps, by the outputs. */
static void the_loss_is_the_mean_over_the_real_steps(void) {
    fixture *f = fixture_create("lstm", 0);
    nnk_session *session = NULL;
    nnk_dataset *dataset = NULL;
    double sum = 0, loss = 0;
    int n, i, count = 0;
    REQUIRE_OK(nnk_session_create(f->model, "max_batch=5", &session));
    CHECK_OK(nnk_session_run(session, f->inputs, 2, f->outputs, 1));
    nnk_session_destroy(session);
    for (n = 0; n < SAMPLES; n++)
        for (i = 0; i < lengths[n] * CLASSES; i++, count++) {
            const double d = (double)f->output[n * STEPS * CLASSES + i] - f->numbers[n * STEPS * CLASSES + i];
            sum += d * d;
        }
    REQUIRE_OK(nnk_dataset_create_from_arrays(f->inputs, 2, f->targets, 1, &dataset));
    CHECK_OK(nnk_trainer_evaluate(f->trainer, dataset, "batch_size=3", &loss, NULL));
    CHECK(fabs(loss - sum / count) < 1e-6);
    nnk_dataset_destroy(dataset);
    fixture_destroy(f);
}

static void what_is_before_the_lengths_is_checked(void) {
    fixture *f = fixture_create("gru", 1);
    double loss;
    f->labels[2] = -1;
    CHECK_STATUS(nnk_trainer_step(f->trainer, f->inputs, 2, f->targets, 1, &loss), NNK_ERROR_INVALID_ARGUMENT);
    CHECK(strstr(nnk_last_error(), "the target of output \"y\": sample 0 holds -1; expected 0 to 2") != NULL);
    f->labels[2] = 0;
    f->lengths[3] = 0;
    CHECK_STATUS(nnk_trainer_step(f->trainer, f->inputs, 2, f->targets, 1, &loss), NNK_ERROR_INVALID_ARGUMENT);
    CHECK(strstr(nnk_last_error(), "input \"lengths\": sample 3 holds 0; expected 1 to 6") != NULL);
    f->lengths[3] = 4;
    CHECK_OK(nnk_trainer_step(f->trainer, f->inputs, 2, f->targets, 1, &loss));
    fixture_destroy(f);
}

static void different_lengths_do_not_add_up(void) {
    static const int64_t shape[2] = {-1, WIDTH};
    nnk_graph *graph = nnk_graph_create();
    nnk_model *model = NULL;
    nnk_value inputs[2], parts[2], sum;
    const nnk_value x = nnk_graph_input(graph, "x", NNK_FLOAT32, shape, 2);
    const nnk_value a = nnk_graph_input(graph, "a", NNK_INT32, shape, 0);
    const nnk_value b = nnk_graph_input(graph, "b", NNK_INT32, shape, 0);
    inputs[0] = x, inputs[1] = a;
    REQUIRE_OK(nnk_graph_layer_multi(graph, "lstm", "units=4 return_sequences=true", inputs, 2, &parts[0], 1));
    inputs[1] = b;
    REQUIRE_OK(nnk_graph_layer_multi(graph, "gru", "units=4 return_sequences=true", inputs, 2, &parts[1], 1));
    CHECK_STATUS(nnk_graph_layer_multi(graph, "add", "", parts, 2, &sum, 1), NNK_ERROR_INVALID_ARGUMENT);
    CHECK(strstr(nnk_last_error(), "different lengths, \"a\" and \"b\"") != NULL);
    CHECK_STATUS(nnk_model_create(NULL, graph, "", &model), NNK_ERROR_INVALID_ARGUMENT);
    nnk_graph_destroy(graph);
}

int main(int argc, char **argv) {
    nnkit_load(argc > 1 ? argv[1] : "libnnkit.so");
    padding_counts_nowhere();
    the_loss_is_the_mean_over_the_real_steps();
    what_is_before_the_lengths_is_checked();
    different_lengths_do_not_add_up();
    return check_summary();
}
