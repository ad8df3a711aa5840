/* statuses.h: what statuses.c calls functions with: an allocator that refuses, objects that work, and files. */
#ifndef STATUSES_H
#define STATUSES_H

#include "nnkit_loader.h"

#include "check.h"
#include "header_statuses.h"
#include "libc_allocator.h"
#include "networks.h"

#include <stdint.h>

enum { STATUSES_SAMPLES = 6 };

/* Calls a function, which must give `expected`. */
#define REACH(expected, function, arguments) reach(expected, #function, function arguments, __LINE__)

static inline int reach(nnk_status expected, const char *function, nnk_status actual, int line) {
    if (!is_listed(function, actual))
        fprintf(stderr, "%s:%d: the header does not list %s for %s\n", __FILE__, line, nnk_status_name(actual),
                function);
    return check_status(actual, expected, function, __FILE__, line);
}

/* ------------------------------------------------------------------------------------------------ the allocator */

static int refuses; /* every allocation; memory can still be mapped */

#ifdef __cplusplus
extern "C" {
#endif

static int is_refused(void) { return __atomic_load_n(&refuses, __ATOMIC_RELAXED); }

void *malloc(size_t size) NEVER_THROWS { return is_refused() ? NULL : __libc_malloc(size); }
void *calloc(size_t count, size_t size) NEVER_THROWS { return is_refused() ? NULL : __libc_calloc(count, size); }
void *realloc(void *memory, size_t size) NEVER_THROWS { return is_refused() ? NULL : __libc_realloc(memory, size); }
int posix_memalign(void **out, size_t alignment, size_t size) NEVER_THROWS {
    void *memory = is_refused() ? NULL : __libc_memalign(alignment, size);
    if (!memory) return ENOMEM;
    *out = memory;
    return 0;
}
void free(void *memory) NEVER_THROWS { __libc_free(memory); }

#ifdef __cplusplus
}
#endif

/* -------------------------------------------------------------------------------------------------- the objects */

static char *path, *no_path; /* a file that can be written, and one whose folder is missing */

typedef struct buffer {
    char bytes[1 << 18];
    int64_t count;
} buffer;

static buffer file, state;

static int take(const void *bytes, int64_t count, void *user) {
    buffer *b = (buffer *)user;
    if (b->count + count > (int64_t)sizeof b->bytes) return 1;
    memcpy(b->bytes + b->count, bytes, (size_t)count);
    b->count += count;
    return 0;
}

static int refuse_bytes(const void *bytes, int64_t count, void *user) {
    (void)bytes, (void)count, (void)user;
    return 1;
}

/* A model with one output, which `kind` computes of an input of this shape; without a kind, the input itself. */
static nnk_graph *graph_of(const char *kind, const char *options, nnk_dtype dtype, int64_t size0, int64_t size1) {
    const int64_t shape[2] = {size0, size1};
    nnk_graph *graph = nnk_graph_create();
    nnk_value x = nnk_graph_input(graph, "x", dtype, shape, size1 ? 2 : 1);
    if (kind) x = nnk_graph_layer(graph, kind, options, x);
    REQUIRE_OK(nnk_graph_output(graph, "y", x));
    return graph;
}

static nnk_model *model_of(const char *kind, const char *options, nnk_dtype dtype, int64_t size0, int64_t size1) {
    nnk_graph *graph = graph_of(kind, options, dtype, size0, size1);
    nnk_model *model = NULL;
    REQUIRE_OK(nnk_model_create(NULL, graph, "", &model));
    nnk_graph_destroy(graph);
    return model;
}

/* One step of an LSTM with `units` units over 4 numbers. */
typedef struct stepping {
    nnk_model *model;
    nnk_session *session;
    nnk_stream *stream;
    float *memory;
    int64_t shapes[2][2];
    nnk_tensor in, out;
} stepping;

static void make_stepping(stepping *s, int units) {
    char options[32];
    snprintf(options, sizeof options, "units=%d", units);
    s->model = model_of("lstm", options, NNK_FLOAT32, -1, 4);
    REQUIRE_OK(nnk_session_create(s->model, "", &s->session));
    REQUIRE_OK(nnk_stream_create(s->model, &s->stream));
    s->memory = (float *)network_memory(((size_t)units + 4) * sizeof(float));
    s->shapes[0][0] = s->shapes[1][0] = 1, s->shapes[0][1] = 4, s->shapes[1][1] = units;
    s->in = nnk_tensor_view(s->memory, NNK_FLOAT32, s->shapes[0], 2);
    s->out = nnk_tensor_view(s->memory + 4, NNK_FLOAT32, s->shapes[1], 2);
}

typedef struct objects {
    nnk_runtime *runtime;
    nnk_graph *graph; /* with one value, the input 0 */
    network *n;
    nnk_model *model;
    nnk_dataset *dataset;
    nnk_trainer *trainer;
    nnk_session *session;
    stepping s;
} objects;

