/* citizenship.c: a process that uses the library keeps its signals, its floating-point environment, its locale, its
 * output and its processor time. The library is loaded in children, so that each sees it from the start.
 * argv[1]: the library. */
#include "nnkit_loader.h"

#include "check.h"
#include "networks.h"

#include <dirent.h>
#include <fcntl.h>
#include <fenv.h>
#include <locale.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

enum { CHILD_SECONDS = 60, SAMPLES = 16 };

static const char *library_path;

/* Trains and predicts a little with `options` for the runtime (NULL: the default one). */
static void train_and_run(const char *options, network_kind kind) {
    nnk_runtime *runtime = NULL;
    network *n;
    nnk_trainer *trainer;
    nnk_dataset *dataset;
    nnk_session *session;
    if (options) REQUIRE_OK(nnk_runtime_create(options, &runtime));
    n = network_create(kind, runtime, SAMPLES);
    trainer = network_trainer(n);
    dataset = network_dataset(n);
    session = network_session(n);
    REQUIRE_OK(nnk_trainer_fit(trainer, dataset, "epochs=3 batch_size=8", NULL, NULL));
    REQUIRE_OK(network_run(n, session));
    nnk_session_destroy(session);
    nnk_dataset_destroy(dataset);
    nnk_trainer_destroy(trainer);
    network_destroy(n);
    nnk_runtime_destroy(runtime);
}

/* Also what goes wrong must go quietly. */
static void fail_a_little(void) {
    nnk_model *model = NULL;
    nnk_runtime *runtime = NULL;
    CHECK_STATUS(nnk_model_load(NULL, "no such file", &model), NNK_ERROR_IO);
    CHECK_STATUS(nnk_runtime_create("threads=none", &runtime), NNK_ERROR_INVALID_ARGUMENT);
}

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

static double processor_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* ------------------------------------------------------------------------ signals, output, environment */

typedef struct signals {
    struct sigaction actions[65];
    sigset_t mask;
} signals;

static void read_signals(signals *s) {
    int number;
    memset(s, 0, sizeof *s);
    for (number = 1; number < 65; number++) sigaction(number, NULL, &s->actions[number]);
    sigprocmask(SIG_SETMASK, NULL, &s->mask);
}

static void check_signals(const signals *before, const signals *now, const char *when) {
    int number, changed = 0, blocked = 0;
    char what[96];
    for (number = 1; number < 65; number++) {
        changed += before->actions[number].sa_handler != now->actions[number].sa_handler ||
                   before->actions[number].sa_flags != now->actions[number].sa_flags;
        blocked += sigismember(&before->mask, number) != sigismember(&now->mask, number);
    }
    snprintf(what, sizeof what, "%s: %d signal handlers and %d blocked signals changed", when, changed, blocked);
    check_true(changed == 0 && blocked == 0, what, __FILE__, __LINE__);
}

static void own_handler(int number) { (void)number; }

/* Sends stdout and stderr to a file, whose size afterwards is what was printed. */
static int capture_output(int saved[2]) {
    char *folder = temporary_folder(), *name = path_in(folder, "output");
    const int file = open(name, O_CREAT | O_RDWR, 0600);
    if (file < 0) exit(3);
    unlink(name), rmdir(folder);
    free(name), free(folder);
    fflush(NULL);
    saved[0] = dup(1), saved[1] = dup(2);
    dup2(file, 1), dup2(file, 2);
    return file;
}

static off_t printed_bytes(int file, const int saved[2]) {
    struct stat status;
    fflush(NULL);
    dup2(saved[0], 1), dup2(saved[1], 2);
    if (fstat(file, &status) != 0) exit(3);
    close(file), close(saved[0]), close(saved[1]);
    return status.st_size;
}

/* The control bits of the floating-point unit: rounding, flushing to zero, masks. */
static unsigned floating_point_control(void) {
#if defined(__SSE__)
    return _mm_getcsr() & ~0x3fu;
#else
    return 0;
#endif
}

