/* publication.c: while one thread trains a model, others save it and run it: a file, and a run, has the parameters of
 * one moment between two steps. argv[1]: the library.
 *
 * All weights and biases of the model are equal and take the same steps, so that any mixture of two states shows. What
 * the states are a training of the same model without company tells. */
#include "nnkit_loader.h"

#include "check.h"

#include <pthread.h>

enum { SESSIONS = 3, MAXIMUM_STATES = 4096 };

/* Two layers: one whose weights are packed for runs, one whose output is wide. All parameters are zero at first. */
typedef struct lockstep {
    nnk_model *model;
    nnk_trainer *trainer;
    nnk_dataset *dataset;
    nnk_tensor parameters;
    int64_t units;
    float *target;
    int64_t target_shape[2];
} lockstep;

static float one = 1;
static const int64_t one_shape[2] = {1, 1};

static lockstep lockstep_create(int64_t units) {
    lockstep l;
    nnk_graph *graph = nnk_graph_create();
    nnk_tensor input = nnk_tensor_view(&one, NNK_FLOAT32, one_shape, 2), target;
    char options[96];
    int64_t i;
    nnk_value x;
    memset(&l, 0, sizeof l);
    l.units = units;
    x = nnk_graph_input(graph, "x", NNK_FLOAT32, one_shape, 1);
    snprintf(options, sizeof options, "units=%d kernel_initializer=zeros", (int)units);
    REQUIRE_OK(nnk_graph_output(graph, "y", nnk_graph_layer(graph, "dense", options, x)));
    REQUIRE_OK(nnk_model_create(NULL, graph, "", &l.model));
    nnk_graph_destroy(graph);
    /* The gradient is 2 (y - t) / units: a thousandth of the way in a step. */
    snprintf(options, sizeof options, "loss=mean_squared_error learning_rate=%g", 0.0005 * (double)units);
    REQUIRE_OK(nnk_trainer_create(l.model, options, &l.trainer));
    l.target = (float *)malloc((size_t)units * sizeof(float));
    if (!l.target) exit(3);
    for (i = 0; i < units; i++) l.target[i] = 1000;
    l.target_shape[0] = 1, l.target_shape[1] = units;
    target = nnk_tensor_view(l.target, NNK_FLOAT32, l.target_shape, 2);
    REQUIRE_OK(nnk_dataset_create_from_arrays(&input, 1, &target, 1, &l.dataset));
    REQUIRE_OK(nnk_model_parameters_view(l.model, &l.parameters));
    return l;
}

static void lockstep_destroy(lockstep *l) {
    nnk_dataset_destroy(l->dataset);
    nnk_trainer_destroy(l->trainer);
    nnk_model_destroy(l->model);
    free(l->target);
}

/* The weights of every state, ascending. */
static float states[MAXIMUM_STATES];
static int state_count, fit_is_over, wanted_steps;

static int is_state(float weight) {
    int low = 0, high = state_count - 1;
    while (low <= high) {
        const int middle = (low + high) / 2;
        if (states[middle] == weight) return 1;
        if (states[middle] < weight)
            low = middle + 1;
        else
            high = middle - 1;
    }
    return 0;
}

static int remember_state(const nnk_progress *progress, void *user) {
    const lockstep *l = (const lockstep *)user;
    (void)progress;
    states[state_count++] = ((const float *)l->parameters.data)[0];
    return 0;
}

static nnk_status train(lockstep *l, nnk_progress_callback callback) {
    char options[64];
    snprintf(options, sizeof options, "epochs=%d batch_size=1 report=step", wanted_steps);
    /* Epochs of one step: their reports come twice. */
    return nnk_trainer_fit(l->trainer, l->dataset, options, callback, l);
}

static int pace(const nnk_progress *progress, void *user) {
    (void)user;
    if (progress->event == NNK_EVENT_EPOCH) usleep(50);
    return 0;
}

