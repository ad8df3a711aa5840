/* corners.c: hosts that use up what the system has of thread keys, leave a callback by other ways than a return, cancel
 * a thread inside of a call, call on a small stack, or make more objects than a handle can count. Each call gives a
 * status, and nothing hangs. argv[1]: the library.
 *
 * NNKIT_LONG: with the tests that take many seconds. */
#include "nnkit_loader.h"

#include "check.h"
#include "networks.h"

#include <fenv.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdint.h>

#ifdef __cplusplus
#include <stdexcept>
#endif

enum { CHILD_SECONDS = 60, SAMPLES = 6 };

static const char *library_path;

/* Trains, saves, loads, runs: whether all of it went well. */
static int lives(network_kind kind, const char *runtime_options) {
    nnk_runtime *runtime = NULL;
    nnk_model *loaded = NULL;
    char *folder = temporary_folder(), *path = path_in(folder, "model.nnkit");
    network *n;
    nnk_trainer *trainer;
    nnk_dataset *dataset;
    nnk_session *session;
    const char *text = NULL;
    int good;
    REQUIRE_OK(nnk_runtime_create(runtime_options, &runtime));
    n = network_create(kind, runtime, SAMPLES);
    trainer = network_trainer(n);
    dataset = network_dataset(n);
    session = network_session(n);
    good = nnk_trainer_fit(trainer, dataset, "epochs=2 batch_size=4 validation_split=0.4", NULL, NULL) == NNK_OK &&
           network_step(n, trainer, NULL) == NNK_OK && network_run(n, session) == NNK_OK &&
           nnk_model_info_json(n->model, &text) == NNK_OK && nnk_model_save(n->model, path) == NNK_OK &&
           nnk_model_load(runtime, path, &loaded) == NNK_OK &&
           nnk_model_load(runtime, "no such file", &loaded) == NNK_ERROR_IO &&
           strstr(nnk_last_error(), "no such file") != NULL;
    if (!good) fprintf(stderr, "last error: %s\n", nnk_last_error());
    nnk_model_destroy(loaded);
    nnk_session_destroy(session);
    nnk_dataset_destroy(dataset);
    nnk_trainer_destroy(trainer);
    network_destroy(n);
    nnk_runtime_destroy(runtime);
    unlink(path), rmdir(folder);
    free(path), free(folder);
    return good;
}

/* ------------------------------------------------------------------------------------------------- thread keys */

static pthread_key_t keys[4096];
static int key_count;

static void *value_of(int index, const void *thread) { return (char *)(uintptr_t)thread + index; }

/* Uses every key, and the library, and finds every key's value as it was. */
static void *use_keys_and_library(void *thread) {
    int i, changed = 0, set = 0;
    for (i = 0; i < key_count; i++) set += pthread_setspecific(keys[i], value_of(i, thread)) == 0;
    CHECK(set == key_count);
    CHECK(lives(NETWORK_CNN, "threads=2"));
    CHECK(lives(NETWORK_LSTM, "threads=1"));
    for (i = 0; i < key_count; i++) changed += pthread_getspecific(keys[i]) != value_of(i, thread);
    CHECK(changed == 0);
    for (i = 0; i < key_count; i++) pthread_setspecific(keys[i], NULL);
    return NULL;
}

/* Hosts with all keys from the start, or from after the library was loaded and used. */
static void all_keys_are_taken(void *before) {
    char places[3][4096];
    int i;
    if (!*(const int *)before) {
        nnkit_load(library_path);
        nnk_version();
    }
    while (key_count < 4096 && pthread_key_create(&keys[key_count], NULL) == 0) key_count++;
    if (*(const int *)before) nnkit_load(library_path);
    CHECK(key_count > 100 && key_count < 4096);
    use_keys_and_library(places[0]);
    for (i = 1; i < 3; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, use_keys_and_library, places[i]) != 0) exit(3);
        pthread_join(thread, NULL);
    }
}

/* ----------------------------------------------------------------------------- callbacks that do not return */

typedef enum way { RETURNS, LONGJMP, EXITS_THREAD, THROWS, THROWS_A_NUMBER, IS_CANCELLED } way;

/* The calls that call back. */
typedef enum left_call { FIT, MODEL, STATE } left_call;

/* A call in a thread of its own, whose callback leaves it. */
typedef struct leaving_fit {
    way how;
    left_call what;
    int nested; /* the callback leaves a second fit, which it began, too */
    network *n;
    nnk_trainer *trainer, *other;
    nnk_dataset *dataset;
    jmp_buf back;
    nnk_status status;
    char message[256];
    int rounding, cancellation, returned;
} leaving_fit;

