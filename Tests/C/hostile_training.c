/* hostile_training.c: datasets that need no memory, empty shares, numbers that are not finite, and settings that would
 * make them. What a message says of the model's state is compared with its parameters. argv[1]: the library. */
#include "hostile.h"

/* A model y = W x + b with `inputs` inputs, and what a trainer of it needs. */
typedef struct line {
    nnk_model *model;
    nnk_trainer *trainer;
    nnk_tensor gradients;
    size_t bytes;
} line;

static line line_create(int64_t inputs, const char *layer, const char *options) {
    line l;
    nnk_graph *graph = nnk_graph_create();
    const nnk_value x = nnk_graph_input(graph, "x", NNK_FLOAT32, &inputs, 1);
    memset(&l, 0, sizeof l);
    REQUIRE_OK(nnk_graph_output(graph, "y", nnk_graph_layer(graph, "dense", layer, x)));
    REQUIRE_OK(nnk_model_create(f.runtime, graph, "seed=3", &l.model));
    nnk_graph_destroy(graph);
    REQUIRE_OK(nnk_trainer_create(l.model, options, &l.trainer));
    REQUIRE_OK(nnk_trainer_gradients_view(l.trainer, &l.gradients));
    l.bytes = (size_t)l.gradients.shape[0] * sizeof(float);
    return l;
}

static void line_destroy(line l) {
    nnk_trainer_destroy(l.trainer);
    nnk_model_destroy(l.model);
}

static nnk_tensor strided(void *data, nnk_dtype type, int64_t *shape, int64_t *strides, int32_t rank) {
    nnk_tensor tensor = nnk_tensor_view(data, type, shape, rank);
    tensor.strides = strides;
    return tensor;
}

/* --------------------------------------------------------------------------------- data without memory */

static int64_t steps_seen, steps_said;

static int stop_at_three(const nnk_progress *progress, void *user) {
    (void)user;
    steps_seen = progress->step, steps_said = progress->steps;
    return progress->step == 3;
}

/* A fit over `samples` samples that are all the same one; its callback ends it. */
static nnk_status fit_repeated(int64_t samples, const char *options, int64_t steps) {
    float x[2] = {1, 2}, y[1] = {3};
    int64_t x_shape[2], y_shape[2], x_strides[2] = {0, 1}, y_strides[2] = {0, 1};
    nnk_tensor input, target;
    nnk_dataset *dataset = NULL;
    nnk_status status;
    const line l = line_create(2, "units=1", "loss=mean_squared_error");
    x_shape[0] = y_shape[0] = samples, x_shape[1] = samples > INT64_MAX / 2 ? 1 : 2, y_shape[1] = 1;
    input = strided(x, NNK_FLOAT32, x_shape, x_strides, 2), target = strided(y, NNK_FLOAT32, y_shape, y_strides, 2);
    if (x_shape[1] == 1) {
        const line narrow = line_create(1, "units=1", "loss=mean_squared_error");
        REQUIRE_OK(nnk_dataset_create_from_arrays(&input, 1, &target, 1, &dataset));
        status = nnk_trainer_fit(narrow.trainer, dataset, options, stop_at_three, NULL);
        line_destroy(narrow);
    } else {
        REQUIRE_OK(nnk_dataset_create_from_arrays(&input, 1, &target, 1, &dataset));
        status = nnk_trainer_fit(l.trainer, dataset, options, stop_at_three, NULL);
    }
    if (status == NNK_OK && steps_seen != 3) case_fails("the fit did not come to its third step");
    if (status == NNK_OK && steps_said != steps) case_fails("the fit says another number of steps");
    nnk_dataset_destroy(dataset);
    line_destroy(l);
    return status;
}

