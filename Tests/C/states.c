/* states.c: models and trainers' states in memory. Training goes on from a state to the same bits; damaged bytes are an
 * error, and change nothing. argv[1]: the library. */
#include "nnkit_loader.h"

#include "check.h"

enum { SAMPLES = 24, CHILD_SECONDS = 120 };

static const int64_t cases_in_a_child = 4096;

typedef struct bytes {
    unsigned char *data;
    int64_t count, room;
    int stop_after; /* pieces; negative: never */
} bytes;

static int take(const void *piece, int64_t count, void *user) {
    bytes *b = (bytes *)user;
    if (b->stop_after == 0) return 7;
    b->stop_after--;
    if (b->count + count > b->room) {
        b->room = 2 * (b->count + count);
        b->data = (unsigned char *)realloc(b->data, (size_t)b->room);
        if (!b->data) exit(3);
    }
    memcpy(b->data + b->count, piece, (size_t)count);
    b->count += count;
    return 0;
}

static bytes nothing(void) {
    bytes b = {NULL, 0, 0, -1};
    return b;
}

static int same(bytes a, bytes b) { return a.count == b.count && memcmp(a.data, b.data, (size_t)a.count) == 0; }

static float x[SAMPLES * 4];
static int32_t y[SAMPLES];
static nnk_tensor in, to;
static nnk_dataset *dataset;

static void make_data(void) {
    static const int64_t in_shape[2] = {SAMPLES, 4}, to_shape[1] = {SAMPLES};
    int i;
    for (i = 0; i < SAMPLES * 4; i++) x[i] = (float)((i * 37 + 11) % 64) / 32 - 1;
    for (i = 0; i < SAMPLES; i++) y[i] = i % 3;
    in = nnk_tensor_view(x, NNK_FLOAT32, in_shape, 2);
    to = nnk_tensor_view(y, NNK_INT32, to_shape, 1);
    REQUIRE_OK(nnk_dataset_create_from_arrays(&in, 1, &to, 1, &dataset));
}

/* The smallest has a layer less: each bit of its state is flipped. */
static nnk_model *make_model_of(int smallest, const char *options) {
    static const int64_t shape = 4;
    nnk_graph *graph = nnk_graph_create();
    nnk_model *model = NULL;
    nnk_value v = nnk_graph_input(graph, "x", NNK_FLOAT32, &shape, 1);
    v = nnk_graph_layer(graph, "dense", "units=3", v);
    v = nnk_graph_layer(graph, "batchnorm", "", v);
    if (!smallest) {
        v = nnk_graph_layer(graph, "dropout", "rate=0.25", v);
        v = nnk_graph_layer(graph, "dense", "units=3 name=head", v);
    }
    REQUIRE_OK(nnk_graph_output(graph, "y", v));
    REQUIRE_OK(nnk_model_create(NULL, graph, options, &model));
    nnk_graph_destroy(graph);
    return model;
}

static nnk_model *make_model(const char *options) { return make_model_of(0, options); }

static nnk_trainer *make_trainer(nnk_model *model, const char *options) {
    nnk_trainer *trainer = NULL;
    REQUIRE_OK(nnk_trainer_create(model, options, &trainer));
    return trainer;
}

static bytes state_of(nnk_trainer *trainer) {
    bytes b = nothing();
    REQUIRE_OK(nnk_trainer_write_state(trainer, take, &b));
    return b;
}

static bytes file_of(nnk_model *model) {
    bytes b = nothing();
    REQUIRE_OK(nnk_model_write(model, take, &b));
    return b;
}

static const char *const trainers[] = {
    "loss=softmax_cross_entropy optimizer=sgd learning_rate=0.1",
    "loss=softmax_cross_entropy optimizer=sgd learning_rate=0.1 momentum=0.9 nesterov=true metric=accuracy",
    "loss=softmax_cross_entropy optimizer=adam learning_rate=0.01 weight_decay=0.01 clip_norm=0.5",
    "loss=softmax_cross_entropy optimizer=adam beta1=0 beta2=0.5",
};

enum { TRAINERS = sizeof trainers / sizeof trainers[0] };

/* A few epochs, a single step, and gradients that wait. */
static void train(nnk_trainer *trainer, nnk_model *model) {
    (void)model;
    REQUIRE_OK(nnk_trainer_fit(trainer, dataset, "epochs=2 batch_size=7", NULL, NULL));
    REQUIRE_OK(nnk_trainer_step(trainer, &in, 1, &to, 1, NULL));
    REQUIRE_OK(nnk_trainer_gradients(trainer, &in, 1, &to, 1, NULL));
}

