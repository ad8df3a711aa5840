/* Runs a saved model on raw float32 samples, with a library that is loaded by its path and never linked to.
 *
 * Usage: demo_predict LIBRARY MODEL INPUT INPUT_SHAPE OUTPUT OUTPUT_SHAPE BATCH
 * Shapes are those of all samples, such as 360,8,8,1 and 360,10. BATCH samples are predicted at a time. */

#include <nnkit.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_RANK 8

/* The functions that this program needs, under the names that they have in nnkit.h without "nnk_". */
static const char *(*last_error)(void);
static nnk_tensor (*tensor_view)(void *, nnk_dtype, const int64_t *, int32_t);
static nnk_status (*model_load)(nnk_runtime *, const char *, nnk_model **);
static void (*model_destroy)(nnk_model *);
static nnk_status (*session_create)(nnk_model *, const char *, nnk_session **);
static nnk_status (*session_run)(nnk_session *, const nnk_tensor *, int32_t, nnk_tensor *, int32_t);
static void (*session_destroy)(nnk_session *);

typedef struct shape {
    int64_t sizes[MAX_RANK];
    int32_t rank;
} shape;

static void fail(const char *what, const char *detail) {
    fprintf(stderr, "demo_predict: %s: %s\n", what, detail);
    exit(1);
}

/* Writes the address of `name` to *function. ISO C has no cast from an object pointer to a function pointer, and
 * POSIX asks for this form. */
static void find(void *library, const char *name, void *function) {
    *(void **)function = dlsym(library, name);
    if (*(void **)function == NULL) fail("the library lacks a function", name);
}

static void open_library(const char *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) fail("the library cannot be loaded", dlerror());
    find(library, "nnk_last_error", &last_error);
    find(library, "nnk_tensor_view", &tensor_view);
    find(library, "nnk_model_load", &model_load);
    find(library, "nnk_model_destroy", &model_destroy);
    find(library, "nnk_session_create", &session_create);
    find(library, "nnk_session_run", &session_run);
    find(library, "nnk_session_destroy", &session_destroy);
}

static shape parse_shape(const char *text) {
    shape result = {{0}, 0};
    const char *rest = text;
    while (result.rank < MAX_RANK) {
        char *end;
        long long size = strtoll(rest, &end, 10);
        if (end == rest || size < 1) break;
        result.sizes[result.rank++] = size;
        if (*end == '\0') return result;
        if (*end != ',') break;
        rest = end + 1;
    }
    fail("not a shape", text);
    return result;
}

/* Float32 numbers in one sample: the product of all sizes but the first. */
static size_t sample_count(const shape *s) {
    size_t count = 1;
    for (int32_t axis = 1; axis < s->rank; axis++) count *= (size_t)s->sizes[axis];
    return count;
}

static float *allocate(const shape *s) {
    float *data = calloc((size_t)s->sizes[0] * sample_count(s), sizeof(float));
    if (data == NULL) fail("out of memory", "samples");
    return data;
}

int main(int argc, char **argv) {
    if (argc != 8) fail("usage", "LIBRARY MODEL INPUT INPUT_SHAPE OUTPUT OUTPUT_SHAPE BATCH");
    open_library(argv[1]);
    shape in = parse_shape(argv[4]), out = parse_shape(argv[6]);
    const int64_t samples = in.sizes[0], batch = parse_shape(argv[7]).sizes[0];
    if (out.sizes[0] != samples) fail("inputs and outputs differ in their number of samples", argv[6]);
    float *inputs = allocate(&in), *outputs = allocate(&out);
    const size_t in_count = sample_count(&in), out_count = sample_count(&out);

    FILE *file = fopen(argv[3], "rb");
    const size_t in_total = (size_t)samples * in_count, out_total = (size_t)samples * out_count;
    if (file == NULL || fread(inputs, sizeof(float), in_total, file) != in_total)
        fail("the input file is missing or too short", argv[3]);
    fclose(file);

    nnk_model *model = NULL;
    nnk_session *session = NULL;
    char options[64];
    snprintf(options, sizeof options, "max_batch=%lld", (long long)batch);
    nnk_status status = model_load(NULL, argv[2], &model);
    if (!status) status = session_create(model, options, &session);
    for (int64_t start = 0; !status && start < samples; start += batch) {
        in.sizes[0] = out.sizes[0] = samples - start < batch ? samples - start : batch;
        nnk_tensor x = tensor_view(inputs + (size_t)start * in_count, NNK_FLOAT32, in.sizes, in.rank);
        nnk_tensor y = tensor_view(outputs + (size_t)start * out_count, NNK_FLOAT32, out.sizes, out.rank);
        status = session_run(session, &x, 1, &y, 1);
    }
    if (status) fail("prediction", last_error());

    file = fopen(argv[5], "wb");
    if (file == NULL || fwrite(outputs, sizeof(float), out_total, file) != out_total || fclose(file) != 0)
        fail("the output file cannot be written", argv[5]);
    session_destroy(session);
    model_destroy(model);
    free(inputs);
    free(outputs);
    return 0;
}