/* One label for `samples` samples, which is out of range. */
static nnk_status fit_repeated_label(int64_t samples, int32_t label) {
    float x[1] = {1};
    int32_t y[1];
    int64_t x_shape[2], x_strides[2] = {0, 1}, y_strides[1] = {0};
    nnk_tensor input, target;
    nnk_dataset *dataset = NULL;
    nnk_status status;
    const line l = line_create(1, "units=4", "loss=softmax_cross_entropy");
    y[0] = label;
    x_shape[0] = samples, x_shape[1] = 1;
    input = strided(x, NNK_FLOAT32, x_shape, x_strides, 2), target = strided(y, NNK_INT32, x_shape, y_strides, 1);
    REQUIRE_OK(nnk_dataset_create_from_arrays(&input, 1, &target, 1, &dataset));
    status = nnk_trainer_fit(l.trainer, dataset, "report=step", stop_at_three, NULL);
    nnk_dataset_destroy(dataset);
    line_destroy(l);
    return status;
}

typedef enum by_hand { BY_STEP, BY_GRADIENTS, BY_RUN, BY_EVALUATE, BY_FIT } by_hand;

/* A call on a batch of `samples` samples with axes and strides as given. */
static nnk_status call_with(by_hand what, int64_t samples, int64_t inputs, int64_t stride, int64_t inner_stride) {
    static float x[4], y[4];
    int64_t x_shape[2], y_shape[2], x_strides[2], y_strides[2] = {0, 1};
    nnk_tensor input, target;
    nnk_session *session = NULL;
    nnk_dataset *dataset = NULL;
    nnk_status status = NNK_OK;
    const line l = line_create(2, "units=1", "loss=mean_squared_error");
    x_shape[0] = y_shape[0] = samples, x_shape[1] = inputs, y_shape[1] = 1;
    x_strides[0] = stride, x_strides[1] = inner_stride;
    input = strided(x, NNK_FLOAT32, x_shape, x_strides, 2), target = strided(y, NNK_FLOAT32, y_shape, y_strides, 2);
    switch (what) {
    case BY_STEP:
        status = nnk_trainer_step(l.trainer, &input, 1, &target, 1, &out.loss);
        break;
    case BY_GRADIENTS:
        status = nnk_trainer_gradients(l.trainer, &input, 1, &target, 1, &out.loss);
        break;
    case BY_RUN:
        REQUIRE_OK(nnk_session_create(l.model, "max_batch=4", &session));
        status = nnk_session_run(session, &input, 1, &target, 1);
        nnk_session_destroy(session);
        break;
    case BY_EVALUATE:
    case BY_FIT:
        status = nnk_dataset_create_from_arrays(&input, 1, &target, 1, &dataset);
        if (status == NNK_OK && what == BY_FIT)
            status = nnk_trainer_fit(l.trainer, dataset, "report=step", stop_at_three, NULL);
        else if (status == NNK_OK)
            status = nnk_trainer_evaluate(l.trainer, dataset, "", &out.loss, &out.metric);
        nnk_dataset_destroy(dataset);
    }
    line_destroy(l);
    return status;
}