static void a_copy_goes_on_to_the_same_bits(void) {
    int i, waits;
    for (i = 0; i < TRAINERS; i++)
        for (waits = 0; waits < 2; waits++) {
            nnk_model *model = make_model("seed=5"), *copy = NULL;
            nnk_trainer *trainer = make_trainer(model, trainers[i]), *other;
            bytes state, file, again;
            train(trainer, model);
            if (!waits) CHECK_OK(nnk_trainer_apply(trainer));
            CHECK_OK(nnk_trainer_set(trainer, "learning_rate=0.03125"));
            state = state_of(trainer), file = file_of(model);
            REQUIRE_OK(nnk_model_read(NULL, state.data, state.count, &copy));
            again = file_of(copy);
            CHECK(same(file, again));
            free(again.data);
            other = make_trainer(copy, trainers[i]);
            CHECK_OK(nnk_trainer_read_state(other, state.data, state.count));
            again = state_of(other);
            CHECK(same(state, again));
            free(again.data), free(state.data), free(file.data);
            if (waits) {
                CHECK_OK(nnk_trainer_apply(trainer));
                CHECK_OK(nnk_trainer_apply(other));
            }
            train(trainer, model);
            train(other, copy);
            state = state_of(trainer), again = state_of(other);
            CHECK(same(state, again));
            free(state.data), free(again.data);
            nnk_trainer_destroy(trainer), nnk_trainer_destroy(other);
            nnk_model_destroy(model), nnk_model_destroy(copy);
        }
}

/* ---------------------------------------------------------------------------------------- damaged bytes */

static nnk_trainer *victim;
static bytes valid;

/* Neither the trainer nor a model takes these bytes. */
static void refuse(const unsigned char *data, int64_t count, const char *what, int64_t place) {
    nnk_model *const untouched = (nnk_model *)(uintptr_t)0x5a5a;
    nnk_model *model = untouched;
    const nnk_status status = nnk_trainer_read_state(victim, data, count);
    /* Every fifth time: it is the same code that reads. */
    const nnk_status read = place % 5 ? NNK_ERROR_FORMAT : nnk_model_read(NULL, data, count, &model);
    char message[96];
    snprintf(message, sizeof message, "%s %lld: %s", what, (long long)place, nnk_status_name(status));
    check_true(status == NNK_ERROR_FORMAT && *nnk_last_error() != 0, message, __FILE__, __LINE__);
    /* A model may be read where the trainer's part alone is missing. */
    check_true(read == NNK_ERROR_FORMAT ? model == untouched : read == NNK_OK && model != untouched, message, __FILE__,
               __LINE__);
    if (read == NNK_OK) nnk_model_destroy(model);
}

typedef struct range {
    int64_t first, last;
} range;

static void truncations(void *argument) {
    const range *r = (const range *)argument;
    int64_t i;
    for (i = r->first; i < r->last; i++) {
        /* A copy of its own, so that reading beyond the end is seen where memory is checked. */
        unsigned char *cut = (unsigned char *)malloc((size_t)i + 1);
        if (!cut) exit(3);
        memcpy(cut, valid.data, (size_t)i);
        refuse(cut, i, "truncation to", i);
        free(cut);
    }
}

static void flips(void *argument) {
    const range *r = (const range *)argument;
    int64_t i;
    for (i = r->first; i < r->last; i++) {
        valid.data[i / 8] ^= (unsigned char)(1u << i % 8);
        refuse(valid.data, valid.count, "flip of bit", i);
        valid.data[i / 8] ^= (unsigned char)(1u << i % 8);
    }
}

static void in_children(const char *name, int64_t count, void (*body)(void *)) {
    int64_t first;
    for (first = 0; first < count; first += cases_in_a_child) {
        const int64_t rest = count - first;
        range part;
        part.first = first, part.last = first + (rest < cases_in_a_child ? rest : cases_in_a_child);
        check_in_child(name, CHILD_SECONDS, body, &part);
    }
}