static void leave_by(leaving_fit *fit) {
    CHECK(fegetround() == FE_UPWARD);
    switch (fit->how) {
    case LONGJMP:
        longjmp(fit->back, 1);
    case EXITS_THREAD:
        pthread_exit(NULL);
    case IS_CANCELLED:
        pthread_cancel(pthread_self());
        pthread_testcancel(); /* waits until after the call */
        usleep(1000);
        break;
#ifdef __cplusplus
    case THROWS:
        throw std::runtime_error("no more of this");
    case THROWS_A_NUMBER:
        throw 7;
#endif
    default:
        break;
    }
}

static int leave_writing(const void *bytes, int64_t count, void *user) {
    (void)bytes, (void)count;
    leave_by((leaving_fit *)user);
    return 0;
}

static int leave(const nnk_progress *progress, void *user) {
    leaving_fit *fit = (leaving_fit *)user;
    const int64_t shape[1] = {3};
    nnk_graph *graph = nnk_graph_create(); /* calls are fine */
    CHECK(nnk_graph_input(graph, "x", NNK_FLOAT32, shape, 1) == 0);
    nnk_graph_destroy(graph);
    (void)progress;
    if (fit->nested) {
        fit->nested = 0;
        CHECK_OK(nnk_trainer_fit(fit->other, fit->dataset, "batch_size=2", leave, fit));
        return 0;
    }
    leave_by(fit);
    return 0;
}

static void *fit_and_leave(void *argument) {
    leaving_fit *volatile const fit = (leaving_fit *)argument;
    fesetround(FE_UPWARD);
    if (setjmp(fit->back) == 0) {
        fit->status = fit->what == FIT
                          ? nnk_trainer_fit(fit->trainer, fit->dataset, "epochs=3 batch_size=2 report=step", leave, fit)
                      : fit->what == MODEL ? nnk_model_write(fit->n->model, leave_writing, fit)
                                           : nnk_trainer_write_state(fit->trainer, leave_writing, fit);
        snprintf(fit->message, sizeof fit->message, "%.255s", nnk_last_error());
        fit->returned = 1;
    }
    fit->rounding = fegetround();
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &fit->cancellation);
    fesetround(FE_TONEAREST);
    pthread_testcancel();
    return fit;
}

typedef struct variant {
    way how;
    left_call what;
    int nested;
    const char *threads;
} variant;

static void callbacks_leave(void *argument) {
    const variant *v = (const variant *)argument;
    leaving_fit fit;
    nnk_runtime *runtime = NULL;
    pthread_t thread;
    void *result = NULL;
    int round;
    REQUIRE_OK(nnk_runtime_create(v->threads, &runtime));
    memset(&fit, 0, sizeof fit);
    fit.n = network_create(NETWORK_CNN_DROPOUT, runtime, SAMPLES);
    fit.trainer = network_trainer(fit.n);
    fit.other = network_trainer(fit.n);
    fit.dataset = network_dataset(fit.n);
    fit.how = v->how, fit.what = v->what;
    for (round = 0; round < 3; round++) {
        fit.returned = 0, fit.cancellation = -1, fit.rounding = -1, fit.nested = v->nested;
        if (pthread_create(&thread, NULL, fit_and_leave, &fit) != 0) exit(3);
        pthread_join(thread, &result);
        CHECK(result == (v->how == IS_CANCELLED ? PTHREAD_CANCELED : v->how == EXITS_THREAD ? NULL : &fit));
        if (v->how != EXITS_THREAD) {
            CHECK(fit.rounding == FE_UPWARD);
            CHECK(fit.cancellation == PTHREAD_CANCEL_ENABLE);
        }
        CHECK(fit.returned == (v->how != LONGJMP && v->how != EXITS_THREAD));
        if (v->how == RETURNS || v->how == IS_CANCELLED) CHECK(fit.status == NNK_OK);
        if (v->how == THROWS || v->how == THROWS_A_NUMBER) CHECK(fit.status == NNK_ERROR_INVALID_ARGUMENT);
        if (v->how == THROWS) CHECK(strstr(fit.message, "no more of this") != NULL);
        /* Nothing is busy, and nothing hangs. */
        CHECK_OK(nnk_trainer_fit(fit.trainer, fit.dataset, "", NULL, NULL));
        CHECK_OK(nnk_trainer_fit(fit.other, fit.dataset, "", NULL, NULL));
        nnk_shutdown();
    }
    nnk_trainer_destroy(fit.trainer);
    nnk_trainer_destroy(fit.other);
    nnk_dataset_destroy(fit.dataset);
    network_destroy(fit.n);
    nnk_runtime_destroy(runtime);
    CHECK(lives(NETWORK_LSTM, "threads=2"));
}

