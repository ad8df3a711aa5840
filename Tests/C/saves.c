/* saves.c: what a save does to the folder, the file and the process around it, whatever stands at its path; and what
 * loading does with paths that are no model's. argv[1]: the library.
 *
 * NNKIT_KILLS: how many saves are killed (default 25). NNKIT_SAVES: how many there are during a fit (default 15). */
#include "nnkit_loader.h"

#include "check.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <time.h>

enum { CHILD_SECONDS = 60 };

static char *folder;

static nnk_model *dense_model(int64_t inputs, const char *options, const char *seed) {
    nnk_graph *graph = nnk_graph_create();
    nnk_model *model = NULL;
    nnk_runtime *runtime = NULL;
    nnk_value x = nnk_graph_input(graph, "x", NNK_FLOAT32, &inputs, 1);
    REQUIRE_OK(nnk_runtime_create("threads=1", &runtime));
    REQUIRE_OK(nnk_graph_output(graph, "y", nnk_graph_layer(graph, "dense", options, x)));
    REQUIRE_OK(nnk_model_create(runtime, graph, seed, &model));
    nnk_runtime_destroy(runtime);
    nnk_graph_destroy(graph);
    return model;
}

static nnk_model *small_model(void) { return dense_model(4, "units=4", ""); }

/* The number of entries of a folder, "." and ".." not counted. */
static int entries_in(const char *path) {
    int count = -2;
    DIR *directory = opendir(path);
    if (!directory) return -1;
    while (readdir(directory)) count++;
    closedir(directory);
    return count;
}

static void remove_folder(const char *path) {
    const struct dirent *entry;
    DIR *directory = opendir(path);
    if (!directory) return;
    while ((entry = readdir(directory)) != NULL) unlinkat(dirfd(directory), entry->d_name, 0);
    closedir(directory);
    rmdir(path);
}

/* A folder for one test. */
static char *new_folder(const char *name) {
    char *path = path_in(folder, name);
    if (mkdir(path, 0755) != 0) exit(3);
    return path;
}

static int loads(const char *path) {
    nnk_model *model = NULL;
    const int good = nnk_model_load(NULL, path, &model) == NNK_OK;
    nnk_model_destroy(model);
    return good;
}

/* -------------------------------------------------------------------------------------- what others left */

static void leftovers(void *unused) {
    char *inside = new_folder("leftovers"), *target = path_in(inside, "model.nnkit");
    char *dead = path_in(inside, ".nnkit-save-123456789abcdef.tmp"), *alive = path_in(inside, ".nnkit-save-1.tmp");
    char *strange = path_in(inside, ".nnkit-save-2.tmp"), *other = path_in(inside, "nnkit-save-3.tmp");
    nnk_model *model = small_model();
    const int dead_file = open(dead, O_CREAT | O_WRONLY, 0600), alive_file = open(alive, O_CREAT | O_WRONLY, 0600);
    const int other_file = open(other, O_CREAT | O_WRONLY, 0600);
    (void)unused;
    if (dead_file < 0 || alive_file < 0 || other_file < 0 || flock(alive_file, LOCK_EX) != 0) exit(3);
    if (mkfifo(strange, 0600) != 0) exit(3);
    CHECK_OK(nnk_model_save(model, target));
    CHECK(access(dead, F_OK) != 0);
    CHECK(access(alive, F_OK) == 0);
    CHECK(access(strange, F_OK) == 0);
    CHECK(access(other, F_OK) == 0);
    CHECK(loads(target));
    close(alive_file);
    CHECK_OK(nnk_model_save(model, target));
    CHECK(access(alive, F_OK) != 0);
    CHECK(entries_in(inside) == 3);
    remove_folder(inside);
}

