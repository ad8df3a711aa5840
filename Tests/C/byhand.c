/* byhand.c: a forward pass, gradients of the program's own, a backward pass, apply; and what a model says of its inputs
 * and outputs. argv[1]: the library. */
#include "nnkit_loader.h"

#include "check.h"
#include "networks.h"

enum { SAMPLES = 6 };

/* A model of a graph that `describe` makes. */
static nnk_model *model_of(nnk_runtime *runtime, void (*describe)(nnk_graph *)) {
    nnk_graph *graph = nnk_graph_create();
    nnk_model *model = NULL;
    describe(graph);
    REQUIRE_OK(nnk_model_create(runtime, graph, "seed=3", &model));
    nnk_graph_destroy(graph);
    return model;
}

static nnk_trainer *trainer_of(nnk_model *model, const char *options) {
    nnk_trainer *trainer = NULL;
    REQUIRE_OK(nnk_trainer_create(model, options, &trainer));
    return trainer;
}

static void fill(float *values, size_t count, uint32_t seed) {
    size_t i;
    for (i = 0; i < count; i++) values[i] = network_random(&seed) * 2 - 1;
}

/* What nnk_trainer_gradients_view shows. */
static float *gradients_of(nnk_trainer *trainer, size_t *count) {
    nnk_tensor view;
    REQUIRE_OK(nnk_trainer_gradients_view(trainer, &view));
    *count = (size_t)view.shape[0];
    return (float *)view.data;
}

static double largest_difference(const float *a, const float *b, size_t count) {
    double largest = 0, scale = 0;
    size_t i;
    for (i = 0; i < count; i++) {
        largest = fmax(largest, fabs((double)a[i] - (double)b[i]));
        scale = fmax(scale, fabs((double)b[i]));
    }
    return largest / (scale + 1e-30);
}

/* ------------------------------------------------------- the same gradients as those of a loss of the library */

/* Two dense branches, a sum, a batch norm, two outputs, one of them in the middle. */
static void two_outputs(nnk_graph *graph) {
    const int64_t shape[1] = {5};
    nnk_value pair[2], sum, x = nnk_graph_input(graph, "x", NNK_FLOAT32, shape, 1);
    pair[0] = nnk_graph_layer(graph, "dense", "units=7 activation=tanh", x);
    pair[1] = nnk_graph_layer(graph, "dense", "units=7", pair[0]);
    REQUIRE_OK(nnk_graph_layer_multi(graph, "add", "", pair, 2, &sum, 1));
    REQUIRE_OK(nnk_graph_output(graph, "sum", sum));
    x = nnk_graph_layer(graph, "batchnorm", "", sum);
    REQUIRE_OK(nnk_graph_output(graph, "y", nnk_graph_layer(graph, "dense", "units=3", x)));
}

