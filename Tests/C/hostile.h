/* hostile.h: cases that a host must survive, each in a child process of its own.
 *
 *     CASE("name", ARGUMENT | SHAPE, SAYS("units"), call);
 *
 * The child builds the fixture, makes the call, and must get one of the statuses named, with a readable message
 * that holds the word, and with `out` as it was; then it destroys everything and exits. A crash, a hang or another
 * status fails the case. argv[2], where given, picks the cases whose names hold it. */
#ifndef HOSTILE_H
#define HOSTILE_H

#include "nnkit_loader.h"

#include "check.h"
#include "networks.h"

#include <sys/resource.h>

/* Sets of statuses. */
enum {
    OK = 1 << NNK_OK,
    ARGUMENT = 1 << NNK_ERROR_INVALID_ARGUMENT,
    HANDLE = 1 << NNK_ERROR_INVALID_HANDLE,
    SHAPE = 1 << NNK_ERROR_SHAPE,
    TYPE = 1 << NNK_ERROR_TYPE,
    MEMORY = 1 << NNK_ERROR_OUT_OF_MEMORY,
    INOUT = 1 << NNK_ERROR_IO,
    FORMAT = 1 << NNK_ERROR_FORMAT,
    NUMERIC = 1 << NNK_ERROR_NUMERIC,
    BUSY = 1 << NNK_ERROR_BUSY,
    UNSUPPORTED = 1 << NNK_ERROR_UNSUPPORTED
};

#define SAYS(word) (word)
#define ANYTHING   ""

enum { CASE_SECONDS = 20, CASE_SAMPLES = 6, MEGABYTES_10 = 10 << 20 };

/* Objects that work, for cases to misuse one thing of. */
typedef struct fixture {
    nnk_runtime *runtime;
    nnk_graph *graph;
    nnk_value value; /* the graph's image input */
    network *net;
    nnk_model *model;
    nnk_trainer *trainer;
    nnk_dataset *dataset;
    nnk_session *session;
} fixture;

/* Where calls write. A call that fails must leave all of it as it was. */
typedef struct outputs {
    nnk_runtime *runtime;
    nnk_model *model;
    nnk_trainer *trainer;
    nnk_dataset *dataset;
    nnk_session *session;
    nnk_stream *stream;
    const char *text;
    nnk_tensor tensor;
    nnk_value values[4];
    int64_t sizes[12];
    int32_t rank;
    int64_t bytes;
    double loss;
    double metric;
} outputs;

static fixture f;
static outputs out, out_before;
static const char *case_filter;
static const char *case_name = "";

static inline void fixture_create(network_kind kind) {
    const int64_t image[3] = {8, 8, 3};
    REQUIRE_OK(nnk_runtime_create("threads=2", &f.runtime));
    f.graph = nnk_graph_create();
    f.value = nnk_graph_input(f.graph, "image", NNK_FLOAT32, image, 3);
    f.net = network_create(kind, f.runtime, CASE_SAMPLES);
    f.model = f.net->model;
    f.trainer = network_trainer(f.net);
    f.dataset = network_dataset(f.net);
    f.session = network_session(f.net);
    memset(&out, 0x5a, sizeof out);
    out.rank = 12;
    out_before = out;
}

/* Destroys what is left, the owners first. */
static inline void fixture_destroy(void) {
    nnk_runtime_destroy(f.runtime);
    nnk_graph_destroy(f.graph);
    network_destroy(f.net);
    nnk_dataset_destroy(f.dataset);
    nnk_trainer_destroy(f.trainer);
    nnk_session_destroy(f.session);
}

/* Whether the text is valid UTF-8 (a lenient check of the byte pattern). */
static inline int is_utf8(const char *text) {
    const unsigned char *p = (const unsigned char *)text;
    while (*p) {
        int more = *p < 0x80 ? 0 : *p < 0xe0 ? 1 : *p < 0xf0 ? 2 : 3;
        if ((*p >= 0x80 && *p < 0xc2) || *p > 0xf4) return 0;
        for (p++; more > 0; more--, p++)
            if ((*p & 0xc0) != 0x80) return 0;
    }
    return 1;
}

