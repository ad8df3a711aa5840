/* hostile_tensors.c: tensors that describe nonsense, batches that do not fit, labels out of range, and numbers that
 * are not finite. argv[1]: the library. */
#include "hostile.h"

/* ---------------------------------------------------------------------------------------------- tensors */

typedef enum place { SESSION_INPUT, SESSION_OUTPUT, STEP_INPUT, STEP_TARGET, DATASET_INPUT, PLACES } place;
typedef enum fault {
    NO_DATA,
    OTHER_DEVICE,
    RANK_NEGATIVE,
    RANK_SMALL,
    RANK_9,
    RANK_LARGEST,
    UNSIGNED_TYPE,
    HALF_TYPE,
    DOUBLE_TYPE,
    FOUR_LANES,
    NO_SHAPE,
    NO_SAMPLES,
    NEGATIVE_SAMPLES,
    OVERFLOWING_SAMPLES,
    NEGATIVE_SIZE,
    OVERFLOWING_SIZES,
    OVERFLOWING_STRIDES,
    OVERFLOWING_OFFSET,
    LARGEST_OFFSET,
    FAULTS
} fault;

static const struct {
    const char *title;
    int expected;
} faults[FAULTS] = {
    {"no data", ARGUMENT},
    {"device CUDA", ARGUMENT | UNSUPPORTED},
    {"rank -1", SHAPE | ARGUMENT},
    {"rank 0", SHAPE},
    {"rank 9", SHAPE | ARGUMENT},
    {"rank 2^31 - 1", SHAPE | ARGUMENT},
    {"an unsigned type", TYPE},
    {"a type of 16 bits", TYPE},
    {"a type of 64-bit floats", TYPE},
    {"a type of 4 lanes", TYPE},
    {"no shape", ARGUMENT},
    {"batch 0", SHAPE},
    {"batch -1", SHAPE},
    {"batch 2^62", SHAPE | ARGUMENT},
    {"the last size -5", SHAPE},
    {"sizes whose product overflows", SHAPE},
    {"strides that overflow", SHAPE | ARGUMENT},
    {"byte_offset 2^63", SHAPE | ARGUMENT},
    {"byte_offset 2^64 - 1", SHAPE | ARGUMENT},
};

/* Spoils one tensor in one way and gives it to a function. */
static nnk_status tensor_status(place where, fault what) {
    network *n = f.net;
    nnk_tensor *tensor = where == STEP_TARGET ? n->targets : where == SESSION_OUTPUT ? n->outputs : n->inputs;
    static int64_t shape[12], strides[12];
    int axis;
    for (axis = 0; axis < tensor->ndim; axis++) shape[axis] = tensor->shape[axis];
    tensor->shape = shape;
    switch (what) {
    case NO_DATA:
        tensor->data = NULL;
        break;
    case OTHER_DEVICE:
        tensor->device.device_type = 2;
        break;
    case RANK_NEGATIVE:
        tensor->ndim = -1;
        break;
    case RANK_SMALL:
        tensor->ndim = 0;
        break;
    case RANK_9:
        for (axis = tensor->ndim; axis < 9; axis++) shape[axis] = 1;
        tensor->ndim = 9;
        break;
    case RANK_LARGEST:
        tensor->ndim = INT32_MAX;
        break;
    case UNSIGNED_TYPE:
        tensor->dtype.code = 1;
        break;
    case HALF_TYPE:
        tensor->dtype.code = 2, tensor->dtype.bits = 16;
        break;
    case DOUBLE_TYPE:
        tensor->dtype.code = 2, tensor->dtype.bits = 64;
        break;
    case FOUR_LANES:
        tensor->dtype.lanes = 4;
        break;
    case NO_SHAPE:
        tensor->shape = NULL;
        break;
    case NO_SAMPLES:
        shape[0] = 0;
        break;
    case NEGATIVE_SAMPLES:
        shape[0] = -1;
        break;
    case OVERFLOWING_SAMPLES:
        shape[0] = INT64_C(1) << 62;
        break;
    case NEGATIVE_SIZE:
        shape[tensor->ndim - 1] = -5;
        break;
    case OVERFLOWING_SIZES:
        for (axis = 0; axis < 4; axis++) shape[axis] = INT64_C(1) << 31;
        tensor->ndim = 4;
        break;
    case OVERFLOWING_STRIDES:
        for (axis = 0; axis < tensor->ndim; axis++) strides[axis] = INT64_C(1) << 61;
        tensor->strides = strides;
        break;
    case OVERFLOWING_OFFSET:
        tensor->byte_offset = UINT64_C(1) << 63;
        break;
    case LARGEST_OFFSET:
        tensor->byte_offset = UINT64_MAX;
        break;
    case FAULTS:
        break;
    }
    switch (where) {
    case SESSION_INPUT:
    case SESSION_OUTPUT:
        return network_run(n, f.session);
    case STEP_INPUT:
    case STEP_TARGET:
        return network_step(n, f.trainer, &out.loss);
    case DATASET_INPUT:
        return nnk_dataset_create_from_arrays(n->inputs, 1, n->targets, 1, &out.dataset);
    case PLACES:
        break;
    }
    return NNK_OK;
}