static void leaves_the_process_as_it_was(void *unused) {
    signals before, loaded, trained;
    struct sigaction action;
    const int rounding = fegetround();
    const unsigned control = floating_point_control();
    char *locale = strdup(setlocale(LC_ALL, NULL));
    int saved[2], file;
    off_t printed;
    (void)unused;
    memset(&action, 0, sizeof action);
    action.sa_handler = own_handler;
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGSEGV, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    read_signals(&before);
    file = capture_output(saved);
    nnkit_load(library_path);
    read_signals(&loaded);
    train_and_run(NULL, NETWORK_CNN);
    train_and_run("threads=3", NETWORK_LSTM);
    fail_a_little();
    nnk_shutdown();
    read_signals(&trained);
    printed = printed_bytes(file, saved);
    CHECK(printed == 0);
    check_signals(&before, &loaded, "after loading");
    check_signals(&before, &trained, "after training");
    CHECK(fegetround() == rounding && floating_point_control() == control);
    CHECK(strcmp(setlocale(LC_ALL, NULL), locale) == 0);
    free(locale);
}

/* With a Swift toolchain in which the runtime's crash reporter can be found; *enable: and asked for. */
static void with_a_swift_root(void *enable) {
    static const char *const programs[] = {"libexec/swift/linux/swift-backtrace-static",
                                           "libexec/swift/linux/swift-backtrace",
                                           "libexec/swift/linux/x86_64/swift-backtrace-static",
                                           "libexec/swift/swift-backtrace",
                                           "libexec/swift-backtrace",
                                           "bin/swift-backtrace"};
    static const char *const folders[] = {"bin", "libexec", "libexec/swift", "libexec/swift/linux",
                                          "libexec/swift/linux/x86_64"};
    char *root = temporary_folder();
    size_t i;
    for (i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        char *path = path_in(root, folders[i]);
        if (mkdir(path, 0700) != 0) exit(3);
        free(path);
    }
    for (i = 0; i < sizeof programs / sizeof programs[0]; i++) {
        char *path = path_in(root, programs[i]);
        const int file = open(path, O_CREAT | O_WRONLY, 0700);
        if (file < 0 || write(file, "#!/bin/sh\n", 10) != 10) exit(3);
        close(file);
        free(path);
    }
    setenv("SWIFT_ROOT", root, 1);
    if (*(const int *)enable) setenv("SWIFT_BACKTRACE", "enable=yes", 1);
    leaves_the_process_as_it_was(NULL);
    for (i = 0; i < sizeof programs / sizeof programs[0]; i++) {
        char *path = path_in(root, programs[i]);
        unlink(path), free(path);
    }
    for (i = sizeof folders / sizeof folders[0]; i-- > 0;) {
        char *path = path_in(root, folders[i]);
        rmdir(path), free(path);
    }
    rmdir(root), free(root);
}

/* A host that rounds upwards and flushes to zero gets the same bits, and keeps its modes. */
static void results_do_not_follow_the_hosts_rounding(void *unused) {
    float *expected;
    network *n;
    nnk_session *session;
    unsigned control;
    (void)unused;
    nnkit_load(library_path);
    n = network_create(NETWORK_CNN, NULL, SAMPLES);
    session = network_session(n);
    expected = (float *)network_memory(network_output_bytes(n));
    REQUIRE_OK(network_run(n, session));
    memcpy(expected, n->output, network_output_bytes(n));
    fesetround(FE_UPWARD);
#if defined(__SSE__)
    _mm_setcsr(_mm_getcsr() | 0x8040); /* flush to zero, denormals are zero */
#endif
    control = floating_point_control();
    CHECK_OK(network_run(n, session));
    CHECK(fegetround() == FE_UPWARD && floating_point_control() == control);
    fesetround(FE_TONEAREST);
    CHECK(memcmp(expected, n->output, network_output_bytes(n)) == 0);
    free(expected);
    nnk_session_destroy(session);
    network_destroy(n);
}

/* -------------------------------------------------------------------- loading, threads, idle time */