/* True in the child, which makes the call; false in the parent, after the child has ended and been counted. */
static inline int case_begins_with(const char *name, network_kind kind) {
    pid_t child;
    int result;
    if (case_filter && !strstr(name, case_filter)) return 0;
    case_name = name;
    child = child_start(CASE_SECONDS);
    if (child == 0) {
        /* Memory that cannot be had ends in a refusal here, not in a swapping machine. */
        const struct rlimit limit = {(rlim_t)16 << 30, (rlim_t)16 << 30};
        if (!scale_is_small()) setrlimit(RLIMIT_AS, &limit);
        fixture_create(kind);
        return 1;
    }
    result = child < 0 ? -1 : child_result(child);
    if (result == 0) {
        checks_passed++;
    } else {
        checks_failed++;
        if (result >= 1000)
            fprintf(stderr, "%s: ended by signal %d\n", name, result - 1000);
        else if (result != 1)
            fprintf(stderr, "%s: exit status %d\n", name, result);
    }
    return 0;
}

static inline int case_begins(const char *name) { return case_begins_with(name, NETWORK_CNN); }

static inline void case_fails(const char *why) {
    fprintf(stderr, "%s: %s\n", case_name, why);
    exit(1);
}

/* Judges the call and ends the child. */
static inline void case_ends(nnk_status status, int expected, const char *word) {
    const char *message = nnk_last_error();
    char text[512];
    int i;
    if (status < 0 || status > 30 || !(expected & 1 << status)) {
        snprintf(text, sizeof text, "gave %s (%.300s)", nnk_status_name(status), message);
        case_fails(text);
    }
    if (status != NNK_OK) {
        if (!*message) case_fails("gave no message");
        if (strlen(message) > 4096) case_fails("gave a message of more than 4096 bytes");
        if (!is_utf8(message)) case_fails("gave a message that is not UTF-8");
        if (!strstr(message, word)) {
            snprintf(text, sizeof text, "the message lacks \"%s\": %.300s", word, message);
            case_fails(text);
        }
        if (memcmp(&out, &out_before, sizeof out) != 0) case_fails("changed an output although it failed");
        for (i = 0; i < CASE_SAMPLES * NETWORK_CLASSES; i++)
            if (f.net->output[i] != 0) case_fails("wrote to an output tensor although it failed");
    }
    fixture_destroy();
    exit(0);
}

#define CASE(name, expected, word, call)                                                                               \
    do {                                                                                                               \
        if (case_begins(name)) case_ends((call), (expected), (word));                                                  \
    } while (0)

/* The same with the recurrent network as f.net. */
#define LSTM_CASE(name, expected, word, call)                                                                          \
    do {                                                                                                               \
        if (case_begins_with(name, NETWORK_LSTM)) case_ends((call), (expected), (word));                               \
    } while (0)

/* The status behind a value that a graph returned. */
static inline nnk_status value_status(nnk_graph *graph, nnk_value value) {
    nnk_status status = nnk_graph_output(graph, "checked", value);
    if (value >= 0 && status != NNK_OK) case_fails("a value was returned although the graph has an error");
    if (value < 0 && status == NNK_OK) case_fails("a negative value was accepted");
    return status;
}

/* A string of `bytes` bytes: `head`, then `fill` over and over. It stays until the child ends. */
static inline const char *long_text(const char *head, char fill, size_t bytes) {
    char *text = (char *)malloc(bytes + 1);
    const size_t length = strlen(head);
    if (!text) exit(3);
    memset(text, fill, bytes);
    text[bytes] = 0;
    memcpy(text, head, length < bytes ? length : bytes);
    return text;
}

#endif /* HOSTILE_H */
