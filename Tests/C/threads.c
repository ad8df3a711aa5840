/* threads.c: results are the same bits for any number of threads, and any number of host threads may call at once.
 * argv[1]: the library. */
#include "nnkit_loader.h"

#include "check.h"
#include "networks.h"

#include <dirent.h>
#include <pthread.h>

enum { STEPS = 50, HOST_THREADS = 16, RUNS = 50, SAMPLES = 33 };

/* How many threads the process has. */
static int thread_count(void) {
    int count = 0;
    const struct dirent *entry;
    DIR *directory = opendir("/proc/self/task");
    if (!directory) exit(3);
    while ((entry = readdir(directory)) != NULL) count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

/* The parameters after training with `threads` threads, by hand and by fit. The caller frees them. */
static void *trained(network_kind kind, int threads, size_t *bytes, double *loss) {
    nnk_runtime *runtime = NULL;
    network *n;
    nnk_trainer *trainer;
    nnk_dataset *dataset;
    void *parameters;
    char options[32];
    int i, before;
    snprintf(options, sizeof options, "threads=%d", threads);
    before = thread_count();
    REQUIRE_OK(nnk_runtime_create(options, &runtime));
    n = network_create(kind, runtime, SAMPLES);
    trainer = network_trainer(n);
    dataset = network_dataset(n);
    for (i = 0; i < scaled(STEPS, 10); i++) REQUIRE_OK(network_step(n, trainer, loss));
    REQUIRE_OK(nnk_trainer_fit(trainer, dataset, "epochs=2 batch_size=10", NULL, NULL));
    parameters = network_parameters(n->model, bytes);
    CHECK(thread_count() == before + threads - 1); /* or the work was too small to be split, and shows nothing */
    nnk_dataset_destroy(dataset);
    nnk_trainer_destroy(trainer);
    network_destroy(n);
    nnk_runtime_destroy(runtime);
    while (thread_count() > before) usleep(1000); /* workers end by themselves */
    return parameters;
}

static void weights_do_not_depend_on_threads(network_kind kind) {
    size_t bytes = 0;
    double loss = 0, first_loss = 0;
    void *first = trained(kind, 1, &bytes, &first_loss);
    int threads;
    CHECK(all_finite((const float *)first, bytes / sizeof(float)));
    for (threads = 2; threads <= 4; threads++) {
        void *parameters = trained(kind, threads, &bytes, &loss);
        char what[96];
        snprintf(what, sizeof what, "%s: the weights of %d threads are those of 1", network_title(kind), threads);
        check_true(memcmp(first, parameters, bytes) == 0, what, __FILE__, __LINE__);
        CHECK(loss == first_loss);
        free(parameters);
    }
    free(first);
}

/* --------------------------------------------------------------------- many host threads, one model */

typedef struct worker {
    nnk_model *model;
    network *net; /* its own samples and output */
    const float *expected;
    int different;
    int failed;
} worker;

static void *run_many_times(void *argument) {
    worker *w = (worker *)argument;
    nnk_session *session = NULL;
    char options[32];
    int i;
    snprintf(options, sizeof options, "max_batch=%d", (int)w->net->samples);
    if (nnk_session_create(w->model, options, &session) != NNK_OK) {
        w->failed++;
        return NULL;
    }
    for (i = 0; i < scaled(RUNS, 5); i++) {
        memset(w->net->output, 0xff, network_output_bytes(w->net));
        w->failed += network_run(w->net, session) != NNK_OK;
        w->different += memcmp(w->net->output, w->expected, network_output_bytes(w->net)) != 0;
    }
    nnk_session_destroy(session);
    return NULL;
}

static void host_threads_share_a_model(network_kind kind, const char *runtime_options) {
    nnk_runtime *runtime = NULL;
    network *n;
    nnk_session *session;
    float *expected;
    worker workers[HOST_THREADS];
    pthread_t threads[HOST_THREADS];
    int i, different = 0, failed = 0;
    REQUIRE_OK(nnk_runtime_create(runtime_options, &runtime));
    n = network_create(kind, runtime, 8);
    session = network_session(n);
    expected = (float *)network_memory(network_output_bytes(n));
    REQUIRE_OK(network_run(n, session));
    memcpy(expected, n->output, network_output_bytes(n));
    for (i = 0; i < HOST_THREADS; i++) {
        workers[i].model = n->model;
        workers[i].net = network_create(kind, runtime, 8);
        workers[i].expected = expected;
        workers[i].different = workers[i].failed = 0;
    }
    for (i = 0; i < HOST_THREADS; i++)
        if (pthread_create(&threads[i], NULL, run_many_times, &workers[i]) != 0) exit(3);
    for (i = 0; i < HOST_THREADS; i++) {
        pthread_join(threads[i], NULL);
        different += workers[i].different;
        failed += workers[i].failed;
        network_destroy(workers[i].net);
    }
    CHECK(failed == 0);
    CHECK(different == 0);
    free(expected);
    nnk_session_destroy(session);
    network_destroy(n);
    nnk_runtime_destroy(runtime);
}

/* ------------------------------------------------------------------------ one session, two threads */

typedef struct shared_calls {
    nnk_session *session;
    nnk_trainer *trainer;
    network *net;
    int good, busy, other;
} shared_calls;

static void count_status(shared_calls *calls, nnk_status status) {
    if (status == NNK_OK)
        calls->good++;
    else if (status == NNK_ERROR_BUSY)
        calls->busy++;
    else
        calls->other++;
}

static void *use_shared(void *argument) {
    shared_calls *calls = (shared_calls *)argument;
    int i;
    for (i = 0; i < scaled(400, 20); i++) {
        if (calls->session)
            count_status(calls, network_run(calls->net, calls->session));
        else
            count_status(calls, network_step(calls->net, calls->trainer, NULL));
    }
    return NULL;
}

static void simultaneous_calls_are_served_or_busy(int on_trainer) {
    network *a = network_create(NETWORK_CNN, NULL, SAMPLES), *b = network_create(NETWORK_CNN, NULL, SAMPLES);
    nnk_session *session = on_trainer ? NULL : network_session(a);
    nnk_trainer *trainer = on_trainer ? network_trainer(a) : NULL;
    shared_calls calls[2];
    pthread_t thread;
    memset(calls, 0, sizeof calls);
    calls[0].net = a, calls[1].net = b;
    calls[0].session = calls[1].session = session;
    calls[0].trainer = calls[1].trainer = trainer;
    if (pthread_create(&thread, NULL, use_shared, &calls[0]) != 0) exit(3);
    use_shared(&calls[1]);
    pthread_join(thread, NULL);
    CHECK(calls[0].other == 0 && calls[1].other == 0);
    CHECK(calls[0].good + calls[1].good > 0);
    /* Not busy for ever. */
    CHECK_OK(on_trainer ? network_step(a, trainer, NULL) : network_run(a, session));
    nnk_session_destroy(session);
    nnk_trainer_destroy(trainer);
    network_destroy(a), network_destroy(b);
}

/* ------------------------------------------------------------------ destroy, shut down, train, run */

static int stop_meddling;

static void *meddle(void *argument) {
    nnk_model *model = (nnk_model *)argument;
    while (!__atomic_load_n(&stop_meddling, __ATOMIC_SEQ_CST)) {
        nnk_session *session = NULL;
        const char *info = NULL;
        if (nnk_session_create(model, NULL, &session) != NNK_OK) return argument;
        nnk_session_destroy(session);
        if (nnk_model_info_json(model, &info) != NNK_OK) return argument;
        nnk_shutdown();
        usleep(200);
    }
    return NULL;
}

/* A thread that creates, destroys and shuts down does not change what another computes. */
static void meddling_changes_nothing(void) {
    network *n = network_create(NETWORK_CNN, NULL, SAMPLES), *alone = network_create(NETWORK_CNN, NULL, SAMPLES);
    nnk_trainer *trainer = network_trainer(n), *undisturbed = network_trainer(alone);
    pthread_t thread;
    void *failure = NULL, *first, *second;
    size_t bytes = 0;
    int i;
    if (pthread_create(&thread, NULL, meddle, n->model) != 0) exit(3);
    for (i = 0; i < scaled(100, 5); i++) CHECK_OK(network_step(n, trainer, NULL));
    __atomic_store_n(&stop_meddling, 1, __ATOMIC_SEQ_CST);
    pthread_join(thread, &failure);
    CHECK(failure == NULL);
    for (i = 0; i < scaled(100, 5); i++) REQUIRE_OK(network_step(alone, undisturbed, NULL));
    first = network_parameters(n->model, &bytes), second = network_parameters(alone->model, &bytes);
    CHECK(memcmp(first, second, bytes) == 0);
    free(first), free(second);
    nnk_trainer_destroy(trainer), nnk_trainer_destroy(undisturbed);
    network_destroy(n), network_destroy(alone);
}

int main(int argc, char **argv) {
    nnkit_load(argc > 1 ? argv[1] : "libnnkit.so");
    weights_do_not_depend_on_threads(NETWORK_CNN);
    weights_do_not_depend_on_threads(NETWORK_CNN_DROPOUT);
    weights_do_not_depend_on_threads(NETWORK_LSTM);
    host_threads_share_a_model(NETWORK_CNN, "threads=1");
    host_threads_share_a_model(NETWORK_CNN, "threads=3");
    host_threads_share_a_model(NETWORK_LSTM, "threads=2");
    simultaneous_calls_are_served_or_busy(0);
    simultaneous_calls_are_served_or_busy(1);
    meddling_changes_nothing();
    return check_summary();
}
