/* files.c: model files that were cut, damaged or forged, and saves that cannot succeed. A damaged file gives an error,
 * or exactly the model that was saved; it never ends the process. argv[1]: the library. */
#include "nnkit_loader.h"

#include "check.h"

#include <dirent.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { CASES_IN_A_CHILD = 512, CHILD_SECONDS = 60 };

typedef struct bytes {
    unsigned char *data;
    size_t count;
} bytes;

static char *folder;
static char *victim; /* the file that cases write and load */
static bytes valid;  /* a file that nnk_model_save wrote */

static nnk_model *dense_model(int64_t inputs, const char *options) {
    nnk_graph *graph = nnk_graph_create();
    nnk_model *model = NULL;
    nnk_value x = nnk_graph_input(graph, "x", NNK_FLOAT32, &inputs, 1);
    REQUIRE_OK(nnk_graph_output(graph, "y", nnk_graph_layer(graph, "dense", options, x)));
    REQUIRE_OK(nnk_model_create(NULL, graph, "seed=3", &model));
    nnk_graph_destroy(graph);
    return model;
}

static bytes read_file(const char *path) {
    bytes result = {NULL, 0};
    FILE *file = fopen(path, "rb");
    long size;
    if (!file || fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0) exit(3);
    rewind(file);
    result.count = (size_t)size;
    result.data = (unsigned char *)malloc(result.count + 1);
    if (!result.data || fread(result.data, 1, result.count, file) != result.count) exit(3);
    fclose(file);
    return result;
}

static void write_file(const char *path, const void *data, size_t count) {
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(data, 1, count, file) != count || fclose(file) != 0) {
        fprintf(stderr, "cannot write %s\n", path);
        exit(3);
    }
}

/* Whether the model says and computes what the valid file's does: saving it gives the same bytes. */
static int is_original(nnk_model *model) {
    char *copy = path_in(folder, "copy.nnkit");
    const float x[2] = {1, -2};
    float y[2] = {0, 0};
    const int64_t shape[2] = {1, 2};
    nnk_tensor in = nnk_tensor_view((void *)(uintptr_t)x, NNK_FLOAT32, shape, 2);
    nnk_tensor to = nnk_tensor_view(y, NNK_FLOAT32, shape, 2);
    nnk_session *session = NULL;
    int same = 0;
    if (nnk_model_save(model, copy) == NNK_OK) {
        const bytes saved = read_file(copy);
        same = saved.count == valid.count && memcmp(saved.data, valid.data, saved.count) == 0;
        free(saved.data);
    }
    same = same && nnk_session_create(model, NULL, &session) == NNK_OK &&
           nnk_session_run(session, &in, 1, &to, 1) == NNK_OK && y[0] == y[0];
    nnk_session_destroy(session);
    unlink(copy);
    free(copy);
    return same;
}

/* Loads the victim. 1: an error with a message and no model, or the original; 0: anything else. */
static int loads_safely(int may_succeed) {
    nnk_model *const untouched = (nnk_model *)(uintptr_t)0x5a5a;
    nnk_model *model = untouched;
    const nnk_status status = nnk_model_load(NULL, victim, &model);
    int safe;
    if (status != NNK_OK) return model == untouched && *nnk_last_error() != 0;
    safe = may_succeed && is_original(model);
    nnk_model_destroy(model);
    return safe;
}

/* ------------------------------------------------------------------------------- cuts and flipped bits */

typedef struct range {
    size_t first, last, step;
} range;

static void truncations(void *argument) {
    const range *cuts = (const range *)argument;
    size_t length;
    for (length = cuts->first; length < cuts->last; length += cuts->step) {
        char what[64];
        write_file(victim, valid.data, length);
        snprintf(what, sizeof what, "truncation to %zu bytes", length);
        check_true(loads_safely(0), what, __FILE__, __LINE__);
    }
}

static void flips(void *argument) {
    const range *bits = (const range *)argument;
    size_t bit;
    for (bit = bits->first; bit < bits->last; bit += bits->step) {
        char what[64];
        valid.data[bit / 8] ^= (unsigned char)(1u << bit % 8);
        write_file(victim, valid.data, valid.count);
        valid.data[bit / 8] ^= (unsigned char)(1u << bit % 8);
        snprintf(what, sizeof what, "flip of bit %zu of byte %zu", bit % 8, bit / 8);
        check_true(loads_safely(1), what, __FILE__, __LINE__);
    }
}

