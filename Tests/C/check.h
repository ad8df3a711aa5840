/* check.h: counted checks, and children that run a test apart from the rest. Included after nnkit_loader.h. */
#ifndef CHECK_H
#define CHECK_H

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

static int checks_passed;
static int checks_failed;

/* The stack that nnkit.h says is enough for a thread that calls. */
enum { SMALL_STACK = 48 << 10 };

/* Whether the environment asks for a smaller run (NNKIT_TEST_SCALE=small), as under an emulated processor. */
static inline int scale_is_small(void) {
    const char *scale = getenv("NNKIT_TEST_SCALE");
    return scale && strcmp(scale, "small") == 0;
}

/* `usual`, or `small` in a small run. */
static inline int scaled(int usual, int small_value) { return scale_is_small() ? small_value : usual; }

static inline int check_true(int holds, const char *what, const char *file, int line) {
    if (holds) {
        checks_passed++;
    } else {
        checks_failed++;
        fprintf(stderr, "%s:%d: failed: %s\n", file, line, what);
    }
    return holds;
}

static inline int check_status(nnk_status actual, nnk_status expected, const char *what, const char *file, int line) {
    const int holds = actual == expected;
    if (holds) {
        checks_passed++;
    } else {
        checks_failed++;
        fprintf(stderr, "%s:%d: failed: %s gave %s, expected %s; last error: %s\n", file, line, what,
                nnk_status_name(actual), nnk_status_name(expected), nnk_last_error());
    }
    return holds;
}

/* Each counts one check, and is true where it holds. */
#define CHECK(condition)             check_true((condition) ? 1 : 0, #condition, __FILE__, __LINE__)
#define CHECK_OK(call)               check_status((call), NNK_OK, #call, __FILE__, __LINE__)
#define CHECK_STATUS(call, expected) check_status((call), (expected), #call, __FILE__, __LINE__)

/* Ends the program where setting up a test fails: what follows would mean nothing. */
static inline void require_ok(nnk_status status, const char *what, const char *file, int line) {
    if (status == NNK_OK) return;
    fprintf(stderr, "%s:%d: cannot set up: %s gave %s: %s\n", file, line, what, nnk_status_name(status),
            nnk_last_error());
    exit(3);
}
#define REQUIRE_OK(call) require_ok((call), #call, __FILE__, __LINE__)

/* Prints the totals; what main returns: 1 where a check failed or none was made. */
static inline int check_summary(void) {
    printf("%d passed, %d failed\n", checks_passed, checks_failed);
    return checks_failed != 0 || checks_passed == 0;
}

/* How a child ended: its exit status, or 1000 + the signal that ended it. SIGALRM (1014) is its timeout. */
static inline int child_result(pid_t child) {
    int status = 0;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* Starts a child that ends by SIGALRM after `seconds` (more in a small run, whose processor may be emulated).
 * Returns as fork does. Counts start anew in the child. */
static inline pid_t child_start(unsigned seconds) {
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        signal(SIGALRM, SIG_DFL);
        alarm(scale_is_small() ? seconds * 10 : seconds);
        checks_passed = 0;
        checks_failed = 0;
    }
    return child;
}

/* Runs `body` in a child and adds its counts, and one check: that the child ended by itself, with none failed. */
static inline int check_in_child(const char *name, unsigned seconds, void (*body)(void *), void *argument) {
    int counts[2] = {0, 0}, ends[2];
    pid_t child;
    int result, good;
    if (pipe(ends) != 0) exit(3);
    child = child_start(seconds);
    if (child == 0) {
        close(ends[0]);
        body(argument);
        fflush(NULL);
        counts[0] = checks_passed, counts[1] = checks_failed;
        _exit(write(ends[1], counts, sizeof counts) == (ssize_t)sizeof counts && !checks_failed ? 0 : 1);
    }
    close(ends[1]);
    result = child < 0 ? -1 : child_result(child);
    good = result == 0;
    if (read(ends[0], counts, sizeof counts) == (ssize_t)sizeof counts) {
        checks_passed += counts[0];
        checks_failed += counts[1];
    } else {
        good = 0;
    }
    close(ends[0]);
    if (good) {
        checks_passed++;
    } else {
        checks_failed++;
        fprintf(stderr, "%s: %s %d\n", name, result >= 1000 ? "ended by signal" : "failed with exit status",
                result >= 1000 ? result - 1000 : result);
    }
    return good;
}

/* A new temporary folder; ends the program where there can be none. The caller frees the string. */
static inline char *temporary_folder(void) {
    const char *root = getenv("TMPDIR");
    const char *name = "/nnkit-test-XXXXXX";
    if (!root || !*root) root = "/tmp";
    char *path = (char *)malloc(strlen(root) + strlen(name) + 1);
    if (!path) exit(3);
    strcpy(path, root);
    strcat(path, name);
    if (!mkdtemp(path)) {
        fprintf(stderr, "cannot create %s: %s\n", path, strerror(errno));
        exit(3);
    }
    return path;
}

/* `folder`/`name`. The caller frees the string. */
static inline char *path_in(const char *folder, const char *name) {
    char *path = (char *)malloc(strlen(folder) + strlen(name) + 2);
    if (!path) exit(3);
    strcpy(path, folder);
    strcat(path, "/");
    strcat(path, name);
    return path;
}

#endif /* CHECK_H */