/* Cancelled wherever it is: in training steps of two threads, which wait for one another. */
static void *train_for_ever(void *argument) {
    const leaving_fit *fit = (const leaving_fit *)argument;
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    for (;;) {
        if (network_step(fit->n, fit->trainer, NULL) != NNK_OK) return NULL;
        pthread_testcancel();
    }
}

static void steps_are_cancelled(void *unused) {
    const int rounds = scaled(100, 5);
    leaving_fit fit;
    nnk_runtime *runtime = NULL;
    uint32_t state = 7;
    int round, cancelled = 0;
    (void)unused;
    memset(&fit, 0, sizeof fit);
    REQUIRE_OK(nnk_runtime_create("threads=3", &runtime));
    fit.n = network_create(NETWORK_CNN, runtime, 64);
    fit.trainer = network_trainer(fit.n);
    for (round = 0; round < rounds; round++) {
        pthread_t thread;
        void *result = NULL;
        if (pthread_create(&thread, NULL, train_for_ever, &fit) != 0) exit(3);
        usleep((useconds_t)(network_random(&state) * 4000));
        pthread_cancel(thread);
        pthread_join(thread, &result);
        cancelled += result == PTHREAD_CANCELED;
        CHECK_OK(network_step(fit.n, fit.trainer, NULL));
    }
    CHECK(cancelled == rounds);
    nnk_shutdown();
    nnk_trainer_destroy(fit.trainer);
    network_destroy(fit.n);
    nnk_runtime_destroy(runtime);
}

/* ------------------------------------------------------------------------------------------- small stacks, handles */

static void *live(void *kind) {
    CHECK(lives(*(const network_kind *)kind, "threads=2"));
    return NULL;
}

static void a_small_stack_is_enough(void *unused) {
    static network_kind kinds[] = {NETWORK_CNN_DROPOUT, NETWORK_LSTM};
    pthread_attr_t attributes;
    int i;
    (void)unused;
    unsetenv("NNKIT_VERIFY_PLANS"); /* for tests of the library, with more stack than hosts need */
    pthread_attr_init(&attributes);
    if (pthread_attr_setstacksize(&attributes, SMALL_STACK) != 0) exit(3);
    for (i = 0; i < 2; i++) {
        pthread_t thread;
        if (pthread_create(&thread, &attributes, live, &kinds[i]) != 0) exit(3);
        pthread_join(thread, NULL);
    }
}

/* A slot of the table of handles is used as often as its counter can count, and then not once more. */
static void a_handle_stays_stale(void *unused) {
    nnk_graph *const first = nnk_graph_create();
    const int64_t shape[1] = {3};
    uint32_t i, again = 0;
    (void)unused;
    nnk_graph_destroy(first);
    for (i = 0; i < (1u << 24) + 16; i++) {
        nnk_graph *graph = nnk_graph_create();
        again += graph == first;
        if (i > (1u << 24) - 16) again += nnk_graph_input(first, "x", NNK_FLOAT32, shape, 1) >= 0;
        nnk_graph_destroy(graph);
    }
    CHECK(again == 0);
}

int main(int argc, char **argv) {
    static const way ways[] = {
        RETURNS, LONGJMP,         EXITS_THREAD, IS_CANCELLED,
#ifdef __cplusplus
        THROWS,  THROWS_A_NUMBER,
#endif
    };
    int yes = 1, no = 0;
    size_t i;
    library_path = argc > 1 ? argv[1] : "libnnkit.so";
    check_in_child("no thread keys are left", CHILD_SECONDS, all_keys_are_taken, &yes);
    check_in_child("no thread keys are left any more", CHILD_SECONDS, all_keys_are_taken, &no);
    nnkit_load(library_path);
    for (i = 0; i < sizeof ways / sizeof ways[0] * 8; i++) {
        static const left_call calls[] = {FIT, FIT, MODEL, STATE};
        variant v;
        char name[64];
        v.how = ways[i / 8], v.what = calls[i % 4], v.threads = i % 8 < 4 ? "threads=1" : "threads=2";
        v.nested = i % 4 == 1 && v.how != THROWS && v.how != THROWS_A_NUMBER;
        snprintf(name, sizeof name, "callbacks that leave: way %d, call %d%s, %s", (int)v.how, (int)v.what,
                 v.nested ? ", nested" : "", v.threads);
        check_in_child(name, CHILD_SECONDS, callbacks_leave, &v);
    }
    check_in_child("steps that are cancelled", CHILD_SECONDS, steps_are_cancelled, NULL);
    check_in_child("a small stack", CHILD_SECONDS, a_small_stack_is_enough, NULL);
    if (getenv("NNKIT_LONG")) check_in_child("stale handles", 300, a_handle_stays_stale, NULL);
    return check_summary();
}
