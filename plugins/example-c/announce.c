/*
 * A bunsui plugin in C: operation type `announce`, a message to a topic of Amazon SNS; on a laptop, a line of the log.
 *
 *     [[jobs.tell.operations]]
 *     name = "tell"
 *     type = "announce"
 *     topic = "arn:aws:sns:eu-west-1:123456789012:etl"
 *     message = "summary of ${params.year} is ready"
 *     local = {}
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bunsui_plugin.h"
#include "json.h"

static const char DECLARATION[] =
    "{\"name\": \"announce\", \"version\": \"1.0.0\", \"operation_types\": [{"
    "\"name\": \"announce\", \"summary\": \"a message to a topic of Amazon SNS; here a line of the log\","
    "\"has_check\": false, \"has_run_local\": true,"
    "\"schema\": {"
    "  \"type\": \"object\", \"additionalProperties\": false, \"required\": [\"topic\", \"message\"],"
    "  \"properties\": {"
    "    \"topic\": {\"type\": \"string\", \"description\": \"ARN of the topic\", \"pattern\": \"^arn:[^:]+:sns:\","
    "      \"x-bunsui-message\": {\"pattern\": \"`{}` is no ARN of a topic\"}},"
    "    \"message\": {\"type\": \"string\", \"description\": \"What to say\", \"minLength\": 1},"
    "    \"local\": {\"type\": \"object\", \"description\": \"Say it here\", \"additionalProperties\": false,"
    "      \"x-bunsui-static\": true}"
    "  },"
    "  \"examples\": [{\"topic\": \"arn:aws:sns:eu-west-1:123456789012:etl\", \"message\": \"done\", \"local\": {}}]"
    "}}]}";

/* Fills the reply with a text that is made as by printf, and gives a status. */
static int32_t give(bunsui_buf *reply, int32_t status, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int len = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = len < 0 ? NULL : malloc((size_t)len + 1);
    if (text == NULL) {
        va_end(again);
        return BUNSUI_ERROR;
    }
    vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    reply->ptr = (uint8_t *)text;
    reply->len = (size_t)len;
    reply->cap = (size_t)len + 1;
    return status;
}

#define ARGUMENT(text) (int)(text).len, (text).start

static int32_t states(json_text keys, bunsui_buf *reply) {
    json_text topic = json_member(keys, "topic"), message = json_member(keys, "message");
    if (topic.len == 0 || message.len == 0) {
        return give(reply, BUNSUI_ERROR, "{\"message\": \"`topic` and `message` are needed\"}");
    }
    return give(reply, BUNSUI_OK,
                "{\"start_at\": \"publish\", \"states\": {\"publish\": {\"Type\": \"Task\","
                "\"Resource\": \"arn:aws:states:::sns:publish\","
                "\"Arguments\": {\"TopicArn\": %.*s, \"Message\": %.*s}, \"End\": true}}}",
                ARGUMENT(topic), ARGUMENT(message));
}

/* As narrow as the keys allow: what only the run knows, `{% … %}`, may be any topic. */
static int32_t permissions(json_text keys, bunsui_buf *reply) {
    json_text topic = json_member(keys, "topic");
    json_text any = {"\"*\"", 3};
    bool is_known = topic.len > 4 && memcmp(topic.start, "\"arn", 4) == 0;
    json_text resource = is_known ? topic : any;
    return give(reply, BUNSUI_OK, "[{\"actions\": [\"sns:Publish\"], \"resources\": [%.*s]}]", ARGUMENT(resource));
}

static int32_t run_local(const bunsui_host_v1 *host, json_text request, bunsui_buf *reply) {
    json_text message = json_member(json_member(request, "arguments"), "Message");
    if (message.len < 2 || message.start[0] != '"') {
        return give(reply, BUNSUI_OK, "{\"failure\": {\"error\": \"Announce.NoMessage\", \"cause\": \"no text\"}}");
    }
    if (host->cancelled(host->ctx) != BUNSUI_GO_ON) {
        return give(reply, BUNSUI_OK, "{\"failure\": {\"error\": \"Announce.Stopped\", \"cause\": \"stopped\"}}");
    }
    host->log(host->ctx, BUNSUI_INFO, (const uint8_t *)message.start + 1, message.len - 2, NULL, 0);
    return give(reply, BUNSUI_OK, "{\"output\": {\"MessageId\": \"local\"}}");
}

static int32_t explain(json_text request, bunsui_buf *reply) {
    if (json_is(json_member(request, "error"), "Sns.NotFoundException")) {
        return give(reply, BUNSUI_OK,
                    "{\"summary\": \"the topic does not exist\", \"recoverable\": false,"
                    "\"help\": \"compare `topic` with the topics of the account and Region\"}");
    }
    return give(reply, BUNSUI_OK, "null");
}

static int32_t describe(bunsui_buf *reply) { return give(reply, BUNSUI_OK, "%s", DECLARATION); }

static int32_t call(const bunsui_host_v1 *host, const uint8_t *bytes, size_t len, bunsui_buf *reply) {
    json_text text = {(const char *)bytes, len};
    if (!json_is_valid(text)) return give(reply, BUNSUI_ERROR, "{\"message\": \"the request is no JSON\"}");
    if (!json_is(json_member(text, "operation_type"), "announce")) {
        return give(reply, BUNSUI_ERROR, "{\"message\": \"the operation type is not known\"}");
    }
    json_text method = json_member(text, "method"), request = json_member(text, "request");
    json_text keys = json_member(request, "keys");
    if (json_is(method, "states")) return states(keys, reply);
    if (json_is(method, "permissions")) return permissions(keys, reply);
    if (json_is(method, "run_local")) return run_local(host, request, reply);
    if (json_is(method, "explain")) return explain(request, reply);
    if (json_is(method, "check") || json_is(method, "preflight") || json_is(method, "logs")) {
        return give(reply, BUNSUI_OK, "[]");
    }
    if (json_is(method, "stop")) return give(reply, BUNSUI_OK, "{\"ended\": [], \"left\": []}");
    return give(reply, BUNSUI_ERROR, "{\"message\": \"the method is not known\"}");
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
