/* hostile_options.c: options, names and shapes that no graph, model, trainer, session or runtime may accept.
 * argv[1]: the library. */
#include "hostile.h"

typedef enum input_kind { IMAGE, VECTOR, SEQUENCE, OPEN_SEQUENCE, TOKENS, SCALAR } input_kind;

/* Describes one layer on one input, makes the model, and plans it. */
static nnk_status layer_status(input_kind input, const char *kind, const char *options) {
    static const struct {
        nnk_dtype dtype;
        int64_t shape[3];
        int32_t rank;
    } inputs[] = {
        {NNK_FLOAT32, {8, 8, 3}, 3},  {NNK_FLOAT32, {7, 0, 0}, 1}, {NNK_FLOAT32, {5, 4, 0}, 2},
        {NNK_FLOAT32, {-1, 4, 0}, 2}, {NNK_INT32, {5, 0, 0}, 1},   {NNK_FLOAT32, {0, 0, 0}, 0},
    };
    nnk_graph *graph = nnk_graph_create();
    nnk_model *model = NULL;
    nnk_session *session = NULL;
    nnk_status status;
    nnk_value x = nnk_graph_input(graph, "x", inputs[input].dtype, inputs[input].shape, inputs[input].rank);
    x = nnk_graph_layer(graph, kind, options, x);
    nnk_graph_output(graph, "y", x);
    status = nnk_model_create(f.runtime, graph, NULL, &model);
    if ((status == NNK_OK) != (model != NULL)) case_fails("a model and an error, or neither");
    nnk_graph_destroy(graph);
    if (status == NNK_OK) {
        status = nnk_session_create(model, NULL, &session);
        if ((status == NNK_OK) != (session != NULL)) case_fails("a session and an error, or neither");
    }
    nnk_session_destroy(session);
    nnk_model_destroy(model);
    return status;
}