static void gradients_are_those_of_the_librarys_loss(int threads) {
    static const int64_t x_shape[2] = {SAMPLES, 5}, sum_shape[2] = {SAMPLES, 7}, y_shape[2] = {SAMPLES, 3};
    float x[SAMPLES * 5], sum[SAMPLES * 7], y[SAMPLES * 3], sum_target[SAMPLES * 7], y_target[SAMPLES * 3];
    float sum_gradient[SAMPLES * 7], y_gradient[SAMPLES * 3];
    nnk_tensor in = nnk_tensor_view(x, NNK_FLOAT32, x_shape, 2), out[2], target[2], given[2];
    nnk_runtime *runtime = NULL;
    nnk_model *mine, *theirs;
    nnk_trainer *a, *b;
    float *got, *expected;
    nnk_tensor parameters[2];
    size_t count = 0;
    char options[32];
    double loss;
    int i, step;
    snprintf(options, sizeof options, "threads=%d", threads);
    REQUIRE_OK(nnk_runtime_create(options, &runtime));
    mine = model_of(runtime, two_outputs), theirs = model_of(runtime, two_outputs);
    a = trainer_of(mine, "loss=none optimizer=adam learning_rate=0.01 clip_norm=0.5");
    b = trainer_of(theirs, "loss=mean_squared_error optimizer=adam learning_rate=0.01 clip_norm=0.5");
    fill(x, SAMPLES * 5, 1), fill(sum_target, SAMPLES * 7, 2), fill(y_target, SAMPLES * 3, 3);
    out[0] = nnk_tensor_view(sum, NNK_FLOAT32, sum_shape, 2), out[1] = nnk_tensor_view(y, NNK_FLOAT32, y_shape, 2);
    target[0] = nnk_tensor_view(sum_target, NNK_FLOAT32, sum_shape, 2);
    target[1] = nnk_tensor_view(y_target, NNK_FLOAT32, y_shape, 2);
    given[0] = nnk_tensor_view(sum_gradient, NNK_FLOAT32, sum_shape, 2);
    given[1] = nnk_tensor_view(y_gradient, NNK_FLOAT32, y_shape, 2);
    for (step = 0; step < 5; step++) {
        CHECK_OK(nnk_trainer_forward(a, &in, 1, out, 2));
        for (i = 0; i < SAMPLES * 7; i++) sum_gradient[i] = 2.0f / (SAMPLES * 7) * (sum[i] - sum_target[i]);
        for (i = 0; i < SAMPLES * 3; i++) y_gradient[i] = 2.0f / (SAMPLES * 3) * (y[i] - y_target[i]);
        CHECK_OK(nnk_trainer_backward(a, given, 2, NULL, 0));
        CHECK_OK(nnk_trainer_gradients(b, &in, 1, target, 2, &loss));
        got = gradients_of(a, &count), expected = gradients_of(b, &count);
        CHECK(largest_difference(got, expected, count) < 1e-6);
        /* To the bit, from the same gradients. */
        memcpy(expected, got, count * sizeof *got);
        CHECK_OK(nnk_trainer_apply(a)), CHECK_OK(nnk_trainer_apply(b));
        REQUIRE_OK(nnk_model_parameters_view(mine, &parameters[0]));
        REQUIRE_OK(nnk_model_parameters_view(theirs, &parameters[1]));
        CHECK(memcmp(parameters[0].data, parameters[1].data, count * sizeof(float)) == 0);
    }
    /* A gradient that is left out is zero. */
    memset(sum_gradient, 0, sizeof sum_gradient);
    CHECK_OK(nnk_trainer_forward(a, &in, 1, out, 2));
    CHECK_OK(nnk_trainer_backward(a, given, 2, NULL, 0));
    got = gradients_of(a, &count);
    expected = (float *)network_memory(count * sizeof *got);
    memcpy(expected, got, count * sizeof *got);
    given[0].data = NULL;
    CHECK_OK(nnk_trainer_forward(a, &in, 1, out, 2));
    CHECK_OK(nnk_trainer_backward(a, given, 2, NULL, 0));
    CHECK(memcmp(expected, got, count * sizeof *got) == 0);
    free(expected);
    nnk_trainer_destroy(a), nnk_trainer_destroy(b);
    nnk_model_destroy(mine), nnk_model_destroy(theirs);
    nnk_runtime_destroy(runtime);
}

/* ------------------------------------------------------------------------------- gradients of the inputs */

static void image_and_features(nnk_graph *graph) {
    const int64_t image_shape[3] = {5, 4, 2}, features_shape[1] = {3}, unused_shape[2] = {2, 2};
    nnk_value pair[2], x = nnk_graph_input(graph, "image", NNK_FLOAT32, image_shape, 3);
    pair[1] = nnk_graph_input(graph, "features", NNK_FLOAT32, features_shape, 1);
    nnk_graph_output(
        graph, "alone",
        nnk_graph_layer(graph, "flatten", "", nnk_graph_input(graph, "passed_through", NNK_FLOAT32, unused_shape, 2)));
    x = nnk_graph_layer(graph, "conv2d", "filters=4 kernel=3 padding=same activation=tanh", x);
    x = nnk_graph_layer(graph, "flatten", "", x);
    pair[0] = nnk_graph_layer(graph, "dense", "units=6 activation=tanh", x);
    pair[1] = nnk_graph_layer(graph, "dense", "units=6", pair[1]);
    REQUIRE_OK(nnk_graph_layer_multi(graph, "add", "", pair, 2, &x, 1));
    REQUIRE_OK(nnk_graph_output(graph, "y", nnk_graph_layer(graph, "dense", "units=2", x)));
}

enum { PIXELS = SAMPLES * 5 * 4 * 2, FEATURES = SAMPLES * 3 };

