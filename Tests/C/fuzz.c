/* fuzz.c: random sequences of calls of every function, with valid, stale, mistyped, NULL and hostile arguments, in child
 * processes. No call may end its process, hang, give a status that the header does not list for its function, fail
 * without a message, or write to an output when it fails. argv[1]: the library, with the header beside it,
 * ../include/nnkit.h; argv[2]: the seed of one child, to run it alone, with every call printed.
 *
 * NNKIT_CALLS: how many calls (default 24000). NNKIT_SEED: where the seeds begin (default: the time). */
#include "hostile.h"

#include "header_statuses.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

enum { CALLS_IN_A_CHILD = 2000, CALL_SECONDS = 20, OF_EACH = 6, FLOATS = 1 << 16, MOST_TENSORS = 4096 };

/* ------------------------------------------------------------------------------------------------ random numbers */

static uint64_t random_state;

static uint32_t random_word(void) {
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(random_state >> 33) << 1 ^ (uint32_t)(random_state >> 24);
}

/* 0 ..< n */
static int below(int n) { return (int)(random_word() % (uint32_t)n); }
static int chance(int percent) { return below(100) < percent; }

#define PICK(list) ((list)[below((int)(sizeof(list) / sizeof(list)[0]))])

/* -------------------------------------------------------------------------------------------------- what is known */

typedef enum handle_kind { RUNTIME, GRAPH, MODEL, DATASET, TRAINER, SESSION, STREAM, KINDS } handle_kind;

/* Living handles of each kind, and one that is not any more. */
static void *living[KINDS][OF_EACH];
static void *stale[KINDS];
/* What the data is like that each of them takes (see `tensor`), and that the one takes which was chosen last. */
static int data_of[KINDS][OF_EACH], chosen_data;
static int32_t last_value = -1; /* that a graph gave */
static float *memory;           /* FLOATS of them */
static nnk_tensor inputs[MOST_TENSORS], targets[MOST_TENSORS], outputs_of_run[MOST_TENSORS];
static int64_t sizes[3][MOST_TENSORS / 64][8], strides[3][MOST_TENSORS / 64][8];
static char *fuzz_folder, *paths[6];
static int is_loud;

/* What the parent reads when a child has died. */
typedef struct account {
    char last[64]; /* the function that is being called */
    long calls, succeeded;
    char function[64][40];
    long tried[64], good[64];
} account;

static account *shared;

/* ----------------------------------------------------------------------------------------------------- arguments */

static void *handle(handle_kind kind) {
    const int way = below(100);
    if (way < 84) {
        int i;
        for (i = 0; i < 16; i++) {
            const int place = below(OF_EACH);
            void *h = living[kind][place];
            /* A dataset for a trainer, a stream for a session: one that fits, if one is soon found. */
            if (!h || ((kind == DATASET || kind == STREAM) && i < 12 && data_of[kind][place] != chosen_data)) continue;
            chosen_data = data_of[kind][place];
            return h;
        }
        return NULL;
    }
    if (way < 88) return stale[kind];
    if (way < 92) return living[below(KINDS)][below(OF_EACH)];
    if (way < 94) return NULL;
    if (way < 96) return (void *)(uintptr_t)((uintptr_t)living[kind][below(OF_EACH)] ^ (uintptr_t)1 << below(64));
    if (way < 98) return memory;
    return (void *)(uintptr_t)((uint64_t)random_word() << 32 | random_word());
}

/* Puts a new handle in the place of an old one, which is destroyed, mostly. */
static void destroy_handle(handle_kind kind, void *h) {
    switch (kind) {
    case RUNTIME:
        nnk_runtime_destroy((nnk_runtime *)h);
        break;
    case GRAPH:
        nnk_graph_destroy((nnk_graph *)h);
        break;
    case MODEL:
        nnk_model_destroy((nnk_model *)h);
        break;
    case DATASET:
        nnk_dataset_destroy((nnk_dataset *)h);
        break;
    case TRAINER:
        nnk_trainer_destroy((nnk_trainer *)h);
        break;
    case SESSION:
        nnk_session_destroy((nnk_session *)h);
        break;
    default:
        nnk_stream_destroy((nnk_stream *)h);
    }
}

static void keep(handle_kind kind, void *h) {
    const int place = below(OF_EACH);
    if (living[kind][place]) {
        stale[kind] = living[kind][place];
        destroy_handle(kind, living[kind][place]);
    }
    living[kind][place] = h;
    data_of[kind][place] = chosen_data;
}

static const char *const numbers[] = {"0",
                                      "1",
                                      "2",
                                      "3",
                                      "-1",
                                      "0.5",
                                      "1e999",
                                      "nan",
                                      "2147483648",
                                      "4294967296",
                                      "9223372036854775807",
                                      "-9223372036854775808",
                                      "18446744073709551616",
                                      "1e-320",
                                      "0x10",
                                      "",
                                      "+",
                                      "1,",
                                      "3,5",
                                      "1,1,1",
                                      "true",
                                      "false",
                                      "none"};

