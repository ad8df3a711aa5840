/* fork.c: a process that has trained may fork at any time, and the child trains and predicts at once.
 * argv[1]: the library. */
#include "nnkit_loader.h"

#include "check.h"
#include "networks.h"

#include <pthread.h>

enum { CHILDREN = 50, CHILD_SECONDS = 30, SAMPLES = 16 };

/* What the parent had at the time of the fork. */
typedef struct state {
    network *net;
    nnk_trainer *trainer;
    nnk_session *session;
    nnk_dataset *dataset;
    double loss; /* of an evaluation, by which a child knows the parameters to be whole */
} state;

static void use_objects_of_parent(const state *s) {
    double loss = 0, metric = 0, after = 0;
    int i;
    CHECK_OK(nnk_trainer_evaluate(s->trainer, s->dataset, "batch_size=16", &loss, &metric));
    CHECK(loss == s->loss);
    for (i = 0; i < 3; i++) CHECK_OK(network_step(s->net, s->trainer, &loss));
    CHECK_OK(nnk_trainer_fit(s->trainer, s->dataset, "epochs=2 batch_size=8", NULL, NULL));
    CHECK_OK(nnk_trainer_evaluate(s->trainer, s->dataset, NULL, &after, NULL));
    CHECK(isfinite(after) && after != s->loss);
    CHECK_OK(network_run(s->net, s->session));
    CHECK(all_finite(s->net->output, SAMPLES * NETWORK_CLASSES));
}

/* Everything from the start, as a child does that knows nothing of its parent. */
static void use_objects_of_its_own(network_kind kind) {
    nnk_runtime *runtime = NULL;
    network *n;
    nnk_trainer *trainer;
    nnk_session *session;
    double first = 0, loss = 0;
    int i;
    CHECK_OK(nnk_runtime_create("threads=2", &runtime));
    n = network_create(kind, runtime, SAMPLES);
    trainer = network_trainer(n);
    session = network_session(n);
    CHECK_OK(network_step(n, trainer, &first));
    for (i = 0; i < 10; i++) CHECK_OK(network_step(n, trainer, &loss));
    CHECK(loss < first);
    CHECK_OK(network_run(n, session));
    CHECK(all_finite(n->output, SAMPLES * NETWORK_CLASSES));
    nnk_session_destroy(session);
    nnk_trainer_destroy(trainer);
    network_destroy(n);
    nnk_runtime_destroy(runtime);
}

static void child_after_training(void *argument) {
    use_objects_of_parent((const state *)argument);
    use_objects_of_its_own(NETWORK_LSTM);
    nnk_shutdown();
}

static void forks_after_training(network_kind kind) {
    const int children = scaled(CHILDREN, 5);
    char name[64];
    state s;
    int i, good = 0;
    s.net = network_create(kind, NULL, SAMPLES);
    s.trainer = network_trainer(s.net);
    s.session = network_session(s.net);
    s.dataset = network_dataset(s.net);
    for (i = 0; i < 5; i++) REQUIRE_OK(network_step(s.net, s.trainer, NULL));
    REQUIRE_OK(network_run(s.net, s.session));
    REQUIRE_OK(nnk_trainer_evaluate(s.trainer, s.dataset, "batch_size=16", &s.loss, NULL));
    snprintf(name, sizeof name, "fork after training a %s", network_title(kind));
    for (i = 0; i < children; i++) good += check_in_child(name, CHILD_SECONDS, child_after_training, &s);
    printf("%s: %d of %d children\n", name, good, children);
    /* The parent is none the worse. */
    CHECK_OK(network_step(s.net, s.trainer, NULL));
    CHECK_OK(network_run(s.net, s.session));
    nnk_dataset_destroy(s.dataset);
    nnk_session_destroy(s.session);
    nnk_trainer_destroy(s.trainer);
    network_destroy(s.net);
}

/* ------------------------------------------------------------------------- forks in the middle of a fit */

static int stop_fit;  /* set by the main thread */
static int fit_steps; /* how far the fit has come */

static int until_stopped(const nnk_progress *progress, void *user) {
    (void)progress, (void)user;
    __atomic_fetch_add(&fit_steps, 1, __ATOMIC_SEQ_CST);
    return __atomic_load_n(&stop_fit, __ATOMIC_SEQ_CST);
}