static void gradients_of_inputs_are_derivatives(void) {
    static const int64_t image_shape[4] = {SAMPLES, 5, 4, 2}, features_shape[2] = {SAMPLES, 3};
    static const int64_t through_shape[3] = {SAMPLES, 2, 2}, alone_shape[2] = {SAMPLES, 4}, y_shape[2] = {SAMPLES, 2};
    float image[PIXELS], features[FEATURES], through[SAMPLES * 4], alone[SAMPLES * 4], y[SAMPLES * 2];
    float weight[SAMPLES * 2], alone_weight[SAMPLES * 4];
    /* Of the image every second float, to see strides used. */
    float image_gradient[2 * PIXELS], features_gradient[FEATURES], through_gradient[SAMPLES * 4], *without, *with;
    static const int64_t strides[4] = {5 * 4 * 2 * 2, 4 * 2 * 2, 2 * 2, 2};
    nnk_tensor in[3], out[2], given[2], wanted[3];
    nnk_model *model = model_of(NULL, image_and_features);
    nnk_trainer *trainer = trainer_of(model, "loss=none");
    size_t count = 0;
    int i, sign, k;
    in[0] = nnk_tensor_view(image, NNK_FLOAT32, image_shape, 4);
    in[1] = nnk_tensor_view(features, NNK_FLOAT32, features_shape, 2);
    in[2] = nnk_tensor_view(through, NNK_FLOAT32, through_shape, 3);
    out[0] = nnk_tensor_view(alone, NNK_FLOAT32, alone_shape, 2), out[1] = nnk_tensor_view(y, NNK_FLOAT32, y_shape, 2);
    given[0] = nnk_tensor_view(alone_weight, NNK_FLOAT32, alone_shape, 2);
    given[1] = nnk_tensor_view(weight, NNK_FLOAT32, y_shape, 2);
    wanted[0] = nnk_tensor_view(image_gradient, NNK_FLOAT32, image_shape, 4);
    wanted[0].strides = (int64_t *)(uintptr_t)strides;
    wanted[1] = nnk_tensor_view(features_gradient, NNK_FLOAT32, features_shape, 2);
    wanted[2] = nnk_tensor_view(through_gradient, NNK_FLOAT32, through_shape, 3);
    fill(image, PIXELS, 5), fill(features, FEATURES, 6), fill(weight, SAMPLES * 2, 7), fill(through, SAMPLES * 4, 8);
    fill(alone_weight, SAMPLES * 4, 9), fill(image_gradient, 2 * PIXELS, 10);
    CHECK_OK(nnk_trainer_forward(trainer, in, 3, out, 2));
    CHECK_OK(nnk_trainer_backward(trainer, given, 2, NULL, 0));
    with = gradients_of(trainer, &count);
    without = (float *)network_memory(count * sizeof *with);
    memcpy(without, with, count * sizeof *with);
    CHECK_OK(nnk_trainer_forward(trainer, in, 3, out, 2));
    CHECK_OK(nnk_trainer_backward(trainer, given, 2, wanted, 3));
    CHECK(memcmp(without, with, count * sizeof *with) == 0);
    CHECK(memcmp(through_gradient, alone_weight, sizeof alone_weight) == 0);
    for (k = 0; k < PIXELS + FEATURES; k += 7) {
        float *const value = k < PIXELS ? &image[k] : &features[k - PIXELS];
        const float old = *value;
        const double gradient = k < PIXELS ? image_gradient[2 * k] : features_gradient[k - PIXELS];
        double difference = 0;
        for (sign = -1; sign <= 1; sign += 2) {
            *value = old + (float)sign * 0.0078125f;
            CHECK_OK(nnk_trainer_forward(trainer, in, 3, out, 2));
            for (i = 0; i < SAMPLES * 2; i++) difference += sign * (double)y[i] * (double)weight[i];
        }
        *value = old;
        CHECK(fabs(difference / 0.015625 - gradient) < 2e-3 * (1 + fabs(gradient)));
    }
    /* What lies between the strides stays. */
    fill(image, 2, 10);
    CHECK(image_gradient[1] == image[1]);
    free(without);
    nnk_trainer_destroy(trainer), nnk_model_destroy(model);
}

/* ------------------------------------------------------------------------------------ lengths, int32 inputs */