static void data_without_memory(void) {
    const int64_t counts[] = {INT64_C(1) << 31,       (INT64_C(1) << 32) + 1, (INT64_C(1) << 61) - 1,
                              (INT64_C(1) << 62) - 1, INT64_MAX - 1,          INT64_MAX};
    const char *options[] = {"report=step batch_size=7", "report=step batch_size=7 shuffle=false",
                             "report=step batch_size=7 validation_split=0.5",
                             "report=step batch_size=7 epochs=1000000 validation_split=0.000001"};
    size_t i, j;
    char name[160];
    for (i = 0; i < sizeof counts / sizeof counts[0]; i++)
        for (j = 0; j < sizeof options / sizeof options[0]; j++) {
            int64_t trained = counts[i];
            snprintf(name, sizeof name, "fit over %lld repeated samples, %s", (long long)counts[i], options[j]);
            if (j >= 2) trained -= (int64_t)round((double)counts[i] * (j == 2 ? 0.5 : 0.000001));
            CASE(name, OK, ANYTHING, fit_repeated(counts[i], options[j], (trained - 1) / 7 + 1));
        }
    for (i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        snprintf(name, sizeof name, "fit over %lld labels", (long long)counts[i]);
        CASE(name, OK, ANYTHING, fit_repeated_label(counts[i], 3));
        snprintf(name, sizeof name, "fit over %lld labels out of range", (long long)counts[i]);
        CASE(name, ARGUMENT, SAYS("sample 0 holds 4; expected 0 to 3"), fit_repeated_label(counts[i], 4));
        for (j = BY_STEP; j <= BY_FIT; j++) {
            snprintf(name, sizeof name, "way %d, %lld samples with an axis of 0", (int)j, (long long)counts[i]);
            CASE(name, ARGUMENT | SHAPE | MEMORY, ANYTHING, call_with((by_hand)j, counts[i], 0, 0, 1));
            snprintf(name, sizeof name, "way %d, %lld samples of wild strides", (int)j, (long long)counts[i]);
            CASE(name, ARGUMENT | SHAPE | MEMORY, ANYTHING,
                 call_with((by_hand)j, counts[i], 2, INT64_C(1) << 62, INT64_MIN));
            if (j > BY_RUN) continue; /* a dataset of them is what fits and evaluations go through one by one */
            snprintf(name, sizeof name, "way %d, %lld repeated samples", (int)j, (long long)counts[i]);
            CASE(name, ARGUMENT | SHAPE | MEMORY, ANYTHING, call_with((by_hand)j, counts[i], 2, 0, 1));
        }
    }
    for (j = BY_STEP; j <= BY_FIT; j++) {
        const int64_t strides[] = {INT64_C(1) << 62, -(INT64_C(1) << 62), INT64_MAX,
                                   INT64_MIN,        INT64_C(1) << 46,    -(INT64_C(1) << 46)};
        for (i = 0; i < sizeof strides / sizeof strides[0]; i++) {
            snprintf(name, sizeof name, "way %d, stride %lld of the samples", (int)j, (long long)strides[i]);
            CASE(name, SHAPE, SAYS("leads out of memory"), call_with((by_hand)j, 3, 2, strides[i], 1));
            snprintf(name, sizeof name, "way %d, stride %lld in a sample", (int)j, (long long)strides[i]);
            CASE(name, SHAPE, SAYS("leads out of memory"), call_with((by_hand)j, 3, 2, 2, strides[i]));
        }
    }
}

/* ------------------------------------------------------------------------------------- empty shares */

static nnk_dataset *samples_of_line(int64_t samples) {
    static float x[64], y[64];
    int64_t x_shape[2], y_shape[2];
    nnk_tensor input, target;
    nnk_dataset *dataset = NULL;
    x_shape[0] = y_shape[0] = samples, x_shape[1] = 2, y_shape[1] = 1;
    input = nnk_tensor_view(x, NNK_FLOAT32, x_shape, 2), target = nnk_tensor_view(y, NNK_FLOAT32, y_shape, 2);
    REQUIRE_OK(nnk_dataset_create_from_arrays(&input, 1, &target, 1, &dataset));
    return dataset;
}

static double said_validation_loss;

static int keep_validation_loss(const nnk_progress *progress, void *user) {
    (void)user;
    said_validation_loss = progress->validation_loss;
    return 0;
}

/* A fit of `samples` samples; `validated`: of another dataset, -1 for none. */
static nnk_status fit_shares(int64_t samples, int64_t validated, const char *options, int expects_loss) {
    const line l = line_create(2, "units=1", "loss=mean_squared_error");
    nnk_dataset *dataset = samples_of_line(samples), *other = validated < 0 ? NULL : samples_of_line(validated);
    nnk_status status;
    REQUIRE_OK(nnk_trainer_set_validation(l.trainer, other));
    said_validation_loss = -1;
    status = nnk_trainer_fit(l.trainer, dataset, options, keep_validation_loss, NULL);
    if (status == NNK_OK && expects_loss != (said_validation_loss >= 0))
        case_fails("the validation loss is of nothing");
    if (status != NNK_OK && said_validation_loss != -1) case_fails("an epoch came before the refusal");
    nnk_dataset_destroy(dataset), nnk_dataset_destroy(other);
    line_destroy(l);
    return status;
}

