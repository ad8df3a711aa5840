/* memory.c: hosts whose memory is gone. Every allocation of every operation fails once, or all fail from then on; and the
 * whole life of a network runs below every limit on the address space. Each operation then gives NNK_OK or
 * NNK_ERROR_OUT_OF_MEMORY and leaves things as they were: once there is memory again, it succeeds.
 *
 * The program stands between the library and the C library's allocator (it is linked with -rdynamic). argv[1]: the
 * library.
 *
 * NNKIT_POINTS: about how many points of failure to try (default 400). NNKIT_LIMITS: how many limits (default 80). */
#include "nnkit_loader.h"

#include "check.h"
#include "libc_allocator.h"
#include "networks.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The number of the allocation that fails, counted from 1; 0: none does. */
static long failing;
static long asked;
static int fails_on; /* and all after it */

static int is_refused(void) {
    const long first = __atomic_load_n(&failing, __ATOMIC_RELAXED);
    long number;
    if (first == 0) return 0;
    number = __atomic_add_fetch(&asked, 1, __ATOMIC_RELAXED);
    if (number != first && !(fails_on && number > first)) return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size) NEVER_THROWS { return is_refused() ? NULL : __libc_malloc(size); }
void *calloc(size_t count, size_t size) NEVER_THROWS { return is_refused() ? NULL : __libc_calloc(count, size); }
void *realloc(void *memory, size_t size) NEVER_THROWS { return is_refused() ? NULL : __libc_realloc(memory, size); }
void *memalign(size_t alignment, size_t size) NEVER_THROWS {
    return is_refused() ? NULL : __libc_memalign(alignment, size);
}
void *aligned_alloc(size_t alignment, size_t size) NEVER_THROWS {
    return is_refused() ? NULL : __libc_memalign(alignment, size);
}
int posix_memalign(void **out, size_t alignment, size_t size) NEVER_THROWS {
    void *memory;
    if (alignment < sizeof(void *) || (alignment & (alignment - 1)) != 0) return EINVAL;
    memory = is_refused() ? NULL : __libc_memalign(alignment, size);
    if (!memory) return ENOMEM;
    *out = memory;
    return 0;
}
void free(void *memory) NEVER_THROWS { __libc_free(memory); }
void *mmap(void *address, size_t length, int protection, int flags, int file, off_t offset) NEVER_THROWS {
    return is_refused() ? MAP_FAILED : (void *)syscall(SYS_mmap, address, length, protection, flags, file, offset);
}

#ifdef __cplusplus
}
#endif

/* ------------------------------------------------------------------------------------------------ the operations */

enum { SAMPLES = 5, CHILD_SECONDS = 30 };

/* What operations work on. The host's own memory is there from the start. */
static const char *runtime_options = "threads=1";
static network *data[2]; /* without a model */
static char *folder, *path;
static float streamed[2][16];

typedef struct objects {
    network *n;
    nnk_runtime *runtime;
    nnk_graph *graph;
    nnk_model *model, *loaded;
    nnk_trainer *trainer;
    nnk_dataset *dataset;
    nnk_session *session, *stream_session;
    nnk_model *recurrent;
    nnk_stream *stream;
} objects;

static objects o;

static nnk_status describe(void) {
    nnk_value x;
    nnk_graph_destroy(o.graph);
    o.graph = nnk_graph_create();
    if (!o.graph) return NNK_ERROR_OUT_OF_MEMORY;
    if (o.n->kind == NETWORK_LSTM) {
        const int64_t steps[1] = {NETWORK_STEPS};
        nnk_value inputs[2];
        x = nnk_graph_input(o.graph, "tokens", NNK_INT32, steps, 1);
        inputs[1] = nnk_graph_input(o.graph, "lengths", NNK_INT32, steps, 0);
        inputs[0] = nnk_graph_layer(o.graph, "embedding", "vocabulary=11 units=6", x);
        nnk_graph_layer_multi(o.graph, "lstm", "units=9 return_sequences=true", inputs, 2, inputs, 1);
        nnk_graph_layer_multi(o.graph, "gru", "units=17", inputs, 2, &x, 1);
    } else {
        const int64_t image[3] = {network_image_size(), network_image_size(), 2};
        nnk_value pair[2];
        x = nnk_graph_input(o.graph, "image", NNK_FLOAT32, image, 3);
        x = nnk_graph_layer(o.graph, "conv2d", "filters=5 kernel=3 padding=same activation=relu", x);
        x = pair[0] = nnk_graph_layer(o.graph, "batchnorm", "", x);
        x = pair[1] = nnk_graph_layer(o.graph, "conv2d", "filters=5 kernel=3 padding=same groups=5", x);
        nnk_graph_layer_multi(o.graph, "add", "", pair, 2, &x, 1);
        x = nnk_graph_layer(o.graph, "maxpool2d", "size=2", x);
        x = nnk_graph_layer(o.graph, "flatten", "", x);
        x = nnk_graph_layer(o.graph, "dropout", "rate=0.25", x);
    }
    return nnk_graph_output(o.graph, "logits", nnk_graph_layer(o.graph, "dense", "units=3 name=logits", x));
}

