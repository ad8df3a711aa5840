/* hostile_calls.c: NULL, wrong, stale and foreign handles, values that are none, callbacks that call back, and paths.
 * argv[1]: the library. */
#include "hostile.h"

/* What NULL for a handle may give. */
enum { NULL_HANDLE = ARGUMENT | HANDLE };

static nnk_status after_void(void) { return NNK_OK; }

/* ------------------------------------------------------------------------------------------------- NULL */

static void null_arguments(void) {
    CASE("NULL: runtime_create out", ARGUMENT, ANYTHING, nnk_runtime_create("", NULL));
    CASE("NULL: runtime_info_json out", ARGUMENT, ANYTHING, nnk_runtime_info_json(f.runtime, NULL));
    CASE("NULL: graph_input graph", NULL_HANDLE, ANYTHING,
         nnk_graph_input(NULL, "x", NNK_FLOAT32, f.net->shapes[0], 1) < 0 ? NNK_ERROR_INVALID_HANDLE : NNK_OK);
    CASE("NULL: graph_layer graph", NULL_HANDLE, ANYTHING,
         nnk_graph_layer(NULL, "flatten", "", 0) < 0 ? NNK_ERROR_INVALID_HANDLE : NNK_OK);
    CASE("NULL: graph_layer_multi graph", NULL_HANDLE, ANYTHING,
         nnk_graph_layer_multi(NULL, "flatten", "", &f.value, 1, out.values, 1));
    CASE("NULL: graph_layer_multi kind", ARGUMENT, ANYTHING,
         nnk_graph_layer_multi(f.graph, NULL, "", &f.value, 1, out.values, 1));
    CASE("NULL: graph_layer_multi inputs", ARGUMENT, ANYTHING,
         nnk_graph_layer_multi(f.graph, "flatten", "", NULL, 1, out.values, 1));
    CASE("NULL: graph_layer_multi outputs", ARGUMENT, ANYTHING,
         nnk_graph_layer_multi(f.graph, "flatten", "", &f.value, 1, NULL, 1));
    CASE("NULL: graph_output graph", NULL_HANDLE, ANYTHING, nnk_graph_output(NULL, "y", 0));
    CASE("NULL: graph_output name", ARGUMENT, ANYTHING, nnk_graph_output(f.graph, NULL, f.value));
    CASE("NULL: graph_shape graph", NULL_HANDLE, ANYTHING, nnk_graph_shape(NULL, 0, out.sizes, &out.rank));
    CASE("NULL: graph_shape shape", ARGUMENT, ANYTHING, nnk_graph_shape(f.graph, f.value, NULL, &out.rank));
    CASE("NULL: graph_shape rank", ARGUMENT, ANYTHING, nnk_graph_shape(f.graph, f.value, out.sizes, NULL));
    CASE("NULL: model_create graph", NULL_HANDLE, ANYTHING, nnk_model_create(NULL, NULL, "", &out.model));
    CASE("NULL: model_create out", ARGUMENT, ANYTHING,
         (nnk_graph_output(f.graph, "y", f.value), nnk_model_create(NULL, f.graph, "", NULL)));
    CASE("NULL: model_save model", NULL_HANDLE, ANYTHING, nnk_model_save(NULL, "never.nnkit"));
    CASE("NULL: model_save path", ARGUMENT, ANYTHING, nnk_model_save(f.model, NULL));
    CASE("NULL: model_load path", ARGUMENT, ANYTHING, nnk_model_load(NULL, NULL, &out.model));
    CASE("NULL: model_load out", ARGUMENT, ANYTHING, nnk_model_load(NULL, "never.nnkit", NULL));
    CASE("NULL: model_info_json model", NULL_HANDLE, ANYTHING, nnk_model_info_json(NULL, &out.text));
    CASE("NULL: model_info_json out", ARGUMENT, ANYTHING, nnk_model_info_json(f.model, NULL));
    CASE("NULL: parameters_view model", NULL_HANDLE, ANYTHING, nnk_model_parameters_view(NULL, &out.tensor));
    CASE("NULL: parameters_view out", ARGUMENT, ANYTHING, nnk_model_parameters_view(f.model, NULL));
    CASE("NULL: parameters_changed model", NULL_HANDLE, ANYTHING, nnk_model_parameters_changed(NULL));
    CASE("NULL: dataset inputs", ARGUMENT, ANYTHING,
         nnk_dataset_create_from_arrays(NULL, 1, f.net->targets, 1, &out.dataset));
    CASE("NULL: dataset targets", ARGUMENT, ANYTHING,
         nnk_dataset_create_from_arrays(f.net->inputs, 1, NULL, 1, &out.dataset));
    CASE("NULL: dataset out", ARGUMENT, ANYTHING,
         nnk_dataset_create_from_arrays(f.net->inputs, 1, f.net->targets, 1, NULL));
    CASE("NULL: trainer_create model", NULL_HANDLE, ANYTHING, nnk_trainer_create(NULL, NETWORK_TRAINER, &out.trainer));
    CASE("NULL: trainer_create out", ARGUMENT, ANYTHING, nnk_trainer_create(f.model, NETWORK_TRAINER, NULL));
    CASE("NULL: set trainer", NULL_HANDLE, ANYTHING, nnk_trainer_set(NULL, "learning_rate=1"));
    CASE("NULL: get trainer", NULL_HANDLE, ANYTHING, nnk_trainer_get(NULL, "learning_rate", &out.loss));
    CASE("NULL: get name", ARGUMENT, ANYTHING, nnk_trainer_get(f.trainer, NULL, &out.loss));
    CASE("NULL: get value", ARGUMENT, ANYTHING, nnk_trainer_get(f.trainer, "learning_rate", NULL));
    CASE("NULL: fit trainer", NULL_HANDLE, ANYTHING, nnk_trainer_fit(NULL, f.dataset, "", NULL, NULL));
    CASE("NULL: fit dataset", NULL_HANDLE, ANYTHING, nnk_trainer_fit(f.trainer, NULL, "", NULL, NULL));
    CASE("NULL: set_validation trainer", NULL_HANDLE, ANYTHING, nnk_trainer_set_validation(NULL, f.dataset));
    CASE("NULL: evaluate trainer", NULL_HANDLE, ANYTHING,
         nnk_trainer_evaluate(NULL, f.dataset, "", &out.loss, &out.metric));
    CASE("NULL: evaluate dataset", NULL_HANDLE, ANYTHING,
         nnk_trainer_evaluate(f.trainer, NULL, "", &out.loss, &out.metric));
    CASE("NULL: evaluate_reporting trainer", NULL_HANDLE, ANYTHING,
         nnk_trainer_evaluate_reporting(NULL, f.dataset, "", &out.loss, &out.metric, NULL, NULL));
    CASE("NULL: evaluate_reporting dataset", NULL_HANDLE, ANYTHING,
         nnk_trainer_evaluate_reporting(f.trainer, NULL, "", &out.loss, &out.metric, NULL, NULL));
    CASE("NULL: step trainer", NULL_HANDLE, ANYTHING, network_step(f.net, NULL, &out.loss));
    CASE("NULL: step inputs", ARGUMENT, ANYTHING, nnk_trainer_step(f.trainer, NULL, 1, f.net->targets, 1, &out.loss));
    CASE("NULL: step targets", ARGUMENT, ANYTHING, nnk_trainer_step(f.trainer, f.net->inputs, 1, NULL, 1, &out.loss));
    CASE("NULL: gradients trainer", NULL_HANDLE, ANYTHING,
         nnk_trainer_gradients(NULL, f.net->inputs, 1, f.net->targets, 1, &out.loss));
    CASE("NULL: gradients inputs", ARGUMENT, ANYTHING,
         nnk_trainer_gradients(f.trainer, NULL, 1, f.net->targets, 1, &out.loss));
    CASE("NULL: apply trainer", NULL_HANDLE, ANYTHING, nnk_trainer_apply(NULL));
    CASE("NULL: gradients_view trainer", NULL_HANDLE, ANYTHING, nnk_trainer_gradients_view(NULL, &out.tensor));
    CASE("NULL: gradients_view out", ARGUMENT, ANYTHING, nnk_trainer_gradients_view(f.trainer, NULL));
    CASE("NULL: session_create model", NULL_HANDLE, ANYTHING, nnk_session_create(NULL, "", &out.session));
    CASE("NULL: session_create out", ARGUMENT, ANYTHING, nnk_session_create(f.model, "", NULL));
    CASE("NULL: session_run session", NULL_HANDLE, ANYTHING, network_run(f.net, NULL));
    CASE("NULL: session_run inputs", ARGUMENT, ANYTHING, nnk_session_run(f.session, NULL, 1, f.net->outputs, 1));
    CASE("NULL: session_run outputs", ARGUMENT, ANYTHING, nnk_session_run(f.session, f.net->inputs, 1, NULL, 1));
    CASE("NULL: session_cancel", NULL_HANDLE, ANYTHING, nnk_session_cancel(NULL));
    CASE("NULL: session_bytes model", NULL_HANDLE, ANYTHING, nnk_session_bytes(NULL, "", &out.bytes));
    CASE("NULL: session_bytes bytes", ARGUMENT, ANYTHING, nnk_session_bytes(f.model, "", NULL));
    CASE("NULL: stream_create model", NULL_HANDLE, ANYTHING, nnk_stream_create(NULL, &out.stream));
    CASE("NULL: stream_create out", ARGUMENT, ANYTHING, nnk_stream_create(f.model, NULL));
    CASE("NULL: stream_reset stream", NULL_HANDLE, ANYTHING, nnk_stream_reset(NULL));
    CASE("NULL: streams_step session", NULL_HANDLE, ANYTHING,
         nnk_streams_step(NULL, &out.stream, 1, f.net->inputs, 1, f.net->outputs, 1));
    CASE("NULL: streams_step streams", ARGUMENT, ANYTHING,
         nnk_streams_step(f.session, NULL, 1, f.net->inputs, 1, f.net->outputs, 1));
    CASE("a stream of a model without recurrent layers", UNSUPPORTED, SAYS("recurrent"),
         nnk_stream_create(f.model, &out.stream));
}