static const struct layer_row {
    input_kind input;
    const char *kind;
    const char *options;
    int expected;
    const char *word;
} layer_rows[] = {
    /* Numbers out of range, in every option that takes one. */
    {IMAGE, "conv2d", "filters=0 kernel=3", ARGUMENT, "filters"},
    {IMAGE, "conv2d", "filters=-1 kernel=3", ARGUMENT, "filters"},
    {IMAGE, "conv2d", "filters=2147483648 kernel=3", ARGUMENT | SHAPE, "filters"},
    {IMAGE, "conv2d", "filters=9223372036854775808 kernel=3", ARGUMENT, "filters"},
    {IMAGE, "conv2d", "filters=18446744073709551617 kernel=3", ARGUMENT, "filters"},
    {IMAGE, "conv2d", "filters=-9223372036854775808 kernel=3", ARGUMENT, "filters"},
    {IMAGE, "conv2d", "filters=1e3 kernel=3", ARGUMENT, "filters"},
    {IMAGE, "conv2d", "filters=4.5 kernel=3", ARGUMENT, "filters"},
    {IMAGE, "conv2d", "filters=four kernel=3", ARGUMENT, "filters"},
    {IMAGE, "conv2d", "filters= kernel=3", ARGUMENT, "filters"},
    {IMAGE, "conv2d", "filters=4 kernel=0", ARGUMENT, "kernel"},
    {IMAGE, "conv2d", "filters=4 kernel=-3", ARGUMENT, "kernel"},
    {IMAGE, "conv2d", "filters=4 kernel=3,0", ARGUMENT, "kernel"},
    {IMAGE, "conv2d", "filters=4 kernel=2147483648", ARGUMENT | SHAPE, "kernel"},
    {IMAGE, "conv2d", "filters=4 kernel=9223372036854775808", ARGUMENT, "kernel"},
    {IMAGE, "conv2d", "filters=4 kernel=3,3,3", ARGUMENT, "kernel"},
    {IMAGE, "conv2d", "filters=4 kernel=3,", ARGUMENT, "kernel"},
    {IMAGE, "conv2d", "filters=4 kernel=,", ARGUMENT, "kernel"},
    {IMAGE, "conv2d", "filters=4 kernel=3x3", ARGUMENT, "kernel"},
    {IMAGE, "conv2d", "filters=4 kernel=9", SHAPE, "conv2d"},
    {IMAGE, "conv2d", "filters=4 kernel=3 stride=0", ARGUMENT, "stride"},
    {IMAGE, "conv2d", "filters=4 kernel=3 stride=-1", ARGUMENT, "stride"},
    {IMAGE, "conv2d", "filters=4 kernel=3 stride=2147483648", ARGUMENT | OK, ANYTHING},
    {IMAGE, "conv2d", "filters=4 kernel=3 stride=9223372036854775808", ARGUMENT, "stride"},
    {IMAGE, "conv2d", "filters=4 kernel=3 dilation=0", ARGUMENT, "dilation"},
    {IMAGE, "conv2d", "filters=4 kernel=3 dilation=-2", ARGUMENT, "dilation"},
    {IMAGE, "conv2d", "filters=4 kernel=3 dilation=9223372036854775807", ARGUMENT | SHAPE, ANYTHING},
    {IMAGE, "conv2d", "filters=4 kernel=16777216 dilation=16777216", ARGUMENT | SHAPE, ANYTHING},
    {IMAGE, "conv2d", "filters=4 kernel=3 dilation=4", SHAPE, "conv2d"},
    {IMAGE, "conv2d", "filters=4 kernel=3 padding=-1", ARGUMENT, "padding"},
    {IMAGE, "conv2d", "filters=4 kernel=3 padding=1,2,3", ARGUMENT, "padding"},
    {IMAGE, "conv2d", "filters=4 kernel=3 padding=1,2,3,4,5", ARGUMENT, "padding"},
    {IMAGE, "conv2d", "filters=4 kernel=3 padding=full", ARGUMENT, "padding"},
    {IMAGE, "conv2d", "filters=4 kernel=3 padding=9223372036854775808", ARGUMENT, "padding"},
    {IMAGE, "conv2d", "filters=4 kernel=3 padding=16000000", SHAPE | MEMORY | ARGUMENT, ANYTHING},
    {IMAGE, "conv2d", "filters=16777216 kernel=4096 padding=4096", SHAPE | MEMORY, ANYTHING},
    {IMAGE, "conv2d", "filters=16777216 kernel=64 padding=64", SHAPE | MEMORY, ANYTHING},
    {IMAGE, "conv2d", "filters=6 kernel=3 groups=0", ARGUMENT, "groups"},
    {IMAGE, "conv2d", "filters=6 kernel=3 groups=-3", ARGUMENT, "groups"},
    {IMAGE, "conv2d", "filters=6 kernel=3 groups=2", SHAPE, "groups"},
    {IMAGE, "conv2d", "filters=6 kernel=3 groups=6", SHAPE, "groups"},
    {IMAGE, "conv2d", "filters=4 kernel=3 groups=3", ARGUMENT, "groups"},
    {IMAGE, "conv2d", "filters=1 kernel=3 groups=3", ARGUMENT, "groups"},
    {IMAGE, "conv2d", "filters=6 kernel=3 groups=2147483648", ARGUMENT | SHAPE, "groups"},
    {IMAGE, "conv2d", "filters=6 kernel=3 groups=9223372036854775808", ARGUMENT, "groups"},
    {IMAGE, "conv2d", "filters=6 kernel=3 groups=3,3", ARGUMENT, "groups"},
    {IMAGE, "conv2d", "filters=6 kernel=3 groups=3.0", ARGUMENT, "groups"},
    {IMAGE, "conv2d", "filters=6 kernel=3 groups=depthwise", ARGUMENT, "groups"},
    {IMAGE, "conv2d", "filters=6 kernel=9 groups=3", SHAPE, "conv2d"},
    {IMAGE, "conv2d", "filters=6 kernel=3 groups=3 dilation=4", SHAPE, "conv2d"},
    {IMAGE, "conv2d", "filters=6 kernel=3 groups=3 dilation=9223372036854775807", ARGUMENT | SHAPE, ANYTHING},
    {IMAGE, "conv2d", "filters=6 kernel=3 groups=3 padding=16000000", SHAPE | MEMORY | ARGUMENT, ANYTHING},
    {IMAGE, "conv2d", "filters=15000000 kernel=4096 groups=3 padding=4096", SHAPE | MEMORY, ANYTHING},
    {VECTOR, "conv2d", "filters=7 kernel=1 groups=7", SHAPE, "conv2d"},
    {TOKENS, "conv2d", "filters=5 kernel=1 groups=5", TYPE | SHAPE, "conv2d"},
    {IMAGE, "maxpool2d", "size=0", ARGUMENT, "size"},
    {IMAGE, "maxpool2d", "size=-2", ARGUMENT, "size"},
    {IMAGE, "maxpool2d", "size=9", SHAPE, "maxpool2d"},
    {IMAGE, "maxpool2d", "size=2,2,2", ARGUMENT, "size"},
    {IMAGE, "maxpool2d", "size=2 stride=0", ARGUMENT, "stride"},
    {IMAGE, "maxpool2d", "size=2 padding=2", SHAPE | ARGUMENT, ANYTHING},
    {IMAGE, "maxpool2d", "size=9223372036854775808", ARGUMENT, "size"},
    {IMAGE, "avgpool2d", "size=0", ARGUMENT, "size"},
    {IMAGE, "avgpool2d", "size=2 padding=0,0,2,0", SHAPE | ARGUMENT, ANYTHING},
    {IMAGE, "avgpool2d", "size=2 count_padding=often", ARGUMENT, "count_padding"},
    {VECTOR, "dense", "units=0", ARGUMENT, "units"},
    {VECTOR, "dense", "units=-7", ARGUMENT, "units"},
    {VECTOR, "dense", "units=9223372036854775807", ARGUMENT | SHAPE, ANYTHING},
    {VECTOR, "dense", "units=9223372036854775808", ARGUMENT, "units"},
    {VECTOR, "batchnorm", "momentum=1.5", ARGUMENT, "momentum"},
    {VECTOR, "batchnorm", "momentum=nan", ARGUMENT, "momentum"},
    {VECTOR, "batchnorm", "epsilon=0", ARGUMENT, "epsilon"},
    {VECTOR, "batchnorm", "epsilon=-1e-5", ARGUMENT, "epsilon"},
    {VECTOR, "dropout", "rate=1", ARGUMENT, "rate"},
    {VECTOR, "dropout", "rate=-0.1", ARGUMENT, "rate"},
    {VECTOR, "dropout", "rate=nan", ARGUMENT, "rate"},
    {VECTOR, "dropout", "rate=inf", ARGUMENT, "rate"},
    {VECTOR, "dropout", "rate=1e400", ARGUMENT, "rate"},
    {TOKENS, "embedding", "vocabulary=0 units=4", ARGUMENT, "vocabulary"},
    {TOKENS, "embedding", "vocabulary=-1 units=4", ARGUMENT, "vocabulary"},
    {TOKENS, "embedding", "vocabulary=5 units=0", ARGUMENT, "units"},
    {TOKENS, "embedding", "vocabulary=9223372036854775808 units=4", ARGUMENT, "vocabulary"},
    {TOKENS, "embedding", "vocabulary=16777216 units=16777216", SHAPE | MEMORY, ANYTHING},
    {SEQUENCE, "lstm", "units=0", ARGUMENT, "units"},
    {SEQUENCE, "lstm", "units=-1", ARGUMENT, "units"},
    {SEQUENCE, "lstm", "units=16777216", SHAPE | MEMORY, ANYTHING},
    {SEQUENCE, "lstm", "units=4 forget_bias=nan", ARGUMENT, "forget_bias"},
    {SEQUENCE, "lstm", "units=4 return_sequences=maybe", ARGUMENT, "return_sequences"},
    {SEQUENCE, "gru", "units=0", ARGUMENT, "units"},
    {SEQUENCE, "gru", "units=16777216", SHAPE | MEMORY, ANYTHING},
    {SEQUENCE, "gru", "units=4 reset_after=before", ARGUMENT, "reset_after"},
    /* Options that are missing, unknown, misspelt, doubled or not options. */
    {IMAGE, "conv2d", "", ARGUMENT, "filters"},
    {IMAGE, "conv2d", NULL, ARGUMENT, "filters"},
    {IMAGE, "conv2d", "filters=4", ARGUMENT, "kernel"},
    {IMAGE, "conv2d", "filter=4 kernel=3", ARGUMENT, "filters"},
    {IMAGE, "conv2d", "filters=4 kernle=3", ARGUMENT, "kernel"},
    {IMAGE, "conv2d", "filters=4 kernel=3 steps=2", ARGUMENT, "stride"},
    {IMAGE, "conv2d", "filters=4 kernel=3 groups=0", ARGUMENT, "groups"},
    {IMAGE, "conv2d", "filters=4 kernel=3 filters=4", ARGUMENT, "filters"},
    {IMAGE, "conv2d", "filters=4 kernel=3 activation=rely", ARGUMENT, "relu"},
    {IMAGE, "conv2d", "filters=4 kernel=3 bias=2", ARGUMENT, "bias"},
    {IMAGE, "conv2d", "filters=4 kernel=3 kernel_initializer=random", ARGUMENT, "kernel_initializer"},
    {IMAGE, "conv2d", "filters", ARGUMENT, "filters"},
    {IMAGE, "conv2d", "=4", ARGUMENT, ANYTHING},
    {IMAGE, "conv2d", "filters=4 kernel=3 = =", ARGUMENT, ANYTHING},
    {IMAGE, "conv2d", "filters = 4", ARGUMENT, ANYTHING},
    {IMAGE, "conv2d", "filters=4;kernel=3", ARGUMENT, ANYTHING},
    {IMAGE, "conv2d", "filters=4 kernel=3 name=", ARGUMENT, "name"},
    {IMAGE, "conv2d", "filters=4 kernel=3 name=a/b", ARGUMENT, ANYTHING},
    {IMAGE, "conv2d", "filters=4 kernel=3 \xff\xfe=1", ARGUMENT, ANYTHING},
    {IMAGE, "conv2d", "filters=4 kernel=3 name=\xc3\x28", ARGUMENT, ANYTHING},
    {IMAGE, "conv2d", "filters=\xf0\x9f\x98\x80 kernel=3", ARGUMENT, "filters"},
    {IMAGE, "conv2d", "filters=%s%n%s%n kernel=3", ARGUMENT, "filters"},
    {IMAGE, "flatten", "axis=1", ARGUMENT, "axis"},
    {VECTOR, "dense", "unit=4", ARGUMENT, "units"},
    {VECTOR, "dense", "units=4 activation=gleu", ARGUMENT, "gelu"},
    {VECTOR, "activation", "", ARGUMENT, "function"},
    {VECTOR, "activation", "function=relu6", ARGUMENT, "relu"},
    {SEQUENCE, "lstm", "unit=4", ARGUMENT, "units"},
    {SEQUENCE, "lstm", "units=4 return_sequence=true", ARGUMENT, "return_sequences"},
    {IMAGE, "conv2", "filters=4 kernel=3", ARGUMENT, "conv2d"},
    {VECTOR, "Dense", "units=4", ARGUMENT, "dense"},
    {VECTOR, "", "", ARGUMENT, ANYTHING},
    {VECTOR, "\xff\xff", "", ARGUMENT, ANYTHING},
    {VECTOR, NULL, "", ARGUMENT, ANYTHING},
    /* Inputs that do not fit the layer. */
    {VECTOR, "conv2d", "filters=4 kernel=3", SHAPE, "conv2d"},
    {SCALAR, "conv2d", "filters=4 kernel=3", SHAPE, "conv2d"},
    {TOKENS, "conv2d", "filters=4 kernel=3", TYPE | SHAPE, "conv2d"},
    {VECTOR, "maxpool2d", "size=2", SHAPE, "maxpool2d"},
    {TOKENS, "maxpool2d", "size=2", TYPE | SHAPE, "maxpool2d"},
    {SEQUENCE, "avgpool2d", "size=2", SHAPE, "avgpool2d"},
    {TOKENS, "batchnorm", "", TYPE | SHAPE, "batchnorm"},
    {SCALAR, "batchnorm", "", SHAPE, "batchnorm"},
    {VECTOR, "globalavgpool2d", "", SHAPE, "globalavgpool2d"},
    {TOKENS, "globalavgpool2d", "", TYPE | SHAPE, "globalavgpool2d"},
    {IMAGE, "globalavgpool2d", "size=2", ARGUMENT, "size"},
    {VECTOR, "add", "", ARGUMENT, "add"},
    {OPEN_SEQUENCE, "flatten", "", SHAPE, "flatten"},
    {SCALAR, "dense", "units=4", SHAPE, "dense"},
    {TOKENS, "dense", "units=4", TYPE, "dense"},
    {TOKENS, "activation", "function=relu", TYPE, "activation"},
    {TOKENS, "softmax", "", TYPE, "softmax"},
    {SCALAR, "softmax", "", SHAPE, "softmax"},
    {TOKENS, "dropout", "rate=0.5", TYPE, "dropout"},
    {IMAGE, "embedding", "vocabulary=5 units=4", TYPE, "embedding"},
    {IMAGE, "lstm", "units=4", SHAPE, "lstm"},
    {VECTOR, "lstm", "units=4", SHAPE, "lstm"},
    {IMAGE, "gru", "units=4", SHAPE, "gru"},
    {TOKENS, "gru", "units=4", TYPE | SHAPE, "gru"},
    {TOKENS, "lstm", "units=4", TYPE | SHAPE, "lstm"},
};