static nnk_status create_runtime(void) {
    if (o.runtime) return NNK_OK;
    return nnk_runtime_create(runtime_options, &o.runtime);
}

static nnk_status create_model(void) {
    nnk_model *model = NULL;
    const nnk_status status = nnk_model_create(o.runtime, o.graph, "seed=7", &model);
    if (status != NNK_OK) return status;
    nnk_model_destroy(o.model);
    o.model = model;
    return NNK_OK;
}

static nnk_status create_trainer(void) {
    nnk_trainer *trainer = NULL;
    nnk_dataset *dataset = NULL;
    nnk_status status = nnk_trainer_create(o.model, NETWORK_TRAINER, &trainer);
    if (status != NNK_OK) return status;
    nnk_trainer_destroy(o.trainer);
    o.trainer = trainer;
    status = nnk_dataset_create_from_arrays(o.n->inputs, o.n->n_inputs, o.n->targets, 1, &dataset);
    if (status != NNK_OK) return status;
    nnk_dataset_destroy(o.dataset);
    o.dataset = dataset;
    return NNK_OK;
}

static nnk_status step(void) { return network_step(o.n, o.trainer, NULL); }
static nnk_status fit(void) { return nnk_trainer_fit(o.trainer, o.dataset, "epochs=2 batch_size=2", NULL, NULL); }
static nnk_status evaluate(void) { return nnk_trainer_evaluate(o.trainer, o.dataset, "batch_size=3", NULL, NULL); }

static nnk_status create_session(void) {
    nnk_session *session = NULL;
    const nnk_status status = nnk_session_create(o.model, "max_batch=8", &session);
    if (status != NNK_OK) return status;
    nnk_session_destroy(o.session);
    o.session = session;
    return NNK_OK;
}

static nnk_status run(void) { return network_run(o.n, o.session); }

static nnk_status session_bytes(void) {
    int64_t bytes;
    return nnk_session_bytes(o.model, "max_batch=8", &bytes);
}

static nnk_status save(void) { return nnk_model_save(o.model, path); }

static nnk_status load(void) {
    nnk_model *model = NULL;
    const nnk_status status = nnk_model_load(o.runtime, path, &model);
    if (status == NNK_OK) nnk_model_destroy(model);
    return status;
}

/* Where writers write to. */
static char written[1 << 20];
static int64_t written_count;

static int write_down(const void *bytes, int64_t count, void *user) {
    (void)user;
    if (written_count + count > (int64_t)sizeof written) return 1;
    memcpy(written + written_count, bytes, (size_t)count);
    written_count += count;
    return 0;
}

static nnk_status write_and_read(void) {
    nnk_model *model = NULL;
    nnk_status status;
    written_count = 0;
    status = nnk_model_write(o.model, write_down, NULL);
    if (status == NNK_OK) status = nnk_model_read(o.runtime, written, written_count, &model);
    if (status == NNK_OK) nnk_model_destroy(model);
    return status;
}

static nnk_status write_and_read_state(void) {
    nnk_status status;
    written_count = 0;
    status = nnk_trainer_write_state(o.trainer, write_down, NULL);
    return status == NNK_OK ? nnk_trainer_read_state(o.trainer, written, written_count) : status;
}