static void damage(void) {
    nnk_model *model = make_model_of(1, "seed=5");
    bytes after;
    range some = {0, 2048};
    victim = make_trainer(model, trainers[2]);
    train(victim, model);
    valid = state_of(victim);
    in_children("truncations", valid.count, truncations);
    in_children("flipped bits", scale_is_small() ? cases_in_a_child : valid.count * 8, flips);
    /* Nothing changes where nothing is taken: here, in this process. */
    flips(&some);
    after = state_of(victim);
    CHECK(same(after, valid));
    CHECK_STATUS(nnk_trainer_read_state(victim, valid.data, 0), NNK_ERROR_FORMAT);
    CHECK_STATUS(nnk_trainer_read_state(victim, NULL, 8), NNK_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(nnk_trainer_read_state(victim, valid.data, -1), NNK_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(nnk_trainer_read_state(NULL, valid.data, valid.count), NNK_ERROR_INVALID_ARGUMENT);
    free(after.data);
    after = file_of(model);
    CHECK_STATUS(nnk_trainer_read_state(victim, after.data, after.count), NNK_ERROR_FORMAT); /* a model's file */
    free(after.data), free(valid.data);
    nnk_trainer_destroy(victim), nnk_model_destroy(model);
}

static void other_trainers(void) {
    static const struct {
        const char *model, *trainer;
        nnk_status status;
    } others[] = {
        {"seed=5", "loss=softmax_cross_entropy optimizer=adam", NNK_OK},
        {"seed=5", "loss=softmax_cross_entropy optimizer=adam beta1=0.5 clip_norm=3 learning_rate=7", NNK_OK},
        {"seed=6", "loss=softmax_cross_entropy optimizer=adam", NNK_ERROR_INVALID_ARGUMENT},
        {"seed=5", "loss=softmax_cross_entropy optimizer=sgd momentum=0.5", NNK_ERROR_INVALID_ARGUMENT},
        {"seed=5", "loss=softmax_cross_entropy optimizer=adam metric=accuracy", NNK_ERROR_INVALID_ARGUMENT},
        {"seed=5", "loss=mean_squared_error optimizer=adam", NNK_ERROR_INVALID_ARGUMENT},
    };
    nnk_model *model = make_model("seed=5");
    nnk_trainer *trainer = make_trainer(model, trainers[2]);
    bytes state;
    size_t i;
    train(trainer, model);
    state = state_of(trainer);
    for (i = 0; i < sizeof others / sizeof others[0]; i++) {
        nnk_model *m = make_model(others[i].model);
        nnk_trainer *t = make_trainer(m, others[i].trainer);
        bytes before = state_of(t), after;
        CHECK_STATUS(nnk_trainer_read_state(t, state.data, state.count), others[i].status);
        after = state_of(t);
        CHECK(same(after, others[i].status == NNK_OK ? state : before));
        free(before.data), free(after.data);
        nnk_trainer_destroy(t), nnk_model_destroy(m);
    }
    free(state.data);
    nnk_trainer_destroy(trainer), nnk_model_destroy(model);
}

/* --------------------------------------------------------------------------------------------- writers */

static void writers_that_stop(void) {
    nnk_model *model = make_model("seed=5");
    nnk_trainer *trainer = make_trainer(model, trainers[2]);
    int pieces;
    train(trainer, model);
    for (pieces = 0; pieces < 64; pieces++) {
        bytes b = nothing();
        nnk_status status;
        b.stop_after = pieces;
        status = nnk_trainer_write_state(trainer, take, &b);
        free(b.data);
        if (status == NNK_OK) break;
        CHECK_STATUS(status, NNK_ERROR_IO);
        CHECK(strstr(nnk_last_error(), "7") != NULL);
    }
    CHECK(pieces > 4 && pieces < 64);
    CHECK_STATUS(nnk_trainer_write_state(trainer, NULL, NULL), NNK_ERROR_INVALID_ARGUMENT);
    CHECK_STATUS(nnk_model_write(model, NULL, NULL), NNK_ERROR_INVALID_ARGUMENT);
    nnk_trainer_destroy(trainer), nnk_model_destroy(model);
}

/* A writer may use every handle, that of its own trainer too: what that would have to wait for is BUSY. */
typedef struct nested {
    nnk_trainer *trainer;
    nnk_model *model;
    int calls;
} nested;

static int use_everything(const void *piece, int64_t count, void *user) {
    nested *n = (nested *)user;
    bytes file = nothing();
    nnk_status status;
    (void)piece, (void)count;
    n->calls++;
    status = nnk_trainer_step(n->trainer, &in, 1, &to, 1, NULL);
    CHECK(status == NNK_ERROR_BUSY || status == NNK_OK);
    CHECK(status == NNK_OK || strstr(nnk_last_error(), "this callback belongs to") != NULL);
    CHECK_OK(nnk_model_write(n->model, take, &file));
    free(file.data);
    return 0;
}

static void writers_that_call_back(void) {
    nested n;
    n.model = make_model("seed=5"), n.trainer = make_trainer(n.model, trainers[1]), n.calls = 0;
    CHECK_OK(nnk_trainer_write_state(n.trainer, use_everything, &n));
    CHECK(n.calls > 1);
    CHECK_OK(nnk_model_write(n.model, use_everything, &n));
    nnk_trainer_destroy(n.trainer), nnk_model_destroy(n.model);
}

int main(int argc, char **argv) {
    nnkit_load(argc > 1 ? argv[1] : "libnnkit.so");
    make_data();
    a_copy_goes_on_to_the_same_bits();
    damage();
    other_trainers();
    writers_that_stop();
    writers_that_call_back();
    nnk_dataset_destroy(dataset);
    return check_summary();
}