static void *fit_without_end(void *argument) {
    state *s = (state *)argument;
    CHECK_OK(nnk_trainer_fit(s->trainer, s->dataset, "epochs=16000000 batch_size=8 report=step", until_stopped, NULL));
    return NULL;
}

typedef struct busy_child {
    const state *busy; /* inside fit in a thread that the child does not have */
    const state *idle;
} busy_child;

static void child_during_fit(void *argument) {
    const busy_child *child = (const busy_child *)argument;
    use_objects_of_parent(child->idle);
    use_objects_of_its_own(NETWORK_CNN_DROPOUT);
    CHECK_OK(network_run(child->busy->net, child->busy->session)); /* the model that was being trained */
    CHECK(all_finite(child->busy->net->output, SAMPLES * NETWORK_CLASSES));
    /* The thread that was inside of this trainer is not here: nobody is. */
    CHECK_OK(nnk_trainer_fit(child->busy->trainer, child->busy->dataset, "epochs=1 batch_size=8", NULL, NULL));
}

static void forks_during_fit(void) {
    const int children = scaled(CHILDREN, 5);
    state busy, idle;
    busy_child child;
    pthread_t thread;
    int i, good = 0;
    busy.net = network_create(NETWORK_CNN, NULL, SAMPLES);
    idle.net = network_create(NETWORK_LSTM, NULL, SAMPLES);
    busy.trainer = network_trainer(busy.net), idle.trainer = network_trainer(idle.net);
    busy.session = network_session(busy.net), idle.session = network_session(idle.net);
    busy.dataset = network_dataset(busy.net), idle.dataset = network_dataset(idle.net);
    busy.loss = 0;
    REQUIRE_OK(network_run(busy.net, busy.session));
    REQUIRE_OK(nnk_trainer_evaluate(idle.trainer, idle.dataset, "batch_size=16", &idle.loss, NULL));
    child.busy = &busy, child.idle = &idle;
    if (pthread_create(&thread, NULL, fit_without_end, &busy) != 0) exit(3);
    for (i = 0; i < children; i++) {
        /* Each fork meets the fit at another place. */
        const int before = __atomic_load_n(&fit_steps, __ATOMIC_SEQ_CST);
        while (__atomic_load_n(&fit_steps, __ATOMIC_SEQ_CST) <= before) usleep(100);
        usleep((useconds_t)(i * 37 % 500));
        good += check_in_child("fork while a thread is inside fit", CHILD_SECONDS, child_during_fit, &child);
    }
    __atomic_store_n(&stop_fit, 1, __ATOMIC_SEQ_CST);
    pthread_join(thread, NULL);
    printf("fork while a thread is inside fit: %d of %d children\n", good, children);
    nnk_dataset_destroy(busy.dataset), nnk_dataset_destroy(idle.dataset);
    nnk_session_destroy(busy.session), nnk_session_destroy(idle.session);
    nnk_trainer_destroy(busy.trainer), nnk_trainer_destroy(idle.trainer);
    network_destroy(busy.net), network_destroy(idle.net);
}

/* ----------------------------------------------------- forks while other threads make and destroy everything */

enum { LIVES = 8, LIFE_THREADS = 2, LIFE_FORKS = 2000 };

static int stop_lives, lives, failed_lives;

/* One model with all that can be made of it, which works; false where it does not. */
static int live(nnk_model *model, int i) {
    const int64_t shape[2] = {1, 2};
    float x[2] = {1, 2}, y[2] = {0, 0};
    const float wanted[2] = {3, 4};
    nnk_tensor input = nnk_tensor_view(x, NNK_FLOAT32, shape, 2), output = nnk_tensor_view(y, NNK_FLOAT32, shape, 2);
    nnk_tensor target = nnk_tensor_view((void *)(uintptr_t)wanted, NNK_FLOAT32, shape, 2);
    nnk_trainer *trainer = NULL;
    nnk_session *session = NULL;
    int good = nnk_trainer_create(model, "loss=mean_squared_error", &trainer) == NNK_OK &&
               nnk_trainer_set(trainer, "learning_rate=0.02") == NNK_OK &&
               nnk_session_create(model, "", &session) == NNK_OK;
    if (i % 2) good = good && nnk_trainer_step(trainer, &input, 1, &target, 1, NULL) == NNK_OK;
    good = good && nnk_session_run(session, &input, 1, &output, 1) == NNK_OK && y[0] == y[0];
    nnk_trainer_destroy(trainer), nnk_session_destroy(session);
    return good;
}

