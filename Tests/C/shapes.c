/* shapes.c: layers that move elements, with lists of inputs and of outputs, absent inputs, and what is refused.
 * argv[1]: the library. */
#include "nnkit_loader.h"

#include "check.h"
#include "json.h"
#include "networks.h"

enum { MOST = 64 };

/* A layer on inputs "x0", "x1", ... whose samples are 0, 1, 2, ..., then 100, 101, ...; output_shape[k] are the sizes of
 * output k with a batch of 1. */
typedef struct layer_case {
    const char *kind, *options;
    int32_t n_inputs;
    int64_t input_shape[3][3];
    int32_t n_outputs;
    int64_t output_shape[3][4];
    float expected[3][24];
} layer_case;

static const layer_case cases[] = {
    {"concat", "", 2, {{2, 2}, {2, 1}}, 1, {{1, 2, 3}}, {{0, 1, 100, 2, 3, 101}}},
    {"concat", "axis=0", 3, {{1, 2}, {2, 2}, {1, 2}}, 1, {{1, 4, 2}}, {{0, 1, 100, 101, 102, 103, 200, 201}}},
    {"split", "sizes=1,2", 1, {{2, 3}}, 2, {{1, 2, 1}, {1, 2, 2}}, {{0, 3}, {1, 2, 4, 5}}},
    {"split", "sizes=1,1,1 axis=0", 1, {{3, 2}}, 3, {{1, 1, 2}, {1, 1, 2}, {1, 1, 2}}, {{0, 1}, {2, 3}, {4, 5}}},
    {"slice", "start=1 stop=-1 axis=-1", 1, {{2, 4}}, 1, {{1, 2, 2}}, {{1, 2, 5, 6}}},
    {"slice", "start=-1 axis=0", 1, {{3, 2}}, 1, {{1, 1, 2}}, {{4, 5}}},
    {"permute", "axes=1,0", 1, {{2, 3}}, 1, {{1, 3, 2}}, {{0, 3, 1, 4, 2, 5}}},
    {"reshape", "shape=-1", 1, {{2, 3}}, 1, {{1, 6}}, {{0, 1, 2, 3, 4, 5}}},
    {"repeat", "count=2", 1, {{1, 3}}, 1, {{1, 2, 1, 3}}, {{0, 1, 2, 0, 1, 2}}},
};

static int32_t rank_of(const int64_t *sizes, int32_t most) {
    int32_t rank = 0;
    while (rank < most && sizes[rank] > 0) rank++;
    return rank;
}

static int64_t count_of(const int64_t *sizes, int32_t rank) {
    int64_t count = 1;
    while (rank-- > 0) count *= sizes[rank];
    return count;
}

/* Outputs, and the gradients of the inputs for output gradients of 1, 2, 3, ...: each element's own, added up where it
 * went to several places. */