/* Runs `body` over 0 ..< count in children of some hundred cases, each of which counts as one check. */
static void in_children(const char *name, size_t count, size_t step, void (*body)(void *)) {
    size_t first;
    for (first = 0; first < count; first += CASES_IN_A_CHILD * step) {
        const size_t rest = count - first;
        range part = {first, first + (rest < CASES_IN_A_CHILD * step ? rest : CASES_IN_A_CHILD * step), step};
        check_in_child(name, CHILD_SECONDS, body, &part);
    }
}

/* ------------------------------------------------------------------------------------------ forged files */

/* The valid file's header as text, without its checksum, so that a forgery gets as far as it can. */
static char *header_text(void) {
    size_t length = 0;
    int i;
    char *text, *key;
    for (i = 7; i >= 0; i--) length = length << 8 | valid.data[i];
    text = (char *)malloc(length + 1);
    if (!text) exit(3);
    memcpy(text, valid.data + 8, length);
    text[length] = 0;
    key = strstr(text, "crc32");
    if (key) memcpy(key, "other", 5);
    return text;
}

/* Writes the victim: a header's length, the header, and data. */
static void forge(uint64_t declared, const char *header, size_t header_bytes, const void *data, size_t data_bytes) {
    unsigned char *file = (unsigned char *)malloc(8 + header_bytes + data_bytes);
    int i;
    if (!file) exit(3);
    for (i = 0; i < 8; i++) file[i] = (unsigned char)(declared >> 8 * i);
    memcpy(file + 8, header, header_bytes);
    if (data_bytes) memcpy(file + 8 + header_bytes, data, data_bytes);
    write_file(victim, file, 8 + header_bytes + data_bytes);
    free(file);
}

static size_t data_bytes(void) { return valid.count - 8 - strlen(header_text()); }
static const void *data_of_valid(void) { return valid.data + valid.count - data_bytes(); }

/* Writes the victim with this header and the valid file's data. */
static void forge_header(const char *header) {
    forge(strlen(header), header, strlen(header), data_of_valid(), data_bytes());
}

/* `text` with what stands from `open` to `close`, behind the nth `key`, replaced. NULL where there is none. */
static char *edited(const char *text, const char *key, int nth, char open, char close, const char *replacement) {
    const char *place = strstr(text, key), *first, *last;
    char *result;
    while (place && nth-- > 0) place = strstr(place + 1, key);
    if (!place) return NULL;
    first = strchr(place + strlen(key), open);
    last = first ? strchr(first + 1, close) : NULL;
    if (!last) return NULL;
    result = (char *)malloc(strlen(text) + strlen(replacement) + 3);
    if (!result) exit(3);
    memcpy(result, text, (size_t)(first + 1 - text));
    strcpy(result + (first + 1 - text), replacement);
    strcat(result, last);
    return result;
}

static const struct {
    const char *title;
    const char *key;
    int nth;
    char open, close;
    const char *replacement;
} edits[] = {
    {"offsets beyond the file", "\"data_offsets\"", 0, '[', ']', "0,99999999"},
    {"offsets beyond 2^63", "\"data_offsets\"", 0, '[', ']', "0,18446744073709551615"},
    {"offsets that wrap", "\"data_offsets\"", 0, '[', ']', "18446744073709551600,8"},
    {"negative offsets", "\"data_offsets\"", 0, '[', ']', "-8,8"},
    {"offsets that go backwards", "\"data_offsets\"", 0, '[', ']', "16,0"},
    {"offsets with a fraction", "\"data_offsets\"", 0, '[', ']', "0.5,16"},
    {"one offset", "\"data_offsets\"", 0, '[', ']', "16"},
    {"three offsets", "\"data_offsets\"", 0, '[', ']', "0,8,16"},
    {"no offsets", "\"data_offsets\"", 0, '[', ']', ""},
    {"offsets that are words", "\"data_offsets\"", 0, '[', ']', "\"0\",\"16\""},
    {"tensors that overlap", "\"dense/bias\"", 0, '[', ']', "8,16"},
    {"a hole before a tensor", "\"dense/bias\"", 0, '[', ']', "20,28"},
    {"a tensor of a petabyte", "\"shape\"", 0, '[', ']', "1099511627776,1024"},
    {"a shape that overflows", "\"shape\"", 0, '[', ']', "4294967296,4294967296"},
    {"a negative shape", "\"shape\"", 0, '[', ']', "-2,-2"},
    {"a shape with another order", "\"shape\"", 0, '[', ']', "4,1"},
    {"a shape of rank 0", "\"shape\"", 0, '[', ']', ""},
    {"a shape of rank 40", "\"shape\"", 0, '[', ']',
     "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,2,2"},
    {"another type", "\"dtype\"", 0, '"', '"', "I32"},
    {"a wider type", "\"dtype\"", 0, '"', '"', "F64"},
    {"a type that is none", "\"dtype\"", 0, '"', '"', "F99"},
    {"a type of many letters", "\"dtype\"", 0, '"', '"', "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"},
    {"a graph that is empty", "\"nnkit.graph\"", 0, '"', '"', ""},
    {"a graph that is a list", "\"nnkit.graph\"", 0, '"', '"', "[]"},
    {"a graph that is a number", "\"nnkit.graph\"", 0, '"', '"', "1e999"},
    {"a graph of nothing", "\"nnkit.graph\"", 0, '"', '"', "{}"},
    {"metadata that is a list", "\"__metadata__\"", 0, ':', '{', "[1,2],\"z\":"},
};