static void tensors(void) {
    static const char *const places[PLACES] = {"session input", "session output", "step input", "step target",
                                               "dataset input"};
    int where, what;
    for (where = 0; where < PLACES; where++)
        for (what = 0; what < FAULTS; what++) {
            char name[96];
            /* A dataset has no model that would fix its rank. */
            int expected = faults[what].expected | (where == DATASET_INPUT && what == RANK_SMALL ? ARGUMENT : 0);
            snprintf(name, sizeof name, "%s with %s", places[where], faults[what].title);
            CASE(name, expected, ANYTHING, tensor_status((place)where, (fault)what));
        }
}

static nnk_status run_counts(int32_t inputs, int32_t outputs) {
    return nnk_session_run(f.session, f.net->inputs, inputs, f.net->outputs, outputs);
}

/* A run in which the first input and the output have these batches. */
static nnk_status run_batches(int64_t input, int64_t output) {
    f.net->shapes[0][0] = input;
    f.net->shapes[3][0] = output;
    return network_run(f.net, f.session);
}

/* A run whose output has these strides. */
static nnk_status run_to_strides(int64_t sample, int64_t element) {
    static int64_t strides[2];
    static float memory[CASE_SAMPLES * NETWORK_CLASSES * 4];
    strides[0] = sample, strides[1] = element;
    f.net->outputs[0].data = memory;
    f.net->outputs[0].strides = strides;
    return network_run(f.net, f.session);
}

static nnk_status dataset_of_batches(int64_t inputs, int64_t targets) {
    nnk_status status;
    f.net->shapes[0][0] = inputs;
    f.net->shapes[2][0] = targets;
    status = nnk_dataset_create_from_arrays(f.net->inputs, 1, f.net->targets, 1, &out.dataset);
    if (status == NNK_OK) nnk_dataset_destroy(out.dataset);
    return status;
}

/* A fit on a dataset of these tensors. */
static nnk_status fit_of(const nnk_tensor *inputs, int32_t n_inputs, const nnk_tensor *targets, int32_t n_targets) {
    nnk_dataset *dataset = NULL;
    nnk_status status = nnk_dataset_create_from_arrays(inputs, n_inputs, targets, n_targets, &dataset);
    if (status == NNK_OK) status = nnk_trainer_fit(f.trainer, dataset, "", NULL, NULL);
    nnk_dataset_destroy(dataset);
    return status;
}

