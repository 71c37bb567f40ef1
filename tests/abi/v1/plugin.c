/*
 * A plugin as it was written for the first version of the interface, compiled against the header of that day, which lies beside it. Neither
 * is ever changed: every later bunsui has to load it, ask it, and be answered.
 */
#include <stdlib.h>
#include <string.h>

#include "bunsui_plugin.h"

static int32_t give(bunsui_buf *reply, const char *text) {
    size_t len = strlen(text);
    reply->ptr = malloc(len);
    reply->len = len;
    reply->cap = len;
    if (reply->ptr == NULL) return BUNSUI_ERROR;
    memcpy(reply->ptr, text, len);
    return BUNSUI_OK;
}

static int32_t describe(bunsui_buf *reply) {
    return give(reply,
                "{\"name\": \"in_c\", \"version\": \"1.0.0\", \"operation_types\": [{\"name\": \"in_c\","
                " \"summary\": \"written in C\", \"schema\": {\"type\": \"object\"}, \"has_check\": true}]}");
}

static int32_t call(const bunsui_host_v1 *host, const uint8_t *request, size_t request_len, bunsui_buf *reply) {
    static const char line[] = "called";
    (void)request;
    (void)request_len;
    if (host->cancelled(host->ctx) != BUNSUI_GO_ON) return give(reply, "[]");
    host->log(host->ctx, BUNSUI_INFO, (const uint8_t *)line, sizeof line - 1, NULL, 0);
    return give(reply, "[{\"severity\": \"warning\", \"pointer\": \"\", \"message\": \"seen by C\"}]");
}

static void release(uint8_t *ptr, size_t len, size_t cap) {
    (void)len;
    (void)cap;
    free(ptr);
}

const bunsui_plugin_v1_table *bunsui_plugin_v1(void) {
    static const bunsui_plugin_v1_table table = {
        {BUNSUI_ABI_VERSION, sizeof(bunsui_plugin_v1_table)}, describe, call, release};
    return &table;
}
