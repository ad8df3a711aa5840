/* api.c: every function of the header on its normal path, with what it promises. argv[1]: the library. */
#include "nnkit_loader.h"

#include "check.h"
#include "json.h"
#include "networks.h"

#include <math.h>

enum { SAMPLES = 24 };

static void catalog_lists_everything(void) {
    static const char *const words[] = {
        "conv2d",
        "maxpool2d",
        "avgpool2d",
        "globalavgpool2d",
        "flatten",
        "dense",
        "batchnorm",
        "add",
        "activation",
        "softmax",
        "log_softmax",
        "dropout",
        "embedding",
        "lstm",
        "gru",
        "softmax_cross_entropy",
        "mean_squared_error",
        "sgd",
        "adam",
        "accuracy",
        "filters",
        "groups",
        "kernel_initializer",
        "forget_bias",
        "return_sequences",
        "weight_decay",
        "clip_norm",
        "nesterov",
        "epsilon",
        "batch_size",
        "validation_split",
        "max_batch",
        "max_bytes",
        "threads",
        "seed",
    };
    const char *catalog = nnk_catalog_json();
    size_t i;
    CHECK(json_is_valid(catalog));
    for (i = 0; i < sizeof words / sizeof words[0]; i++) {
        char quoted[64];
        snprintf(quoted, sizeof quoted, "\"%s\"", words[i]);
        check_true(text_has(catalog, quoted), quoted, __FILE__, __LINE__);
    }
    CHECK(nnk_catalog_json() == catalog);
}

static void runtimes_say_what_they_run_on(void) {
    nnk_runtime *runtime = NULL;
    const char *info = NULL;
    CHECK_OK(nnk_runtime_create("threads=3", &runtime));
    CHECK(runtime != NULL);
    CHECK_OK(nnk_runtime_info_json(runtime, &info));
    CHECK(json_is_valid(info));
    CHECK(text_has(info, "\"threads\":3") || text_has(info, "\"threads\": 3"));
    CHECK(text_has(info, "\"isa\"") && text_has(info, nnk_version()));
    CHECK(text_has(info, "baseline") || text_has(info, "avx2") || text_has(info, "avx512"));
    CHECK_OK(nnk_runtime_info_json(NULL, &info));
    CHECK(json_is_valid(info) && text_has(info, "\"threads\""));
    nnk_runtime_destroy(runtime);
    nnk_runtime_destroy(NULL);
    CHECK_OK(nnk_runtime_create(NULL, &runtime));
    nnk_runtime_destroy(runtime);
    CHECK_OK(nnk_runtime_create("", &runtime));
    nnk_runtime_destroy(runtime);
}

static void graphs_infer_shapes(void) {
    const int64_t image[3] = {9, 8, 3};
    const int64_t open_time[2] = {-1, 5};
    int64_t shape[8] = {0};
    int32_t rank = 8;
    nnk_graph *graph = nnk_graph_create();
    nnk_value x, y;
    CHECK(graph != NULL);
    x = nnk_graph_input(graph, "image", NNK_FLOAT32, image, 3);
    CHECK(x >= 0);
    CHECK_OK(nnk_graph_shape(graph, x, shape, &rank));
    CHECK(rank == 3 && shape[0] == 9 && shape[1] == 8 && shape[2] == 3);
    y = nnk_graph_layer(graph, "conv2d", "filters=7 kernel=3,2 stride=2 padding=same", x);
    rank = 8;
    CHECK_OK(nnk_graph_shape(graph, y, shape, &rank));
    CHECK(rank == 3 && shape[0] == 5 && shape[1] == 4 && shape[2] == 7);
    y = nnk_graph_layer(graph, "flatten", NULL, y);
    rank = 1; /* just enough room */
    CHECK_OK(nnk_graph_shape(graph, y, shape, &rank));
    CHECK(rank == 1 && shape[0] == 140);
    CHECK_OK(nnk_graph_output(graph, "flat", y));
    x = nnk_graph_input(graph, "sequence", NNK_FLOAT32, open_time, 2);
    CHECK_OK(nnk_graph_layer_multi(graph, "lstm", "units=4 return_sequences=true", &x, 1, &y, 1));
    rank = 8;
    CHECK_OK(nnk_graph_shape(graph, y, shape, &rank));
    CHECK(rank == 2 && shape[0] == -1 && shape[1] == 4);
    CHECK_OK(nnk_graph_output(graph, "states", y));
    nnk_graph_destroy(graph);
    nnk_graph_destroy(NULL);
}