/* `valid`, or that damaged, or something else altogether. */
static const char *text(const char *const *valid, int count) {
    static char buffers[8][4096];
    static int turn;
    static char *huge;
    char *buffer = buffers[turn++ % 8];
    const int way = below(100);
    int i, n;
    snprintf(buffer, sizeof buffers[0], "%s", valid[below(count)]);
    if (way < 75) return buffer;
    if (way < 85) { /* one value replaced */
        char *equals = strchr(buffer, '=');
        if (equals) {
            char rest[2048] = "";
            const char *space = strchr(equals, ' ');
            if (space) snprintf(rest, sizeof rest, "%s", space);
            snprintf(equals + 1, sizeof buffers[0] - 1 - (size_t)(equals + 1 - buffer), "%s%s", PICK(numbers), rest);
        }
        return buffer;
    }
    if (way < 92) { /* bytes replaced */
        n = (int)strlen(buffer);
        for (i = 0; n > 0 && i < 1 + below(3); i++) buffer[below(n)] = (char)(1 + below(255));
        return buffer;
    }
    if (way < 94) return NULL;
    if (way < 97) { /* twice */
        const size_t length = strlen(buffer);
        if (length < sizeof buffers[0] / 2 - 2) {
            buffer[length] = ' ';
            memmove(buffer + length + 1, buffer, length);
            buffer[2 * length + 1] = 0;
        }
        return buffer;
    }
    if (way < 99) {
        n = below(600);
        for (i = 0; i < n; i++) buffer[i] = (char)(1 + below(255));
        buffer[n] = 0;
        return buffer;
    }
    if (!huge) {
        huge = (char *)malloc((size_t)1 << 20);
        memset(huge, 'x', ((size_t)1 << 20) - 1);
        huge[((size_t)1 << 20) - 1] = 0;
    }
    return huge;
}

/* One of the texts, which end with NULL, as `text` may change it. */
static const char *text_of(const char *first, ...) {
    const char *list[16], *next;
    int count = 0;
    va_list rest;
    va_start(rest, first);
    for (next = first; next && count < 16; next = va_arg(rest, const char *)) list[count++] = next;
    va_end(rest);
    return text(list, count);
}

#define TEXT(...) text_of(__VA_ARGS__, (const char *)NULL)

static int32_t count_argument(int usual) {
    static const int32_t wrong[] = {0, -1, 1, 2, 3, 9, 4096, 4097, INT32_MAX, INT32_MIN};
    return chance(90) ? usual : PICK(wrong);
}

/* A tensor whose elements all lie in the fuzzer's memory, or one that a check must refuse. */
static void tensor(nnk_tensor *t, int64_t *shape, int64_t *stride, int64_t samples, int kind) {
    static const int64_t strange[] = {0, -1, 1, INT64_MAX, INT64_MIN, INT64_C(1) << 31, INT64_C(1) << 61, 3000};
    static const nnk_dtype types[] = {NNK_FLOAT32, NNK_INT32, NNK_INT64, 0, 77};
    int rank, i;
    /* The networks of start(): images [6,6,2], sequences [T,3], tokens [5] and lengths [], targets and outputs. */
    switch (kind) {
    case 0:
        shape[0] = samples, shape[1] = 6, shape[2] = 6, shape[3] = 2, rank = 4;
        break;
    case 1:
        shape[0] = samples, shape[1] = 1 + below(5), shape[2] = 3, rank = 3;
        break;
    case 2:
        shape[0] = samples, shape[1] = 3, rank = 2;
        break;
    case 3:
        shape[0] = samples, shape[1] = 5, rank = 2;
        break;
    default:
        shape[0] = samples, rank = 1;
    }
    /* Whole numbers lie where no output is written to. */
    *t = nnk_tensor_view(memory + (kind == 3 || kind == 4 ? FLOATS / 4 : 0) + below(1000),
                         kind == 3 || kind == 4 ? NNK_INT32 : NNK_FLOAT32, shape, rank);
    if (chance(90)) return;
    switch (below(9)) {
    case 0:
        t->data = NULL;
        break;
    case 1:
        t->shape = NULL;
        break;
    case 2:
        t->ndim = (int32_t)PICK(strange);
        if (t->ndim > 8 || t->ndim < 0) break;
        for (i = 0; i < 8; i++) shape[i] = 1;
        break;
    case 3: /* any size, all in one place */
        shape[below(rank)] = PICK(strange);
        for (i = 0; i < 8; i++) stride[i] = 0;
        t->strides = stride;
        break;
    case 4:
        t->dtype = nnk_tensor_view(memory, PICK(types), shape, rank).dtype;
        if (t->dtype.bits == 64) t->data = memory;
        break;
    case 5:
        t->dtype.lanes = (uint16_t)below(4), t->dtype.code = (uint8_t)below(20);
        break;
    case 6:
        t->device.device_type = below(20);
        break;
    case 7:
        t->byte_offset = chance(50) ? (uint64_t)below(64) : UINT64_MAX - (uint64_t)below(64);
        break;
    default: /* backwards, from the middle of the memory */
        for (i = rank, stride[rank - 1] = -1; i-- > 1;) stride[i - 1] = stride[i] * shape[i];
        t->data = memory + FLOATS / 2;
        t->strides = stride;
    }
}

