/* header_statuses.h: the statuses that nnkit.h lists for each function, behind "Returns:", and those that the functions
 * gave. Children of the process write into the same account. Included after check.h. */
#ifndef HEADER_STATUSES_H
#define HEADER_STATUSES_H

#include <sys/mman.h>

enum { HEADER_FUNCTIONS = 64, HEADER_STATUSES = NNK_ERROR_CANCELLED + 1 };

/* Sets of statuses: bit `1 << status`. */
typedef struct function_statuses {
    char name[48];
    unsigned listed, given;
} function_statuses;

typedef struct header_statuses {
    int count;
    function_statuses functions[HEADER_FUNCTIONS];
} header_statuses;

static header_statuses *of_header;

/* "SHAPE"; "NNK_OK". */
static inline const char *short_name(int status) {
    const char *name = nnk_status_name((nnk_status)status), *prefix = "NNK_ERROR_";
    return strncmp(name, prefix, strlen(prefix)) == 0 ? name + strlen(prefix) : name;
}

/* The text of the header beside the library, <folder>/../include/nnkit.h. The caller frees it. */
static inline char *header_text_of(const char *library) {
    const char *slash = strrchr(library, '/'), *place = "../include/nnkit.h";
    const size_t folder = slash ? (size_t)(slash - library) + 1 : 0, most = 1 << 20;
    char *path = (char *)malloc(folder + strlen(place) + 1), *text = (char *)malloc(most);
    FILE *file;
    if (!path || !text) exit(3);
    memcpy(path, library, folder);
    strcpy(path + folder, place);
    file = fopen(path, "rb");
    if (!file) {
        fprintf(stderr, "cannot open %s: %s\n", path, strerror(errno));
        exit(3);
    }
    text[fread(text, 1, most - 1, file)] = 0;
    fclose(file);
    free(path);
    return text;
}

/* The statuses of the list in a comment: its words in capitals behind "Returns:", up to the next full stop, but for
 * what stands in parentheses. A comment without a list, and a word that is no status, fail. */
static inline unsigned listed_in(const char *comment, const char *end, const char *function) {
    const char *p = strstr(comment, "Returns:");
    unsigned listed = 0;
    int depth = 0;
    if (!p || p >= end) {
        fprintf(stderr, "%s: its comment has no \"Returns:\"\n", function);
        checks_failed++;
        return 0;
    }
    for (p += strlen("Returns:"); p < end && (depth > 0 || *p != '.'); p++) {
        char word[32] = "";
        size_t length = strspn(p, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");
        int status = 0;
        depth += *p == '(' ? 1 : *p == ')' ? -1 : 0;
        if (depth > 0 || length < 2 || length >= sizeof word) continue;
        memcpy(word, p, length);
        while (status < HEADER_STATUSES && strcmp(short_name(status), word) != 0) status++;
        if (status < HEADER_STATUSES) {
            listed |= 1u << status;
        } else {
            fprintf(stderr, "%s: its comment lists \"%s\", which is no status\n", function, word);
            checks_failed++;
        }
        p += length - 1;
    }
    return listed;
}

/* Reads the header. Once, before there are children. */
static inline void read_header_statuses(const char *library) {
    const char *declared = "NNK_API nnk_status ", *comment = NULL, *comment_end = NULL, *p;
    char *text = header_text_of(library);
    of_header =
        (header_statuses *)mmap(NULL, sizeof *of_header, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (of_header == MAP_FAILED) exit(3);
    for (p = text; *p; p++) {
        function_statuses *f = &of_header->functions[of_header->count];
        size_t length;
        if (strncmp(p, "/*", 2) == 0) {
            comment = p;
            comment_end = p = strstr(p, "*/");
            if (!p) exit(3);
        }
        if (strncmp(p, declared, strlen(declared)) != 0) continue;
        p += strlen(declared);
        length = strcspn(p, "(");
        if (!comment || length >= sizeof f->name || of_header->count == HEADER_FUNCTIONS) exit(3);
        memcpy(f->name, p, length);
        f->listed = listed_in(comment, comment_end, f->name);
        of_header->count++;
    }
    free(text);
}

/* The account of a function that gives a status; NULL for any other. */
static inline function_statuses *statuses_of(const char *function) {
    int i;
    for (i = 0; i < of_header->count; i++)
        if (strcmp(of_header->functions[i].name, function) == 0) return &of_header->functions[i];
    return NULL;
}

/* Takes down that a function gave a status. Whether the header lists it; of a function that gives none, yes. */
static inline int is_listed(const char *function, nnk_status status) {
    function_statuses *f = statuses_of(function);
    if (!f) return 1;
    if (status < 0 || status >= HEADER_STATUSES) return 0;
    __atomic_fetch_or(&f->given, 1u << status, __ATOMIC_RELAXED);
    return (f->listed >> status & 1u) != 0;
}

#endif /* HEADER_STATUSES_H */