static void moves_elements(const layer_case *c) {
    nnk_graph *graph = nnk_graph_create();
    nnk_model *model = NULL;
    nnk_trainer *trainer = NULL;
    nnk_value inputs[3], outputs[3];
    nnk_tensor in[3], out[3], given[3], back[3];
    float x[3][MOST], y[3][MOST], dy[3][MOST], dx[3][MOST];
    int64_t batched[3][4];
    double expected_gradient[3][MOST];
    int32_t i, k;
    memset(expected_gradient, 0, sizeof expected_gradient);
    for (i = 0; i < c->n_inputs; i++) {
        char name[8];
        int32_t rank = rank_of(c->input_shape[i], 3);
        snprintf(name, sizeof name, "x%d", (int)i);
        inputs[i] = nnk_graph_input(graph, name, NNK_FLOAT32, c->input_shape[i], rank);
        batched[i][0] = 1;
        memcpy(&batched[i][1], c->input_shape[i], sizeof c->input_shape[i]);
        for (k = 0; k < MOST; k++) x[i][k] = (float)(100 * i + k);
        in[i] = nnk_tensor_view(x[i], NNK_FLOAT32, batched[i], rank + 1);
        back[i] = nnk_tensor_view(dx[i], NNK_FLOAT32, batched[i], rank + 1);
    }
    REQUIRE_OK(nnk_graph_layer_multi(graph, c->kind, c->options, inputs, c->n_inputs, outputs, c->n_outputs));
    for (i = 0; i < c->n_outputs; i++) {
        char name[8];
        int32_t rank = rank_of(c->output_shape[i], 4);
        snprintf(name, sizeof name, "y%d", (int)i);
        REQUIRE_OK(nnk_graph_output(graph, name, outputs[i]));
        out[i] = nnk_tensor_view(y[i], NNK_FLOAT32, c->output_shape[i], rank);
        given[i] = nnk_tensor_view(dy[i], NNK_FLOAT32, c->output_shape[i], rank);
        for (k = 0; k < count_of(c->output_shape[i], rank); k++) {
            int from = (int)c->expected[i][k];
            dy[i][k] = (float)(k + 1 + 10 * i);
            expected_gradient[from / 100][from % 100] += (double)dy[i][k];
        }
    }
    REQUIRE_OK(nnk_model_create(NULL, graph, "", &model));
    REQUIRE_OK(nnk_trainer_create(model, "loss=none", &trainer));
    REQUIRE_OK(nnk_trainer_forward(trainer, in, c->n_inputs, out, c->n_outputs));
    for (i = 0; i < c->n_outputs; i++) {
        size_t count = (size_t)count_of(c->output_shape[i], rank_of(c->output_shape[i], 4));
        check_true(memcmp(y[i], c->expected[i], count * sizeof(float)) == 0, c->kind, __FILE__, __LINE__);
    }
    REQUIRE_OK(nnk_trainer_backward(trainer, given, c->n_outputs, back, c->n_inputs));
    for (i = 0; i < c->n_inputs; i++) {
        for (k = 0; k < count_of(c->input_shape[i], rank_of(c->input_shape[i], 3)); k++) {
            check_true((double)dx[i][k] == expected_gradient[i][k], c->kind, __FILE__, __LINE__);
        }
    }
    nnk_trainer_destroy(trainer);
    nnk_model_destroy(model);
    nnk_graph_destroy(graph);
}

static void an_optional_input_may_be_absent(void) {
    static const int64_t shape[2] = {3, 2};
    nnk_graph *graph = nnk_graph_create();
    nnk_value y, inputs[2];
    inputs[0] = nnk_graph_input(graph, "x", NNK_FLOAT32, shape, 2);
    inputs[1] = NNK_ABSENT;
    CHECK_OK(nnk_graph_layer_multi(graph, "lstm", "units=2", inputs, 2, &y, 1));
    CHECK(y >= 0);
    inputs[1] = -1;
    CHECK_STATUS(nnk_graph_layer_multi(graph, "lstm", "units=2", inputs, 2, &y, 1), NNK_ERROR_INVALID_ARGUMENT);
    nnk_graph_destroy(graph);

    graph = nnk_graph_create();
    inputs[0] = NNK_ABSENT;
    inputs[1] = nnk_graph_input(graph, "x", NNK_FLOAT32, shape, 2);
    CHECK_STATUS(nnk_graph_layer_multi(graph, "concat", "", inputs, 2, &y, 1), NNK_ERROR_INVALID_ARGUMENT);
    CHECK(text_has(nnk_last_error(), "absent"));
    nnk_graph_destroy(graph);
}

static void refused(const char *kind, const char *options, int32_t n_inputs, int32_t n_outputs, nnk_status expected,
                    const char *says) {
    static const int64_t shape[2] = {3, 4}, other[2] = {3, 5};
    nnk_graph *graph = nnk_graph_create();
    nnk_value inputs[3], outputs[3] = {7, 7, 7};
    inputs[0] = inputs[2] = nnk_graph_input(graph, "x", NNK_FLOAT32, shape, 2);
    inputs[1] = nnk_graph_input(graph, "other", NNK_FLOAT32, other, 2);
    check_status(nnk_graph_layer_multi(graph, kind, options, inputs, n_inputs, outputs, n_outputs), expected, options,
                 __FILE__, __LINE__);
    check_true(text_has(nnk_last_error(), says), nnk_last_error(), __FILE__, __LINE__);
    CHECK(outputs[0] == 7 && outputs[1] == 7);
    nnk_graph_destroy(graph);
}