/* What is added after a mistake changes nothing, and the model reports the first one. */
static void graphs_remember_their_first_error(void) {
    const int64_t shape[1] = {4};
    int64_t sizes[4] = {77, 77, 77, 77};
    int32_t rank = 4;
    nnk_model *model = NULL;
    nnk_graph *graph = nnk_graph_create();
    nnk_value x = nnk_graph_input(graph, "x", NNK_FLOAT32, shape, 1);
    nnk_value bad = nnk_graph_layer(graph, "dense", "unit=4", x);
    CHECK(bad < 0);
    CHECK(text_has(nnk_last_error(), "units"));
    CHECK(nnk_graph_layer(graph, "dense", "units=4", x) < 0);
    CHECK_STATUS(nnk_graph_output(graph, "y", bad), NNK_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(nnk_graph_shape(graph, x, sizes, &rank), NNK_ERROR_INVALID_ARGUMENT);
    CHECK(sizes[0] == 77 && rank == 4);
    CHECK_STATUS(nnk_model_create(NULL, graph, NULL, &model), NNK_ERROR_INVALID_ARGUMENT);
    CHECK(model == NULL);
    CHECK(text_has(nnk_last_error(), "dense") && text_has(nnk_last_error(), "units"));
    nnk_graph_destroy(graph);
}

static void models_describe_themselves(network *n) {
    const char *info = NULL;
    nnk_tensor view;
    memset(&view, 0, sizeof view);
    CHECK_OK(nnk_model_info_json(n->model, &info));
    CHECK(json_is_valid(info));
    CHECK(text_has(info, "\"inputs\"") && text_has(info, "\"outputs\"") && text_has(info, "\"layers\""));
    CHECK(text_has(info, "\"parameter_count\"") && text_has(info, "logits/kernel"));
    CHECK(text_has(info, n->kind == NETWORK_LSTM ? "lstm_1/recurrent_kernel" : "conv2d_1/kernel"));
    CHECK(text_count(info, "\"trainable\"") == (n->kind == NETWORK_LSTM ? 9 : 8));
    CHECK_OK(nnk_model_parameters_view(n->model, &view));
    CHECK(view.ndim == 1 && view.shape[0] > 0 && view.data != NULL);
    CHECK(view.dtype.code == 2 && view.dtype.bits == 32 && view.device.device_type == 1);
    CHECK(((uintptr_t)view.data + view.byte_offset) % 16 == 0);
    CHECK(all_finite((const float *)view.data, (size_t)view.shape[0]));
}

static void one_seed_gives_one_model(network_kind kind) {
    size_t bytes = 0;
    nnk_model *a = network_model(kind, NULL), *b = network_model(kind, NULL), *other = NULL;
    nnk_graph *graph = nnk_graph_create();
    void *first = network_parameters(a, &bytes), *second = network_parameters(b, &bytes), *third;
    network_describe(kind, graph);
    CHECK_OK(nnk_model_create(NULL, graph, "seed=8", &other));
    nnk_graph_destroy(graph);
    third = network_parameters(other, &bytes);
    CHECK(memcmp(first, second, bytes) == 0);
    CHECK(memcmp(first, third, bytes) != 0);
    free(first), free(second), free(third);
    nnk_model_destroy(a), nnk_model_destroy(b), nnk_model_destroy(other);
}

/* A loaded model has the same description and gives the same bits, and its file is safetensors. */
static void saved_models_come_back(network *n, const char *folder) {
    char *path = path_in(folder, "model.nnkit"), *description;
    const char *info = NULL;
    nnk_model *loaded = NULL, *original = n->model;
    nnk_session *session = network_session(n);
    float *expected = (float *)network_memory(network_output_bytes(n));
    size_t bytes = 0, loaded_bytes = 0;
    void *before, *after;
    unsigned char header[9] = {0};
    FILE *file;
    CHECK_OK(network_run(n, session));
    nnk_session_destroy(session);
    memcpy(expected, n->output, network_output_bytes(n));
    CHECK_OK(nnk_model_save(n->model, path));
    CHECK_OK(nnk_model_save(n->model, path)); /* over an old file */
    CHECK_OK(nnk_model_load(NULL, path, &loaded));
    file = fopen(path, "rb");
    CHECK(file && fread(header, 1, 9, file) == 9 && header[8] == '{' && header[4] == 0 && header[7] == 0);
    if (file) fclose(file);
    if (!CHECK(loaded != NULL)) exit(check_summary());
    REQUIRE_OK(nnk_model_info_json(original, &info));
    description = (char *)network_memory(strlen(info) + 1);
    strcpy(description, info);
    REQUIRE_OK(nnk_model_info_json(loaded, &info));
    CHECK(strcmp(description, info) == 0);
    before = network_parameters(original, &bytes), after = network_parameters(loaded, &loaded_bytes);
    CHECK(bytes == loaded_bytes && memcmp(before, after, bytes) == 0);
    n->model = loaded;
    session = network_session(n);
    memset(n->output, 0, network_output_bytes(n));
    CHECK_OK(network_run(n, session));
    CHECK(memcmp(expected, n->output, network_output_bytes(n)) == 0);
    n->model = original;
    nnk_session_destroy(session);
    nnk_model_destroy(loaded);
    free(before), free(after), free(expected), free(description);
    unlink(path);
    free(path);
}

typedef struct progress_log {
    int calls;
    int step_events;
    int stop_after; /* 0: never */
    int orderly;
    nnk_progress last;
} progress_log;

static int log_progress(const nnk_progress *progress, void *user) {
    progress_log *log = (progress_log *)user;
    log->calls++;
    log->step_events += progress->event == NNK_EVENT_STEP;
    log->orderly &= progress->struct_bytes >= sizeof(nnk_progress) && progress->epoch >= 1 &&
                    progress->epoch <= progress->epochs && progress->step >= 1 && progress->step <= progress->steps &&
                    isfinite(progress->loss) && progress->seconds >= 0;
    log->last = *progress;
    return log->stop_after && log->calls >= log->stop_after;
}

static void fit_lowers_the_loss(network *n) {
    nnk_trainer *trainer = network_trainer(n);
    nnk_dataset *dataset = network_dataset(n);
    double loss = -1, metric = -1, first = -1;
    progress_log log;
    memset(&log, 0, sizeof log);
    log.orderly = 1;
    CHECK_OK(nnk_trainer_evaluate(trainer, dataset, NULL, &first, &metric));
    CHECK(isfinite(first) && metric >= 0 && metric <= 1);
    CHECK_OK(nnk_trainer_fit(trainer, dataset, "epochs=30 batch_size=8", log_progress, &log));
    CHECK(log.calls == 30 && log.step_events == 0 && log.orderly);
    CHECK(log.last.event == NNK_EVENT_EPOCH && log.last.epoch == 30 && log.last.epochs == 30);
    CHECK(log.last.step == SAMPLES / 8 && log.last.steps == SAMPLES / 8);
    CHECK(log.last.train_metric >= 0 && log.last.train_metric <= 1 && log.last.metric == log.last.train_metric);
    CHECK(isnan(log.last.validation_loss));
    CHECK_OK(nnk_trainer_evaluate(trainer, dataset, "batch_size=5", &loss, &metric));
    CHECK(loss < 0.5 * first);
    CHECK(metric >= 0.8);
    CHECK_OK(nnk_trainer_evaluate(trainer, dataset, "", NULL, NULL));
    nnk_trainer_destroy(trainer);
    nnk_dataset_destroy(dataset);
}

static void fit_reports_and_stops_as_asked(network *n) {
    nnk_trainer *trainer = network_trainer(n);
    nnk_dataset *dataset = network_dataset(n);
    progress_log log;
    memset(&log, 0, sizeof log);
    log.orderly = 1;
    /* 24 samples, a quarter held out: 18 to train on, in batches of 5, 5, 5 and 3. */
    CHECK_OK(nnk_trainer_fit(trainer, dataset, "epochs=2 batch_size=5 validation_split=0.25 report=step", log_progress,
                             &log));
    CHECK(log.step_events == 8 && log.orderly);
    CHECK(log.calls == 10);
    CHECK(log.last.event == NNK_EVENT_EPOCH && log.last.steps == 4);
    CHECK(isfinite(log.last.validation_loss) && log.last.metric >= 0 && log.last.metric <= 1);
    memset(&log, 0, sizeof log);
    log.stop_after = 2;
    CHECK_OK(nnk_trainer_fit(trainer, dataset, "epochs=50", log_progress, &log));
    CHECK(log.calls == 2 && log.last.epoch == 2 && log.last.epochs == 50);
    memset(&log, 0, sizeof log);
    log.stop_after = 1;
    CHECK_OK(nnk_trainer_fit(trainer, dataset, "epochs=50 batch_size=4 report=step shuffle=false", log_progress, &log));
    CHECK(log.calls == 1 && log.last.event == NNK_EVENT_STEP && log.last.step == 1 && log.last.steps == 6);
    CHECK(isnan(log.last.validation_loss));
    nnk_trainer_destroy(trainer);
    nnk_dataset_destroy(dataset);
}

static void evaluation_reports_and_stops_as_asked(network *n) {
    nnk_trainer *trainer = network_trainer(n);
    nnk_dataset *dataset = network_dataset(n);
    progress_log log;
    double loss = -1, metric = -1, expected = -1, expected_metric = -1;
    memset(&log, 0, sizeof log);
    CHECK_OK(nnk_trainer_evaluate(trainer, dataset, "batch_size=5", &expected, &expected_metric));
    /* 24 samples in batches of 5, 5, 5, 5 and 4. */
    CHECK_OK(nnk_trainer_evaluate_reporting(trainer, dataset, "batch_size=5", &loss, &metric, log_progress, &log));
    CHECK(loss == expected && metric == expected_metric);
    CHECK(log.calls == 5 && log.last.event == NNK_EVENT_EVALUATION && log.last.step == 5 && log.last.steps == 5);
    CHECK(log.last.validation_loss == loss && log.last.metric == metric && isnan(log.last.train_metric));
    CHECK(log.last.epoch == 0 && log.last.epochs == 0 && isnan(log.last.loss));
    memset(&log, 0, sizeof log);
    log.stop_after = 3;
    CHECK_OK(nnk_trainer_evaluate_reporting(trainer, dataset, "batch_size=5", &loss, &metric, log_progress, &log));
    CHECK(log.calls == 3 && log.last.step == 3 && log.last.validation_loss == loss && log.last.metric == metric);
    CHECK_OK(nnk_trainer_evaluate_reporting(trainer, dataset, "batch_size=5", &loss, NULL, NULL, NULL));
    CHECK(loss == expected);
    /* The validation pass of a fit: 6 samples are held out, in batches of 5 and 1. */
    memset(&log, 0, sizeof log);
    CHECK_OK(nnk_trainer_fit(trainer, dataset, "epochs=2 batch_size=5 validation_split=0.25 report=batch", log_progress,
                             &log));
    CHECK(log.calls == 2 * (4 + 2 + 1) && log.step_events == 8 && log.last.event == NNK_EVENT_EPOCH);
    memset(&log, 0, sizeof log);
    log.stop_after = 5;
    CHECK_OK(nnk_trainer_fit(trainer, dataset, "epochs=2 batch_size=5 validation_split=0.25 report=batch", log_progress,
                             &log));
    CHECK(log.calls == 5 && log.last.event == NNK_EVENT_EVALUATION && log.last.epoch == 1);
    CHECK(log.last.step == 1 && log.last.steps == 2 && isfinite(log.last.validation_loss) && isfinite(log.last.loss));
    nnk_trainer_destroy(trainer);
    nnk_dataset_destroy(dataset);
}

static void validation_samples_are_used(network *n) {
    nnk_trainer *trainer = network_trainer(n);
    nnk_dataset *dataset = network_dataset(n), *validation = network_dataset(n);
    progress_log log;
    double loss = 0, metric = 0;
    memset(&log, 0, sizeof log);
    CHECK_OK(nnk_trainer_set_validation(trainer, validation));
    nnk_dataset_destroy(validation); /* the trainer keeps it */
    CHECK_OK(nnk_trainer_fit(trainer, dataset, "epochs=1 batch_size=24", log_progress, &log));
    CHECK_OK(nnk_trainer_evaluate(trainer, dataset, "batch_size=24", &loss, &metric));
    CHECK(fabs(log.last.validation_loss - loss) <= 1e-6 * fabs(loss) && log.last.metric == metric);
    CHECK_OK(nnk_trainer_set_validation(trainer, NULL));
    CHECK_OK(nnk_trainer_fit(trainer, dataset, "batch_size=24", log_progress, &log));
    CHECK(isnan(log.last.validation_loss));
    nnk_trainer_destroy(trainer);
    nnk_dataset_destroy(dataset);
}

/* The same seed and data give the same weights; another batch order gives others. */
static void fits_repeat(network_kind kind) {
    static const char *const options[3] = {"epochs=3 batch_size=5", "epochs=3 batch_size=5",
                                           "epochs=3 batch_size=5 shuffle=false"};
    void *weights[3];
    size_t bytes = 0;
    int i;
    for (i = 0; i < 3; i++) {
        network *n = network_create(kind, NULL, SAMPLES);
        nnk_trainer *trainer = network_trainer(n);
        nnk_dataset *dataset = network_dataset(n);
        CHECK_OK(nnk_trainer_fit(trainer, dataset, options[i], NULL, NULL));
        weights[i] = network_parameters(n->model, &bytes);
        nnk_dataset_destroy(dataset);
        nnk_trainer_destroy(trainer);
        network_destroy(n);
    }
    CHECK(memcmp(weights[0], weights[1], bytes) == 0);
    CHECK(memcmp(weights[0], weights[2], bytes) != 0);
    for (i = 0; i < 3; i++) free(weights[i]);
}

/* A step is its two halves. */
static void gradients_and_apply_make_a_step(network_kind kind) {
    network *whole = network_create(kind, NULL, SAMPLES), *halves = network_create(kind, NULL, SAMPLES);
    nnk_trainer *a = network_trainer(whole), *b = network_trainer(halves);
    nnk_tensor gradients;
    size_t bytes = 0;
    void *before = network_parameters(halves->model, &bytes), *first, *second;
    double loss_a = -1, loss_b = -2;
    int i;
    memset(&gradients, 0, sizeof gradients);
    CHECK_OK(nnk_trainer_gradients(b, halves->inputs, halves->n_inputs, halves->targets, 1, &loss_b));
    second = network_parameters(halves->model, &bytes);
    CHECK(memcmp(before, second, bytes) == 0); /* no parameter has changed */
    free(second);
    CHECK_OK(nnk_trainer_gradients_view(b, &gradients));
    CHECK(gradients.ndim == 1 && (size_t)gradients.shape[0] * sizeof(float) == bytes);
    CHECK(all_finite((const float *)gradients.data, (size_t)gradients.shape[0]));
    CHECK_OK(nnk_trainer_apply(b));
    CHECK_OK(network_step(whole, a, &loss_a));
    CHECK(loss_a == loss_b);
    for (i = 0; i < 3; i++) {
        CHECK_OK(network_step(whole, a, NULL));
        CHECK_OK(nnk_trainer_gradients(b, halves->inputs, halves->n_inputs, halves->targets, 1, NULL));
        CHECK_OK(nnk_trainer_apply(b));
    }
    first = network_parameters(whole->model, &bytes), second = network_parameters(halves->model, &bytes);
    CHECK(memcmp(first, second, bytes) == 0);
    CHECK(memcmp(first, before, bytes) != 0);
    free(before), free(first), free(second);
    nnk_trainer_destroy(a), nnk_trainer_destroy(b);
    network_destroy(whole), network_destroy(halves);
}

/* A plain SGD step is weight - learning_rate · gradient, read and written through the views. */
static void views_show_the_arithmetic(void) {
    network *n = network_create(NETWORK_CNN, NULL, SAMPLES);
    nnk_trainer *trainer = NULL;
    nnk_session *session = network_session(n);
    nnk_tensor weights, gradients;
    size_t bytes = 0, i, wrong = 0;
    float *before, *after;
    memset(&weights, 0, sizeof weights), memset(&gradients, 0, sizeof gradients);
    REQUIRE_OK(nnk_trainer_create(n->model, "loss=softmax_cross_entropy optimizer=sgd learning_rate=0.5", &trainer));
    before = (float *)network_parameters(n->model, &bytes);
    CHECK_OK(nnk_trainer_gradients(trainer, n->inputs, n->n_inputs, n->targets, 1, NULL));
    CHECK_OK(nnk_trainer_gradients_view(trainer, &gradients));
    CHECK_OK(nnk_trainer_apply(trainer));
    after = (float *)network_parameters(n->model, &bytes);
    for (i = 0; i < bytes / sizeof(float); i++) {
        const float expected = before[i] - 0.5f * ((const float *)gradients.data)[i];
        wrong += fabsf(after[i] - expected) > 1e-6f * (1 + fabsf(expected));
    }
    CHECK(wrong == 0);
    /* Zero parameters, told of, give zero logits. */
    CHECK_OK(network_run(n, session));
    CHECK(n->output[0] != 0);
    CHECK_OK(nnk_model_parameters_view(n->model, &weights));
    memset(weights.data, 0, bytes);
    CHECK_OK(nnk_model_parameters_changed(n->model));
    CHECK_OK(network_run(n, session));
    CHECK(n->output[0] == 0 && n->output[1] == 0);
    free(before), free(after);
    nnk_session_destroy(session);
    nnk_trainer_destroy(trainer);
    network_destroy(n);
}

static void sessions_take_every_batch_size(network *n) {
    nnk_session *session = network_session(n);
    float *all = (float *)network_memory(network_output_bytes(n));
    int64_t batch, differing = 0;
    CHECK_OK(network_run(n, session));
    CHECK(all_finite(n->output, (size_t)n->samples * NETWORK_CLASSES));
    memcpy(all, n->output, network_output_bytes(n));
    for (batch = 1; batch <= n->samples; batch += 6) {
        int32_t i;
        for (i = 0; i < n->n_inputs; i++) n->shapes[i][0] = batch;
        n->shapes[3][0] = batch;
        memset(n->output, 0, network_output_bytes(n));
        CHECK_OK(network_run(n, session));
        differing += memcmp(all, n->output, (size_t)batch * NETWORK_CLASSES * sizeof(float)) != 0;
        for (i = 0; i < n->n_inputs; i++) n->shapes[i][0] = n->samples;
        n->shapes[3][0] = n->samples;
    }
    CHECK(differing == 0); /* a sample's result does not depend on the samples beside it */
    free(all);
    nnk_session_destroy(session);
}

/* Integers of 64 bits are taken where 32 are; strides and offsets are followed, backwards too. */
static void other_views_are_read(void) {
    network *n = network_create(NETWORK_LSTM, NULL, 4);
    nnk_session *session = network_session(n);
    const nnk_tensor narrow = n->inputs[0];
    const int32_t *tokens = (const int32_t *)narrow.data;
    float expected[4 * NETWORK_CLASSES];
    int64_t wide[4 * NETWORK_STEPS], strides[2] = {1, 4};
    int32_t transposed[4 * NETWORK_STEPS + 1];
    int i;
    CHECK_OK(network_run(n, session));
    memcpy(expected, n->output, sizeof expected);

    for (i = 0; i < 4 * NETWORK_STEPS; i++) wide[i] = tokens[i];
    n->inputs[0] = nnk_tensor_view(wide, NNK_INT64, n->shapes[0], 2);
    memset(n->output, 0, sizeof expected);
    CHECK_OK(network_run(n, session));
    CHECK(memcmp(expected, n->output, sizeof expected) == 0);

    for (i = 0; i < 4 * NETWORK_STEPS; i++) transposed[1 + i % NETWORK_STEPS * 4 + i / NETWORK_STEPS] = tokens[i];
    n->inputs[0] = nnk_tensor_view(transposed, NNK_INT32, n->shapes[0], 2);
    n->inputs[0].strides = strides;
    n->inputs[0].byte_offset = sizeof(int32_t);
    memset(n->output, 0, sizeof expected);
    CHECK_OK(network_run(n, session));
    CHECK(memcmp(expected, n->output, sizeof expected) == 0);

    for (i = 0; i < 4 * NETWORK_STEPS; i++) transposed[4 * NETWORK_STEPS - i] = tokens[i];
    strides[0] = -NETWORK_STEPS, strides[1] = -1;
    n->inputs[0].byte_offset = 4 * NETWORK_STEPS * sizeof(int32_t);
    memset(n->output, 0, sizeof expected);
    CHECK_OK(network_run(n, session));
    CHECK(memcmp(expected, n->output, sizeof expected) == 0);
    n->inputs[0] = narrow;

    /* The output as columns. */
    strides[0] = 1, strides[1] = 4;
    n->outputs[0].strides = strides;
    CHECK_OK(network_run(n, session));
    for (i = 0; i < 4 * NETWORK_CLASSES; i++)
        CHECK(n->output[i % NETWORK_CLASSES * 4 + i / NETWORK_CLASSES] == expected[i]);
    nnk_session_destroy(session);
    network_destroy(n);
}

static void sessions_know_their_bytes(network *n) {
    int64_t one = -1, many = -1;
    nnk_session *session = NULL;
    char options[64];
    CHECK_OK(nnk_session_bytes(n->model, NULL, &one));
    CHECK_OK(nnk_session_bytes(n->model, "max_batch=24", &many));
    CHECK(one > 0 && many > one);
    snprintf(options, sizeof options, "max_batch=24 max_bytes=%lld", (long long)many);
    CHECK_OK(nnk_session_create(n->model, options, &session));
    nnk_session_destroy(session);
    session = NULL;
    snprintf(options, sizeof options, "max_batch=24 max_bytes=%lld", (long long)many - 1);
    CHECK_STATUS(nnk_session_create(n->model, options, &session), NNK_ERROR_OUT_OF_MEMORY);
    CHECK(session == NULL && text_has(nnk_last_error(), "max_bytes"));
    nnk_session_destroy(NULL);
}

/* An object that others need lives until they are gone, in any order of destruction. */
static void owners_may_go_first(void) {
    nnk_runtime *runtime = NULL;
    network *n;
    nnk_trainer *trainer;
    nnk_session *session;
    double loss = -1;
    CHECK_OK(nnk_runtime_create("threads=2", &runtime));
    n = network_create(NETWORK_CNN, runtime, SAMPLES);
    nnk_runtime_destroy(runtime);
    trainer = network_trainer(n);
    session = network_session(n);
    nnk_model_destroy(n->model);
    CHECK_OK(network_step(n, trainer, &loss));
    CHECK(isfinite(loss));
    CHECK_OK(network_run(n, session));
    nnk_trainer_destroy(trainer);
    CHECK_OK(network_run(n, session));
    nnk_session_destroy(session);
    n->model = NULL;
    network_destroy(n);
    nnk_trainer_destroy(NULL), nnk_model_destroy(NULL), nnk_dataset_destroy(NULL);
}

static void shutdown_is_not_the_end(network *n) {
    nnk_session *session = network_session(n);
    nnk_shutdown();
    CHECK_OK(network_run(n, session));
    nnk_shutdown();
    nnk_shutdown();
    CHECK_OK(network_run(n, session));
    nnk_session_destroy(session);
}

int main(int argc, char **argv) {
    static const network_kind kinds[] = {NETWORK_CNN, NETWORK_LSTM};
    char *folder;
    size_t i;
    nnkit_load(argc > 1 ? argv[1] : "libnnkit.so");
    folder = temporary_folder();
    catalog_lists_everything();
    runtimes_say_what_they_run_on();
    graphs_infer_shapes();
    graphs_remember_their_first_error();
    for (i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        network *n = network_create(kinds[i], NULL, SAMPLES);
        models_describe_themselves(n);
        one_seed_gives_one_model(kinds[i]);
        sessions_take_every_batch_size(n);
        sessions_know_their_bytes(n);
        fit_lowers_the_loss(n);
        saved_models_come_back(n, folder);
        fit_reports_and_stops_as_asked(n);
        evaluation_reports_and_stops_as_asked(n);
        validation_samples_are_used(n);
        shutdown_is_not_the_end(n);
        gradients_and_apply_make_a_step(kinds[i]);
        network_destroy(n);
    }
    fits_repeat(NETWORK_CNN_DROPOUT);
    fits_repeat(NETWORK_LSTM);
    gradients_and_apply_make_a_step(NETWORK_CNN_DROPOUT);
    views_show_the_arithmetic();
    other_views_are_read();
    owners_may_go_first();
    rmdir(folder);
    free(folder);
    return check_summary();
}