static void counts_and_sizes(void) {
    CASE("run with no input", ARGUMENT, ANYTHING, run_counts(0, 1));
    CASE("run with -1 inputs", ARGUMENT, ANYTHING, run_counts(-1, 1));
    CASE("run with an input too many", ARGUMENT, ANYTHING, run_counts(2, 1));
    CASE("run with 2^31 - 1 inputs", ARGUMENT, ANYTHING, run_counts(INT32_MAX, 1));
    CASE("run with no output", ARGUMENT, ANYTHING, run_counts(1, 0));
    CASE("run with -1 outputs", ARGUMENT, ANYTHING, run_counts(1, -1));
    CASE("run with 2^31 - 1 outputs", ARGUMENT, ANYTHING, run_counts(1, INT32_MAX));
    CASE("run with more than max_batch", SHAPE | ARGUMENT, SAYS("max_batch"),
         run_batches(CASE_SAMPLES + 1, CASE_SAMPLES + 1));
    CASE("run with too small an output", SHAPE, ANYTHING, run_batches(CASE_SAMPLES, CASE_SAMPLES - 1));
    CASE("run with too large an output", SHAPE, ANYTHING, run_batches(CASE_SAMPLES - 1, CASE_SAMPLES));
    CASE("run with 2^63 - 1 samples", SHAPE, SAYS("make more than 2^63 - 1 elements"),
         run_batches(INT64_MAX, CASE_SAMPLES));
    CASE("run to one place for all samples", SHAPE, SAYS("[0, 1] with which elements share memory"),
         run_to_strides(0, 1));
    CASE("run to one place for all elements", SHAPE, SAYS("share memory"), run_to_strides(1, 0));
    CASE("run to samples that overlap", SHAPE, SAYS("share memory"), run_to_strides(NETWORK_CLASSES - 1, 1));
    CASE("run to samples with gaps", OK, ANYTHING, run_to_strides(2 * NETWORK_CLASSES, 2));
    CASE("run to columns", OK, ANYTHING, run_to_strides(1, CASE_SAMPLES));
    CASE("dataset with no input", ARGUMENT, ANYTHING,
         nnk_dataset_create_from_arrays(f.net->inputs, 0, f.net->targets, 1, &out.dataset));
    CASE("dataset with -1 inputs", ARGUMENT, ANYTHING,
         nnk_dataset_create_from_arrays(f.net->inputs, -1, f.net->targets, 1, &out.dataset));
    CASE("dataset with -1 targets", ARGUMENT, ANYTHING,
         nnk_dataset_create_from_arrays(f.net->inputs, 1, f.net->targets, -1, &out.dataset));
    CASE("dataset whose first axes differ", SHAPE, ANYTHING, dataset_of_batches(CASE_SAMPLES, CASE_SAMPLES - 1));
    CASE("dataset without samples", OK | SHAPE | ARGUMENT, ANYTHING, dataset_of_batches(0, 0));
    CASE("fit without samples", SHAPE | ARGUMENT, ANYTHING,
         (f.net->shapes[0][0] = f.net->shapes[2][0] = 0, fit_of(f.net->inputs, 1, f.net->targets, 1)));
    CASE("fit without targets", ARGUMENT | SHAPE, ANYTHING, fit_of(f.net->inputs, 1, NULL, 0));
    CASE("fit with targets for inputs", SHAPE | TYPE, ANYTHING, fit_of(f.net->targets, 1, f.net->targets, 1));
    CASE("fit with inputs for targets", SHAPE | TYPE, ANYTHING, fit_of(f.net->inputs, 1, f.net->inputs, 1));
    CASE("step with no input", ARGUMENT, ANYTHING,
         nnk_trainer_step(f.trainer, f.net->inputs, 0, f.net->targets, 1, &out.loss));
    CASE("step with no target", ARGUMENT, ANYTHING,
         nnk_trainer_step(f.trainer, f.net->inputs, 1, f.net->targets, 0, &out.loss));
    CASE("step whose batches differ", SHAPE, ANYTHING,
         (f.net->shapes[2][0] = CASE_SAMPLES - 1, network_step(f.net, f.trainer, &out.loss)));
    CASE("step with one image without its first axis", SHAPE, "the first axis is the sample",
         (f.net->inputs[0].ndim--, f.net->inputs[0].shape++, network_step(f.net, f.trainer, &out.loss)));
    CASE("output in the memory of the input", OK | ARGUMENT, ANYTHING,
         (f.net->outputs[0].data = f.net->inputs[0].data, network_run(f.net, f.session)));
    CASE("output that is the input's memory but unaligned", OK | ARGUMENT, ANYTHING,
         (f.net->outputs[0].data = (char *)f.net->inputs[0].data + 1, network_run(f.net, f.session)));
}

/* ---------------------------------------------------------------------------------- labels and numbers */

/* A step that must change no parameter when it fails. */
static nnk_status step_leaves_parameters(void) {
    size_t bytes = 0;
    void *before, *after;
    nnk_status status;
    before = network_parameters(f.model, &bytes);
    status = network_step(f.net, f.trainer, &out.loss);
    after = network_parameters(f.model, &bytes);
    if (memcmp(before, after, bytes) != 0) case_fails("a step that failed changed parameters");
    free(before), free(after);
    return status;
}

static nnk_status step_with_label(int32_t label) {
    ((int32_t *)f.net->memory[2])[CASE_SAMPLES - 1] = label;
    return step_leaves_parameters();
}

static nnk_status step_with_wide_label(int64_t label) {
    static int64_t labels[CASE_SAMPLES];
    labels[CASE_SAMPLES - 1] = label;
    f.net->targets[0] = nnk_tensor_view(labels, NNK_INT64, f.net->shapes[2], 1);
    return step_leaves_parameters();
}

static nnk_status step_with_one_hot_rows(nnk_dtype type) {
    static const int64_t shape[2] = {CASE_SAMPLES, NETWORK_CLASSES};
    static int32_t rows[CASE_SAMPLES * NETWORK_CLASSES];
    f.net->targets[0] = nnk_tensor_view(rows, type, shape, 2);
    return step_leaves_parameters();
}

static nnk_status step_with_input(int index, int32_t value) {
    ((int32_t *)f.net->memory[index])[1] = value;
    return step_leaves_parameters();
}

static nnk_status run_with_input(int index, int32_t value) {
    ((int32_t *)f.net->memory[index])[1] = value;
    return network_run(f.net, f.session);
}

static nnk_status step_with_pixel(float value) {
    ((float *)f.net->memory[0])[3] = value;
    return step_leaves_parameters();
}