/* Tensors for the object that was chosen last. */
static void tensors(void) {
    const int64_t samples = chance(97) ? 1 + below(6) : 0;
    const int data = chance(95) ? chosen_data : below(4);
    int i;
    for (i = 0; i < 4; i++) {
        tensor(&inputs[i], sizes[0][i], strides[0][i], samples, i == 0 ? data : 4);
        tensor(&targets[i], sizes[1][i], strides[1][i], samples, chance(85) ? 4 : 2);
        tensor(&outputs_of_run[i], sizes[2][i], strides[2][i], samples, 2);
    }
}

/* ------------------------------------------------------------------------------------------------------ judgement */

static void stop_child(const char *why, nnk_status status) {
    fprintf(stderr, "    %s: %s (%s: %.200s)\n", shared->last, why, nnk_status_name(status), nnk_last_error());
    _exit(1);
}

/* The function's place in the account. */
static int place_of(const char *name) {
    int i;
    for (i = 0; shared->function[i][0] && strcmp(shared->function[i], name) != 0; i++) {}
    if (!shared->function[i][0]) snprintf(shared->function[i], sizeof shared->function[0], "%s", name);
    return i;
}

static void called(const char *name) {
    shared->tried[place_of(name)]++;
    shared->calls++;
    snprintf(shared->last, sizeof shared->last, "%s", name);
    if (is_loud) fprintf(stderr, "%ld %s\n", shared->calls, name);
    alarm(CALL_SECONDS);
}

/* Whether the call of `name` went well. A callback may have called other functions since. */
static int judge(const char *name, nnk_status status) {
    const char *message = nnk_last_error();
    if (!is_listed(name, status)) {
        fprintf(stderr, "    the header does not list a status that %s gave\n", name);
        stop_child("a status that is not listed", status);
    }
    if (status == NNK_OK) {
        shared->good[place_of(name)]++;
        shared->succeeded++;
        return 1;
    }
    if (!*message) stop_child("no message", status);
    if (strlen(message) > 4096) stop_child("a message of more than 4096 bytes", status);
    if (!is_utf8(message)) stop_child("a message that is not UTF-8", status);
    return 0;
}

#define CALL(name, arguments) (called(#name), judge(#name, name arguments))

