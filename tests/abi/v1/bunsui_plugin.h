/*
 * The interface between bunsui and an operation plugin, version 1.
 *
 * A plugin is a shared library named libbunsui_<name>.so (.dylib) that exports
 *
 *     const bunsui_plugin_v1_table *bunsui_plugin_v1(void);
 *
 * Requests and replies are JSON in UTF-8; docs/plugin-abi.md describes them. Rules: who allocates frees; nothing
 * unwinds across (no C++ exception, no longjmp); `call` is called from many threads at once; a table only grows at its
 * end, so never read beyond its struct_size. The library is never unloaded.
 */
#ifndef BUNSUI_PLUGIN_H
#define BUNSUI_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BUNSUI_ABI_VERSION 1u

/* How describe and call end. */
#define BUNSUI_OK 0
#define BUNSUI_ERROR 1 /* the buffer holds {"message", "pointer"?, "code"?, "help"?} */
#define BUNSUI_PANIC 2

/* Levels of log lines. */
#define BUNSUI_DEBUG 0u
#define BUNSUI_INFO 1u
#define BUNSUI_WARN 2u
#define BUNSUI_ERROR_LEVEL 3u

/* What `cancelled` gives. */
#define BUNSUI_GO_ON 0
#define BUNSUI_STOP 1     /* end what was started, politely, and return */
#define BUNSUI_STOP_NOW 2 /* whoever asked is gone: end everything now */

typedef struct {
    uint32_t abi_version; /* BUNSUI_ABI_VERSION */
    uint32_t struct_size; /* sizeof the whole table */
} bunsui_header;

/* Allocated by the plugin, given back to its `free` exactly once. */
typedef struct {
    uint8_t *ptr;
    size_t len;
    size_t cap; /* for the plugin's own use */
} bunsui_buf;

/* The host's side of one call: valid until the call returns, usable from any thread. */
typedef struct {
    bunsui_header head;
    void *ctx; /* first argument of the functions below */
    /* One line; fields is a JSON object, or fields_len is 0. */
    void (*log)(void *ctx, uint32_t level, const uint8_t *message, size_t message_len, const uint8_t *fields,
                size_t fields_len);
    int32_t (*cancelled)(void *ctx);
    /* Readable when `cancelled` changes (for poll); -1 if there is none. Belongs to the host: do not read or close it. */
    int32_t (*cancel_fd)(void *ctx);
} bunsui_host_v1;

typedef struct {
    bunsui_header head;
    int32_t (*describe)(bunsui_buf *reply);
    int32_t (*call)(const bunsui_host_v1 *host, const uint8_t *request, size_t request_len, bunsui_buf *reply);
    void (*free)(uint8_t *ptr, size_t len, size_t cap);
} bunsui_plugin_v1_table;

const bunsui_plugin_v1_table *bunsui_plugin_v1(void);

#ifdef __cplusplus
}
#endif

#endif