/* ---------------------------------------------------------------------------------------------- handles */

/* Calls one function of each kind of handle with `token`; returns the one status that all gave. */
static nnk_status all_refuse(void *token) {
    const nnk_status status[] = {
        nnk_runtime_info_json((nnk_runtime *)token, &out.text),
        nnk_graph_output((nnk_graph *)token, "y", 0),
        nnk_model_create((nnk_runtime *)token, f.graph, "", &out.model),
        nnk_model_create(f.runtime, (nnk_graph *)token, "", &out.model),
        nnk_model_info_json((nnk_model *)token, &out.text),
        nnk_model_parameters_view((nnk_model *)token, &out.tensor),
        nnk_model_parameters_changed((nnk_model *)token),
        nnk_model_save((nnk_model *)token, "never.nnkit"),
        nnk_trainer_create((nnk_model *)token, NETWORK_TRAINER, &out.trainer),
        nnk_trainer_fit((nnk_trainer *)token, f.dataset, "", NULL, NULL),
        nnk_trainer_fit(f.trainer, (nnk_dataset *)token, "", NULL, NULL),
        nnk_trainer_set_validation(f.trainer, (nnk_dataset *)token),
        nnk_trainer_evaluate(f.trainer, (nnk_dataset *)token, "", &out.loss, &out.metric),
        nnk_trainer_evaluate_reporting((nnk_trainer *)token, f.dataset, "", &out.loss, &out.metric, NULL, NULL),
        nnk_trainer_apply((nnk_trainer *)token),
        nnk_trainer_set((nnk_trainer *)token, "learning_rate=1"),
        nnk_trainer_get((nnk_trainer *)token, "learning_rate", &out.loss),
        nnk_trainer_gradients_view((nnk_trainer *)token, &out.tensor),
        network_step(f.net, (nnk_trainer *)token, &out.loss),
        nnk_session_create((nnk_model *)token, "", &out.session),
        network_run(f.net, (nnk_session *)token),
        nnk_session_cancel((nnk_session *)token),
        nnk_session_bytes((nnk_model *)token, "", &out.bytes),
        nnk_stream_create((nnk_model *)token, &out.stream),
        nnk_stream_reset((nnk_stream *)token),
        nnk_streams_step((nnk_session *)token, &out.stream, 1, f.net->inputs, 1, f.net->outputs, 1),
        nnk_streams_step(f.session, (nnk_stream *const *)&token, 1, f.net->inputs, 1, f.net->outputs, 1),
    };
    size_t i;
    for (i = 1; i < sizeof status / sizeof status[0]; i++)
        if (status[i] != status[0]) return status[i];
    return status[0];
}