static void layers(void) {
    size_t i;
    for (i = 0; i < sizeof layer_rows / sizeof layer_rows[0]; i++) {
        const struct layer_row *row = &layer_rows[i];
        char name[160];
        snprintf(name, sizeof name, "layer %s, options \"%s\", input %d", row->kind ? row->kind : "NULL",
                 row->options ? row->options : "NULL", (int)row->input);
        CASE(name, row->expected, row->word, layer_status(row->input, row->kind, row->options));
    }
    CASE("layer with options of 10 MB", ARGUMENT, ANYTHING,
         layer_status(IMAGE, "conv2d", long_text("filters=4 kernel=3 x", 'x', MEGABYTES_10)));
    CASE("layer with 10 MB of spaces", ARGUMENT, "at most 65536",
         layer_status(IMAGE, "conv2d", long_text("", ' ', MEGABYTES_10)));
    CASE("layer with a number of 10 MB", ARGUMENT, "at most 65536",
         layer_status(IMAGE, "conv2d", long_text("kernel=3 filters=", '9', MEGABYTES_10)));
    CASE("layer with a list of 10 MB", ARGUMENT, "at most 65536",
         layer_status(IMAGE, "conv2d", long_text("filters=3 kernel=3", ',', MEGABYTES_10)));
    CASE("layer of a kind of 10 MB", ARGUMENT, ANYTHING, layer_status(IMAGE, long_text("", 'c', MEGABYTES_10), ""));
    CASE("layer with a name of 10 MB", ARGUMENT, ANYTHING,
         layer_status(IMAGE, "conv2d", long_text("filters=4 kernel=3 name=", 'n', MEGABYTES_10)));
}