/* As fork, but the child is process 1 of a world of its own, like the first one of every container. */
static pid_t fork_as_first(int *is_first) {
    long child = syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
    if (child < 0) child = syscall(SYS_clone, CLONE_NEWUSER | CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
    *is_first = child >= 0;
    return child >= 0 ? (pid_t)child : fork();
}

/* Saves that are killed, all by processes of one number: a whole file stands there at any time, every next save works,
 * and what is left behind does not pile up. */
static void kills(void *unused) {
    const char *wanted = getenv("NNKIT_KILLS");
    const int count = wanted ? atoi(wanted) : scaled(25, 5);
    char *inside = new_folder("kills"), *target = path_in(inside, "model.nnkit");
    nnk_model *models[2];
    uint32_t state = 20261128u;
    int i, torn = 0, stuck = 0, most = 0, firsts = 0;
    char what[128];
    (void)unused;
    models[0] = dense_model(300, "units=300", "seed=1");
    models[1] = dense_model(300, "units=300", "seed=2");
    REQUIRE_OK(nnk_model_save(models[0], target));
    fflush(NULL);
    for (i = 0; i < count; i++) {
        struct timespec wait = {0, 0};
        int is_first = 0, ready[2], left;
        char byte;
        pid_t child;
        if (pipe(ready) != 0) exit(3);
        child = fork_as_first(&is_first);
        if (child == 0) {
            int turn = 0;
            alarm(20);
            if (nnk_model_save(models[0], target) != NNK_OK || write(ready[1], "r", 1) != 1) _exit(1);
            for (;; turn++)
                if (nnk_model_save(models[turn % 2], target) != NNK_OK) _exit(1);
        }
        close(ready[1]);
        firsts += is_first;
        /* Every second one may be killed in its first save, which is what the next one meets first. */
        if (i % 2 == 0 && read(ready[0], &byte, 1) != 1) stuck++; /* its first save failed */
        close(ready[0]);
        state = state * 1664525u + 1013904223u;
        wait.tv_nsec = (long)(state >> 8) % 4000000;
        nanosleep(&wait, NULL);
        kill(child, SIGKILL);
        child_result(child);
        torn += !loads(target);
        left = entries_in(inside) - 1;
        most = left > most ? left : most;
    }
    snprintf(what, sizeof what, "%d kills (%d of process 1): %d torn files, %d saves stuck, at most %d left-over files",
             count, firsts, torn, stuck, most);
    fprintf(stderr, "attack: %s\n", what);
    check_true(torn == 0 && stuck == 0 && most <= 1, what, __FILE__, __LINE__);
    CHECK_OK(nnk_model_save(models[0], target));
    CHECK(entries_in(inside) == 1);
    remove_folder(inside);
}

/* Stops a fit when it is told to. */
static int go_on(const nnk_progress *progress, void *user) {
    (void)progress;
    return __atomic_load_n((int *)user, __ATOMIC_RELAXED);
}

typedef struct fit {
    nnk_trainer *trainer;
    nnk_dataset *dataset;
    int stop;
    nnk_status status;
} fit;

static void *fit_for_ever(void *argument) {
    fit *f = (fit *)argument;
    f->status = nnk_trainer_fit(f->trainer, f->dataset, "epochs=1000000 batch_size=8 report=step", go_on, &f->stop);
    return NULL;
}

/* What a save writes while another thread trains is a whole model, and a state between two steps. */
static void saves_during_a_fit(void *unused) {
    enum { ROWS = 64, SIZE = 200 };
    static float x[ROWS * SIZE], y[ROWS * SIZE];
    const char *wanted = getenv("NNKIT_SAVES");
    const int count = wanted ? atoi(wanted) : scaled(15, 3);
    char *inside = new_folder("during a fit"), *target = path_in(inside, "model.nnkit");
    const int64_t shape[2] = {ROWS, SIZE};
    const nnk_tensor in = nnk_tensor_view(x, NNK_FLOAT32, shape, 2), to = nnk_tensor_view(y, NNK_FLOAT32, shape, 2);
    nnk_model *model = dense_model(SIZE, "units=200", "seed=1");
    pthread_t thread;
    char what[96];
    fit f;
    int i, refused = 0, torn = 0;
    (void)unused;
    memset(&f, 0, sizeof f);
    for (i = 0; i < ROWS * SIZE; i++) x[i] = (float)(i % 17) / 17, y[i] = (float)(i % 13) / 13;
    REQUIRE_OK(nnk_trainer_create(model, "loss=mean_squared_error learning_rate=0.001", &f.trainer));
    REQUIRE_OK(nnk_dataset_create_from_arrays(&in, 1, &to, 1, &f.dataset));
    if (pthread_create(&thread, NULL, fit_for_ever, &f) != 0) exit(3);
    for (i = 0; i < count; i++) {
        refused += nnk_model_save(model, target) != NNK_OK;
        torn += !loads(target);
    }
    __atomic_store_n(&f.stop, 1, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    CHECK_OK(f.status);
    snprintf(what, sizeof what, "%d saves during a fit: %d refused, %d torn files", count, refused, torn);
    fprintf(stderr, "attack: %s\n", what);
    check_true(refused == 0 && torn == 0, what, __FILE__, __LINE__);
    remove_folder(inside);
}

typedef struct saver {
    nnk_model *model;
    const char *target;
    int failed;
} saver;

static void *save_again_and_again(void *argument) {
    saver *s = (saver *)argument;
    int i;
    for (i = 0; i < 25; i++) s->failed += nnk_model_save(s->model, s->target) != NNK_OK;
    return NULL;
}

static void saves_side_by_side(void *unused) {
    enum { THREADS = 6 };
    char *inside = new_folder("side by side"), *target = path_in(inside, "model.nnkit");
    nnk_model *model = small_model();
    pthread_t threads[THREADS];
    saver savers[THREADS];
    int i, failed = 0;
    (void)unused;
    for (i = 0; i < THREADS; i++) {
        savers[i].model = model, savers[i].target = target, savers[i].failed = 0;
        if (pthread_create(&threads[i], NULL, save_again_and_again, &savers[i]) != 0) exit(3);
    }
    for (i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        failed += savers[i].failed;
    }
    CHECK(failed == 0);
    CHECK(loads(target) && entries_in(inside) == 1);
    remove_folder(inside);
}

/* --------------------------------------------------------------------------------- what stands at the path */

/* Refuses `path`, which stays what it is. */
static void check_refused(nnk_model *model, const char *path, mode_t type) {
    struct stat before, now;
    nnk_model *loaded = NULL;
    if (stat(path, &before) != 0) exit(3);
    CHECK_STATUS(nnk_model_save(model, path), NNK_ERROR_IO);
    check_true(strstr(nnk_last_error(), "not a regular file") != NULL, nnk_last_error(), __FILE__, __LINE__);
    CHECK(stat(path, &now) == 0 && (now.st_mode & S_IFMT) == type && now.st_ino == before.st_ino);
    CHECK_STATUS(nnk_model_load(NULL, path, &loaded), NNK_ERROR_IO);
    check_true(strstr(nnk_last_error(), "not a regular file") != NULL, nnk_last_error(), __FILE__, __LINE__);
}

static void no_regular_files(void *unused) {
    char *inside = new_folder("no files"), *path = path_in(inside, "it"), *link = path_in(inside, "link");
    nnk_model *model = small_model();
    struct sockaddr_un address;
    const int server = socket(AF_UNIX, SOCK_STREAM, 0);
    (void)unused;
    if (symlink("it", link) != 0) exit(3);
    if (mkfifo(path, 0600) != 0) exit(3);
    check_refused(model, path, S_IFIFO);
    check_refused(model, link, S_IFIFO);
    unlink(path);
    memset(&address, 0, sizeof address);
    address.sun_family = AF_UNIX;
    snprintf(address.sun_path, sizeof address.sun_path, "%.100s", path);
    if (bind(server, (const struct sockaddr *)&address, sizeof address) != 0) exit(3);
    check_refused(model, path, S_IFSOCK);
    unlink(path);
    if (mknod(path, S_IFCHR | 0600, makedev(1, 3)) == 0) { /* another /dev/null; needs rights */
        check_refused(model, path, S_IFCHR);
        unlink(path);
    }
    if (mkdir(path, 0700) != 0) exit(3);
    check_refused(model, path, S_IFDIR);
    rmdir(path);
    CHECK(entries_in(inside) == 1);
    remove_folder(inside);
}

static void links(void *unused) {
    char *inside = new_folder("links"), *elsewhere = new_folder("elsewhere"), *file = path_in(elsewhere, "model.nnkit");
    static const char *const names[] = {"absolute", "relative", "twice", "dangling"};
    char *paths[4], *loop = path_in(inside, "loop"), *made = path_in(elsewhere, "made.nnkit");
    nnk_model *model = small_model();
    struct stat status;
    int i;
    (void)unused;
    for (i = 0; i < 4; i++) paths[i] = path_in(inside, names[i]);
    if (symlink(file, paths[0]) != 0 || symlink("../elsewhere/model.nnkit", paths[1]) != 0 ||
        symlink("relative", paths[2]) != 0 || symlink("../elsewhere/made.nnkit", paths[3]) != 0 ||
        symlink("loop", loop) != 0)
        exit(3);
    for (i = 0; i < 4; i++) {
        unlink(file);
        CHECK_OK(nnk_model_save(model, paths[i]));
        CHECK(lstat(paths[i], &status) == 0 && S_ISLNK(status.st_mode));
        CHECK(loads(paths[i]));
        CHECK(access(i == 3 ? made : file, F_OK) == 0);
    }
    CHECK_STATUS(nnk_model_save(model, loop), NNK_ERROR_IO);
    CHECK(entries_in(inside) == 5);
    remove_folder(inside), remove_folder(elsewhere);
}

static void modes_and_owners(void *unused) {
    static const mode_t modes[] = {0600, 0640, 0644, 0664, 0777, 02755};
    char *inside = new_folder("modes"), *path = path_in(inside, "model.nnkit");
    nnk_model *model = small_model();
    struct stat status;
    size_t i;
    (void)unused;
    umask(027);
    CHECK_OK(nnk_model_save(model, path));
    CHECK(stat(path, &status) == 0 && (status.st_mode & 07777) == 0640);
    for (i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (chmod(path, modes[i]) != 0) exit(3);
        CHECK_OK(nnk_model_save(model, path));
        CHECK(stat(path, &status) == 0 && (status.st_mode & 07777) == modes[i]);
    }
    if (geteuid() == 0) { /* others may give nothing away */
        if (chown(path, 12345, 54321) != 0 || chmod(path, 0640) != 0) exit(3);
        CHECK_OK(nnk_model_save(model, path));
        CHECK(stat(path, &status) == 0 && status.st_uid == 12345 && status.st_gid == 54321);
        CHECK((status.st_mode & 07777) == 0640);
        /* Who may not keep the owner leaves the file alone. */
        if (chmod(inside, 0777) != 0 || chmod(folder, 0755) != 0 || seteuid(65534) != 0) exit(3);
        CHECK_STATUS(nnk_model_save(model, path), NNK_ERROR_IO);
        CHECK(strstr(nnk_last_error(), "owner") != NULL);
        CHECK(entries_in(inside) == 1);
        if (seteuid(0) != 0) exit(3);
        CHECK(stat(path, &status) == 0 && status.st_uid == 12345);
        /* A folder that may be written to and not be listed. */
        if (chmod(inside, 0733) != 0 || unlink(path) != 0 || seteuid(65534) != 0) exit(3);
        CHECK_OK(nnk_model_save(model, path));
        if (seteuid(0) != 0) exit(3);
    }
    CHECK(loads(path));
    remove_folder(inside);
}

static void names(void *unused) {
    static char name[300], long_path[3 * PATH_MAX];
    char *inside = new_folder("names"), *path;
    nnk_model *model = small_model();
    size_t length;
    (void)unused;
    memset(name, 'n', sizeof name);
    for (length = 250; length <= 256; length++) {
        name[length] = 0;
        path = path_in(inside, name);
        CHECK_STATUS(nnk_model_save(model, path), length <= NAME_MAX ? NNK_OK : NNK_ERROR_IO);
        CHECK(loads(path) == (length <= NAME_MAX));
        name[length] = 'n';
    }
    CHECK(entries_in(inside) == 6);
    /* A path as long as paths may be, and one byte longer. */
    for (length = PATH_MAX - 1; length <= PATH_MAX; length++) {
        strcpy(long_path, inside);
        while (strlen(long_path) + 4 < length) strcat(long_path, "/.");
        strcat(long_path, "/x");
        while (strlen(long_path) < length) strcat(long_path, "x");
        CHECK_STATUS(nnk_model_save(model, long_path), length < PATH_MAX ? NNK_OK : NNK_ERROR_IO);
    }
    CHECK_STATUS(nnk_model_save(model, ""), NNK_ERROR_IO);
    CHECK_STATUS(nnk_model_save(model, "/"), NNK_ERROR_IO);
    CHECK_STATUS(nnk_model_save(model, "no such folder/model.nnkit"), NNK_ERROR_IO);
    if (chdir(inside) != 0) exit(3);
    CHECK_OK(nnk_model_save(model, "plain name"));
    CHECK_OK(nnk_model_save(model, "./././plain name"));
    CHECK_STATUS(nnk_model_save(model, "."), NNK_ERROR_IO);
    CHECK_STATUS(nnk_model_save(model, ".."), NNK_ERROR_IO);
    CHECK_STATUS(nnk_model_save(model, "plain name/"), NNK_ERROR_IO);
    CHECK(entries_in(".") == 8);
    remove_folder(inside);
}

/* ------------------------------------------------------------------------------------------ the process's limits */

static void size_limit(void *unused) {
    const struct rlimit limit = {2000, 2000};
    char *inside = new_folder("limit"), *path = path_in(inside, "model.nnkit");
    nnk_model *model = dense_model(64, "units=64", "");
    sigset_t before, now, pending;
    (void)unused;
    signal(SIGXFSZ, SIG_DFL); /* would end the process */
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) exit(3);
    sigprocmask(SIG_SETMASK, NULL, &before);
    CHECK_STATUS(nnk_model_save(model, path), NNK_ERROR_IO);
    sigprocmask(SIG_SETMASK, NULL, &now);
    sigpending(&pending);
    CHECK(sigismember(&before, SIGXFSZ) == sigismember(&now, SIGXFSZ));
    CHECK(sigismember(&pending, SIGXFSZ) == 0);
    CHECK(entries_in(inside) == 0);
    /* A signal that waits already is the host's, and goes on waiting. */
    sigemptyset(&now);
    sigaddset(&now, SIGXFSZ);
    sigprocmask(SIG_BLOCK, &now, NULL);
    raise(SIGXFSZ);
    CHECK_STATUS(nnk_model_save(model, path), NNK_ERROR_IO);
    sigpending(&pending);
    CHECK(sigismember(&pending, SIGXFSZ) == 1);
    remove_folder(inside);
}

/* --------------------------------------------------------------------------------------------- what is loaded */

static void write_file(const char *path, const char *header, off_t size) {
    unsigned char start[8];
    const size_t length = strlen(header);
    const int file = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    int i;
    for (i = 0; i < 8; i++) start[i] = (unsigned char)(length >> 8 * i);
    if (file < 0 || write(file, start, 8) != 8 || write(file, header, length) != (ssize_t)length ||
        (size > 0 && ftruncate(file, size) != 0))
        exit(3);
    close(file);
}

#define INPUT  "{\\\"dtype\\\":\\\"float32\\\",\\\"name\\\":\\\"x\\\",\\\"shape\\\":[2],\\\"value\\\":0}"
#define OUTPUT "{\\\"name\\\":\\\"y\\\",\\\"value\\\":0}"
#define GRAPH(inputs, outputs)                                                                                         \
    "{\"__metadata__\":{\"nnkit.graph\":\"{\\\"inputs\\\":[" inputs "],\\\"layers\\\":[],\\\"outputs\\\":[" outputs    \
    "],\\\"seed\\\":0,\\\"version\\\":1}\"}}"

static void files_that_are_none(void *unused) {
    const struct rlimit limit = {(rlim_t)4 << 30, (rlim_t)4 << 30};
    char *inside = new_folder("none"), *path = path_in(inside, "model.nnkit");
    nnk_model *model = NULL;
    (void)unused;
    write_file(path, GRAPH(INPUT, OUTPUT), 0);
    CHECK_OK(nnk_model_load(NULL, path, &model));
    write_file(path, GRAPH(INPUT, ""), 0);
    CHECK_STATUS(nnk_model_load(NULL, path, &model), NNK_ERROR_FORMAT);
    write_file(path, GRAPH("", ""), 0);
    CHECK_STATUS(nnk_model_load(NULL, path, &model), NNK_ERROR_FORMAT);
    /* A terabyte of nothing behind a good header: refused without memory for it. */
    if (!scale_is_small() && setrlimit(RLIMIT_AS, &limit) != 0) exit(3);
    write_file(path, GRAPH(INPUT, OUTPUT), (off_t)1 << 40);
    CHECK_STATUS(nnk_model_load(NULL, path, &model), NNK_ERROR_FORMAT);
    remove_folder(inside);
}

/* The header nested `depth` deep, and the graph in it. */
static void *load_on_a_small_stack(void *path) {
    nnk_model *model = NULL;
    const nnk_status status = nnk_model_load(NULL, (const char *)path, &model);
    return (void *)(intptr_t)status;
}

static void deep_files_on_a_small_stack(void *unused) {
    static char header[9000], brackets[2][1100];
    char *inside = new_folder("deep"), *path = path_in(inside, "model.nnkit");
    static const int depths[] = {5, 31, 33, 100, 400, 505, 511, 512, 513, 1000};
    pthread_attr_t attributes;
    size_t i;
    int in_graph;
    (void)unused;
    pthread_attr_init(&attributes);
    if (pthread_attr_setstacksize(&attributes, SMALL_STACK) != 0) exit(3);
    for (i = 0; i < sizeof depths / sizeof depths[0]; i++) {
        const size_t depth = (size_t)depths[i];
        memset(brackets[0], '[', depth), brackets[0][depth] = 0;
        memset(brackets[1], ']', depth), brackets[1][depth] = 0;
        for (in_graph = 0; in_graph < 2; in_graph++) {
            pthread_t thread;
            void *status = NULL;
            snprintf(header, sizeof header,
                     in_graph ? "{\"__metadata__\":{\"nnkit.graph\":\"{\\\"inputs\\\":%s%s}\"}}"
                              : "{\"x\":{\"dtype\":\"F32\",\"data_offsets\":[0,0],\"shape\":%s%s}}",
                     brackets[0], brackets[1]);
            write_file(path, header, 0);
            if (pthread_create(&thread, &attributes, load_on_a_small_stack, path) != 0) exit(3);
            pthread_join(thread, &status);
            CHECK((intptr_t)status == NNK_ERROR_FORMAT);
        }
    }
    remove_folder(inside);
}

int main(int argc, char **argv) {
    nnkit_load(argc > 1 ? argv[1] : "libnnkit.so");
    folder = temporary_folder();
    check_in_child("left-over files", CHILD_SECONDS, leftovers, NULL);
    check_in_child("killed saves", getenv("NNKIT_KILLS") ? 600 : CHILD_SECONDS, kills, NULL);
    check_in_child("saves during a fit", CHILD_SECONDS, saves_during_a_fit, NULL);
    check_in_child("saves side by side", CHILD_SECONDS, saves_side_by_side, NULL);
    check_in_child("no regular files", CHILD_SECONDS, no_regular_files, NULL);
    check_in_child("links", CHILD_SECONDS, links, NULL);
    check_in_child("modes and owners", CHILD_SECONDS, modes_and_owners, NULL);
    check_in_child("names", CHILD_SECONDS, names, NULL);
    check_in_child("a limit on sizes", CHILD_SECONDS, size_limit, NULL);
    check_in_child("files that are none", CHILD_SECONDS, files_that_are_none, NULL);
    check_in_child("deep files on a small stack", CHILD_SECONDS, deep_files_on_a_small_stack, NULL);
    rmdir(folder);
    return check_summary();
}
