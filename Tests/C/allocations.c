/* allocations.c: a training step, a run of a session and a step of streams allocate nothing. The program stands between the library
 * and the C library's allocator (it is linked with -rdynamic) and counts, in every thread, while a flag is up.
 * argv[1]: the library. */
#include "nnkit_loader.h"

#include "check.h"
#include "libc_allocator.h"
#include "networks.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#ifdef __cplusplus
extern "C" {
#endif

static int counting;
static int allocations;
static int releases;
static size_t first_sizes[8];

static void count_allocation(size_t size) {
    if (__atomic_load_n(&counting, __ATOMIC_RELAXED)) {
        const int index = __atomic_fetch_add(&allocations, 1, __ATOMIC_RELAXED);
        if (index < 8) first_sizes[index] = size;
    }
}

void *malloc(size_t size) NEVER_THROWS {
    count_allocation(size);
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) NEVER_THROWS {
    count_allocation(count * size);
    return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size) NEVER_THROWS {
    count_allocation(size);
    return __libc_realloc(memory, size);
}

void *memalign(size_t alignment, size_t size) NEVER_THROWS {
    count_allocation(size);
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) NEVER_THROWS {
    count_allocation(size);
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size) NEVER_THROWS {
    void *memory;
    count_allocation(size);
    if (alignment < sizeof(void *) || (alignment & (alignment - 1)) != 0) return EINVAL;
    memory = __libc_memalign(alignment, size);
    if (!memory) return ENOMEM;
    *out = memory;
    return 0;
}

void free(void *memory) NEVER_THROWS {
    if (memory && __atomic_load_n(&counting, __ATOMIC_RELAXED)) __atomic_fetch_add(&releases, 1, __ATOMIC_RELAXED);
    __libc_free(memory);
}

void *mmap(void *address, size_t length, int protection, int flags, int file, off_t offset) NEVER_THROWS {
    count_allocation(length);
    return (void *)syscall(SYS_mmap, address, length, protection, flags, file, offset);
}

#ifdef __cplusplus
}
#endif

static void start_counting(void) {
    __atomic_store_n(&allocations, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&releases, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&counting, 1, __ATOMIC_SEQ_CST);
}

/* Ends counting; returns how often memory was asked for. */
static int stop_counting(void) {
    __atomic_store_n(&counting, 0, __ATOMIC_SEQ_CST);
    return __atomic_load_n(&allocations, __ATOMIC_RELAXED);
}

/* Counts one check: that nothing was allocated or released since start_counting. */
static void check_none(const char *what, int threads) {
    const int count = stop_counting();
    char text[160];
    snprintf(text, sizeof text, "%s, %d threads: %d allocations (first sizes %zu %zu %zu), %d releases", what, threads,
             count, first_sizes[0], first_sizes[1], first_sizes[2], releases);
    check_true(count == 0 && releases == 0, text, __FILE__, __LINE__);
}

/* The counter sees what the library allocates, through every function that it may use. */
static void counter_counts(void) {
    void *memory = NULL;
    nnk_graph *graph;
    nnk_session *session = NULL;
    network *n = network_create(NETWORK_CNN, NULL, 4);
    start_counting();
    graph = nnk_graph_create();
    CHECK(stop_counting() > 0);
    nnk_graph_destroy(graph);
    start_counting();
    CHECK_OK(nnk_session_create(n->model, "max_batch=4", &session));
    CHECK(stop_counting() > 0);
    start_counting();
    nnk_session_destroy(session);
    stop_counting();
    CHECK(releases > 0);
    start_counting();
    CHECK(posix_memalign(&memory, 64, 100) == 0);
    CHECK(stop_counting() == 1);
    free(memory);
    network_destroy(n);
}