static nnk_model *model_of_two(nnk_runtime *runtime) {
    const int64_t shape[1] = {2};
    nnk_graph *graph = nnk_graph_create();
    nnk_value x = nnk_graph_input(graph, "x", NNK_FLOAT32, shape, 1);
    nnk_model *model = NULL;
    nnk_graph_output(graph, "y", nnk_graph_layer(graph, "dense", "units=2", x));
    if (nnk_model_create(runtime, graph, "", &model) != NNK_OK) model = NULL;
    nnk_graph_destroy(graph);
    return model;
}

static void *live_and_die(void *argument) {
    nnk_model *models[LIVES] = {NULL};
    int i, good = 1;
    (void)argument;
    while (!__atomic_load_n(&stop_lives, __ATOMIC_SEQ_CST)) {
        nnk_runtime *runtime = NULL;
        good = good && nnk_runtime_create("threads=2", &runtime) == NNK_OK;
        for (i = 0; i < LIVES; i++) {
            models[i] = model_of_two(i ? NULL : runtime);
            good = good && models[i] && (i % 8 || live(models[i], i));
        }
        nnk_runtime_destroy(runtime);
        /* All at once: so that many forks meet an end. */
        for (i = 0; i < LIVES; i++) nnk_model_destroy(models[i]);
        __atomic_fetch_add(&lives, LIVES, __ATOMIC_SEQ_CST);
    }
    if (!good) __atomic_fetch_add(&failed_lives, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

static void child_among_lives(void *argument) {
    nnk_model *model = model_of_two(NULL);
    (void)argument;
    CHECK(model && live(model, 1));
    nnk_model_destroy(model);
}

static void forks_among_lives(int children) {
    pthread_t threads[LIFE_THREADS];
    int i, good = 0;
    for (i = 0; i < LIFE_THREADS; i++)
        if (pthread_create(&threads[i], NULL, live_and_die, (void *)(uintptr_t)(i + 1)) != 0) exit(3);
    for (i = 0; i < children; i++) {
        usleep((useconds_t)(i * 37 % 100));
        good += check_in_child("fork while threads make and destroy models", CHILD_SECONDS, child_among_lives, NULL);
    }
    __atomic_store_n(&stop_lives, 1, __ATOMIC_SEQ_CST);
    for (i = 0; i < LIFE_THREADS; i++) pthread_join(threads[i], NULL);
    printf("fork while threads make and destroy models: %d of %d children, %d models\n", good, children, lives);
    CHECK(lives > LIVES && failed_lives == 0);
}

/* ------------------------------------------------------- forks while other threads call for the first time ever */

enum { STARTS = 100, FIRST_FORKS = 20 };

/* Metadata of types, conformances and globals are made when they are first asked for: in a process that has just begun,
 * a fork meets a thread that is making them. So this program runs itself again and again. */
static void forks_of_new_processes(char *program, char *library) {
    const int starts = scaled(STARTS, 2);
    char mode[] = "new";
    char *arguments[] = {program, library, mode, NULL};
    int i, good = 0;
    for (i = 0; i < starts; i++) {
        int result = -1;
        pid_t process;
        fflush(NULL);
        process = fork();
        if (process == 0) {
            execv("/proc/self/exe", arguments);
            _exit(127);
        }
        if (process > 0) result = child_result(process);
        if (result != 0) fprintf(stderr, "forks of a new process: start %d failed with %d\n", i, result);
        CHECK(result == 0);
        good += result == 0;
        /* Where children hang, each takes its time: a few say it all. */
        if (i + 1 - good >= 3) break;
    }
    printf("forks of new processes: %d of %d\n", good, starts);
}

int main(int argc, char **argv) {
    char name[] = "libnnkit.so";
    char *library = argc > 1 ? argv[1] : name;
    if (argc > 2) {
        nnkit_load(library);
        forks_among_lives(FIRST_FORKS);
        return check_summary();
    }
    forks_of_new_processes(argv[0], library);
    nnkit_load(library);
    forks_after_training(NETWORK_CNN);
    forks_after_training(NETWORK_LSTM);
    forks_during_fit();
    forks_among_lives(scaled(LIFE_FORKS, 20));
    return check_summary();
}