static nnk_status evaluate_nothing(void) {
    const line l = line_create(2, "units=1", "loss=mean_squared_error");
    nnk_dataset *dataset = samples_of_line(0);
    const nnk_status status = nnk_trainer_evaluate(l.trainer, dataset, "", &out.loss, &out.metric);
    nnk_dataset_destroy(dataset);
    line_destroy(l);
    return status;
}

static void empty_shares(void) {
    CASE("1 % of 10 samples", ARGUMENT, SAYS("holds out 0 and leaves 10"),
         fit_shares(10, -1, "validation_split=0.01", 1));
    CASE("1 % of 1 sample", ARGUMENT, SAYS("holds out 0 and leaves 1"), fit_shares(1, -1, "validation_split=0.01", 1));
    CASE("a half of 1 sample", ARGUMENT, SAYS("leaves 0"), fit_shares(1, -1, "validation_split=0.5", 1));
    CASE("99.9 % of 10 samples", ARGUMENT, SAYS("holds out 10 and leaves 0"),
         fit_shares(10, -1, "validation_split=0.999", 1));
    CASE("nearly all of 10 samples", ARGUMENT, SAYS("leaves 0"),
         fit_shares(10, -1, "validation_split=0.9999999999999999", 1));
    CASE("hardly any of 10 samples", ARGUMENT, SAYS("holds out 0"), fit_shares(10, -1, "validation_split=1e-30", 1));
    CASE("5 % of 10 samples", OK, ANYTHING, fit_shares(10, -1, "validation_split=0.05", 1));
    CASE("90 % of 10 samples", OK, ANYTHING, fit_shares(10, -1, "validation_split=0.9", 1));
    CASE("no share of 10 samples", OK, ANYTHING, fit_shares(10, -1, "validation_split=0", 0));
    CASE("validation with 0 samples", ARGUMENT, SAYS("validation dataset has 0 samples"), fit_shares(10, 0, "", 1));
    CASE("validation with 0 samples and a split", ARGUMENT, SAYS("validation dataset has 0 samples"),
         fit_shares(10, 0, "validation_split=0.5", 1));
    CASE("validation with 1 sample", OK, ANYTHING, fit_shares(10, 1, "", 1));
    CASE("fit of 0 samples", ARGUMENT, SAYS("0 samples"), fit_shares(0, -1, "", 0));
    CASE("fit of 0 samples and a split", ARGUMENT, SAYS("0 samples"), fit_shares(0, -1, "validation_split=0.5", 0));
    CASE("fit of 0 samples, validated with 3", ARGUMENT, SAYS("0 samples"), fit_shares(0, 3, "", 0));
    CASE("a batch larger than the data", OK, ANYTHING, fit_shares(3, 2, "batch_size=1000000000", 1));
    CASE("evaluate 0 samples", ARGUMENT, SAYS("0 samples"), evaluate_nothing());
    CASE("step of 0 samples", SHAPE, SAYS("at least one sample"), call_with(BY_STEP, 0, 2, 2, 1));
    CASE("gradients of 0 samples", SHAPE, SAYS("at least one sample"), call_with(BY_GRADIENTS, 0, 2, 2, 1));
    CASE("run of 0 samples", SHAPE, SAYS("at least one sample"), call_with(BY_RUN, 0, 2, 2, 1));
}

/* ------------------------------------------------------------------------- labels of the whole dataset */

/* A bad label in sample `sample` of 6; nothing may have been trained when it is found. */
static nnk_status label_at(int64_t sample, int32_t label, const char *options, int as_validation) {
    size_t bytes = 0;
    void *before = network_parameters(f.model, &bytes), *after;
    nnk_dataset *good = NULL;
    int32_t labels[CASE_SAMPLES] = {0};
    nnk_tensor targets = f.net->targets[0];
    nnk_status status;
    targets.data = labels;
    REQUIRE_OK(nnk_dataset_create_from_arrays(f.net->inputs, f.net->n_inputs, &targets, 1, &good));
    ((int32_t *)f.net->memory[2])[sample] = label;
    if (as_validation) REQUIRE_OK(nnk_trainer_set_validation(f.trainer, f.dataset));
    status = nnk_trainer_fit(f.trainer, as_validation ? good : f.dataset, options, NULL, NULL);
    after = network_parameters(f.model, &bytes);
    if (memcmp(before, after, bytes) != 0) case_fails("parameters changed before the labels were checked");
    nnk_dataset_destroy(good);
    free(before), free(after);
    return status;
}