/* Resident memory in bytes. */
static long resident_bytes(void) {
    long total = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%ld %ld", &total, &resident) != 2) exit(3);
    fclose(file);
    return resident * sysconf(_SC_PAGESIZE);
}

static void loads_a_thousand_times(void *unused) {
    const int times = scaled(1000, 50);
    long early = 0, late;
    int i;
    (void)unused;
    for (i = 0; i < times; i++) {
        void *library = dlopen(library_path, RTLD_NOW | RTLD_LOCAL);
        if (!CHECK(library != NULL)) return;
        nnkit_resolve(library);
        if (i % 100 == 0) train_and_run("threads=2", NETWORK_CNN);
        CHECK(nnk_abi_version() >= NNK_ABI_VERSION);
        CHECK(dlclose(library) == 0);
        if (i == times / 5) early = resident_bytes();
    }
    late = resident_bytes();
    CHECK(late - early < (4 << 20));
}

static void one_thread_means_none_started(void *unused) {
    int before;
    (void)unused;
    nnkit_load(library_path);
    before = thread_count();
    train_and_run("threads=1", NETWORK_CNN);
    train_and_run("threads=1", NETWORK_LSTM);
    CHECK(thread_count() == before);
}

/* Threads of a runtime end after its last object, those of the default one with nnk_shutdown. */
static void threads_end(void *unused) {
    int before, tries;
    (void)unused;
    nnkit_load(library_path);
    before = thread_count();
    setenv("NNKIT_NUM_THREADS", "3", 1);
    train_and_run(NULL, NETWORK_CNN);
    CHECK(thread_count() <= before + 2);
    nnk_shutdown();
    /* A thread that was joined may be listed a moment longer. */
    for (tries = 0; tries < 200 && thread_count() != before; tries++) usleep(1000);
    CHECK(thread_count() == before);
    train_and_run("threads=4", NETWORK_CNN);
    for (tries = 0; tries < 200 && thread_count() != before; tries++) usleep(10000);
    CHECK(thread_count() == before);
}

static void idle_costs_nothing(void *unused) {
    network *n;
    nnk_trainer *trainer;
    nnk_runtime *runtime = NULL;
    double before, used;
    char what[64];
    (void)unused;
    nnkit_load(library_path);
    REQUIRE_OK(nnk_runtime_create("threads=4", &runtime));
    n = network_create(NETWORK_CNN, runtime, SAMPLES);
    trainer = network_trainer(n);
    REQUIRE_OK(network_step(n, trainer, NULL));
    usleep(100000);
    before = processor_seconds();
    sleep(1);
    used = processor_seconds() - before;
    snprintf(what, sizeof what, "%.4f s of processor time in an idle second", used);
    check_true(used < 0.02, what, __FILE__, __LINE__);
    nnk_trainer_destroy(trainer);
    network_destroy(n);
    nnk_runtime_destroy(runtime);
}

int main(int argc, char **argv) {
    int no = 0, yes = 1;
    library_path = argc > 1 ? argv[1] : "libnnkit.so";
    unsetenv("SWIFT_ROOT");
    unsetenv("SWIFT_BACKTRACE");
    check_in_child("the process stays as it was", CHILD_SECONDS, leaves_the_process_as_it_was, NULL);
    check_in_child("the same with SWIFT_ROOT", CHILD_SECONDS, with_a_swift_root, &no);
    check_in_child("the same with SWIFT_ROOT and SWIFT_BACKTRACE", CHILD_SECONDS, with_a_swift_root, &yes);
    check_in_child("the host's rounding", CHILD_SECONDS, results_do_not_follow_the_hosts_rounding, NULL);
    check_in_child("loading again and again", CHILD_SECONDS, loads_a_thousand_times, NULL);
    check_in_child("threads=1", CHILD_SECONDS, one_thread_means_none_started, NULL);
    check_in_child("the end of threads", CHILD_SECONDS, threads_end, NULL);
    check_in_child("idle time", CHILD_SECONDS, idle_costs_nothing, NULL);
    return check_summary();
}