/* Every destroy function ignores it. */
static nnk_status all_destroy(void *token) {
    nnk_runtime_destroy((nnk_runtime *)token);
    nnk_graph_destroy((nnk_graph *)token);
    nnk_model_destroy((nnk_model *)token);
    nnk_dataset_destroy((nnk_dataset *)token);
    nnk_trainer_destroy((nnk_trainer *)token);
    nnk_session_destroy((nnk_session *)token);
    nnk_stream_destroy((nnk_stream *)token);
    return NNK_OK;
}

/* `token` with its bits `flip` changed. */
static void *altered(const void *token, uintptr_t flip) {
    uintptr_t bits;
    void *result;
    memcpy(&bits, &token, sizeof bits);
    bits ^= flip;
    memcpy(&result, &bits, sizeof result);
    return result;
}

static void handles(void) {
    static const uintptr_t patterns[] = {
        1, 7, 8, 4096, 0xdeadbeef, (uintptr_t)1 << 47, (uintptr_t)1 << 63, UINTPTR_MAX,
    };
    char name[80];
    size_t i;
    nnk_graph *graph;
    nnk_model *model;
    (void)graph, (void)model;
    for (i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        snprintf(name, sizeof name, "handle %#llx", (unsigned long long)patterns[i]);
        CASE(name, HANDLE, ANYTHING, all_refuse(altered(NULL, patterns[i])));
        snprintf(name, sizeof name, "destroy %#llx", (unsigned long long)patterns[i]);
        CASE(name, OK, ANYTHING, all_destroy(altered(NULL, patterns[i])));
    }
    for (i = 0; i < 64; i += 3) {
        snprintf(name, sizeof name, "model handle with bit %d flipped", (int)i);
        CASE(name, HANDLE, ANYTHING, all_refuse(altered(f.model, (uintptr_t)1 << i)));
    }
    CASE("handle that is memory of the host", HANDLE, ANYTHING, all_refuse(&f));
    CASE("destroy memory of the host", OK, ANYTHING, all_destroy(&f));
    CASE("a graph as a model", HANDLE, ANYTHING, nnk_model_info_json((nnk_model *)f.graph, &out.text));
    CASE("a model as a trainer", HANDLE, ANYTHING, nnk_trainer_apply((nnk_trainer *)f.model));
    CASE("a trainer as a session", HANDLE, ANYTHING, network_run(f.net, (nnk_session *)f.trainer));
    CASE("a session as a model", HANDLE, ANYTHING, nnk_session_bytes((nnk_model *)f.session, "", &out.bytes));
    CASE("a dataset as a runtime", HANDLE, ANYTHING, nnk_runtime_info_json((nnk_runtime *)f.dataset, &out.text));
    CASE("a model as a graph", HANDLE, ANYTHING, nnk_model_create(f.runtime, (nnk_graph *)f.model, "", &out.model));
    CASE("a session as a dataset", HANDLE, ANYTHING,
         nnk_trainer_fit(f.trainer, (nnk_dataset *)f.session, "", NULL, NULL));
    CASE("a runtime as a graph", HANDLE, ANYTHING, nnk_graph_output((nnk_graph *)f.runtime, "y", 0));
    CASE("a model given to destroy a session", OK, ANYTHING,
         (nnk_session_destroy((nnk_session *)f.model), nnk_model_parameters_changed(f.model)));
    CASE("destroyed graph", HANDLE, ANYTHING, (nnk_graph_destroy(f.graph), nnk_graph_output(f.graph, "y", f.value)));
    CASE("destroyed model", HANDLE, ANYTHING, (nnk_model_destroy(f.model), nnk_model_info_json(f.model, &out.text)));
    CASE("destroyed trainer", HANDLE, ANYTHING, (nnk_trainer_destroy(f.trainer), nnk_trainer_apply(f.trainer)));
    CASE("destroyed session", HANDLE, ANYTHING, (nnk_session_destroy(f.session), network_run(f.net, f.session)));
    CASE("destroyed dataset", HANDLE, ANYTHING,
         (nnk_dataset_destroy(f.dataset), nnk_trainer_fit(f.trainer, f.dataset, "", NULL, NULL)));
    CASE("destroyed runtime", HANDLE, ANYTHING,
         (nnk_runtime_destroy(f.runtime), nnk_runtime_info_json(f.runtime, &out.text)));
    CASE("destroyed twice", OK, ANYTHING,
         (nnk_model_destroy(f.model), nnk_model_destroy(f.model), nnk_graph_destroy(f.graph),
          nnk_graph_destroy(f.graph), nnk_session_destroy(f.session), nnk_session_destroy(f.session),
          nnk_trainer_destroy(f.trainer), nnk_trainer_destroy(f.trainer), nnk_dataset_destroy(f.dataset),
          nnk_dataset_destroy(f.dataset), nnk_runtime_destroy(f.runtime), nnk_runtime_destroy(f.runtime),
          after_void()));
    CASE("old handle after its place was used again", HANDLE, ANYTHING,
         (graph = f.graph, nnk_graph_destroy(graph), f.graph = nnk_graph_create(),
          nnk_graph_output(graph, "y", f.value)));
    CASE("trainer whose model and dataset handles are gone", OK, ANYTHING,
         (nnk_trainer_set_validation(f.trainer, f.dataset), nnk_dataset_destroy(f.dataset), nnk_model_destroy(f.model),
          network_step(f.net, f.trainer, NULL)));
    CASE("session whose model and runtime handles are gone", OK, ANYTHING,
         (nnk_runtime_destroy(f.runtime), nnk_model_destroy(f.model), network_run(f.net, f.session)));
    CASE("model made of a graph that is gone", OK, ANYTHING,
         (nnk_graph_output(f.graph, "y", f.value), nnk_model_create(f.runtime, f.graph, "", &model),
          nnk_graph_destroy(f.graph), nnk_model_info_json(model, &out.text)));
}