static void edited_headers(void *unused) {
    size_t i;
    char *text = header_text();
    (void)unused;
    for (i = 0; i < sizeof edits / sizeof edits[0]; i++) {
        char *header = edited(text, edits[i].key, edits[i].nth, edits[i].open, edits[i].close, edits[i].replacement);
        if (!check_true(header != NULL, edits[i].title, __FILE__, __LINE__)) continue;
        forge_header(header);
        check_true(loads_safely(0), edits[i].title, __FILE__, __LINE__);
        free(header);
    }
    free(text);
}

/* Words of the graph's own JSON, changed one at a time: layers that do not exist, sizes that do not fit. */
static void edited_graphs(void *unused) {
    static const struct {
        const char *from, *to;
    } changes[] = {
        {"\\\"dense\\\"", "\\\"dance\\\""},
        {"units=2", "units=3"},
        {"units=2", "units=0"},
        {"units=2", "units=9999999"},
        {"units=2", "limit=2"},
        {"[2]", "[3]"},
        {"[2]", "[-7]"},
        {"[2]", "[99999999999999999]"},
        {"[2]", "[]"},
        {"[0]", "[1]"},
        {"[0]", "[-1]"},
        {"[0]", "[7]"},
        {"float32", "float64"},
        {"\\\"y\\\"", "\\\"\\\""},
    };
    size_t i, changed = 0;
    char *text = header_text();
    (void)unused;
    for (i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        const char *graph = strstr(text, "nnkit.graph");
        const char *place = graph ? strstr(graph, changes[i].from) : NULL;
        char *header;
        if (!place) continue;
        changed++;
        header = (char *)malloc(strlen(text) + 64);
        if (!header) exit(3);
        memcpy(header, text, (size_t)(place - text));
        strcpy(header + (place - text), changes[i].to);
        strcat(header, place + strlen(changes[i].from));
        forge_header(header);
        check_true(loads_safely(0), changes[i].to, __FILE__, __LINE__);
        free(header);
    }
    CHECK(changed >= 6); /* or the graph is written in words that this test does not know */
    free(text);
}

static void duplicate_names(void *unused) {
    char *text = header_text();
    const char *name = strstr(text, "\"dense/bias\"");
    const char *end = name ? strchr(name, '}') : NULL;
    char *header = (char *)malloc(2 * strlen(text));
    (void)unused;
    if (!header || !CHECK(end != NULL)) exit(3);
    sprintf(header, "{%.*s,%s", (int)(end + 1 - name), name, text + 1);
    forge_header(header);
    CHECK(loads_safely(0));
    free(header), free(text);
}

static void lengths(void *unused) {
    static const uint64_t declared[] = {
        0, 1, 2, 100000001, UINT64_C(1) << 32, UINT64_C(1) << 62, UINT64_C(1) << 63, UINT64_MAX, UINT64_MAX - 7};
    char *text = header_text();
    size_t i;
    (void)unused;
    for (i = 0; i < sizeof declared / sizeof declared[0]; i++) {
        forge(declared[i], text, strlen(text), data_of_valid(), data_bytes());
        check_true(loads_safely(0), "a declared header length that is wrong", __FILE__, __LINE__);
    }
    forge(strlen(text), text, strlen(text), valid.data, 0);
    CHECK(loads_safely(0)); /* no data */
    forge(strlen(text), text, strlen(text), valid.data, valid.count);
    CHECK(loads_safely(0)); /* data left over */
    write_file(victim, "", 0);
    CHECK(loads_safely(0));
    write_file(victim, "PK\003\004 something else altogether", 30);
    CHECK(loads_safely(0));
    free(text);
}

static void large_and_deep_headers(void *unused) {
    static const char *const words[] = {"[", "{\"a\":", "\"", "1", " ", "{\"a\":{\"dtype\":", "\\u0000", "\xff"};
    const size_t size = (size_t)scaled(1 << 20, 1 << 16);
    char *header = (char *)malloc(size);
    size_t i, j;
    (void)unused;
    if (!header) exit(3);
    for (i = 0; i < sizeof words / sizeof words[0]; i++) {
        const size_t length = strlen(words[i]);
        for (j = 0; j < size; j++) header[j] = words[i][j % length];
        forge(size, header, size, valid.data, 16);
        check_true(loads_safely(0), "a header of one word over and over", __FILE__, __LINE__);
    }
    free(header);
}