/* The same for a number of the recurrent network, whose last sequence has `steps` steps. */
static nnk_status token_at(int32_t steps, int index, int64_t place, int32_t value, const char *options) {
    size_t bytes = 0;
    void *before = network_parameters(f.model, &bytes), *after;
    nnk_status status;
    ((int32_t *)f.net->memory[1])[CASE_SAMPLES - 1] = steps;
    ((int32_t *)f.net->memory[index])[place] = value;
    status = nnk_trainer_fit(f.trainer, f.dataset, options, NULL, NULL);
    after = network_parameters(f.model, &bytes);
    if (status != NNK_OK && memcmp(before, after, bytes) != 0)
        case_fails("parameters changed before the indices were checked");
    free(before), free(after);
    return status;
}

static void labels_first(void) {
    CASE("the last label", ARGUMENT, SAYS("sample 5 holds 3; expected 0 to 2"),
         label_at(5, 3, "batch_size=1 shuffle=false", 0));
    CASE("the last label, shuffled", ARGUMENT, SAYS("sample 5 holds -1"), label_at(5, -1, "batch_size=1 epochs=3", 0));
    CASE("a label that is held out", ARGUMENT, SAYS("sample 5 holds 9"),
         label_at(5, 9, "batch_size=1 validation_split=0.2", 0));
    CASE("a label of the validation samples", ARGUMENT, SAYS("the validation samples"),
         label_at(4, 7, "batch_size=2", 1));
    LSTM_CASE("the last token", ARGUMENT, SAYS("sample 5 holds 11; expected 0 to 10"),
              token_at(NETWORK_STEPS, 0, 6 * NETWORK_STEPS - 1, NETWORK_VOCABULARY, "batch_size=1 shuffle=false"));
    LSTM_CASE("a token behind the length", OK, ANYTHING,
              token_at(NETWORK_STEPS - 1, 0, 6 * NETWORK_STEPS - 1, NETWORK_VOCABULARY, "batch_size=1 shuffle=false"));
    LSTM_CASE("the last length", ARGUMENT, SAYS("sample 5 holds 0"),
              token_at(1, 1, 5, 0, "batch_size=1 shuffle=false"));
}

/* ------------------------------------------------------------------------- numbers that are not finite */

/* A fit in which sample 5 of 6 holds `bad`. Its parameters must be those that a fit of the first `kept` samples alone
 * leaves. */
static nnk_status fit_to_the_bad_one(float bad, const char *options, const char *same, int64_t kept) {
    size_t bytes = 0;
    network *twin = network_create(NETWORK_CNN, f.runtime, CASE_SAMPLES);
    nnk_trainer *trainer = network_trainer(twin);
    nnk_dataset *dataset = NULL;
    void *mine, *expected;
    nnk_status status;
    if (kept > 0) {
        twin->shapes[0][0] = twin->shapes[2][0] = kept;
        dataset = network_dataset(twin);
        REQUIRE_OK(nnk_trainer_fit(trainer, dataset, same, NULL, NULL));
    }
    expected = network_parameters(twin->model, &bytes);
    ((float *)f.net->memory[0])[5 * network_image_size() * network_image_size() * 2 + 3] = bad;
    status = nnk_trainer_fit(f.trainer, f.dataset, options, NULL, NULL);
    mine = network_parameters(f.model, &bytes);
    if (memcmp(mine, expected, bytes) != 0) case_fails("the parameters are not what the message says");
    if (!all_finite((const float *)mine, bytes / sizeof(float))) case_fails("a parameter is not finite");
    nnk_dataset_destroy(dataset);
    nnk_trainer_destroy(trainer);
    network_destroy(twin);
    free(mine), free(expected);
    return status;
}