static void what_does_not_fit_is_refused(void) {
    refused("concat", "axis=0", 2, 1, NNK_ERROR_SHAPE, "[3, 4] and [3, 5]");
    refused("concat", "axis=2", 2, 1, NNK_ERROR_SHAPE, "no axis 2");
    refused("concat", "axis=9", 2, 1, NNK_ERROR_INVALID_ARGUMENT, "from -7 to 6");
    refused("concat", "", 0, 1, NNK_ERROR_INVALID_ARGUMENT, "inputs");
    refused("split", "sizes=1,2", 1, 2, NNK_ERROR_SHAPE, "add up to 3");
    refused("split", "sizes=2,2", 1, 3, NNK_ERROR_INVALID_ARGUMENT, "2 outputs");
    refused("split", "sizes=4", 1, 2, NNK_ERROR_INVALID_ARGUMENT, "1 outputs");
    refused("split", "sizes=0,4", 1, 2, NNK_ERROR_INVALID_ARGUMENT, "sizes");
    refused("split", "sizes=16777216,16777216,16777216", 1, 3, NNK_ERROR_SHAPE, "add up");
    refused("split", "", 1, 1, NNK_ERROR_INVALID_ARGUMENT, "sizes");
    refused("slice", "start=4", 1, 1, NNK_ERROR_SHAPE, "expected at least one");
    refused("slice", "start=2 stop=2", 1, 1, NNK_ERROR_SHAPE, "expected at least one");
    refused("slice", "start=-5", 1, 1, NNK_ERROR_SHAPE, "expected at least one");
    refused("slice", "stop=5", 1, 1, NNK_ERROR_SHAPE, "expected at least one");
    refused("permute", "axes=0", 1, 1, NNK_ERROR_SHAPE, "each of them once");
    refused("permute", "axes=0,0", 1, 1, NNK_ERROR_SHAPE, "each of them once");
    refused("permute", "axes=0,1,2", 1, 1, NNK_ERROR_SHAPE, "each of them once");
    refused("reshape", "shape=5,-1", 1, 1, NNK_ERROR_SHAPE, "multiple of 5");
    refused("reshape", "shape=-1,-1", 1, 1, NNK_ERROR_SHAPE, "may be -1");
    refused("reshape", "shape=0,12", 1, 1, NNK_ERROR_SHAPE, "at least 1");
    refused("reshape", "shape=13", 1, 1, NNK_ERROR_SHAPE, "12 elements");
    refused("reshape", "shape=1,1,1,1,1,1,1,12", 1, 1, NNK_ERROR_SHAPE, "1 to 7 sizes");
    refused("reshape", "shape=16777216,16777216,16777216", 1, 1, NNK_ERROR_SHAPE, "too large");
    refused("repeat", "count=0", 1, 1, NNK_ERROR_INVALID_ARGUMENT, "count");
    refused("repeat", "count=2", 2, 1, NNK_ERROR_INVALID_ARGUMENT, "2 inputs");
}

/* The outputs of a layer with several do not fit into one value. */
static void a_layer_with_several_outputs_is_added_by_layer_multi(void) {
    static const int64_t shape[1] = {4};
    nnk_graph *graph = nnk_graph_create();
    nnk_value x = nnk_graph_input(graph, "x", NNK_FLOAT32, shape, 1);
    CHECK(nnk_graph_layer(graph, "split", "sizes=1,3", x) < 0);
    CHECK(text_has(nnk_last_error(), "2 outputs"));
    nnk_graph_destroy(graph);
}

int main(int argc, char **argv) {
    size_t i;
    nnkit_load(argc > 1 ? argv[1] : "libnnkit.so");
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) moves_elements(&cases[i]);
    an_optional_input_may_be_absent();
    what_does_not_fit_is_refused();
    a_layer_with_several_outputs_is_added_by_layer_multi();
    return check_summary();
}