static nnk_status texts(void) {
    const char *text = NULL;
    nnk_status status = nnk_model_info_json(o.model, &text);
    if (status == NNK_OK) status = nnk_runtime_info_json(o.runtime, &text);
    return status == NNK_OK && !nnk_catalog_json() ? NNK_ERROR_OUT_OF_MEMORY : status;
}

static nnk_status wrong_calls(void) {
    nnk_session *session = NULL;
    const nnk_status status = nnk_session_create(o.model, "max_batch=none", &session);
    if (nnk_model_load(o.runtime, "/no such file", &o.loaded) == NNK_OK) return NNK_ERROR_INTERNAL;
    nnk_graph_layer(o.graph, "cone2d", "", 0);
    return status == NNK_ERROR_INVALID_ARGUMENT ? NNK_OK : status;
}

static nnk_status create_stream(void) {
    const int64_t sample[2] = {-1, 4};
    nnk_model *model = NULL;
    nnk_stream *stream = NULL;
    nnk_session *session = NULL;
    nnk_status status;
    nnk_graph *graph = nnk_graph_create();
    if (!graph) return NNK_ERROR_OUT_OF_MEMORY;
    nnk_graph_output(graph, "y",
                     nnk_graph_layer(graph, "lstm", "units=5", nnk_graph_input(graph, "x", NNK_FLOAT32, sample, 2)));
    status = nnk_model_create(o.runtime, graph, "", &model);
    nnk_graph_destroy(graph);
    if (status == NNK_OK) status = nnk_session_create(model, "", &session);
    if (status == NNK_OK) status = nnk_stream_create(model, &stream);
    if (status != NNK_OK) {
        nnk_session_destroy(session);
        nnk_model_destroy(model);
        return status;
    }
    nnk_stream_destroy(o.stream), nnk_session_destroy(o.stream_session), nnk_model_destroy(o.recurrent);
    o.stream = stream, o.stream_session = session, o.recurrent = model;
    return NNK_OK;
}

static nnk_status step_stream(void) {
    const int64_t in_shape[2] = {1, 4}, out_shape[2] = {1, 5};
    nnk_tensor in = nnk_tensor_view(streamed[0], NNK_FLOAT32, in_shape, 2);
    nnk_tensor out = nnk_tensor_view(streamed[1], NNK_FLOAT32, out_shape, 2);
    return nnk_streams_step(o.stream_session, &o.stream, 1, &in, 1, &out, 1);
}

static const struct operation {
    const char *name;
    nnk_status (*call)(void);
} operations[] = {
    {"runtime", create_runtime},
    {"graph", describe},
    {"model", create_model},
    {"trainer", create_trainer},
    {"step", step},
    {"fit", fit},
    {"evaluate", evaluate},
    {"session", create_session},
    {"run", run},
    {"bytes", session_bytes},
    {"save", save},
    {"load", load},
    {"memory", write_and_read},
    {"state", write_and_read_state},
    {"texts", texts},
    {"stream", create_stream},
    {"stream step", step_stream},
    {"wrong calls", wrong_calls},
};
enum { OPERATIONS = sizeof operations / sizeof operations[0] };

static void destroy_all(void) {
    nnk_stream_destroy(o.stream), nnk_session_destroy(o.stream_session), nnk_model_destroy(o.recurrent);
    nnk_session_destroy(o.session), nnk_dataset_destroy(o.dataset), nnk_trainer_destroy(o.trainer);
    nnk_model_destroy(o.model), nnk_graph_destroy(o.graph), nnk_runtime_destroy(o.runtime);
    memset(&o, 0, sizeof o);
}

/* What a child found, as its exit status. */
enum { GOOD = 0, SURVIVED = 10, WRONG_STATUS = 11, NO_MESSAGE = 12, NOT_AGAIN = 13, CLOSED = 14, NOT_REACHED = 20 };

static int judged(nnk_status status) {
    if (status == NNK_OK) return GOOD;
    if (status != NNK_ERROR_OUT_OF_MEMORY) {
        fprintf(stderr, "gave %s: %s\n", nnk_status_name(status), nnk_last_error());
        return WRONG_STATUS;
    }
    if (strstr(nnk_last_error(), "serves no call")) return CLOSED;
    return *nnk_last_error() ? SURVIVED : NO_MESSAGE;
}

