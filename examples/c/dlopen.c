/* dlopen.c: the same as run.c, in a program that finds the library while it runs: nothing to link with.
 *
 *     cc dlopen.c -ldl -lm -o dlopen && ./dlopen path/to/libnnkit.so.0 shapes.nnkit
 */
#include <nnkit.h>

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "shapes.h"

enum { N = 16 };

/* The functions that this program uses. */
static struct {
    uint32_t (*abi_version)(void);
    const char *(*last_error)(void);
    nnk_tensor (*tensor_view)(void *, nnk_dtype, const int64_t *, int32_t);
    nnk_status (*model_load)(nnk_runtime *, const char *, nnk_model **);
    void (*model_destroy)(nnk_model *);
    nnk_status (*session_create)(nnk_model *, const char *, nnk_session **);
    nnk_status (*session_run)(nnk_session *, const nnk_tensor *, int32_t, nnk_tensor *, int32_t);
    void (*session_destroy)(nnk_session *);
} nnk;

/* Writes the address of a function to *function, a pointer to a function of `bytes` bytes. Returns 0 on success. */
static int find(void *library, const char *name, void *function, size_t bytes) {
    void *address = dlsym(library, name);
    if (!address || bytes != sizeof address) {
        fprintf(stderr, "%s\n", address ? name : dlerror());
        return 1;
    }
    memcpy(function, &address, sizeof address);
    return 0;
}

#define FIND(name) find(library, "nnk_" #name, &nnk.name, sizeof nnk.name)

int main(int argc, char **argv) {
    static float images[N * SHAPE_PIXELS], logits[N * SHAPE_KINDS];
    static int32_t labels[N];
    const int64_t images_shape[4] = {N, SHAPE_SIZE, SHAPE_SIZE, 1}, logits_shape[2] = {N, SHAPE_KINDS};
    nnk_model *m = NULL;
    nnk_session *s = NULL;
    int right = 0;
    void *library = dlopen(argc > 1 ? argv[1] : "libnnkit.so.0", RTLD_NOW);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    if (FIND(abi_version) || FIND(last_error) || FIND(tensor_view) || FIND(model_load) || FIND(model_destroy) ||
        FIND(session_create) || FIND(session_run) || FIND(session_destroy))
        return 1;
    if (nnk.abi_version() < NNK_ABI_VERSION) {
        fprintf(stderr, "the library has ABI version %u; expected %u or later\n", (unsigned)nnk.abi_version(),
                (unsigned)NNK_ABI_VERSION);
        return 1;
    }
    draw_shapes(images, labels, N, 2);

    nnk_tensor in = nnk.tensor_view(images, NNK_FLOAT32, images_shape, 4);
    nnk_tensor out = nnk.tensor_view(logits, NNK_FLOAT32, logits_shape, 2);
    nnk_status status = nnk.model_load(NULL, argc > 2 ? argv[2] : "shapes.nnkit", &m);
    if (!status) status = nnk.session_create(m, "max_batch=16", &s);
    if (!status) status = nnk.session_run(s, &in, 1, &out, 1);
    if (status) fprintf(stderr, "%s\n", nnk.last_error());
    for (int i = 0; i < N && !status; i++) {
        const float *row = logits + i * SHAPE_KINDS;
        const int guess = row[0] >= row[1] ? (row[0] >= row[2] ? 0 : 2) : (row[1] >= row[2] ? 1 : 2);
        printf("%-6s  %-6s  %9.6f %9.6f %9.6f\n", shape_names[guess], guess == labels[i] ? "right" : "wrong", row[0],
               row[1], row[2]);
        right += guess == labels[i];
    }
    if (!status) printf("%d of %d right\n", right, N);
    nnk.session_destroy(s);
    nnk.model_destroy(m);
    return status != NNK_OK;
}