/* The status of an input named `name`. */
static nnk_status input_status(const char *name, nnk_dtype dtype, const int64_t *shape, int32_t rank) {
    return value_status(f.graph, nnk_graph_input(f.graph, name, dtype, shape, rank));
}

static void inputs(void) {
    static const int64_t one[1] = {4}, zero[2] = {4, 0}, negative[2] = {-2, 4}, nine[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    static const int64_t product[3] = {INT64_C(1) << 31, INT64_C(1) << 31, 4}, largest[1] = {INT64_MAX};
    static const int64_t smallest[1] = {INT64_MIN};
    CASE("input without a name", ARGUMENT, ANYTHING, input_status(NULL, NNK_FLOAT32, one, 1));
    CASE("input with an empty name", ARGUMENT, ANYTHING, input_status("", NNK_FLOAT32, one, 1));
    CASE("input name with a space", ARGUMENT, ANYTHING, input_status("a b", NNK_FLOAT32, one, 1));
    CASE("input name that is not UTF-8", ARGUMENT, SAYS("the input's name is not valid UTF-8"),
         input_status("\x80\x80", NNK_FLOAT32, one, 1));
    CASE("input name of 10 MB", ARGUMENT, ANYTHING,
         input_status(long_text("", 'n', MEGABYTES_10), NNK_FLOAT32, one, 1));
    CASE("input name given twice", ARGUMENT, "image", input_status("image", NNK_FLOAT32, one, 1));
    CASE("input of type 0", ARGUMENT | TYPE, ANYTHING, input_status("x", 0, one, 1));
    CASE("input of type -1", ARGUMENT | TYPE, ANYTHING, input_status("x", -1, one, 1));
    CASE("input of type 99", ARGUMENT | TYPE, ANYTHING, input_status("x", 99, one, 1));
    CASE("input of type int64", ARGUMENT | TYPE | UNSUPPORTED, ANYTHING, input_status("x", NNK_INT64, one, 1));
    CASE("input without a shape", ARGUMENT, ANYTHING, input_status("x", NNK_FLOAT32, NULL, 1));
    CASE("input of rank -1", ARGUMENT | SHAPE, ANYTHING, input_status("x", NNK_FLOAT32, one, -1));
    CASE("input of the smallest rank", ARGUMENT | SHAPE, ANYTHING, input_status("x", NNK_FLOAT32, one, INT32_MIN));
    CASE("input of rank 9", SHAPE | ARGUMENT, ANYTHING, input_status("x", NNK_FLOAT32, nine, 9));
    CASE("input of the largest rank", SHAPE | ARGUMENT, ANYTHING, input_status("x", NNK_FLOAT32, nine, INT32_MAX));
    CASE("input with a size of 0", SHAPE | ARGUMENT, ANYTHING, input_status("x", NNK_FLOAT32, zero, 2));
    CASE("input with a size of -2", SHAPE | ARGUMENT, ANYTHING, input_status("x", NNK_FLOAT32, negative, 2));
    CASE("input whose size overflows", SHAPE, ANYTHING, input_status("x", NNK_FLOAT32, product, 3));
    CASE("input with the largest size", SHAPE, ANYTHING, input_status("x", NNK_FLOAT32, largest, 1));
    CASE("input with the smallest size", SHAPE | ARGUMENT, ANYTHING, input_status("x", NNK_FLOAT32, smallest, 1));
}

/* A model of f.graph's image with `options`. */
static nnk_status model_status(const char *options) {
    REQUIRE_OK(nnk_graph_output(f.graph, "y", f.value));
    return nnk_model_create(f.runtime, f.graph, options, &out.model);
}

static nnk_status trainer_status(const char *options) { return nnk_trainer_create(f.model, options, &out.trainer); }

static nnk_status settings_status(const char *options) { return nnk_trainer_set(f.trainer, options); }

static nnk_status fit_status(const char *options) { return nnk_trainer_fit(f.trainer, f.dataset, options, NULL, NULL); }

static nnk_status evaluate_status(const char *options) {
    return nnk_trainer_evaluate(f.trainer, f.dataset, options, &out.loss, &out.metric);
}

static nnk_status session_status(const char *options) { return nnk_session_create(f.model, options, &out.session); }
static nnk_status bytes_status(const char *options) { return nnk_session_bytes(f.model, options, &out.bytes); }
static nnk_status runtime_status(const char *options) { return nnk_runtime_create(options, &out.runtime); }

typedef nnk_status (*option_function)(const char *options);

static const struct option_row {
    const char *title;
    option_function function;
    const char *options;
    int expected;
    const char *word;
} option_rows[] = {
    {"model", model_status, "sed=1", ARGUMENT, "seed"},
    {"model", model_status, "seed=1.5", ARGUMENT, "seed"},
    {"model", model_status, "seed=99999999999999999999", ARGUMENT, "seed"},
    {"model", model_status, "seed=", ARGUMENT, "seed"},
    {"model", model_status, "seed=1 seed=2", ARGUMENT, "seed"},
    {"model", model_status, "\xff", ARGUMENT, ANYTHING},
    {"trainer", trainer_status, NULL, ARGUMENT, "loss"},
    {"trainer", trainer_status, "optimizer=sgd", ARGUMENT, "loss"},
    {"trainer", trainer_status, "loss=softmax_cross_entropi", ARGUMENT, "softmax_cross_entropy"},
    {"trainer", trainer_status, "loss=", ARGUMENT, "loss"},
    {"trainer", trainer_status, "loss=MSE", ARGUMENT, "did you mean mean_squared_error?"},
    {"trainer", trainer_status, "loss=mse metric=accuracy", ARGUMENT,
     "mean_squared_error; expected softmax_cross_entropy"},
    {"trainer", trainer_status, "los=mean_squared_error", ARGUMENT, "loss"},
    {"trainer", trainer_status, "loss=softmax_cross_entropy optimizer=adan", ARGUMENT, "adam"},
    {"trainer", trainer_status, "loss=softmax_cross_entropy learning_rate=-1", ARGUMENT, "learning_rate"},
    {"trainer", trainer_status, "loss=softmax_cross_entropy learning_rate=nan", ARGUMENT, "learning_rate"},
    {"trainer", trainer_status, "loss=softmax_cross_entropy learning_rate=inf", ARGUMENT, "learning_rate"},
    {"trainer", trainer_status, "loss=softmax_cross_entropy learningrate=1", ARGUMENT, "learning_rate"},
    {"trainer", trainer_status, "loss=softmax_cross_entropy optimizer=sgd momentum=1.5", ARGUMENT, "momentum"},
    {"trainer", trainer_status, "loss=softmax_cross_entropy optimizer=sgd momentum=-0.5", ARGUMENT, "momentum"},
    {"trainer", trainer_status, "loss=softmax_cross_entropy optimizer=sgd beta1=0.5", ARGUMENT, "beta1"},
    {"trainer", trainer_status, "loss=softmax_cross_entropy optimizer=adam momentum=0.5", ARGUMENT, "momentum"},
    {"trainer", trainer_status, "loss=softmax_cross_entropy optimizer=adam beta1=1", ARGUMENT, "beta1"},
    {"trainer", trainer_status, "loss=softmax_cross_entropy optimizer=adam beta2=-1", ARGUMENT, "beta2"},
    {"trainer", trainer_status, "loss=softmax_cross_entropy optimizer=adam epsilon=-1", ARGUMENT, "epsilon"},
    {"trainer", trainer_status, "loss=softmax_cross_entropy weight_decay=-1", ARGUMENT, "weight_decay"},
    {"trainer", trainer_status, "loss=softmax_cross_entropy clip_norm=-1", ARGUMENT, "clip_norm"},
    {"trainer", trainer_status, "loss=softmax_cross_entropy metric=f1", ARGUMENT, "metric"},
    {"trainer", trainer_status, "loss=softmax_cross_entropy metric=acuracy", ARGUMENT, "accuracy"},
    {"settings", settings_status, "learning_rat=1", ARGUMENT, "learning_rate"},
    {"settings", settings_status, "learning_rate=nan", ARGUMENT, "learning_rate"},
    {"settings", settings_status, "learning_rate=-1", ARGUMENT, "learning_rate"},
    {"settings", settings_status, "learning_rate=1 learning_rate=2", ARGUMENT, "learning_rate"},
    {"settings", settings_status, "momentum=0.5", ARGUMENT, "adam"},
    {"settings", settings_status, "loss=mean_squared_error", ARGUMENT, "loss"},
    {"settings", settings_status, "optimizer=sgd", ARGUMENT, "optimizer"},
    {"settings", settings_status, "beta2=1", ARGUMENT, "beta2"},
    {"settings", settings_status, "\xff", ARGUMENT, ANYTHING},
    {"settings", settings_status, NULL, OK, ANYTHING},
    {"settings", settings_status, " \t\n ", OK, ANYTHING},
    {"fit", fit_status, "epochs=0", ARGUMENT, "epochs"},
    {"fit", fit_status, "epochs=-1", ARGUMENT, "epochs"},
    {"fit", fit_status, "epochs=9223372036854775808", ARGUMENT, "epochs"},
    {"fit", fit_status, "epoch=1", ARGUMENT, "epochs"},
    {"fit", fit_status, "batch_size=0", ARGUMENT, "batch_size"},
    {"fit", fit_status, "batch_size=-4", ARGUMENT, "batch_size"},
    {"fit", fit_status, "batch_size=9223372036854775808", ARGUMENT, "batch_size"},
    {"fit", fit_status, "batchsize=4", ARGUMENT, "batch_size"},
    {"fit", fit_status, "validation_split=1", ARGUMENT, "validation_split"},
    {"fit", fit_status, "validation_split=-0.1", ARGUMENT, "validation_split"},
    {"fit", fit_status, "validation_split=nan", ARGUMENT, "validation_split"},
    {"fit", fit_status, "validation_split=0.9999", ARGUMENT | SHAPE | OK, ANYTHING},
    {"fit", fit_status, "shuffle=perhaps", ARGUMENT, "shuffle"},
    {"fit", fit_status, "report=always", ARGUMENT, "report"},
    {"evaluate", evaluate_status, "batch_size=0", ARGUMENT, "batch_size"},
    {"evaluate", evaluate_status, "batch_size=-1", ARGUMENT, "batch_size"},
    {"evaluate", evaluate_status, "epochs=1", ARGUMENT, "epochs"},
    {"session", session_status, "max_batch=0", ARGUMENT, "max_batch"},
    {"session", session_status, "max_batch=-1", ARGUMENT, "max_batch"},
    {"session", session_status, "max_batch=9223372036854775807", ARGUMENT | SHAPE | MEMORY, ANYTHING},
    {"session", session_status, "max_batch=2147483647", ARGUMENT | SHAPE | MEMORY, ANYTHING},
    {"session", session_status, "max_bytes=1", MEMORY, "max_bytes"},
    {"session", session_status, "max_bytes=-1", ARGUMENT, "max_bytes"},
    {"session", session_status, "max_time=-1", ARGUMENT, "max_time"},
    {"session", session_status, "maxbatch=1", ARGUMENT, "max_batch"},
    {"session bytes", bytes_status, "max_batch=0", ARGUMENT, "max_batch"},
    {"session bytes", bytes_status, "max_batch=9223372036854775807", ARGUMENT | SHAPE, ANYTHING},
    {"runtime", runtime_status, "threads=-1", ARGUMENT, "threads"},
    {"runtime", runtime_status, "threads=1.5", ARGUMENT, "threads"},
    {"runtime", runtime_status, "threads=9223372036854775808", ARGUMENT, "threads"},
    {"runtime", runtime_status, "threads=2147483648", ARGUMENT, "threads"},
    {"runtime", runtime_status, "thread=2", ARGUMENT, "threads"},
    {"runtime", runtime_status, "threads", ARGUMENT, "threads"},
};

static void options_of_functions(void) {
    size_t i;
    for (i = 0; i < sizeof option_rows / sizeof option_rows[0]; i++) {
        const struct option_row *row = &option_rows[i];
        char name[160];
        snprintf(name, sizeof name, "%s, options \"%s\"", row->title, row->options ? row->options : "NULL");
        CASE(name, row->expected, row->word, row->function(row->options));
    }
    CASE("trainer with options of 10 MB", ARGUMENT, ANYTHING, trainer_status(long_text("loss=", 'x', MEGABYTES_10)));
    CASE("settings of 10 MB", ARGUMENT, ANYTHING, settings_status(long_text("", '=', MEGABYTES_10)));
    CASE("session with options of 10 MB", ARGUMENT, ANYTHING, session_status(long_text("", 'x', MEGABYTES_10)));
    CASE("fit with options of 10 MB", ARGUMENT, ANYTHING, fit_status(long_text("", '=', MEGABYTES_10)));
}

int main(int argc, char **argv) {
    nnkit_load(argc > 1 ? argv[1] : "libnnkit.so");
    case_filter = argc > 2 ? argv[2] : NULL;
    layers();
    inputs();
    options_of_functions();
    return check_summary();
}