/* Whether the whole life goes well, with memory again. */
static int lives_again(void) {
    int i;
    for (i = 0; i < OPERATIONS - 1; i++) {
        const nnk_status status = operations[i].call();
        if (status != NNK_OK) {
            fprintf(stderr, "afterwards %s gave %s: %s\n", operations[i].name, nnk_status_name(status),
                    nnk_last_error());
            return 0;
        }
    }
    return 1;
}

/* ------------------------------------------------------------------------------------------- allocations that fail */

typedef struct tally {
    long tried, survived, ended, hung, wrong;
    char named[8][96];
} tally;

static tally failures, limits;

static void count_result(tally *t, int result, const char *what) {
    t->tried++;
    if (result == GOOD || result == SURVIVED) {
        t->survived++;
        return;
    }
    if (result == 1000 + SIGALRM)
        t->hung++;
    else if (result >= 1000 || result == 127) /* 127: the loader ends the process where it has no memory */
        t->ended++;
    else
        t->wrong++;
    if (t->ended + t->hung + t->wrong <= 8)
        snprintf(t->named[t->ended + t->hung + t->wrong - 1], sizeof t->named[0], "%s: %s %d", what,
                 result >= 1000 ? "signal" : "result", result >= 1000 ? result - 1000 : result);
}

/* In a child: lets allocation `point` of the operation fail, and then tries again. */
static int fail_at(const struct operation *operation, long point, int and_all_after) {
    const pid_t child = child_start(CHILD_SECONDS);
    if (child == 0) {
        int result;
        nnk_status status;
        fails_on = and_all_after;
        asked = 0;
        __atomic_store_n(&failing, point, __ATOMIC_SEQ_CST);
        status = operation->call();
        __atomic_store_n(&failing, 0, __ATOMIC_SEQ_CST);
        if (asked < point) _exit(NOT_REACHED);
        result = judged(status);
        if ((result == GOOD || result == SURVIVED) && !lives_again()) result = NOT_AGAIN;
        if (result == GOOD || result == SURVIVED) destroy_all();
        _exit(result);
    }
    return child < 0 ? -1 : child_result(child);
}

/* How many allocations the operation asks for, counted in a child. */
static long allocations_of(const struct operation *operation) {
    long count = 0;
    int ends[2];
    pid_t child;
    if (pipe(ends) != 0) exit(3);
    child = child_start(CHILD_SECONDS);
    if (child == 0) {
        asked = 0;
        failing = 1L << 60;
        operation->call();
        failing = 0;
        _exit(write(ends[1], &asked, sizeof asked) != (ssize_t)sizeof asked);
    }
    close(ends[1]);
    if (read(ends[0], &count, sizeof count) != (ssize_t)sizeof count) count = 0;
    close(ends[0]);
    child_result(child);
    return count;
}

/* Walks the operations in order, in a process where nothing was called before (cold) or everything was (warm). */
static void fail_operations(network *n, int is_warm, long wanted) {
    long counts[OPERATIONS], every;
    int i, and_all_after;
    o.n = n;
    if (is_warm) {
        if (!lives_again()) exit(3);
    }
    for (i = 0; i < OPERATIONS; i++) {
        char what[96];
        long point;
        counts[i] = allocations_of(&operations[i]);
        /* A quarter of the points that are wanted, shared out among the operations: so many of each, or all. */
        every = counts[i] * OPERATIONS * 2 / (wanted / 4 + 1);
        if (every < 1) every = 1;
        for (and_all_after = 0; and_all_after < 2; and_all_after++) {
            for (point = 1; point <= counts[i]; point += every) {
                const int result = fail_at(&operations[i], point, and_all_after);
                if (result == NOT_REACHED) break;
                snprintf(what, sizeof what, "%s, %s, %s, allocation %ld of %ld%s", network_title(n->kind),
                         is_warm ? "warm" : "cold", operations[i].name, point, counts[i],
                         and_all_after ? " and all after" : "");
                count_result(&failures, result, what);
            }
        }
        if (!is_warm && operations[i].call() != NNK_OK && i != OPERATIONS - 1) exit(3);
    }
    destroy_all();
}

/* ---------------------------------------------------------------------------------------------- limited address space */