/* Gradients of a loss that is not finite are no error; applying them is. */
static nnk_status apply_after_nan(void) {
    double loss = 0;
    ((float *)f.net->memory[0])[3] = NAN;
    REQUIRE_OK(nnk_trainer_gradients(f.trainer, f.net->inputs, 1, f.net->targets, 1, &loss));
    if (isfinite(loss)) case_fails("the loss of a batch with NaN is finite");
    return nnk_trainer_apply(f.trainer);
}

static nnk_status step_with_infinite_weights(void) {
    nnk_tensor view;
    REQUIRE_OK(nnk_model_parameters_view(f.model, &view));
    ((float *)view.data)[0] = INFINITY;
    REQUIRE_OK(nnk_model_parameters_changed(f.model));
    return step_leaves_parameters();
}

/* NaN in one sample stays in that sample. */
static nnk_status run_with_nan(void) {
    nnk_status status;
    ((float *)f.net->memory[0])[3] = NAN;
    status = network_run(f.net, f.session);
    if (!isnan(f.net->output[0])) case_fails("NaN was lost on its way");
    if (!all_finite(f.net->output + NETWORK_CLASSES, (CASE_SAMPLES - 1) * NETWORK_CLASSES))
        case_fails("NaN went to other samples");
    return status;
}

static void numbers(void) {
    CASE("label 3 of 3 classes", ARGUMENT, ANYTHING, step_with_label(3));
    CASE("label -1", ARGUMENT, ANYTHING, step_with_label(-1));
    CASE("label -2^31", ARGUMENT, ANYTHING, step_with_label(INT32_MIN));
    CASE("label 2^31 - 1", ARGUMENT, ANYTHING, step_with_label(INT32_MAX));
    CASE("one-hot labels", SHAPE, "one-hot rows", step_with_one_hot_rows(NNK_INT32));
    CASE("one-hot labels of floats", TYPE, "one-hot rows", step_with_one_hot_rows(NNK_FLOAT32));
    CASE("wide label 2^32", ARGUMENT | TYPE, ANYTHING, step_with_wide_label(INT64_C(1) << 32));
    CASE("wide label -2^63", ARGUMENT | TYPE, ANYTHING, step_with_wide_label(INT64_MIN));
    LSTM_CASE("token out of the vocabulary, step", ARGUMENT, ANYTHING, step_with_input(0, NETWORK_VOCABULARY));
    LSTM_CASE("token -1, step", ARGUMENT, ANYTHING, step_with_input(0, -1));
    LSTM_CASE("length 0, step", ARGUMENT, ANYTHING, step_with_input(1, 0));
    LSTM_CASE("length beyond the time, step", ARGUMENT, ANYTHING, step_with_input(1, NETWORK_STEPS + 1));
    LSTM_CASE("token out of the vocabulary, run", ARGUMENT, ANYTHING, run_with_input(0, NETWORK_VOCABULARY));
    LSTM_CASE("token -2^31, run", ARGUMENT, ANYTHING, run_with_input(0, INT32_MIN));
    LSTM_CASE("length -1, run", ARGUMENT, ANYTHING, run_with_input(1, -1));
    LSTM_CASE("length beyond the time, run", ARGUMENT, ANYTHING, run_with_input(1, INT32_MAX));
    LSTM_CASE("evaluate with a label out of range", ARGUMENT, ANYTHING,
              (((int32_t *)f.net->memory[2])[2] = 77,
               nnk_trainer_evaluate(f.trainer, f.dataset, "", &out.loss, &out.metric)));
    LSTM_CASE("fit with a label out of range", ARGUMENT, ANYTHING,
              (((int32_t *)f.net->memory[2])[2] = 77, nnk_trainer_fit(f.trainer, f.dataset, "", NULL, NULL)));
    CASE("step with NaN in the input", NUMERIC, ANYTHING, step_with_pixel(NAN));
    CASE("step with infinity in the input", NUMERIC, ANYTHING, step_with_pixel(INFINITY));
    CASE("fit with NaN in the input", NUMERIC, ANYTHING,
         (((float *)f.net->memory[0])[3] = NAN, nnk_trainer_fit(f.trainer, f.dataset, "", NULL, NULL)));
    CASE("apply after a loss of NaN", NUMERIC, ANYTHING, apply_after_nan());
    CASE("step with an infinite weight", NUMERIC, ANYTHING, step_with_infinite_weights());
    CASE("run with NaN in the input", OK, ANYTHING, run_with_nan());
}

int main(int argc, char **argv) {
    nnkit_load(argc > 1 ? argv[1] : "libnnkit.so");
    case_filter = argc > 2 ? argv[2] : NULL;
    tensors();
    counts_and_sizes();
    numbers();
    return check_summary();
}