/* The same, in the graph inside of the metadata: brackets that are text to the header's parser. */
static void deep_graphs(void *unused) {
    const size_t size = (size_t)scaled(1 << 20, 1 << 16);
    char *text = header_text(), *brackets = (char *)malloc(size + 1), *header;
    (void)unused;
    if (!brackets) exit(3);
    memset(brackets, '[', size);
    brackets[size] = 0;
    header = edited(text, "\"nnkit.graph\"", 0, '"', '"', brackets);
    if (!CHECK(header != NULL)) exit(3);
    forge_header(header);
    CHECK(loads_safely(0));
    free(header), free(brackets), free(text);
}

/* -------------------------------------------------------------------------------- saves that must fail */

static int entries_in(const char *path) {
    int count = 0;
    DIR *directory = opendir(path);
    if (!directory) return -1;
    while (readdir(directory)) count++;
    closedir(directory);
    return count;
}

/* A disk that is full, as a limit of the process: the old file stands, whole, and nothing is left beside it. */
static void full_disk(void *unused) {
    const struct rlimit limit = {2000, 2000};
    nnk_model *large = dense_model(64, "units=64");
    char *inside = path_in(folder, "inside");
    char *path;
    bytes after;
    (void)unused;
    mkdir(inside, 0700);
    path = path_in(inside, "model.nnkit");
    write_file(path, valid.data, valid.count);
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) exit(3);
    CHECK_STATUS(nnk_model_save(large, path), NNK_ERROR_IO);
    CHECK(*nnk_last_error() != 0);
    after = read_file(path);
    CHECK(after.count == valid.count && memcmp(after.data, valid.data, valid.count) == 0);
    CHECK(entries_in(inside) == 3); /* ".", ".." and the old file */
    unlink(path), rmdir(inside);
    free(after.data), free(path), free(inside);
    nnk_model_destroy(large);
}

static void unwritable_places(void *unused) {
    nnk_model *model = dense_model(2, "units=2");
    char *target = path_in(folder, "target");
    const int before = entries_in(folder);
    (void)unused;
    CHECK_STATUS(nnk_model_save(model, "/proc/self/nowhere/model.nnkit"), NNK_ERROR_IO);
    CHECK_STATUS(nnk_model_save(model, "/dev/null/model.nnkit"), NNK_ERROR_IO);
    mkdir(target, 0700); /* a folder stands where the file should */
    CHECK_STATUS(nnk_model_save(model, target), NNK_ERROR_IO);
    CHECK(entries_in(folder) == before + 1 && entries_in(target) == 2);
    rmdir(target);
    if (geteuid() != 0) { /* root may write anywhere */
        char *file;
        mkdir(target, 0500);
        file = path_in(target, "model.nnkit");
        CHECK_STATUS(nnk_model_save(model, file), NNK_ERROR_IO);
        rmdir(target);
        free(file);
    }
    nnk_model_destroy(model);
    free(target);
}

int main(int argc, char **argv) {
    nnk_model *model;
    nnkit_load(argc > 1 ? argv[1] : "libnnkit.so");
    folder = temporary_folder();
    victim = path_in(folder, "victim.nnkit");
    model = dense_model(2, "units=2");
    REQUIRE_OK(nnk_model_save(model, victim));
    nnk_model_destroy(model);
    valid = read_file(victim);
    CHECK(loads_safely(1)); /* the file as it was saved */

    in_children("truncations", valid.count, (size_t)scaled(1, 5), truncations);
    in_children("flipped bits", valid.count * 8, (size_t)scaled(1, 37), flips);
    check_in_child("edited headers", CHILD_SECONDS, edited_headers, NULL);
    check_in_child("edited graphs", CHILD_SECONDS, edited_graphs, NULL);
    check_in_child("duplicate names", CHILD_SECONDS, duplicate_names, NULL);
    check_in_child("lengths", CHILD_SECONDS, lengths, NULL);
    check_in_child("large and deep headers", CHILD_SECONDS, large_and_deep_headers, NULL);
    check_in_child("deep graphs", CHILD_SECONDS, deep_graphs, NULL);
    check_in_child("full disk", CHILD_SECONDS, full_disk, NULL);
    check_in_child("unwritable places", CHILD_SECONDS, unwritable_places, NULL);

    unlink(victim);
    rmdir(folder);
    return check_summary();
}