static size_t address_space(void) {
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%lu", &pages) != 1) exit(3);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* The whole life below a limit, from where the process is now; then without. */
static int live_within(network *n, size_t bytes) {
    const pid_t child = child_start(CHILD_SECONDS);
    if (child == 0) {
        struct rlimit limit;
        nnk_status status = NNK_OK;
        int i, result;
        o.n = n;
        getrlimit(RLIMIT_AS, &limit);
        limit.rlim_cur = address_space() + bytes;
        setrlimit(RLIMIT_AS, &limit);
        for (i = 0; i < OPERATIONS - 1 && status == NNK_OK; i++) status = operations[i].call();
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_AS, &limit);
        result = judged(status);
        if (result == GOOD) _exit(GOOD);
        if (result == SURVIVED && !lives_again()) result = NOT_AGAIN;
        if (result == SURVIVED) destroy_all();
        _exit(result);
    }
    return child < 0 ? -1 : child_result(child);
}

/* Limits from nothing to what is enough, evenly. */
static void scan_limits(network *n, int count) {
    size_t enough = 1 << 20;
    int i;
    while (live_within(n, enough) != GOOD && enough < (size_t)1 << 32) enough *= 2;
    for (i = 0; i < count; i++) {
        char what[96];
        const size_t bytes = enough / (size_t)count * (size_t)i;
        snprintf(what, sizeof what, "%s, %zu bytes", network_title(n->kind), bytes);
        count_result(&limits, live_within(n, bytes), what);
    }
}

static void report(const char *what, const tally *t) {
    char text[200];
    int i;
    snprintf(text, sizeof text, "%s: %ld, %ld gave a status, %ld ended the host, %ld hung, %ld gave something else",
             what, t->tried, t->survived, t->ended, t->hung, t->wrong);
    fprintf(stderr, "attack: %s\n", text);
    for (i = 0; i < 8 && t->named[i][0]; i++) fprintf(stderr, "    %s\n", t->named[i]);
    check_true(t->tried > 0 && t->ended + t->hung + t->wrong == 0, text, __FILE__, __LINE__);
    checks_passed += (int)t->survived;
}

static long wanted(const char *name, long usual, long small) {
    const char *text = getenv(name);
    return text ? atol(text) : scale_is_small() ? small : usual;
}

int main(int argc, char **argv) {
    static const network_kind kinds[] = {NETWORK_CNN_DROPOUT, NETWORK_LSTM};
    const long points = wanted("NNKIT_POINTS", 400, 60), scans = wanted("NNKIT_LIMITS", 80, 6);
    int i, is_warm;
    nnkit_load(argc > 1 ? argv[1] : "libnnkit.so");
    folder = temporary_folder();
    path = path_in(folder, "model.nnkit");
    /* The data is made in a child's likeness of the library: here it stays untouched, or "cold". */
    for (i = 0; i < 2; i++) data[i] = network_data(kinds[i], SAMPLES);
    for (i = 0; i < 2; i++) scan_limits(data[i], (int)(scans / 2));
    for (i = 0; i < 2; i++) {
        for (is_warm = 0; is_warm < 2; is_warm++) {
            /* Cold operations change this process; each way has one of its own. */
            int ends[2];
            pid_t child;
            if (pipe(ends) != 0) exit(3);
            child = child_start(3000);
            if (child == 0) {
                memset(&failures, 0, sizeof failures);
                fail_operations(data[i], is_warm, points);
                _exit(write(ends[1], &failures, sizeof failures) != (ssize_t)sizeof failures);
            }
            close(ends[1]);
            {
                tally part;
                size_t have = 0;
                ssize_t got;
                int j, k = 0;
                while (have < sizeof part && (got = read(ends[0], (char *)&part + have, sizeof part - have)) > 0)
                    have += (size_t)got;
                close(ends[0]);
                if (!CHECK(child_result(child) == 0 && have == sizeof part)) continue;
                failures.tried += part.tried, failures.survived += part.survived, failures.ended += part.ended;
                failures.hung += part.hung, failures.wrong += part.wrong;
                while (k < 8 && failures.named[k][0]) k++;
                for (j = 0; j < 8 && k < 8 && part.named[j][0]; j++, k++)
                    memcpy(failures.named[k], part.named[j], sizeof part.named[j]);
            }
        }
    }
    report("limits on the address space", &limits);
    report("allocations that fail", &failures);
    unlink(path), rmdir(folder);
    return check_summary();
}