static int spoil_after_one_epoch(const nnk_progress *progress, void *user) {
    (void)user;
    if (progress->epoch == 1) ((float *)f.net->memory[0])[0] = NAN;
    return 0;
}

/* A step of a model one of whose weights the host has set. */
static nnk_status step_with_parameter(float weight) {
    const line l = line_create(2, "units=1", "loss=mean_squared_error");
    float x[2] = {100, 100}, y[1] = {3};
    int64_t x_shape[2] = {1, 2}, y_shape[2] = {1, 1};
    const nnk_tensor input = nnk_tensor_view(x, NNK_FLOAT32, x_shape, 2);
    const nnk_tensor target = nnk_tensor_view(y, NNK_FLOAT32, y_shape, 2);
    nnk_tensor weights;
    nnk_status status;
    REQUIRE_OK(nnk_model_parameters_view(l.model, &weights));
    ((float *)weights.data)[1] = weight;
    REQUIRE_OK(nnk_model_parameters_changed(l.model));
    status = nnk_trainer_step(l.trainer, &input, 1, &target, 1, &out.loss);
    line_destroy(l);
    return status;
}

/* A gradient that the host wrote. */
static nnk_status apply_gradient(float gradient, const char *options) {
    const line l = line_create(2, "units=1", options);
    size_t bytes = 0;
    void *before = network_parameters(l.model, &bytes), *after;
    nnk_status status;
    ((float *)l.gradients.data)[1] = gradient;
    status = nnk_trainer_apply(l.trainer);
    after = network_parameters(l.model, &bytes);
    if (status != NNK_OK && memcmp(before, after, bytes) != 0) case_fails("an update that failed changed parameters");
    if (!all_finite((const float *)after, bytes / sizeof(float))) case_fails("a parameter is not finite");
    free(before), free(after);
    line_destroy(l);
    return status;
}

static const char *pick(uint32_t *state, const char *const *texts, size_t count) {
    return texts[(size_t)(network_random(state) * (float)count)];
}

/* Settings and gradients at random, the wildest that there are: an update leaves finite parameters, or as they were. */
static nnk_status wild_updates(uint32_t seed) {
    static const char *const rates[] = {"0", "1e-45", "1e-8", "0.01", "1", "1e10", "1e30", "3.4e38"};
    static const char *const shares[] = {"0", "0.3", "0.9", "0.99999999", "0.9999999999999999", "1e-30"};
    static const char *const decays[] = {"0", "1e-4", "1", "1e20", "3.4e38"};
    static const char *const epsilons[] = {"1e-30", "1e-7", "1"};
    static const float sizes[] = {0, 1e-45f, 1e-20f, 1, 1e10f, 1e19f, 1e25f, 3.4e38f};
    uint32_t state = seed;
    int round, step, i, made = 0;
    for (round = 0; round < scaled(200, 20); round++) {
        const int is_adam = network_random(&state) < 0.5f;
        char options[320];
        line l;
        nnk_tensor view;
        snprintf(options, sizeof options,
                 "loss=mean_squared_error optimizer=%s learning_rate=%s weight_decay=%s clip_norm=%s ",
                 is_adam ? "adam" : "sgd", pick(&state, rates, 8), pick(&state, decays, 5), pick(&state, rates, 8));
        snprintf(options + strlen(options), sizeof options - strlen(options),
                 is_adam ? "beta1=%s beta2=%s epsilon=%s" : "momentum=%s nesterov=%.0s%s", pick(&state, shares, 6),
                 pick(&state, shares, 6),
                 is_adam     ? pick(&state, epsilons, 3)
                 : round % 2 ? "true"
                             : "false");
        l = line_create(5, "units=7", options);
        REQUIRE_OK(nnk_model_parameters_view(l.model, &view));
        for (step = 0; step < 8; step++) {
            void *before, *after;
            size_t bytes = 0;
            nnk_status status;
            const float size = sizes[(size_t)(network_random(&state) * 8)];
            for (i = 0; i < (int)l.gradients.shape[0]; i++)
                ((float *)l.gradients.data)[i] = (2 * network_random(&state) - 1) * size;
            before = network_parameters(l.model, &bytes);
            status = nnk_trainer_apply(l.trainer);
            after = network_parameters(l.model, &bytes);
            if (!all_finite((const float *)after, bytes / sizeof(float))) case_fails(options);
            if (status != NNK_OK && memcmp(before, after, bytes) != 0)
                case_fails("a refused update changed parameters");
            if (status != NNK_OK && status != NNK_ERROR_NUMERIC) case_fails(nnk_last_error());
            made += status == NNK_OK;
            free(before), free(after);
        }
        line_destroy(l);
    }
    if (made < round) case_fails("nearly all updates were refused");
    return NNK_OK;
}