static void *train_in_thread(void *argument) {
    CHECK_OK(train((lockstep *)argument, pace));
    __atomic_store_n(&fit_is_over, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

typedef struct runs {
    lockstep *l;
    int count, distinct, bad;
} runs;

/* y = w + b, and w = b. */
static void *run_in_thread(void *argument) {
    runs *r = (runs *)argument;
    const int64_t shape[2] = {1, r->l->units};
    nnk_session *session = NULL;
    float *y = (float *)malloc((size_t)r->l->units * sizeof(float));
    nnk_tensor input = nnk_tensor_view(&one, NNK_FLOAT32, one_shape, 2);
    nnk_tensor output = nnk_tensor_view(y, NNK_FLOAT32, shape, 2);
    float last = -1;
    if (!y) exit(3);
    REQUIRE_OK(nnk_session_create(r->l->model, "", &session));
    while (!__atomic_load_n(&fit_is_over, __ATOMIC_SEQ_CST)) {
        int64_t i;
        int good = nnk_session_run(session, &input, 1, &output, 1) == NNK_OK && is_state(y[0] / 2);
        for (i = 0; i < r->l->units; i++) good = good && y[i] == y[0];
        r->count++;
        r->bad += !good;
        r->distinct += y[0] != last;
        last = y[0];
    }
    nnk_session_destroy(session);
    free(y);
    return NULL;
}

/* Whether a file has one state. */
static int file_is_a_state(const lockstep *l, const char *path, float *weight) {
    nnk_model *loaded = NULL;
    nnk_tensor view;
    int64_t i;
    int good = 1;
    if (nnk_model_load(NULL, path, &loaded) != NNK_OK) {
        fprintf(stderr, "%s\n", nnk_last_error());
        return 0;
    }
    REQUIRE_OK(nnk_model_parameters_view(loaded, &view));
    *weight = ((const float *)view.data)[0];
    /* Kernel and bias lie one behind the other; units is a multiple of what they are aligned to. */
    for (i = 0; i < 2 * l->units; i++) good = good && ((const float *)view.data)[i] == *weight;
    nnk_model_destroy(loaded);
    return good && is_state(*weight);
}

static void saves_and_runs_during_a_fit(int64_t units, int saves, int steps) {
    lockstep alone, l;
    runs r[SESSIONS];
    pthread_t trainer, sessions[SESSIONS];
    char *folder = temporary_folder(), *path = path_in(folder, "model.nnkit");
    int i, made = 0, good = 0, distinct = 0, counted = 0, seen = 0, bad = 0;
    float weight = 0, last = -1;
    state_count = fit_is_over = 0;
    wanted_steps = steps;
    alone = lockstep_create(units), l = lockstep_create(units);
    states[state_count++] = 0;
    /* Reports after each step and each epoch of one step: the same state twice does no harm. */
    REQUIRE_OK(train(&alone, remember_state));
    CHECK(states[state_count - 1] > states[0] && is_state(states[state_count / 2]));
    for (i = 0; i < SESSIONS; i++) r[i].l = &l, r[i].count = r[i].distinct = r[i].bad = 0;
    if (pthread_create(&trainer, NULL, train_in_thread, &l) != 0) exit(3);
    for (i = 0; i < SESSIONS; i++)
        if (pthread_create(&sessions[i], NULL, run_in_thread, &r[i]) != 0) exit(3);
    while (made < saves || !__atomic_load_n(&fit_is_over, __ATOMIC_SEQ_CST)) {
        made++;
        good += nnk_model_save(l.model, path) == NNK_OK && file_is_a_state(&l, path, &weight);
        distinct += weight != last;
        last = weight;
    }
    pthread_join(trainer, NULL);
    for (i = 0; i < SESSIONS; i++) {
        pthread_join(sessions[i], NULL);
        counted += r[i].count, seen += r[i].distinct, bad += r[i].bad;
    }
    printf("%d units: %d of %d saves good, of %d states; %d of %d runs bad, of %d states\n", (int)units, good, made,
           distinct, bad, counted, seen);
    CHECK(good == made);
    CHECK(bad == 0);
    CHECK(distinct > 5 && seen > 5); /* or nothing was shown */
    CHECK(memcmp(l.parameters.data, alone.parameters.data, (size_t)(2 * units) * sizeof(float)) == 0);
    lockstep_destroy(&alone), lockstep_destroy(&l);
    unlink(path), rmdir(folder);
    free(path), free(folder);
}

/* -------------------------------------------------------------------------------------------------- forks */

static void child_of_a_fit(void *argument) {
    lockstep *l = (lockstep *)argument;
    const int64_t shape[2] = {1, l->units};
    const float *weights = (const float *)l->parameters.data;
    nnk_tensor input = nnk_tensor_view(&one, NNK_FLOAT32, one_shape, 2), output;
    nnk_session *session = NULL;
    nnk_trainer *trainer = NULL;
    nnk_tensor target = nnk_tensor_view(l->target, NNK_FLOAT32, l->target_shape, 2);
    float *y = (float *)malloc((size_t)l->units * sizeof(float));
    int64_t i;
    int good = 1;
    for (i = 0; i < 2 * l->units; i++) good = good && weights[i] == weights[0];
    CHECK(good && is_state(weights[0]));
    output = nnk_tensor_view(y, NNK_FLOAT32, shape, 2);
    CHECK_OK(nnk_session_create(l->model, "", &session));
    CHECK_OK(nnk_session_run(session, &input, 1, &output, 1));
    CHECK(y[0] == 2 * weights[0]);
    CHECK_OK(nnk_trainer_create(l->model, "loss=mean_squared_error learning_rate=1", &trainer));
    CHECK_OK(nnk_trainer_step(trainer, &input, 1, &target, 1, NULL));
    CHECK_OK(nnk_session_run(session, &input, 1, &output, 1));
    CHECK(y[0] == 2 * weights[0]);
    nnk_trainer_destroy(trainer), nnk_session_destroy(session);
    free(y);
}

/* A child finds one state too, whatever the parent's threads were doing, and can train and run at once. */
static void forks_during_a_fit(int64_t units, int forks, int steps) {
    lockstep alone, l;
    runs r;
    pthread_t trainer, session;
    int i, good = 0;
    state_count = fit_is_over = 0;
    wanted_steps = steps;
    alone = lockstep_create(units), l = lockstep_create(units);
    states[state_count++] = 0;
    REQUIRE_OK(train(&alone, remember_state));
    r.l = &l, r.count = r.distinct = r.bad = 0;
    if (pthread_create(&trainer, NULL, train_in_thread, &l) != 0) exit(3);
    if (pthread_create(&session, NULL, run_in_thread, &r) != 0) exit(3);
    for (i = 0; i < forks; i++) {
        good += check_in_child("fork during updates and runs", 30, child_of_a_fit, &l);
        usleep((useconds_t)(i * 37 % 300));
    }
    pthread_join(trainer, NULL), pthread_join(session, NULL);
    printf("%d of %d children found a state\n", good, forks);
    CHECK(r.bad == 0);
    lockstep_destroy(&alone), lockstep_destroy(&l);
}

int main(int argc, char **argv) {
    nnkit_load(argc > 1 ? argv[1] : "libnnkit.so");
    saves_and_runs_during_a_fit(1 << 18, scaled(60, 6), scaled(600, 40));
    saves_and_runs_during_a_fit(4096, scaled(60, 6), scaled(1500, 100));
    /* qemu-user cannot start threads in a child of a process with threads. */
    if (!getenv("NNKIT_RUNNER")) forks_during_a_fit(1 << 18, scaled(60, 5), scaled(600, 40));
    return check_summary();
}