static void padding_counts_as_zero(void) {
    network *n = network_create(NETWORK_TAGGER, NULL, SAMPLES);
    nnk_trainer *trainer = trainer_of(n->model, "loss=none");
    const size_t numbers = SAMPLES * NETWORK_STEPS * NETWORK_CLASSES;
    float *gradient = (float *)network_memory(numbers * sizeof *gradient), *zeroed, *dirty;
    nnk_tensor given = n->outputs[0], wanted[2];
    const int32_t *lengths = (const int32_t *)n->memory[1];
    size_t count = 0, i;
    int round;
    given.data = gradient;
    fill(gradient, numbers, 11);
    zeroed = NULL;
    for (round = 0; round < 2; round++) {
        for (i = 0; i < numbers; i++) {
            const size_t step = i / NETWORK_CLASSES % NETWORK_STEPS, sample = i / NETWORK_CLASSES / NETWORK_STEPS;
            if (step >= (size_t)lengths[sample]) gradient[i] = round ? (float)NAN : 0;
        }
        CHECK_OK(nnk_trainer_forward(trainer, n->inputs, 2, n->outputs, 1));
        CHECK_OK(nnk_trainer_backward(trainer, &given, 1, NULL, 0));
        dirty = gradients_of(trainer, &count);
        CHECK(all_finite(dirty, count));
        if (round == 0) {
            zeroed = (float *)network_memory(count * sizeof *zeroed);
            memcpy(zeroed, dirty, count * sizeof *zeroed);
        } else {
            CHECK(memcmp(zeroed, dirty, count * sizeof *zeroed) == 0);
        }
    }
    free(zeroed);
    wanted[0] = n->inputs[0], wanted[1] = n->inputs[1];
    CHECK_OK(nnk_trainer_forward(trainer, n->inputs, 2, n->outputs, 1));
    CHECK_STATUS(nnk_trainer_backward(trainer, &given, 1, wanted, 2), NNK_ERROR_TYPE);
    wanted[0].data = wanted[1].data = NULL;
    CHECK_OK(nnk_trainer_backward(trainer, &given, 1, wanted, 2));
    free(gradient);
    nnk_trainer_destroy(trainer);
    network_destroy(n);
}

/* ------------------------------------------------------------------------------------------- what is refused */