/* After an update that was refused, the optimizer goes on as if it had not been asked. */
static nnk_status goes_on_after_a_refusal(const char *options) {
    const line refused = line_create(5, "units=7", options), plain = line_create(5, "units=7", options);
    size_t bytes = 0;
    void *a, *b;
    int step, i;
    for (step = 0; step < 6; step++) {
        if (step == 3) {
            for (i = 0; i < (int)refused.gradients.shape[0]; i++) ((float *)refused.gradients.data)[i] = 3e38f;
            if (nnk_trainer_apply(refused.trainer) != NNK_ERROR_NUMERIC) case_fails("the update was not refused");
        }
        for (i = 0; i < (int)refused.gradients.shape[0]; i++)
            ((float *)refused.gradients.data)[i] = ((float *)plain.gradients.data)[i] = (float)((i * 7 + step) % 5) - 2;
        REQUIRE_OK(nnk_trainer_apply(refused.trainer));
        REQUIRE_OK(nnk_trainer_apply(plain.trainer));
    }
    a = network_parameters(refused.model, &bytes), b = network_parameters(plain.model, &bytes);
    if (memcmp(a, b, bytes) != 0) case_fails("the refused update left a trace");
    free(a), free(b);
    line_destroy(refused), line_destroy(plain);
    return NNK_OK;
}

#define SGD_OF(rate) "loss=mean_squared_error optimizer=sgd learning_rate=" rate