/* ------------------------------------------------------------------------------------------ graph values */

static void values(void) {
    nnk_value pair[2] = {0, 0};
    nnk_value first;
    const int64_t steps[1] = {5};
    (void)pair, (void)first, (void)steps;
    CASE("output of value -1", ARGUMENT, ANYTHING, nnk_graph_output(f.graph, "y", -1));
    CASE("output of a value that is not there", ARGUMENT, ANYTHING, nnk_graph_output(f.graph, "y", 99));
    CASE("output of the largest value", ARGUMENT, ANYTHING, nnk_graph_output(f.graph, "y", INT32_MAX));
    CASE("output of the smallest value", ARGUMENT, ANYTHING, nnk_graph_output(f.graph, "y", INT32_MIN));
    CASE("output name given twice", ARGUMENT, SAYS("twice_given"),
         (nnk_graph_output(f.graph, "twice_given", f.value), nnk_graph_output(f.graph, "twice_given", f.value)));
    CASE("output with an empty name", ARGUMENT, ANYTHING, nnk_graph_output(f.graph, "", f.value));
    CASE("output name that is not UTF-8", ARGUMENT, SAYS("the output's name is not valid UTF-8"),
         nnk_graph_output(f.graph, "\xe2\x28", f.value));
    CASE("shape of a value that is not there", ARGUMENT, ANYTHING, nnk_graph_shape(f.graph, 7, out.sizes, &out.rank));
    CASE("shape with too little room", ARGUMENT, ANYTHING,
         (out.rank = 2, out_before.rank = 2, nnk_graph_shape(f.graph, f.value, out.sizes, &out.rank)));
    CASE("shape with room for -1", ARGUMENT, ANYTHING,
         (out.rank = -1, out_before.rank = -1, nnk_graph_shape(f.graph, f.value, out.sizes, &out.rank)));
    CASE("layer_multi with no input", ARGUMENT, ANYTHING,
         nnk_graph_layer_multi(f.graph, "flatten", "", &f.value, 0, out.values, 1));
    CASE("layer_multi with -1 inputs", ARGUMENT, ANYTHING,
         nnk_graph_layer_multi(f.graph, "flatten", "", &f.value, -1, out.values, 1));
    CASE("layer_multi with 2^31 - 1 inputs", ARGUMENT, ANYTHING,
         nnk_graph_layer_multi(f.graph, "flatten", "", &f.value, INT32_MAX, out.values, 1));
    CASE("layer_multi with an input too many", ARGUMENT, SAYS("flatten"),
         nnk_graph_layer_multi(f.graph, "flatten", "", pair, 2, out.values, 1));
    CASE("layer_multi with no output", ARGUMENT, ANYTHING,
         nnk_graph_layer_multi(f.graph, "flatten", "", &f.value, 1, out.values, 0));
    CASE("layer_multi with an output too many", ARGUMENT, ANYTHING,
         nnk_graph_layer_multi(f.graph, "flatten", "", &f.value, 1, out.values, 2));
    CASE("layer_multi with -1 outputs", ARGUMENT, ANYTHING,
         nnk_graph_layer_multi(f.graph, "flatten", "", &f.value, 1, out.values, -1));
    CASE("layer_multi with a bad value", ARGUMENT, ANYTHING,
         (first = 50, nnk_graph_layer_multi(f.graph, "flatten", "", &first, 1, out.values, 1)));
    CASE("add of two shapes", SHAPE, SAYS("add"),
         (pair[0] = nnk_graph_input(f.graph, "x", NNK_FLOAT32, f.net->shapes[0] + 1, 2), pair[1] = f.value,
          nnk_graph_layer_multi(f.graph, "add", "", pair, 2, out.values, 1)));
    CASE("lstm whose lengths are an image", SHAPE | TYPE, SAYS("lstm"),
         (pair[0] = nnk_graph_input(f.graph, "x", NNK_FLOAT32, f.net->shapes[0] + 1, 2), pair[1] = f.value,
          nnk_graph_layer_multi(f.graph, "lstm", "units=3", pair, 2, out.values, 1)));
    CASE("lstm whose lengths are a list for each sample", SHAPE, SAYS("lstm"),
         (pair[0] = nnk_graph_input(f.graph, "x", NNK_FLOAT32, f.net->shapes[0] + 1, 2),
          pair[1] = nnk_graph_input(f.graph, "lengths", NNK_INT32, steps, 1),
          nnk_graph_layer_multi(f.graph, "lstm", "units=3", pair, 2, out.values, 1)));
    CASE("model of an empty graph", ARGUMENT, ANYTHING,
         (nnk_graph_destroy(f.graph), f.graph = nnk_graph_create(),
          nnk_model_create(f.runtime, f.graph, "", &out.model)));
    CASE("model without an output", ARGUMENT, ANYTHING, nnk_model_create(f.runtime, f.graph, "", &out.model));
}

