/* json.h: whether a text is valid JSON (RFC 8259), and whether it holds a word. Included after check.h. */
#ifndef JSON_H
#define JSON_H

#include <string.h>

enum { JSON_MAXIMUM_DEPTH = 64 };

static inline const char *json_space(const char *p) {
    while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r') p++;
    return p;
}

static inline int json_hex(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Each of these returns the place behind what it read, or NULL. */
static inline const char *json_string(const char *p) {
    if (*p++ != '"') return NULL;
    for (; *p != '"'; p++) {
        if ((unsigned char)*p < 32) return NULL;
        if (*p == '\\') {
            p++;
            if (*p == 'u') {
                int i;
                for (i = 1; i <= 4; i++)
                    if (!json_hex(p[i])) return NULL;
                p += 4;
            } else if (!*p || !strchr("\"\\/bfnrt", *p)) {
                return NULL;
            }
        }
    }
    return p + 1;
}

static inline const char *json_digits(const char *p) {
    if (*p < '0' || *p > '9') return NULL;
    while (*p >= '0' && *p <= '9') p++;
    return p;
}

static inline const char *json_number(const char *p) {
    if (*p == '-') p++;
    if (*p == '0') {
        p++;
    } else if (!(p = json_digits(p))) {
        return NULL;
    }
    if (*p == '.' && !(p = json_digits(p + 1))) return NULL;
    if (*p == 'e' || *p == 'E') {
        p++;
        if (*p == '+' || *p == '-') p++;
        p = json_digits(p);
    }
    return p;
}

static inline const char *json_value(const char *p, int depth) {
    if (depth > JSON_MAXIMUM_DEPTH) return NULL;
    p = json_space(p);
    if (*p == '{' || *p == '[') {
        const char close = *p == '{' ? '}' : ']';
        const int object = *p == '{';
        p = json_space(p + 1);
        if (*p == close) return p + 1;
        for (;;) {
            if (object) {
                if (!(p = json_string(json_space(p)))) return NULL;
                p = json_space(p);
                if (*p++ != ':') return NULL;
            }
            if (!(p = json_value(p, depth + 1))) return NULL;
            p = json_space(p);
            if (*p == close) return p + 1;
            if (*p++ != ',') return NULL;
        }
    }
    if (*p == '"') return json_string(p);
    if (!strncmp(p, "true", 4) || !strncmp(p, "null", 4)) return p + 4;
    if (!strncmp(p, "false", 5)) return p + 5;
    return json_number(p);
}

/* Whether `text` is one JSON value and nothing else. */
static inline int json_is_valid(const char *text) {
    const char *end = text ? json_value(text, 0) : NULL;
    return end && *json_space(end) == 0;
}

/* Whether `text` holds `word`. */
static inline int text_has(const char *text, const char *word) { return text && strstr(text, word) != NULL; }

/* How often `text` holds `word`. */
static inline int text_count(const char *text, const char *word) {
    int count = 0;
    for (text = strstr(text, word); text; text = strstr(text + 1, word)) count++;
    return count;
}

#endif /* JSON_H */