static void steps_and_runs_allocate_nothing(network_kind kind, int threads) {
    const int rounds = scaled(5, 2);
    char options[32], what[64];
    nnk_runtime *runtime = NULL;
    nnk_trainer *trainer;
    nnk_session *session;
    network *n;
    double loss = 0;
    nnk_status status = NNK_OK;
    int i;
    snprintf(options, sizeof options, "threads=%d", threads);
    REQUIRE_OK(nnk_runtime_create(options, &runtime));
    n = network_create(kind, runtime, 16);
    trainer = network_trainer(n);
    session = network_session(n);
    REQUIRE_OK(network_step(n, trainer, &loss));
    snprintf(what, sizeof what, "%s, training steps", network_title(kind));
    start_counting();
    for (i = 0; i < rounds && status == NNK_OK; i++) status = network_step(n, trainer, &loss);
    check_none(what, threads);
    CHECK_OK(status);
    snprintf(what, sizeof what, "%s, gradients and apply", network_title(kind));
    start_counting();
    for (i = 0; i < rounds && status == NNK_OK; i++) {
        status = nnk_trainer_gradients(trainer, n->inputs, n->n_inputs, n->targets, 1, &loss);
        if (status == NNK_OK) status = nnk_trainer_apply(trainer);
    }
    check_none(what, threads);
    CHECK_OK(status);
    /* The outputs themselves as their gradients. */
    REQUIRE_OK(nnk_trainer_forward(trainer, n->inputs, n->n_inputs, n->outputs, 1));
    snprintf(what, sizeof what, "%s, forward, backward and apply", network_title(kind));
    start_counting();
    for (i = 0; i < rounds && status == NNK_OK; i++) {
        status = nnk_trainer_forward(trainer, n->inputs, n->n_inputs, n->outputs, 1);
        if (status == NNK_OK) status = nnk_trainer_backward(trainer, n->outputs, 1, NULL, 0);
        if (status == NNK_OK) status = nnk_trainer_apply(trainer);
    }
    check_none(what, threads);
    CHECK_OK(status);
    /* The parameters have changed, so the first of these runs packs them again. */
    snprintf(what, sizeof what, "%s, runs with max_batch samples", network_title(kind));
    start_counting();
    for (i = 0; i < rounds && status == NNK_OK; i++) status = network_run(n, session);
    check_none(what, threads);
    CHECK_OK(status);
    for (i = 0; i < n->n_inputs; i++) n->shapes[i][0] = 5;
    n->shapes[3][0] = 5;
    REQUIRE_OK(network_run(n, session));
    snprintf(what, sizeof what, "%s, runs with fewer samples, planned before", network_title(kind));
    start_counting();
    for (i = 0; i < rounds && status == NNK_OK; i++) status = network_run(n, session);
    check_none(what, threads);
    CHECK_OK(status);
    nnk_session_destroy(session);
    nnk_trainer_destroy(trainer);
    network_destroy(n);
    nnk_runtime_destroy(runtime);
}

static void steps_of_streams_allocate_nothing(const char *layer, int threads) {
    enum { COUNT = 5, INPUTS = 20, UNITS = 96 };
    static float x[COUNT * INPUTS], y[COUNT * UNITS];
    const int64_t sample[2] = {-1, INPUTS};
    int64_t in_shape[2] = {COUNT, INPUTS}, out_shape[2] = {COUNT, UNITS};
    char options[32], what[64];
    nnk_runtime *runtime = NULL;
    nnk_model *model = NULL;
    nnk_session *session = NULL;
    nnk_stream *streams[COUNT];
    nnk_graph *graph = nnk_graph_create();
    nnk_tensor in = nnk_tensor_view(x, NNK_FLOAT32, in_shape, 2), out = nnk_tensor_view(y, NNK_FLOAT32, out_shape, 2);
    nnk_status status = NNK_OK;
    int32_t i, n;
    snprintf(options, sizeof options, "threads=%d", threads);
    REQUIRE_OK(nnk_runtime_create(options, &runtime));
    REQUIRE_OK(nnk_graph_output(
        graph, "y", nnk_graph_layer(graph, layer, "units=96", nnk_graph_input(graph, "x", NNK_FLOAT32, sample, 2))));
    REQUIRE_OK(nnk_model_create(runtime, graph, "", &model));
    REQUIRE_OK(nnk_session_create(model, "max_batch=5", &session));
    for (i = 0; i < COUNT; i++) REQUIRE_OK(nnk_stream_create(model, &streams[i]));
    for (n = COUNT; n >= 1; n -= 2) {
        in_shape[0] = out_shape[0] = n;
        REQUIRE_OK(nnk_streams_step(session, streams, n, &in, 1, &out, 1));
        /* What changed is packed again in the memory that there is. */
        REQUIRE_OK(nnk_model_parameters_changed(model));
        snprintf(what, sizeof what, "%s, steps of %d streams", layer, (int)n);
        start_counting();
        for (i = 0; i < 20 && status == NNK_OK; i++) status = nnk_streams_step(session, streams, n, &in, 1, &out, 1);
        if (status == NNK_OK) status = nnk_stream_reset(streams[0]);
        check_none(what, threads);
        CHECK_OK(status);
    }
    for (i = 0; i < COUNT; i++) nnk_stream_destroy(streams[i]);
    nnk_session_destroy(session);
    nnk_model_destroy(model);
    nnk_graph_destroy(graph);
    nnk_runtime_destroy(runtime);
}

int main(int argc, char **argv) {
    static const network_kind kinds[] = {NETWORK_CNN, NETWORK_CNN_DROPOUT, NETWORK_LSTM, NETWORK_TAGGER};
    size_t i;
    int threads;
    nnkit_load(argc > 1 ? argv[1] : "libnnkit.so");
    counter_counts();
    for (i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        for (threads = 1; threads <= 4; threads *= 2) steps_and_runs_allocate_nothing(kinds[i], threads);
    for (threads = 1; threads <= 4; threads *= 2) {
        steps_of_streams_allocate_nothing("lstm", threads);
        steps_of_streams_allocate_nothing("gru", threads);
    }
    return check_summary();
}