/* -------------------------------------------------------------------------------------------- callbacks */

typedef enum reentry {
    CALL_FIT,
    CALL_STEP,
    CALL_EVALUATE,
    CALL_GRADIENTS,
    CALL_APPLY,
    CALL_SET_VALIDATION,
    CALL_SET,
    CALL_OTHERS,
    CALL_SAVE,
    CALL_SHUTDOWN,
    CALL_DESTROY,
    REENTRIES
} reentry;

static nnk_status callback_status;

static int call_back(const nnk_progress *progress, void *user) {
    const reentry what = *(const reentry *)user;
    char *folder, *path;
    nnk_session *session = NULL;
    double value = 0;
    (void)progress;
    callback_status = NNK_OK;
    switch (what) {
    case CALL_FIT:
        callback_status = nnk_trainer_fit(f.trainer, f.dataset, "", call_back, user);
        break;
    case CALL_STEP:
        callback_status = network_step(f.net, f.trainer, &out.loss);
        break;
    case CALL_EVALUATE:
        callback_status = nnk_trainer_evaluate(f.trainer, f.dataset, "", &out.loss, &out.metric);
        break;
    case CALL_GRADIENTS:
        callback_status = nnk_trainer_gradients(f.trainer, f.net->inputs, 1, f.net->targets, 1, &out.loss);
        break;
    case CALL_APPLY:
        callback_status = nnk_trainer_apply(f.trainer);
        break;
    case CALL_SET_VALIDATION:
        callback_status = nnk_trainer_set_validation(f.trainer, f.dataset);
        break;
    case CALL_SET:
        callback_status = nnk_trainer_set(f.trainer, "learning_rate=0.5 clip_norm=1");
        if (callback_status == NNK_OK) callback_status = nnk_trainer_get(f.trainer, "learning_rate", &value);
        if (callback_status == NNK_OK && value != 0.5) case_fails("the setting is not what was set");
        break;
    case CALL_OTHERS:
        callback_status = nnk_session_create(f.model, "max_batch=6", &session);
        if (callback_status == NNK_OK) callback_status = network_run(f.net, session);
        nnk_session_destroy(session);
        break;
    case CALL_SAVE:
        folder = temporary_folder();
        path = path_in(folder, "model.nnkit");
        callback_status = nnk_model_save(f.model, path);
        unlink(path), rmdir(folder);
        break;
    case CALL_SHUTDOWN:
        nnk_shutdown();
        break;
    case CALL_DESTROY:
        nnk_trainer_destroy(f.trainer), nnk_dataset_destroy(f.dataset), nnk_model_destroy(f.model);
        nnk_runtime_destroy(f.runtime), nnk_session_destroy(f.session);
        break;
    case REENTRIES:
        break;
    }
    return 0;
}

