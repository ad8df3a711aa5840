#include "CNNKitBoundary.h"

#include "../../include/nnkit.h"
#include "boundary_internal.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* The call that the thread is in. */
static NNKIT_PLATFORM_THREAD_LOCAL nnkit_boundary_frame *current;

/* Whether a call had to be given up in the midst of the library's own bookkeeping. */
static atomic_bool is_closed;

bool nnkit_boundary_enter(nnkit_boundary_frame *frame);

/* setjmp, and then nnkit_boundary_enter. Not setjmp itself, because Swift cannot call what returns twice. */
__asm__(".text\n"
        ".globl nnkit_boundary_begin\n"
        ".type nnkit_boundary_begin, @function\n"
        "nnkit_boundary_begin:\n"
        "    movq %rbx, 0(%rdi)\n"
        "    movq %rbp, 8(%rdi)\n"
        "    movq %r12, 16(%rdi)\n"
        "    movq %r13, 24(%rdi)\n"
        "    movq %r14, 32(%rdi)\n"
        "    movq %r15, 40(%rdi)\n"
        "    leaq 8(%rsp), %rax\n"
        "    movq %rax, 48(%rdi)\n"
        "    movq (%rsp), %rax\n"
        "    movq %rax, 56(%rdi)\n"
        "    jmp nnkit_boundary_enter\n"
        ".size nnkit_boundary_begin, .-nnkit_boundary_begin\n");

/* Lets nnkit_boundary_begin return false. */
__attribute__((noreturn)) static void return_again(const nnkit_boundary_frame *frame) {
    __asm__ volatile("movq 0(%0), %%rbx\n"
                     "movq 8(%0), %%rbp\n"
                     "movq 16(%0), %%r12\n"
                     "movq 24(%0), %%r13\n"
                     "movq 32(%0), %%r14\n"
                     "movq 40(%0), %%r15\n"
                     "movq 48(%0), %%rsp\n"
                     "xorl %%eax, %%eax\n"
                     "jmpq *56(%0)\n"
                     :
                     : "D"(frame)
                     : "memory");
    __builtin_unreachable();
}

__attribute__((used)) bool nnkit_boundary_enter(nnkit_boundary_frame *frame) {
    if (atomic_load_explicit(&is_closed, memory_order_relaxed)) return false;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &frame->cancellation);
    frame->environment = nnkit_platform_float_environment_get();
    nnkit_platform_float_environment_set(nnkit_platform_float_environment_default());
    frame->failed_outside = *nnkit_platform_memory_failed();
    *nnkit_platform_memory_failed() = false;
    frame->outer = current;
    current = frame;
    return true;
}

void nnkit_boundary_end(nnkit_boundary_frame *frame) {
    nnkit_boundary_forget(frame);
    nnkit_platform_float_environment_set(frame->environment);
}

void nnkit_boundary_forget(const nnkit_boundary_frame *frame) {
    current = frame->outer;
    *nnkit_platform_memory_failed() = frame->failed_outside;
    pthread_setcancelstate(frame->cancellation, NULL);
}

nnkit_boundary_frame *nnkit_boundary_current(void) { return current; }

void nnkit_boundary_give_up(void) {
    nnkit_boundary_frame *const frame = current;
    if (!frame) return;
    atomic_store(&is_closed, true);
    nnkit_platform_unlock_global_if_held();
    nnkit_platform_fork_gate_leave_altogether();
    nnkit_boundary_end(frame);
    return_again(frame);
}

/* ------------------------------------------------------------------------------------------------- texts */

enum { TEXTS = 3 };

static NNKIT_PLATFORM_THREAD_LOCAL char *texts[TEXTS];

/* A key whose destructor frees a thread's texts. Where the host has used up all keys, or memory, the texts of a thread
 * that ends stay. */
static pthread_key_t key;
static atomic_int key_state; /* 0: none yet, 1: being made, 2: there */

static void free_texts(void *mine) {
    char **const list = mine;
    for (int i = 0; i < TEXTS; i++) {
        free(list[i]);
        list[i] = NULL;
    }
}

static void free_at_the_threads_end(void) {
    int none = 0;
    if (atomic_compare_exchange_strong(&key_state, &none, 1))
        atomic_store(&key_state, pthread_key_create(&key, free_texts) == 0 ? 2 : 0);
    if (atomic_load(&key_state) == 2) pthread_setspecific(key, texts);
}

const char *nnkit_boundary_set_text(nnkit_text which, const char *text, size_t bytes) {
    char *const copy = malloc(bytes + 1);
    if (!copy) return NULL;
    memcpy(copy, text, bytes);
    copy[bytes] = 0;
    free(texts[which]);
    texts[which] = copy;
    free_at_the_threads_end();
    return copy;
}

const char *nnkit_boundary_text(nnkit_text which) {
    if (which == nnkit_text_last_error && atomic_load(&is_closed))
        return "a call ran out of memory, and out of the reserve, where it could not end in order: the library serves "
               "no "
               "call of this process any more";
    return texts[which];
}

#define TEXT_OF(number)  #number
#define EXPANDED(number) TEXT_OF(number)

const char *nnkit_boundary_version(void) {
    return EXPANDED(NNK_VERSION_MAJOR) "." EXPANDED(NNK_VERSION_MINOR) "." EXPANDED(NNK_VERSION_PATCH);
}