static void what_does_not_fit_is_refused(void) {
    network *n = network_create(NETWORK_CNN_DROPOUT, NULL, SAMPLES);
    nnk_trainer *trainer = network_trainer(n), *other = trainer_of(n->model, "loss=none");
    float gradient[(SAMPLES + 1) * NETWORK_CLASSES] = {0};
    nnk_tensor given = n->outputs[0], wrong, in = n->inputs[0], out = n->outputs[0];
    int64_t larger[2] = {SAMPLES + 1, NETWORK_CLASSES}, narrow[2] = {SAMPLES, NETWORK_CLASSES - 1};
    static const int64_t zeros[2] = {0, 0};
    nnk_dataset *dataset = network_dataset(n);
    double loss = -1;
    given.data = gradient;
    CHECK_STATUS(nnk_trainer_backward(trainer, &given, 1, NULL, 0), NNK_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(nnk_trainer_apply(trainer), NNK_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(nnk_trainer_forward(trainer, &in, 0, &out, 1), NNK_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(nnk_trainer_forward(trainer, NULL, 1, &out, 1), NNK_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(nnk_trainer_forward(trainer, &in, 1, &out, 2), NNK_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(nnk_trainer_forward(trainer, &in, 1, &out, -1), NNK_ERROR_INVALID_ARGUMENT);
    wrong = out, wrong.shape = narrow;
    CHECK_STATUS(nnk_trainer_forward(trainer, &in, 1, &wrong, 1), NNK_ERROR_SHAPE);
    wrong = out, wrong.shape = larger;
    CHECK_STATUS(nnk_trainer_forward(trainer, &in, 1, &wrong, 1), NNK_ERROR_SHAPE);
    wrong = out, wrong.dtype.code = 0;
    CHECK_STATUS(nnk_trainer_forward(trainer, &in, 1, &wrong, 1), NNK_ERROR_TYPE);
    wrong = out, wrong.strides = (int64_t *)(uintptr_t)zeros;
    CHECK_STATUS(nnk_trainer_forward(trainer, &in, 1, &wrong, 1), NNK_ERROR_SHAPE);
    /* None of these was a forward pass. */
    CHECK_STATUS(nnk_trainer_backward(trainer, &given, 1, NULL, 0), NNK_ERROR_INVALID_ARGUMENT);

    CHECK_OK(nnk_trainer_forward(trainer, &in, 1, &out, 1));
    CHECK_STATUS(nnk_trainer_backward(trainer, &given, 0, NULL, 0), NNK_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(nnk_trainer_backward(trainer, NULL, 1, NULL, 0), NNK_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(nnk_trainer_backward(trainer, &given, 1, &in, 2), NNK_ERROR_INVALID_ARGUMENT);
    wrong = given, wrong.shape = larger;
    CHECK_STATUS(nnk_trainer_backward(trainer, &wrong, 1, NULL, 0), NNK_ERROR_SHAPE);
    wrong = given, wrong.dtype.code = 0;
    CHECK_STATUS(nnk_trainer_backward(trainer, &wrong, 1, NULL, 0), NNK_ERROR_TYPE);
    /* The forward pass is still there; and then it is used. */
    CHECK_OK(nnk_trainer_backward(trainer, &given, 1, NULL, 0));
    CHECK_STATUS(nnk_trainer_backward(trainer, &given, 1, NULL, 0), NNK_ERROR_INVALID_ARGUMENT);
    CHECK_OK(nnk_trainer_apply(trainer));
    CHECK_STATUS(nnk_trainer_apply(trainer), NNK_ERROR_INVALID_ARGUMENT);

    /* Whoever changes parameters ends a forward pass. */
    CHECK_OK(nnk_trainer_forward(trainer, &in, 1, &out, 1));
    CHECK_OK(network_step(n, trainer, &loss));
    CHECK_STATUS(nnk_trainer_backward(trainer, &given, 1, NULL, 0), NNK_ERROR_INVALID_ARGUMENT);
    CHECK(strstr(nnk_last_error(), "changed since"));
    CHECK_OK(nnk_trainer_forward(trainer, &in, 1, &out, 1));
    CHECK_OK(nnk_model_parameters_changed(n->model));
    CHECK_STATUS(nnk_trainer_backward(trainer, &given, 1, NULL, 0), NNK_ERROR_INVALID_ARGUMENT);
    /* Other passes, which change none, do not. */
    CHECK_OK(nnk_trainer_forward(trainer, &in, 1, &out, 1));
    CHECK_OK(nnk_trainer_evaluate(trainer, dataset, NULL, &loss, NULL));
    CHECK_OK(nnk_trainer_gradients(trainer, n->inputs, 1, n->targets, 1, &loss));
    CHECK_OK(nnk_trainer_backward(trainer, &given, 1, NULL, 0));

    /* A gradient that is not finite is found when it is applied. */
    CHECK_OK(nnk_trainer_forward(trainer, &in, 1, &out, 1));
    gradient[0] = (float)NAN;
    CHECK_OK(nnk_trainer_backward(trainer, &given, 1, NULL, 0));
    CHECK_STATUS(nnk_trainer_apply(trainer), NNK_ERROR_NUMERIC);

    /* Without a loss there is nothing to fit. */
    CHECK_STATUS(nnk_trainer_fit(other, dataset, NULL, NULL, NULL), NNK_ERROR_INVALID_ARGUMENT);
    CHECK(strstr(nnk_last_error(), "loss=none"));
    CHECK_STATUS(nnk_trainer_evaluate(other, dataset, NULL, &loss, NULL), NNK_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(network_step(n, other, &loss), NNK_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(nnk_trainer_gradients(other, n->inputs, 1, n->targets, 1, &loss), NNK_ERROR_INVALID_ARGUMENT);
    nnk_trainer_destroy(trainer);
    CHECK_STATUS(nnk_trainer_create(n->model, "loss=none metric=accuracy", &trainer), NNK_ERROR_INVALID_ARGUMENT);
    nnk_dataset_destroy(dataset);
    nnk_trainer_destroy(other);
    network_destroy(n);
}

/* ------------------------------------------------------------------------------------------------- freezing */

/* Two blocks with batch norms, and a head. */
static void blocks(nnk_graph *graph) {
    const int64_t shape[3] = {6, 6, 2};
    nnk_value x = nnk_graph_input(graph, "x", NNK_FLOAT32, shape, 3);
    x = nnk_graph_layer(graph, "conv2d", "filters=4 kernel=3 padding=same name=first", x);
    x = nnk_graph_layer(graph, "batchnorm", "name=first_norm", x);
    x = nnk_graph_layer(graph, "conv2d", "filters=4 kernel=3 padding=same activation=tanh name=second", x);
    x = nnk_graph_layer(graph, "batchnorm", "name=second_norm", x);
    x = nnk_graph_layer(graph, "flatten", "", x);
    REQUIRE_OK(nnk_graph_output(graph, "y", nnk_graph_layer(graph, "dense", "units=3 name=head", x)));
}

/* The elements of a parameter, by the model's JSON. */
static float *parameter_of(nnk_model *model, float *base, const char *name, size_t *count) {
    const char *json, *at;
    char key[80];
    REQUIRE_OK(nnk_model_info_json(model, &json));
    snprintf(key, sizeof key, "\"name\":\"%s\"", name);
    for (at = json; (at = strstr(at, "\"count\":")) != NULL; at++) {
        /* Keys are sorted: count, name, offset. */
        const char *const named = strstr(at, "\"name\":");
        if (named && !strncmp(named, key, strlen(key))) {
            *count = (size_t)strtoll(at + 8, NULL, 10);
            return base + strtoll(strstr(named, "\"offset\":") + 9, NULL, 10);
        }
    }
    fprintf(stderr, "no parameter %s\n", name);
    exit(3);
}

typedef struct frozen_case {
    const char *pattern;
    int32_t fitting;
} frozen_case;

static const char *const names[] = {
    "first/kernel",
    "first/bias",
    "first_norm/gamma",
    "first_norm/beta",
    "second/kernel",
    "second/bias",
    "second_norm/gamma",
    "second_norm/beta",
    "head/kernel",
    "head/bias",
    "first_norm/moving_mean",
    "first_norm/moving_variance",
    "second_norm/moving_mean",
    "second_norm/moving_variance",
};
enum { NAMES = sizeof names / sizeof names[0] };

static int is_zero(const float *values, size_t count) {
    size_t i;
    for (i = 0; i < count; i++)
        if (values[i] != 0) return 0;
    return 1;
}

/* One step with some parameters frozen: those keep their bits, and the others go as they go without. */
static void frozen_parameters_stay(const char *pattern, int32_t fitting, const char *optimizer) {
    static const int64_t x_shape[4] = {SAMPLES, 6, 6, 2}, y_shape[2] = {SAMPLES, 3};
    float x[SAMPLES * 72], y[SAMPLES * 3], *gradients, *all_gradients;
    nnk_tensor in = nnk_tensor_view(x, NNK_FLOAT32, x_shape, 4), target = nnk_tensor_view(y, NNK_FLOAT32, y_shape, 2);
    nnk_model *frozen = model_of(NULL, blocks), *free_model = model_of(NULL, blocks);
    nnk_trainer *a = trainer_of(frozen, optimizer), *b = trainer_of(free_model, optimizer);
    nnk_tensor now, other;
    float *before;
    size_t all = 0, count, other_count;
    int32_t fits = -1;
    int step, i;
    fill(x, SAMPLES * 72, 21), fill(y, SAMPLES * 3, 22);
    REQUIRE_OK(nnk_model_parameters_view(frozen, &now)), REQUIRE_OK(nnk_model_parameters_view(free_model, &other));
    all = (size_t)now.shape[0];
    before = (float *)network_memory(all * sizeof *before);
    memcpy(before, now.data, all * sizeof *before);
    CHECK_OK(nnk_trainer_freeze(a, pattern, 1, &fits));
    CHECK(fits == fitting);
    for (step = 0; step < 2; step++) {
        CHECK_OK(nnk_trainer_gradients(a, &in, 1, &target, 1, NULL));
        /* At the same parameters as a free model: */
        memcpy(other.data, now.data, all * sizeof *before);
        CHECK_OK(nnk_model_parameters_changed(free_model));
        CHECK_OK(nnk_trainer_gradients(b, &in, 1, &target, 1, NULL));
        gradients = gradients_of(a, &count), all_gradients = gradients_of(b, &count);
        for (i = 0; i < NAMES; i++) {
            const float *mine = parameter_of(frozen, gradients, names[i], &count);
            const float *theirs = parameter_of(free_model, all_gradients, names[i], &other_count);
            const float *value = parameter_of(frozen, (float *)now.data, names[i], &count);
            const float *start = parameter_of(frozen, before, names[i], &count);
            const int is_frozen = !memcmp(value, start, count * sizeof *value) && is_zero(mine, count);
            /* Frozen with a gradient of zero, or trained with the gradient that it has anyhow. */
            CHECK(is_frozen || !memcmp(mine, theirs, count * sizeof *mine));
            fits -= step == 1 && is_frozen;
        }
        CHECK_OK(nnk_trainer_apply(a));
    }
    CHECK(fits == 0);
    /* And back: everything moves again. */
    CHECK_OK(nnk_trainer_freeze(a, "*", 0, NULL));
    memcpy(before, now.data, all * sizeof *before);
    CHECK_OK(nnk_trainer_step(a, &in, 1, &target, 1, NULL));
    for (i = 0; i < NAMES; i++) {
        const float *value = parameter_of(frozen, (float *)now.data, names[i], &count);
        CHECK(memcmp(value, parameter_of(frozen, before, names[i], &count), count * sizeof *value) != 0);
    }
    free(before);
    nnk_trainer_destroy(a), nnk_trainer_destroy(b);
    nnk_model_destroy(frozen), nnk_model_destroy(free_model);
}

static void patterns_that_fit_nothing_are_refused(void) {
    nnk_model *model = model_of(NULL, blocks);
    nnk_trainer *trainer = trainer_of(model, "loss=mean_squared_error");
    int32_t count = 7;
    char long_pattern[5000];
    memset(long_pattern, '*', sizeof long_pattern), long_pattern[sizeof long_pattern - 1] = 0;
    CHECK_STATUS(nnk_trainer_freeze(trainer, "frist/*", 1, &count), NNK_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(nnk_trainer_freeze(trainer, "first", 1, &count), NNK_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(nnk_trainer_freeze(trainer, "", 1, &count), NNK_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(nnk_trainer_freeze(trainer, NULL, 1, &count), NNK_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(nnk_trainer_freeze(trainer, "\xff*", 1, &count), NNK_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(nnk_trainer_freeze(trainer, long_pattern, 1, &count), NNK_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(nnk_trainer_freeze(NULL, "*", 1, &count), NNK_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(nnk_trainer_freeze((nnk_trainer *)model, "*", 1, &count), NNK_ERROR_INVALID_HANDLE);
    CHECK(count == 7);
    CHECK_OK(nnk_trainer_freeze(trainer, "?irst/ker*l", 1, &count));
    CHECK(count == 1);
    nnk_trainer_destroy(trainer);
    nnk_model_destroy(model);
}

static int frozen_in_report;

static int ask(const nnk_progress *progress, void *trainer) {
    (void)progress;
    CHECK_OK(nnk_trainer_is_frozen((nnk_trainer *)trainer, "head/bias", &frozen_in_report));
    return 0;
}

static void what_is_frozen_can_be_asked(void) {
    static const char *const never[] = {"head", "head/*", "", "\xff", "head/biaz"};
    nnk_model *model = model_of(NULL, blocks);
    nnk_trainer *trainer = trainer_of(model, "loss=mean_squared_error"), *other;
    static float x[SAMPLES * 72], y[SAMPLES * 3];
    static const int64_t x_shape[4] = {SAMPLES, 6, 6, 2}, y_shape[2] = {SAMPLES, 3};
    nnk_tensor in = nnk_tensor_view(x, NNK_FLOAT32, x_shape, 4), target = nnk_tensor_view(y, NNK_FLOAT32, y_shape, 2);
    nnk_dataset *dataset = NULL;
    int32_t frozen = 7;
    size_t i;
    CHECK_OK(nnk_trainer_is_frozen(trainer, "head/bias", &frozen)), CHECK(frozen == 0);
    CHECK_OK(nnk_trainer_freeze(trainer, "*/bias", 1, NULL));
    CHECK_OK(nnk_trainer_is_frozen(trainer, "head/bias", &frozen)), CHECK(frozen == 1);
    CHECK_OK(nnk_trainer_is_frozen(trainer, "head/kernel", &frozen)), CHECK(frozen == 0);
    /* It belongs to the trainer, and a fit's callback may ask. */
    other = trainer_of(model, "loss=mean_squared_error");
    CHECK_OK(nnk_trainer_is_frozen(other, "head/bias", &frozen)), CHECK(frozen == 0);
    REQUIRE_OK(nnk_dataset_create_from_arrays(&in, 1, &target, 1, &dataset));
    CHECK_OK(nnk_trainer_fit(trainer, dataset, "", ask, trainer));
    CHECK(frozen_in_report == 1);
    CHECK_OK(nnk_trainer_freeze(trainer, "head/bias", 0, NULL));
    CHECK_OK(nnk_trainer_is_frozen(trainer, "head/bias", &frozen)), CHECK(frozen == 0);
    frozen = 7;
    for (i = 0; i < sizeof never / sizeof never[0]; i++)
        CHECK_STATUS(nnk_trainer_is_frozen(trainer, never[i], &frozen), NNK_ERROR_INVALID_ARGUMENT);
    CHECK(strstr(nnk_last_error(), "did you mean head/bias?") != NULL);
    CHECK_STATUS(nnk_trainer_is_frozen(trainer, NULL, &frozen), NNK_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(nnk_trainer_is_frozen(trainer, "head/bias", NULL), NNK_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(nnk_trainer_is_frozen(NULL, "head/bias", &frozen), NNK_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(nnk_trainer_is_frozen((nnk_trainer *)model, "head/bias", &frozen), NNK_ERROR_INVALID_HANDLE);
    CHECK(frozen == 7);
    nnk_dataset_destroy(dataset);
    nnk_trainer_destroy(trainer), nnk_trainer_destroy(other);
    nnk_model_destroy(model);
}

static void freezing(void) {
    static const frozen_case cases[] = {{"first*", 6}, {"second/*", 2}, {"head/*", 2},
                                        {"*/bias", 3}, {"*/kernel", 3}, {"*moving*", 4},
                                        {"*", 14},     {"*_norm/*", 8}, {"head/bias", 1}};
    size_t i;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        frozen_parameters_stay(cases[i].pattern, cases[i].fitting,
                               "loss=mean_squared_error optimizer=adam learning_rate=0.01 weight_decay=0.1");
        frozen_parameters_stay(cases[i].pattern, cases[i].fitting,
                               "loss=mean_squared_error learning_rate=0.01 momentum=0.9 clip_norm=0.1");
    }
    patterns_that_fit_nothing_are_refused();
    what_is_frozen_can_be_asked();
}

/* ---------------------------------------------------------------------------------------- what a model says */

static void models_say_what_they_take_and_give(void) {
    nnk_model *model = model_of(NULL, image_and_features);
    const char *name = NULL, *kept = NULL;
    int32_t n_inputs = 0, n_outputs = 0, rank = 8;
    nnk_dtype dtype = 0;
    int64_t shape[8] = {0};
    nnk_graph *graph = nnk_graph_create();
    CHECK_OK(nnk_model_counts(model, &n_inputs, &n_outputs));
    CHECK(n_inputs == 3 && n_outputs == 2);
    CHECK_OK(nnk_model_counts(model, NULL, NULL));
    CHECK_STATUS(nnk_model_counts(NULL, &n_inputs, NULL), NNK_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(nnk_model_counts((nnk_model *)graph, &n_inputs, NULL), NNK_ERROR_INVALID_HANDLE);
    CHECK_OK(nnk_model_input(model, 2, &kept, NULL, NULL, NULL));
    CHECK_OK(nnk_model_input(model, 0, &name, &dtype, shape, &rank));
    CHECK(!strcmp(name, "image") && dtype == NNK_FLOAT32 && rank == 3);
    CHECK(shape[0] == 5 && shape[1] == 4 && shape[2] == 2 && shape[3] == 0);
    rank = 2;
    CHECK_STATUS(nnk_model_input(model, 0, &name, &dtype, shape, &rank), NNK_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(nnk_model_input(model, 0, &name, &dtype, shape, NULL), NNK_ERROR_INVALID_ARGUMENT);
    CHECK_OK(nnk_model_output(model, 1, &name, &dtype, shape, &rank));
    CHECK(!strcmp(name, "y") && rank == 1 && shape[0] == 2);
    rank = 0;
    CHECK_OK(nnk_model_output(model, 1, NULL, NULL, NULL, &rank));
    CHECK(rank == 1);
    CHECK_STATUS(nnk_model_output(model, 2, &name, NULL, NULL, NULL), NNK_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(nnk_model_input(model, -1, &name, NULL, NULL, NULL), NNK_ERROR_INVALID_ARGUMENT);
    CHECK(strstr(nnk_last_error(), "there is no input -1; the model has") != NULL);
    CHECK_STATUS(nnk_model_output(NULL, 0, &name, NULL, NULL, NULL), NNK_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(nnk_model_input((nnk_model *)graph, 0, &name, NULL, NULL, NULL), NNK_ERROR_INVALID_HANDLE);
    CHECK(!strcmp(kept, "passed_through"));
    nnk_graph_destroy(graph);
    nnk_model_destroy(model);

    model = network_model(NETWORK_LSTM, NULL);
    rank = 8;
    CHECK_OK(nnk_model_input(model, 1, &name, &dtype, shape, &rank));
    CHECK(!strcmp(name, "lengths") && dtype == NNK_INT32 && rank == 0);
    nnk_model_destroy(model);
}

int main(int argc, char **argv) {
    nnkit_load(argc > 1 ? argv[1] : "libnnkit.so");
    gradients_are_those_of_the_librarys_loss(1);
    gradients_are_those_of_the_librarys_loss(3);
    gradients_of_inputs_are_derivatives();
    padding_counts_as_zero();
    what_does_not_fit_is_refused();
    freezing();
    models_say_what_they_take_and_give();
    return check_summary();
}
