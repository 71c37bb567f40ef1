/*
 * As much JSON as a small plugin needs: whether a text is JSON, and where a member's value stands in it. What was read is handed on as
 * it was written, so nothing is decoded. A larger plugin is better served by a library.
 */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* A piece of a text; of no length where there is none. */
typedef struct {
    const char *start;
    size_t len;
} json_text;

#define JSON_DEEPEST 64

static const char *json_space(const char *at, const char *end) {
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')) at++;
    return at;
}

/* Behind a string that begins at `at`; NULL where there is none. */
static const char *json_string(const char *at, const char *end) {
    if (at >= end || *at != '"') return NULL;
    for (at++; at < end && *at != '"'; at++) {
        if ((unsigned char)*at < 0x20) return NULL;
        if (*at == '\\' && ++at >= end) return NULL;
    }
    return at < end ? at + 1 : NULL;
}

static const char *json_literal(const char *at, const char *end) {
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < 3; i++) {
        size_t len = strlen(words[i]);
        if ((size_t)(end - at) >= len && memcmp(at, words[i], len) == 0) return at + len;
    }
    const char *start = at;
    while (at < end && strchr("+-0123456789.eE", *at) != NULL && *at != '\0') at++;
    return at > start ? at : NULL;
}

/* Behind a value that begins at or behind `at`; NULL where there is none. */
static const char *json_value(const char *at, const char *end, int depth) {
    at = json_space(at, end);
    if (at >= end || depth > JSON_DEEPEST) return NULL;
    if (*at == '"') return json_string(at, end);
    if (*at != '{' && *at != '[') return json_literal(at, end);
    char open = *at, close = open == '{' ? '}' : ']';
    at = json_space(at + 1, end);
    if (at < end && *at == close) return at + 1;
    for (;;) {
        if (open == '{') {
            at = json_string(json_space(at, end), end);
            if (at == NULL) return NULL;
            at = json_space(at, end);
            if (at >= end || *at != ':') return NULL;
            at++;
        }
        at = json_value(at, end, depth + 1);
        if (at == NULL) return NULL;
        at = json_space(at, end);
        if (at >= end) return NULL;
        if (*at == close) return at + 1;
        if (*at++ != ',') return NULL;
    }
}

/* Whether a text is one value and nothing else. */
static bool json_is_valid(json_text text) {
    const char *end = text.start + text.len;
    const char *at = text.len > 0 ? json_value(text.start, end, 0) : NULL;
    return at != NULL && json_space(at, end) == end;
}

/* A member's value, as it is written; `object` is valid JSON. */
static json_text json_member(json_text object, const char *name) {
    json_text none = {NULL, 0};
    const char *end = object.start + object.len;
    const char *at = object.len > 0 ? json_space(object.start, end) : end;
    if (at >= end || *at != '{') return none;
    for (at = json_space(at + 1, end); at < end && *at == '"'; at = json_space(at + 1, end)) {
        const char *key = at + 1;
        const char *behind = json_string(at, end);
        const char *value = json_space(json_space(behind, end) + 1, end);
        const char *past = json_value(value, end, 0);
        if (strlen(name) == (size_t)(behind - 1 - key) && memcmp(key, name, strlen(name)) == 0) {
            json_text found = {value, (size_t)(past - value)};
            return found;
        }
        at = json_space(past, end);
        if (at >= end || *at != ',') break;
    }
    return none;
}

/* Whether a value is this string, which needs no escapes. */
static bool json_is(json_text value, const char *text) {
    return value.len == strlen(text) + 2 && value.start[0] == '"' && memcmp(value.start + 1, text, value.len - 2) == 0;
}

#endif