static void make_objects(objects *o) {
    static const int64_t shape[1] = {3};
    memset(o, 0, sizeof *o);
    REQUIRE_OK(nnk_runtime_create("threads=1", &o->runtime));
    o->graph = nnk_graph_create();
    nnk_graph_input(o->graph, "x", NNK_FLOAT32, shape, 1);
    o->n = network_create(NETWORK_CNN, o->runtime, STATUSES_SAMPLES);
    o->model = o->n->model;
    o->dataset = network_dataset(o->n);
    o->trainer = network_trainer(o->n);
    o->session = network_session(o->n);
    make_stepping(&o->s, 5);
}

/* Of the library's objects; the handles stay, and are stale. */
static void destroy_objects(const objects *o) {
    nnk_stream_destroy(o->s.stream), nnk_session_destroy(o->s.session), nnk_model_destroy(o->s.model);
    nnk_session_destroy(o->session), nnk_trainer_destroy(o->trainer), nnk_dataset_destroy(o->dataset);
    nnk_model_destroy(o->model), nnk_graph_destroy(o->graph), nnk_runtime_destroy(o->runtime);
}

/* ------------------------------------------------------------------------------------------------------- files */

static void write_file(const buffer *b) {
    FILE *to = fopen(path, "wb");
    if (!to || fwrite(b->bytes, 1, (size_t)b->count, to) != (size_t)b->count || fclose(to) != 0) exit(3);
}

/* Writes the length of the header that ends at `end` to its front; returns how many bytes the file has. */
static int64_t finish_file(char *bytes, const char *end) {
    const uint64_t length = (uint64_t)(end - bytes - 8);
    memcpy(bytes, &length, 8);
    return end - bytes;
}

/* A file whose header is far too large for the library's reserve. The caller frees it. */
static char *large_file(int64_t *count) {
    static const char entry[] = "\"%06d\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},";
    const int entries = 60000;
    char *bytes = (char *)network_memory((size_t)entries * (sizeof entry + 8));
    char *end = bytes + 8;
    int i;
    *end++ = '{';
    for (i = 0; i < entries; i++) end += sprintf(end, entry, i);
    end[-1] = '}';
    *count = finish_file(bytes, end);
    return bytes;
}

/* A file of a model whose parameters are more than 2^46. */
static void write_huge_model(buffer *b) {
    char *end = b->bytes + 8;
    int i;
    end += sprintf(end, "{\"__metadata__\":{\"nnkit.graph\":\"{\\\"inputs\\\":[{\\\"dtype\\\":\\\"float32\\\",");
    end += sprintf(end, "\\\"name\\\":\\\"x\\\",\\\"shape\\\":[4194304],\\\"value\\\":0}],\\\"layers\\\":[");
    for (i = 0; i < 5; i++)
        end += sprintf(end,
                       "%s{\\\"name\\\":\\\"d%d\\\",\\\"kind\\\":\\\"dense\\\",\\\"options\\\":\\\"units=4194304\\\","
                       "\\\"inputs\\\":[%d],\\\"outputs\\\":[%d]}",
                       i ? "," : "", i, i, i + 1);
    end += sprintf(
        end, "],\\\"outputs\\\":[{\\\"name\\\":\\\"y\\\",\\\"value\\\":5}],\\\"seed\\\":0,\\\"version\\\":1}\"}}");
    b->count = finish_file(b->bytes, end);
}

/* The CRC-32 of a text, going on from that of another. */
static uint32_t checksum(uint32_t crc, const char *text) {
    int bit;
    for (crc = ~crc; *text; text++)
        for (crc ^= (unsigned char)*text, bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
    return ~crc;
}

/* `text` as it stands in a string of JSON, whose only special characters are quotation marks. */
static int quoted(char *end, const char *text) {
    const char *const begin = end;
    for (; *text; text++) {
        if (*text == '"') *end++ = '\\';
        *end++ = *text;
    }
    return (int)(end - begin);
}

/* Files of versions to come: of a model, and of a trainer's state. */
static void write_later_versions(buffer *model, buffer *trainer) {
    static const char graph[] =
        "{\"inputs\":[{\"dtype\":\"float32\",\"name\":\"x\",\"shape\":[2],\"value\":0}],\"layers\":[],"
        "\"outputs\":[{\"name\":\"y\",\"value\":0}],\"seed\":0,\"version\":%d}";
    static const char later[] =
        "{\"version\":2,\"choices\":{},\"settings\":\"\",\"slots\":0,\"logDecay\":[0,0],\"epochs\":0,"
        "\"passes\":0,\"hasGradients\":false,\"pending\":[]}";
    buffer *const both[2] = {model, trainer};
    int i;
    for (i = 0; i < 2; i++) {
        char text[400], *end = both[i]->bytes + 8;
        snprintf(text, sizeof text, graph, 2 - i);
        end += sprintf(end, "{\"__metadata__\":{\"nnkit.graph\":\"");
        end += quoted(end, text);
        if (i == 1) {
            end += sprintf(end, "\",\"nnkit.trainer\":\"");
            end += quoted(end, later);
            end += sprintf(end, "\",\"nnkit.crc32\":\"%08x", (unsigned)checksum(checksum(0, text), later));
        }
        end += sprintf(end, "\"}}");
        both[i]->count = finish_file(both[i]->bytes, end);
    }
}

#endif /* STATUSES_H */