/* A call that makes an object. */
#define MAKE(kind, type, name, arguments)                                                                              \
    do {                                                                                                               \
        type *const nothing = (type *)(uintptr_t)0x5a5a;                                                               \
        type *made = nothing, **out = chance(97) ? &made : NULL;                                                       \
        if (called(#name), judge(#name, name arguments)) {                                                             \
            if (!out || made == nothing) stop_child("no object was made", NNK_OK);                                     \
            keep(kind, made);                                                                                          \
        } else if (made != nothing) {                                                                                  \
            stop_child("an output was written to", NNK_OK);                                                            \
        }                                                                                                              \
    } while (0)

/* ------------------------------------------------------------------------------------------------------- the calls */

static void one_call(int depth);

static int progress_depth;

static int report(const nnk_progress *progress, void *user) {
    int i;
    (void)user;
    if (progress->struct_bytes < sizeof *progress) stop_child("a short progress", NNK_OK);
    if (progress_depth < 2 && chance(30)) {
        progress_depth++;
        for (i = 0; i < 3; i++) one_call(1);
        progress_depth--;
    }
    return progress->epoch > 3 || chance(20);
}

static void graph_call(void) {
    static const char *const kinds[] = {"conv2d",     "dense",   "maxpool2d", "avgpool2d", "globalavgpool2d",
                                        "batchnorm",  "relu",    "dropout",   "flatten",   "globalmaxpool2d",
                                        "activation", "softmax", "lstm",      "gru",       "embedding",
                                        "add"};
    static const char *const options[] = {"units=3",
                                          "filters=4 kernel=3 padding=same",
                                          "filters=2 kernel=2",
                                          "size=2",
                                          "vocabulary=7 units=4",
                                          "rate=0.5",
                                          "",
                                          "name=a",
                                          "kind=tanh",
                                          "units=4 return_sequences=true",
                                          "filters=4 kernel=3 stride=2 groups=2",
                                          "epsilon=0.01",
                                          "filters=4 kernel=1 dilation=3",
                                          "function=relu"};
    static const int64_t shapes[][4] = {
        {6, 6, 2, 1},     {-1, 3, 1, 1}, {3, 1, 1, 1},         {5, 1, 1, 1},
        {-1, -1, -1, -1}, {0, 1, 1, 1},  {INT64_MAX, 2, 1, 1}, {1 << 20, 1 << 20, 1 << 20, 1},
        {-7, 1, 1, 1}};
    int64_t shape[12];
    nnk_value in[4], values[4] = {-5, -5, -5, -5};
    nnk_graph *graph = (nnk_graph *)handle(GRAPH);
    int32_t rank = 12;
    int i;
    memcpy(shape, PICK(shapes), sizeof shapes[0]);
    for (i = 0; i < 4; i++) in[i] = chance(85) ? last_value - below(3) : (nnk_value)random_word();
    switch (below(8)) {
    case 0:
        called("nnk_graph_input");
        last_value = nnk_graph_input(graph, TEXT("x", "image", "y", "lengths"), chance(70) ? 1 : below(5),
                                     chance(97) ? shape : NULL, count_argument(1 + below(3)));
        if (last_value >= 0) judge("nnk_graph_input", NNK_OK);
        break;
    case 1:
    case 2:
    case 3: {
        nnk_value value;
        called("nnk_graph_layer");
        value = nnk_graph_layer(graph, text(kinds, (int)(sizeof kinds / sizeof kinds[0])),
                                text(options, (int)(sizeof options / sizeof options[0])), in[0]);
        if (value >= 0) last_value = value, judge("nnk_graph_layer", NNK_OK);
        break;
    }
    case 4:
        CALL(nnk_graph_layer_multi, (graph, text(kinds, (int)(sizeof kinds / sizeof kinds[0])),
                                     text(options, (int)(sizeof options / sizeof options[0])), chance(97) ? in : NULL,
                                     1 + below(3), chance(97) ? values : NULL, chance(90) ? 1 : below(4)));
        if (values[0] >= 0) last_value = values[0];
        break;
    case 5:
        CALL(nnk_graph_output, (graph, TEXT("y", "z", "logits"), in[0]));
        break;
    case 6:
        CALL(nnk_graph_shape, (graph, in[0], chance(97) ? shape : NULL, chance(97) ? &rank : NULL));
        break;
    default:
        called("nnk_graph_create");
        graph = nnk_graph_create();
        if (graph) judge("nnk_graph_create", NNK_OK), keep(GRAPH, graph);
    }
}

typedef struct layer {
    const char *kind, *options;
} layer;

/* A graph of layers that mostly fit, and a model of it. */
static void build(void) {
    static const layer of_images[] = {{"conv2d", "filters=4 kernel=3 padding=same"},
                                      {"conv2d", "filters=3 kernel=2,1 activation=relu"},
                                      {"conv2d", "filters=4 kernel=3 padding=same groups=2"},
                                      {"conv2d", "filters=6 kernel=1 stride=2"},
                                      {"conv2d", "filters=2 kernel=2 dilation=2 padding=same"},
                                      {"maxpool2d", "size=2"},
                                      {"maxpool2d", "size=3 stride=1 padding=same"},
                                      {"avgpool2d", "size=2 stride=1"},
                                      {"batchnorm", ""},
                                      {"activation", "function=tanh"},
                                      {"dropout", "rate=0.4"}};
    static const layer of_sequences[] = {{"lstm", "units=4 return_sequences=true"},
                                         {"gru", "units=3 return_sequences=true"},
                                         {"dense", "units=5 activation=relu"},
                                         {"dropout", "rate=0.1"},
                                         {"batchnorm", ""}};
    static const layer of_rows[] = {{"dense", "units=8 activation=relu"},
                                    {"dense", "units=3"},
                                    {"batchnorm", ""},
                                    {"dropout", "rate=0.5"},
                                    {"softmax", ""}};
    static const int64_t shapes[4][3] = {{6, 6, 2}, {-1, 3, 0}, {3, 0, 0}, {5, 0, 0}};
    const int data = below(4), count = below(6);
    nnk_graph *graph;
    nnk_value x;
    int i, is_image = data == 0, is_sequence = data == 1;
    called("nnk_graph_create");
    graph = nnk_graph_create();
    if (!graph) return;
    judge("nnk_graph_create", NNK_OK);
    called("nnk_graph_input");
    x = nnk_graph_input(graph, "x", data == 3 ? NNK_INT32 : NNK_FLOAT32, shapes[data],
                        data == 0   ? 3
                        : data == 1 ? 2
                                    : 1);
    if (data == 3) {
        called("nnk_graph_layer");
        x = nnk_graph_layer(graph, "embedding", "vocabulary=9 units=3", x);
        is_sequence = 1;
    }
    for (i = 0; i <= count; i++) {
        const layer *l = is_image ? &PICK(of_images) : is_sequence ? &PICK(of_sequences) : &PICK(of_rows);
        const char *options = chance(98) ? l->options : text(&l->options, 1);
        const nnk_value before = x;
        if (chance(20)) {
            nnk_value pair[2];
            pair[0] = pair[1] = x;
            CALL(nnk_graph_layer_multi, (graph, "add", options == l->options ? "" : options, pair, 2, &x, 1));
            continue;
        }
        called("nnk_graph_layer");
        x = nnk_graph_layer(graph, l->kind, options, before);
        if (x >= 0) judge("nnk_graph_layer", NNK_OK);
        if (chance(10)) CALL(nnk_graph_output, (graph, i % 2 ? "middle" : "early", x));
    }
    if (is_image || is_sequence) {
        static const layer ends[] = {{"flatten", ""}, {"globalavgpool2d", ""}, {"lstm", "units=5"}, {"gru", "units=4"}};
        const layer *l = &ends[is_image ? below(2) : 2 + below(2)];
        called("nnk_graph_layer");
        x = nnk_graph_layer(graph, l->kind, l->options, x);
    }
    called("nnk_graph_layer");
    x = last_value = nnk_graph_layer(graph, "dense", "units=3 name=logits", x);
    if (x >= 0) judge("nnk_graph_layer", NNK_OK);
    CALL(nnk_graph_output, (graph, "y", x));
    chosen_data = data;
    keep(GRAPH, graph);
    MAKE(MODEL, nnk_model, nnk_model_create, ((nnk_runtime *)handle(RUNTIME), graph, TEXT("seed=1", ""), out));
}

/* Bytes that a writer got, mostly whole. */
static char written[1 << 16];
static int64_t written_count;

static int write_down(const void *bytes, int64_t count, void *user) {
    (void)user;
    if (chance(2)) return below(3) - 1;
    if (written_count + count > (int64_t)sizeof written) return 1;
    memcpy(written + written_count, bytes, (size_t)count);
    written_count += count;
    return 0;
}

static void damage(void) {
    if (written_count == 0 || chance(85)) return;
    if (chance(50))
        written[random_word() % (uint64_t)written_count] ^= (char)(1 << below(8));
    else
        written_count = (int64_t)(random_word() % (uint64_t)written_count);
}

static void memory_call(void) {
    switch (below(4)) {
    case 0:
        written_count = 0;
        CALL(nnk_model_write, ((nnk_model *)handle(MODEL), chance(97) ? write_down : NULL, NULL));
        break;
    case 1:
        damage();
        MAKE(MODEL, nnk_model, nnk_model_read,
             ((nnk_runtime *)handle(RUNTIME), chance(97) ? written : NULL, chance(97) ? written_count : -1, out));
        break;
    case 2:
        written_count = 0;
        CALL(nnk_trainer_write_state, ((nnk_trainer *)handle(TRAINER), chance(97) ? write_down : NULL, NULL));
        break;
    default:
        damage();
        CALL(nnk_trainer_read_state,
             ((nnk_trainer *)handle(TRAINER), chance(97) ? written : NULL, chance(97) ? written_count : INT64_MIN));
    }
}

static void model_call(void) {
    nnk_model *model = (nnk_model *)handle(MODEL);
    nnk_tensor view;
    const char *json = NULL;
    int64_t shape[8];
    int32_t rank = below(9), counts[2] = {0, 0};
    nnk_dtype dtype = 0;
    switch (below(9)) {
    case 0:
        MAKE(MODEL, nnk_model, nnk_model_create,
             ((nnk_runtime *)handle(RUNTIME), (nnk_graph *)handle(GRAPH), TEXT("seed=1", "", "seed=99"), out));
        break;
    case 1:
        CALL(nnk_model_save, (model, text((const char *const *)paths, 6)));
        break;
    case 2:
        MAKE(MODEL, nnk_model, nnk_model_load,
             ((nnk_runtime *)handle(RUNTIME), text((const char *const *)paths, 6), out));
        break;
    case 3:
        CALL(nnk_model_info_json, (model, chance(97) ? &json : NULL));
        break;
    case 4:
        CALL(nnk_model_parameters_view, (model, chance(97) ? &view : NULL));
        break;
    case 5:
        CALL(nnk_model_parameters_changed, (model));
        break;
    case 6:
        CALL(nnk_model_counts, (model, chance(90) ? &counts[0] : NULL, chance(90) ? &counts[1] : NULL));
        break;
    case 7:
        if (chance(50)) {
            CALL(nnk_model_input, (model, count_argument(0), chance(90) ? &json : NULL, chance(90) ? &dtype : NULL,
                                   chance(90) ? shape : NULL, chance(90) ? &rank : NULL));
        } else {
            CALL(nnk_model_output, (model, count_argument(0), chance(90) ? &json : NULL, chance(90) ? &dtype : NULL,
                                    chance(90) ? shape : NULL, chance(90) ? &rank : NULL));
        }
        break;
    default: /* numbers that no training gives */
        called("nnk_model_parameters_view");
        if (nnk_model_parameters_view(model, &view) == NNK_OK && chance(20)) {
            float *values = (float *)view.data;
            if (view.shape[0] > 0) values[random_word() % (uint64_t)view.shape[0]] = chance(50) ? NAN : 1e30f;
            CALL(nnk_model_parameters_changed, (model));
        }
    }
}

static void training_call(int depth) {
    nnk_trainer *trainer = (nnk_trainer *)handle(TRAINER);
    const int data = chosen_data;
    nnk_dataset *dataset = (nnk_dataset *)handle(DATASET);
    double loss = 0, metric = 0, *out_loss = chance(90) ? &loss : NULL;
    nnk_tensor view;
    const int way = below(15);
    int32_t fitting = 0;
    chosen_data = way == 1 || way == 2 ? below(4) : data;
    tensors();
    switch (way) {
    case 0:
        MAKE(TRAINER, nnk_trainer, nnk_trainer_create,
             ((nnk_model *)handle(MODEL),
              TEXT("loss=softmax_cross_entropy optimizer=adam learning_rate=0.01 metric=accuracy",
                   "loss=softmax_cross_entropy optimizer=sgd momentum=0.9 clip_norm=1",
                   "loss=softmax_cross_entropy weight_decay=0.1 nesterov=true momentum=0.5", "loss=mean_squared_error",
                   "loss=none"),
              out));
        break;
    case 1:
    case 2:
        MAKE(DATASET, nnk_dataset, nnk_dataset_create_from_arrays,
             (chance(97) ? inputs : NULL, count_argument(1), chance(97) ? targets : NULL, count_argument(1), out));
        break;
    case 3:
    case 4:
        if (depth > 0) return;
        CALL(nnk_trainer_fit, (trainer, dataset,
                               TEXT("epochs=2 batch_size=2", "epochs=3 report=step shuffle=false", "batch_size=1",
                                    "validation_split=0.5", "validation_split=0.5 report=batch", "epochs=1073741824"),
                               report, NULL));
        break;
    case 5:
        CALL(nnk_trainer_set_validation, (trainer, dataset));
        break;
    case 6:
        CALL(nnk_trainer_evaluate,
             (trainer, dataset, TEXT("", "batch_size=2", "batch_size=100"), out_loss, chance(90) ? &metric : NULL));
        break;
    case 7:
        if (depth > 0 || chance(50)) {
            CALL(nnk_trainer_step, (trainer, chance(97) ? inputs : NULL, count_argument(1), chance(97) ? targets : NULL,
                                    count_argument(1), out_loss));
        } else {
            CALL(nnk_trainer_evaluate_reporting, (trainer, dataset, TEXT("", "batch_size=2", "batch_size=100"),
                                                  out_loss, chance(90) ? &metric : NULL, report, NULL));
        }
        break;
    case 8:
        CALL(nnk_trainer_step, (trainer, chance(97) ? inputs : NULL, count_argument(1), chance(97) ? targets : NULL,
                                count_argument(1), out_loss));
        break;
    case 9:
        CALL(nnk_trainer_gradients, (trainer, chance(97) ? inputs : NULL, count_argument(1),
                                     chance(97) ? targets : NULL, count_argument(1), out_loss));
        CALL(nnk_trainer_gradients_view, (trainer, chance(97) ? &view : NULL));
        break;
    case 10:
        CALL(nnk_trainer_apply, (trainer));
        break;
    case 11:
    case 12:
        CALL(nnk_trainer_forward, (trainer, chance(97) ? inputs : NULL, count_argument(1),
                                   chance(97) ? outputs_of_run : NULL, count_argument(1)));
        CALL(nnk_trainer_backward, (trainer, chance(97) ? outputs_of_run : NULL, count_argument(1),
                                    chance(20) ? outputs_of_run : NULL, count_argument(chance(20))));
        break;
    case 13:
        CALL(nnk_trainer_freeze, (trainer, TEXT("*", "*bias", "dense/*", "?*/kernel", "no such"), chance(50),
                                  chance(90) ? &fitting : NULL));
        CALL(nnk_trainer_is_frozen,
             (trainer, TEXT("logits/bias", "dense/bias", "dense"), chance(97) ? &fitting : NULL));
        break;
    default:
        CALL(nnk_trainer_set, (trainer, TEXT("learning_rate=0.5", "learning_rate=0", "learning_rate=1e30")));
        CALL(nnk_trainer_get, (trainer, TEXT("learning_rate"), chance(97) ? &loss : NULL));
    }
}

static void session_call(void) {
    static nnk_stream *streams[MOST_TENSORS];
    static const int32_t wrong[] = {0, -1, 4096, INT32_MIN};
    nnk_session *session = (nnk_session *)handle(SESSION);
    int64_t bytes = 0;
    const int32_t n = 1 + below(3);
    int i;
    tensors();
    switch (below(7)) {
    case 0:
        MAKE(SESSION, nnk_session, nnk_session_create,
             ((nnk_model *)handle(MODEL),
              TEXT("max_batch=6", "max_batch=9", "max_batch=6 max_time=5", "max_batch=6 max_bytes=1000000", ""), out));
        break;
    case 1:
        CALL(nnk_session_bytes,
             ((nnk_model *)handle(MODEL), TEXT("max_batch=6", "", "max_time=5"), chance(97) ? &bytes : NULL));
        CALL(nnk_session_cancel, (session));
        break;
    case 2:
    case 3:
        CALL(nnk_session_run, (session, chance(97) ? inputs : NULL, count_argument(1),
                               chance(97) ? outputs_of_run : NULL, count_argument(1)));
        break;
    case 4:
        MAKE(STREAM, nnk_stream, nnk_stream_create, ((nnk_model *)handle(MODEL), out));
        break;
    case 5:
        CALL(nnk_stream_reset, ((nnk_stream *)handle(STREAM)));
        break;
    default:
        for (i = 0; i < 4; i++) streams[i] = (nnk_stream *)handle(STREAM);
        if (n > 1 && chance(80) && streams[1] == streams[0]) streams[1] = streams[2];
        tensor(&inputs[0], sizes[0][0], strides[0][0], n, 2); /* [n,3], without time */
        tensor(&outputs_of_run[0], sizes[2][0], strides[2][0], n, 2);
        CALL(nnk_streams_step, (session, chance(97) ? streams : NULL, chance(95) ? n : PICK(wrong), inputs,
                                count_argument(1), outputs_of_run, count_argument(1)));
    }
}

static void library_call(int depth) {
    const char *json = NULL;
    switch (below(8)) {
    case 0:
        called("nnk_version"), nnk_version();
        called("nnk_abi_version"), nnk_abi_version();
        break;
    case 1:
        called("nnk_status_name"), nnk_status_name((nnk_status)(chance(50) ? below(20) : (int)random_word()));
        called("nnk_last_error"), nnk_last_error();
        break;
    case 2:
        called("nnk_tensor_view"), nnk_tensor_view(NULL, (nnk_dtype)random_word(), NULL, (int32_t)random_word());
        break;
    case 3:
        MAKE(RUNTIME, nnk_runtime, nnk_runtime_create, (TEXT("threads=1", "threads=2", "threads=3", ""), out));
        break;
    case 4:
        CALL(nnk_runtime_info_json, ((nnk_runtime *)handle(RUNTIME), chance(97) ? &json : NULL));
        break;
    case 5:
        called("nnk_catalog_json");
        if (!nnk_catalog_json()) stop_child("no catalog", NNK_OK);
        break;
    case 6:
        if (depth == 0 && chance(20)) called("nnk_shutdown"), nnk_shutdown();
        break;
    default: {
        /* Whatever is destroyed, in whatever order; now and then with another kind's function. */
        static const char *const names[] = {"nnk_runtime_destroy", "nnk_graph_destroy",   "nnk_model_destroy",
                                            "nnk_dataset_destroy", "nnk_trainer_destroy", "nnk_session_destroy",
                                            "nnk_stream_destroy"};
        const handle_kind kind = (handle_kind)below(KINDS);
        const int place = below(OF_EACH);
        called(names[kind]);
        if (chance(15)) {
            destroy_handle(kind, handle(kind)); /* then some living ones are stale */
        } else {
            if (living[kind][place]) stale[kind] = living[kind][place];
            destroy_handle(kind, living[kind][place]);
            living[kind][place] = NULL;
        }
    }
    }
}

static void one_call(int depth) {
    const int way = below(100);
    if (way < 2)
        build();
    else if (way < 15)
        graph_call();
    else if (way < 30)
        model_call();
    else if (way < 35)
        memory_call();
    else if (way < 65)
        training_call(depth);
    else if (way < 90)
        session_call();
    else
        library_call(depth);
}

/* ------------------------------------------------------------------------------------------------------ the children */

static nnk_graph *described(int kind) {
    static const int64_t image[3] = {6, 6, 2}, sequence[2] = {-1, 3}, row[1] = {3}, tokens[1] = {5};
    nnk_graph *graph = nnk_graph_create();
    nnk_value x, pair[2];
    switch (kind) {
    case 0:
        x = nnk_graph_input(graph, "image", NNK_FLOAT32, image, 3);
        x = nnk_graph_layer(graph, "conv2d", "filters=4 kernel=3 padding=same activation=relu", x);
        x = pair[0] = nnk_graph_layer(graph, "batchnorm", "", x);
        x = pair[1] = nnk_graph_layer(graph, "conv2d", "filters=4 kernel=3 padding=same groups=4", x);
        nnk_graph_layer_multi(graph, "add", "", pair, 2, &x, 1);
        x = nnk_graph_layer(graph, "flatten", "", nnk_graph_layer(graph, "maxpool2d", "size=2", x));
        break;
    case 1:
        x = nnk_graph_input(graph, "sequence", NNK_FLOAT32, sequence, 2);
        x = nnk_graph_layer(graph, "gru", "units=5",
                            nnk_graph_layer(graph, "lstm", "units=4 return_sequences=true", x));
        break;
    case 2:
        x = nnk_graph_layer(graph, "dropout", "rate=0.3", nnk_graph_input(graph, "row", NNK_FLOAT32, row, 1));
        break;
    default:
        x = nnk_graph_input(graph, "tokens", NNK_INT32, tokens, 1);
        x = nnk_graph_layer(graph, "lstm", "units=4", nnk_graph_layer(graph, "embedding", "vocabulary=9 units=3", x));
    }
    nnk_graph_output(graph, "y", nnk_graph_layer(graph, "dense", "units=3 name=logits", x));
    return graph;
}

/* Objects that work, to begin with. */
static void start(void) {
    int i;
    memory = (float *)mmap(NULL, FLOATS * sizeof(float), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (i = 0; i < FLOATS; i++) memory[i] = chance(90) ? 0 : (float)below(100) * 0.01f;
    for (i = FLOATS / 4; i < FLOATS / 2; i++) ((int32_t *)memory)[i] = chance(99) ? below(3) : below(100) - 50;
    for (i = 0; i < MOST_TENSORS; i++) {
        inputs[i] = nnk_tensor_view(memory, NNK_FLOAT32, sizes[0][0], 1);
        targets[i] = outputs_of_run[i] = inputs[i];
    }
    for (i = 0; i < 3; i++) {
        nnk_runtime *runtime = NULL;
        REQUIRE_OK(nnk_runtime_create(i ? "threads=2" : "threads=1", &runtime));
        living[RUNTIME][i] = runtime;
    }
    for (i = 0; i < 4; i++) {
        nnk_graph *graph = described(i);
        nnk_model *model = NULL;
        REQUIRE_OK(nnk_model_create((nnk_runtime *)living[RUNTIME][i % 3], graph, "seed=3", &model));
        living[GRAPH][i] = graph, living[MODEL][i] = model;
        data_of[GRAPH][i] = data_of[MODEL][i] = i;
    }
}

static void run_child(uint64_t seed) {
    const struct rlimit limit = {(rlim_t)3 << 30, (rlim_t)3 << 30};
    int i;
    random_state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    setrlimit(RLIMIT_AS, &limit);
    start();
    while (shared->calls < CALLS_IN_A_CHILD) one_call(0);
    alarm(CALL_SECONDS);
    for (i = 0; i < KINDS * OF_EACH; i++) destroy_handle((handle_kind)(i % KINDS), living[i % KINDS][i / KINDS]);
    _exit(0);
}

/* A file of every sort for a model to be loaded from or saved to. */
static void make_paths(void) {
    static const char *const names[] = {"a.nnkit", "b.nnkit", "garbage", "fifo", "missing/c.nnkit", ""};
    FILE *file;
    nnk_graph *graph;
    nnk_model *model = NULL;
    int i;
    fuzz_folder = temporary_folder();
    for (i = 0; i < 6; i++) paths[i] = path_in(fuzz_folder, names[i]);
    if (mkfifo(paths[3], 0600) != 0 || !(file = fopen(paths[2], "wb"))) exit(3);
    for (i = 0; i < 1000; i++) fputc(i * 7 % 256, file);
    fclose(file);
    /* A process of its own makes the model, so that every child begins with a library that did nothing. */
    if (child_start(60) == 0) {
        graph = described(0);
        REQUIRE_OK(nnk_model_create(NULL, graph, "", &model));
        REQUIRE_OK(nnk_model_save(model, paths[0]));
        _exit(0);
    }
    wait(&i);
}

/* What the calls have left in the folder has random names. */
static void remove_folder(void) {
    DIR *folder = opendir(".");
    const struct dirent *entry;
    while (folder && (entry = readdir(folder))) unlink(entry->d_name);
    if (folder) closedir(folder);
    if (chdir("/") != 0 || rmdir(fuzz_folder) != 0) fprintf(stderr, "%s stays: %s\n", fuzz_folder, strerror(errno));
}

int main(int argc, char **argv) {
    const char *wanted = getenv("NNKIT_CALLS"), *first = getenv("NNKIT_SEED");
    const long calls = wanted ? atol(wanted) : scaled(24000, 1000);
    const uint64_t seed = first ? strtoull(first, NULL, 10) : (uint64_t)time(NULL);
    account all;
    long children = 0, ended = 0, hung = 0, wrong = 0;
    char what[200];
    int i, j;
    nnkit_load(argc > 1 ? argv[1] : "libnnkit.so");
    read_header_statuses(argc > 1 ? argv[1] : "libnnkit.so");
    shared = (account *)mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) exit(3);
    make_paths();
    /* Some of the random texts are names of files that can be saved to. */
    if (chdir(fuzz_folder) != 0) exit(3);
    if (argc > 2) {
        is_loud = 1;
        run_child(strtoull(argv[2], NULL, 10));
    }
    memset(&all, 0, sizeof all);
    for (; all.calls < calls; children++) {
        pid_t child;
        int result;
        memset(shared, 0, sizeof *shared);
        child = child_start(CALL_SECONDS);
        if (child == 0) run_child(seed + (uint64_t)children);
        result = child < 0 ? -1 : child_result(child);
        all.calls += shared->calls, all.succeeded += shared->succeeded;
        for (i = 0; shared->function[i][0]; i++) {
            for (j = 0; all.function[j][0] && strcmp(all.function[j], shared->function[i]) != 0; j++) {}
            memcpy(all.function[j], shared->function[i], sizeof all.function[0]);
            all.tried[j] += shared->tried[i], all.good[j] += shared->good[i];
        }
        if (result == 0) continue;
        if (shared->calls == 0) exit(3);
        if (result == 1000 + SIGALRM)
            hung++;
        else if (result >= 1000)
            ended++;
        else
            wrong++;
        fprintf(stderr, "seed %" PRIu64 ": %s in %s, call %ld\n", seed + (uint64_t)children,
                result == 1000 + SIGALRM ? "hangs"
                : result >= 1000         ? strsignal(result - 1000)
                                         : "gives something wrong",
                shared->last, shared->calls);
    }
    if (getenv("NNKIT_CALLS"))
        for (i = 0; all.function[i][0]; i++)
            fprintf(stderr, "    %-32s %8ld calls, %8ld succeeded\n", all.function[i], all.tried[i], all.good[i]);
    snprintf(what, sizeof what,
             "random calls from seed %" PRIu64
             ": %ld in %ld processes, %ld succeeded, %ld ended the host, %ld hung, %ld wrong",
             seed, all.calls, children, all.succeeded, ended, hung, wrong);
    fprintf(stderr, "attack: %s\n", what);
    check_true(ended + hung + wrong == 0, what, __FILE__, __LINE__);
#define IS_CALLED(result, name, parameters)                                                                            \
    for (i = 0; all.function[i][0] && strcmp(all.function[i], #name) != 0; i++) {}                                     \
    check_true(all.tried[i] > 0 || calls < 20000, #name " was never called", __FILE__, __LINE__);
    NNKIT_FUNCTIONS(IS_CALLED)
#undef IS_CALLED
    for (i = 0; i < 6; i++) free(paths[i]);
    remove_folder();
    return check_summary();
}
