/* The library loads on systems that are older than the one it was built on: C library 2.17 and GCC 4.8's libstdc++, so
 * every Linux since 2014. A linker binds each function to the newest version that its own C library has; what stands here
 * is found first, and goes to the version that every C library has. Those of libpthread and libdl moved into libc with
 * 2.34, so Package.swift names the two libraries, which are empty by now, for the older ones.
 *
 * Tests/check-exports.sh fails where the library needs something newer: it then belongs into this file. */

#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FROM(version, name)                                                                                            \
    __asm__(".symver nnkit_old_" #name ", " #name "@GLIBC_" version "\n"                                               \
            ".text\n"                                                                                                  \
            ".globl " #name "\n"                                                                                       \
            ".type " #name ", @function\n" #name ":\n"                                                                 \
            "    jmpq *nnkit_old_" #name "@GOTPCREL(%rip)\n"                                                           \
            ".size " #name ", .-" #name "\n")

/* The new versions of these differ in how they tell errno of a result that overflows; the values are the same. */
FROM("2.2.5", exp);
FROM("2.2.5", expf);
FROM("2.2.5", exp2);
FROM("2.2.5", exp2f);
FROM("2.2.5", fmod);
FROM("2.2.5", fmodf);
FROM("2.2.5", hypotf);
FROM("2.2.5", log);
FROM("2.2.5", logf);
FROM("2.2.5", log2);
FROM("2.2.5", log2f);
FROM("2.2.5", pow);
FROM("2.2.5", powf);

/* The same functions, under the name of the library that they lived in. */
FROM("2.2.5", _pthread_cleanup_pop);
FROM("2.2.5", _pthread_cleanup_push);
FROM("2.2.5", dladdr);
FROM("2.2.5", dlerror);
FROM("2.2.5", dlopen);
FROM("2.2.5", dlsym);
FROM("2.2.5", pthread_attr_setstacksize);
FROM("2.2.5", pthread_create);
FROM("2.3.4", pthread_getaffinity_np);
FROM("2.2.5", pthread_getspecific);
FROM("2.2.5", pthread_join);
FROM("2.2.5", pthread_key_create);
FROM("2.2.5", pthread_key_delete);
FROM("2.2.5", pthread_kill);
FROM("2.2.5", pthread_mutexattr_destroy);
FROM("2.2.5", pthread_mutexattr_init);
FROM("2.2.5", pthread_mutexattr_settype);
FROM("2.2.5", pthread_once);
FROM("2.12", pthread_setname_np);
FROM("2.2.5", pthread_setspecific);
FROM("2.2.5", pthread_sigmask);
FROM("2.2.5", sem_destroy);
FROM("2.2.5", sem_init);
FROM("2.2.5", sem_open);
FROM("2.2.5", sem_post);
FROM("2.2.5", sem_timedwait);
FROM("2.2.5", sem_wait);

/* Macros and inline functions called these until 2.33, with the version of struct stat. */
enum { STAT_VERSION = 1 };
int __xstat(int version, const char *path, void *status);
int __lxstat(int version, const char *path, void *status);
int __fxstat(int version, int file, void *status);
int __fxstatat(int version, int folder, const char *path, void *status, int flags);

int nnkit_stat(const char *path, void *status) __asm__("stat");
int nnkit_lstat(const char *path, void *status) __asm__("lstat");
int nnkit_fstat(int file, void *status) __asm__("fstat");
int nnkit_fstatat(int folder, const char *path, void *status, int flags) __asm__("fstatat");

int nnkit_stat(const char *path, void *status) { return __xstat(STAT_VERSION, path, status); }
int nnkit_lstat(const char *path, void *status) { return __lxstat(STAT_VERSION, path, status); }
int nnkit_fstat(int file, void *status) { return __fxstat(STAT_VERSION, file, status); }
int nnkit_fstatat(int folder, const char *path, void *status, int flags) {
    return __fxstatat(STAT_VERSION, folder, path, status, flags);
}

/* 2.25. */
long nnkit_getrandom(void *bytes, size_t count, unsigned flags) __asm__("getrandom");
long nnkit_getrandom(void *bytes, size_t count, unsigned flags) { return syscall(SYS_getrandom, bytes, count, flags); }

/* libstdc++ of GCC 11. std::bad_alloc is what its exception derives from. */
void std_throw_bad_alloc(void) __asm__("_ZSt17__throw_bad_allocv");
void std_throw_bad_array_new_length(void) __asm__("_ZSt28__throw_bad_array_new_lengthv");
void std_throw_bad_array_new_length(void) { std_throw_bad_alloc(); }