static void numbers_that_are_not_finite(void) {
    uint32_t seed;
    const char *ordered = "batch_size=2 shuffle=false epochs=3";
    CASE("NaN in the last sample: the step", NUMERIC, SAYS("epoch 1, step 3 of 3"),
         fit_to_the_bad_one(NAN, ordered, "batch_size=2 shuffle=false", 4));
    CASE("NaN in the last sample: the sample", NUMERIC, SAYS("sample 5 of input \"image\" holds NaN"),
         fit_to_the_bad_one(NAN, ordered, "batch_size=2 shuffle=false", 4));
    CASE("NaN in the last sample: the state", NUMERIC,
         SAYS("the model keeps the parameters that step 2 of this epoch left (2 updates were made)"),
         fit_to_the_bad_one(NAN, ordered, "batch_size=2 shuffle=false", 4));
    CASE("-infinity in the last sample", NUMERIC, SAYS("sample 5 of input \"image\" holds -infinity"),
         fit_to_the_bad_one(-INFINITY, ordered, "batch_size=2 shuffle=false", 4));
    CASE("NaN in the second step", NUMERIC, SAYS("step 1 of this epoch left (1 update was made)"),
         fit_to_the_bad_one(NAN, "batch_size=4 shuffle=false", "batch_size=4 shuffle=false", 4));
    CASE("NaN in the first step", NUMERIC, SAYS("step 1 of 1: the loss is NaN, and sample 5"),
         fit_to_the_bad_one(NAN, "batch_size=6", "", 0));
    CASE("NaN in the first step: the state", NUMERIC, SAYS("no parameter was changed"),
         fit_to_the_bad_one(NAN, "batch_size=6", "", 0));
    CASE("NaN from the second epoch on", NUMERIC,
         SAYS("epoch 2, step 1 of 3: the loss is NaN, and sample 0 of input \"image\" holds NaN; the model keeps the "
              "parameters that the last step of epoch 1 left (3 updates were made)"),
         nnk_trainer_fit(f.trainer, f.dataset, ordered, spoil_after_one_epoch, NULL));
    CASE("step with NaN: the sample", NUMERIC, SAYS("sample 0 of input \"image\" holds NaN; no parameter was changed"),
         (((float *)f.net->memory[0])[0] = NAN, network_step(f.net, f.trainer, &out.loss)));
    CASE("a gradient of infinity", NUMERIC, SAYS("the gradient of dense/kernel holds infinity; no parameter"),
         apply_gradient(INFINITY, SGD_OF("0.1")));
    CASE("a gradient of NaN", NUMERIC, SAYS("the gradient of dense/kernel holds NaN; no parameter"),
         apply_gradient(NAN, SGD_OF("0.1")));
    CASE("a step beyond the largest float", NUMERIC,
         SAYS("the update of dense/kernel would not be finite; no parameter was changed"),
         apply_gradient(10, SGD_OF("3e38")));
    CASE("a gradient whose square is infinite, Adam", NUMERIC, SAYS("would not be finite"),
         apply_gradient(1e30f, "loss=mean_squared_error optimizer=adam"));
    CASE("parameters that hold NaN", NUMERIC, SAYS("dense/kernel holds NaN"), step_with_parameter(NAN));
    CASE("a parameter that is far too large", NUMERIC, SAYS("the largest parameter is 3e+38, in dense/kernel"),
         step_with_parameter(3e38f));
    CASE("large, but finite", OK, ANYTHING, apply_gradient(1e30f, SGD_OF("1e7")));
    CASE("weight decay beyond the largest float", NUMERIC, SAYS("would not be finite"),
         apply_gradient(3e38f, SGD_OF("3e38") " weight_decay=3e38"));
    CASE("goes on after a refusal, sgd", OK, ANYTHING,
         goes_on_after_a_refusal(SGD_OF("10") " momentum=0.9 nesterov=true"));
    CASE("goes on after a refusal, adam", OK, ANYTHING,
         goes_on_after_a_refusal("loss=mean_squared_error optimizer=adam"));
    for (seed = 1; seed <= 10; seed++) {
        char name[64];
        snprintf(name, sizeof name, "wild updates, seed %u", seed);
        CASE(name, OK, ANYTHING, wild_updates(seed));
    }
}

/* ---------------------------------------------------------------------------- options beyond a float */

static void options_beyond_a_float(void) {
    static const char *const options[] = {"learning_rate", "weight_decay", "clip_norm", "momentum",
                                          "beta1",         "beta2",        "epsilon"};
    static const char *const values[] = {"1e39", "3.5e38", "1e308", "1e400", "1e-46", "1e-320", "inf", "nan", "-1e39"};
    size_t i, j;
    char name[128], setting[64], text[160];
    for (i = 0; i < sizeof options / sizeof options[0]; i++)
        for (j = 0; j < sizeof values / sizeof values[0]; j++) {
            const char *optimizer = i == 3 ? "sgd" : "adam";
            snprintf(setting, sizeof setting, "%s=%s", options[i], values[j]);
            snprintf(text, sizeof text, "loss=softmax_cross_entropy optimizer=%s %s", optimizer, setting);
            snprintf(name, sizeof name, "trainer with %s", setting);
            CASE(name, ARGUMENT, setting, nnk_trainer_create(f.model, text, &out.trainer));
            snprintf(name, sizeof name, "setting %s", setting);
            if (i != 3) CASE(name, ARGUMENT, setting, nnk_trainer_set(f.trainer, setting));
        }
    CASE("a rate that vanishes", ARGUMENT, SAYS("it is 0 in single precision"),
         nnk_trainer_set(f.trainer, "learning_rate=1e-46"));
}

int main(int argc, char **argv) {
    nnkit_load(argc > 1 ? argv[1] : "libnnkit.so");
    case_filter = argc > 2 ? argv[2] : NULL;
    data_without_memory();
    empty_shares();
    labels_first();
    numbers_that_are_not_finite();
    options_beyond_a_float();
    return check_summary();
}