/* A fit whose callback makes one call; the fit itself must end well. Returns what the inner call gave. */
static nnk_status fit_with_callback(reentry what) {
    const nnk_status status = nnk_trainer_fit(f.trainer, f.dataset, "epochs=2 batch_size=3", call_back, &what);
    if (status != NNK_OK) case_fails("fit failed because of what its callback did");
    return callback_status;
}

static void callbacks(void) {
    CASE("fit inside fit's callback", BUSY, SAYS("that this callback belongs to"), fit_with_callback(CALL_FIT));
    CASE("step inside fit's callback", BUSY, SAYS("that this callback belongs to"), fit_with_callback(CALL_STEP));
    CASE("evaluate inside fit's callback", BUSY, SAYS("that this callback belongs to"),
         fit_with_callback(CALL_EVALUATE));
    CASE("gradients inside fit's callback", BUSY, SAYS("that this callback belongs to"),
         fit_with_callback(CALL_GRADIENTS));
    CASE("apply inside fit's callback", BUSY, SAYS("that this callback belongs to"), fit_with_callback(CALL_APPLY));
    CASE("set_validation inside fit's callback", BUSY, SAYS("that this callback belongs to"),
         fit_with_callback(CALL_SET_VALIDATION));
    CASE("set inside fit's callback", OK, ANYTHING, fit_with_callback(CALL_SET));
    CASE("a session inside fit's callback", OK, ANYTHING, fit_with_callback(CALL_OTHERS));
    CASE("save inside fit's callback", OK, ANYTHING, fit_with_callback(CALL_SAVE));
    CASE("shutdown inside fit's callback", OK, ANYTHING, fit_with_callback(CALL_SHUTDOWN));
    CASE("everything destroyed inside fit's callback", OK, ANYTHING, fit_with_callback(CALL_DESTROY));
}

/* ------------------------------------------------------------------------------------------------ paths */

static void paths(void) {
    CASE("load an empty path", INOUT | ARGUMENT, ANYTHING, nnk_model_load(NULL, "", &out.model));
    CASE("load a file that is not there", INOUT, SAYS("not/there"), nnk_model_load(NULL, "not/there", &out.model));
    CASE("load a folder", INOUT | FORMAT, ANYTHING, nnk_model_load(NULL, "/", &out.model));
    CASE("load a device", INOUT | FORMAT, ANYTHING, nnk_model_load(NULL, "/dev/null", &out.model));
    CASE("load a path of 10 MB", INOUT | ARGUMENT, ANYTHING,
         nnk_model_load(NULL, long_text("/", 'p', MEGABYTES_10), &out.model));
    CASE("load a path that is not UTF-8", INOUT | ARGUMENT, SAYS("the path is not valid UTF-8"),
         nnk_model_load(NULL, "/\xff\xfe", &out.model));
    CASE("save to an empty path", INOUT | ARGUMENT, ANYTHING, nnk_model_save(f.model, ""));
    CASE("save into a folder that is not there", INOUT, ANYTHING, nnk_model_save(f.model, "not/there/model.nnkit"));
    CASE("save to a path of 10 MB", INOUT | ARGUMENT, ANYTHING,
         nnk_model_save(f.model, long_text("/", 'p', MEGABYTES_10)));
}

int main(int argc, char **argv) {
    nnkit_load(argc > 1 ? argv[1] : "libnnkit.so");
    case_filter = argc > 2 ? argv[2] : NULL;
    null_arguments();
    handles();
    values();
    callbacks();
    paths();
    return check_summary();
}
