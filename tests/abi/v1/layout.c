/* Whether the present header's tables begin as those of version 1 did: what a plugin of that day reads and writes. */
#define bunsui_header v1_header
#define bunsui_buf v1_buf
#define bunsui_host_v1 v1_host
#define bunsui_plugin_v1_table v1_table
#define bunsui_plugin_v1 v1_entry
#include FROZEN
enum {
    v1_ok = BUNSUI_OK, v1_error = BUNSUI_ERROR, v1_panic = BUNSUI_PANIC,
    v1_debug = BUNSUI_DEBUG, v1_info = BUNSUI_INFO, v1_warn = BUNSUI_WARN, v1_error_level = BUNSUI_ERROR_LEVEL,
    v1_go_on = BUNSUI_GO_ON, v1_stop = BUNSUI_STOP, v1_stop_now = BUNSUI_STOP_NOW
};
#undef bunsui_header
#undef bunsui_buf
#undef bunsui_host_v1
#undef bunsui_plugin_v1_table
#undef bunsui_plugin_v1
#undef BUNSUI_PLUGIN_H
#undef BUNSUI_ABI_VERSION
#undef BUNSUI_OK
#undef BUNSUI_ERROR
#undef BUNSUI_PANIC
#undef BUNSUI_DEBUG
#undef BUNSUI_INFO
#undef BUNSUI_WARN
#undef BUNSUI_ERROR_LEVEL
#undef BUNSUI_GO_ON
#undef BUNSUI_STOP
#undef BUNSUI_STOP_NOW
#include PRESENT

#define SAME(present, frozen, field) \
    _Static_assert(offsetof(present, field) == offsetof(frozen, field), #field); \
    _Static_assert(sizeof(((present *)0)->field) == sizeof(((frozen *)0)->field), #field)

SAME(bunsui_header, v1_header, abi_version);
SAME(bunsui_header, v1_header, struct_size);
_Static_assert(sizeof(bunsui_header) == sizeof(v1_header), "the header never grows");
SAME(bunsui_buf, v1_buf, ptr);
SAME(bunsui_buf, v1_buf, len);
SAME(bunsui_buf, v1_buf, cap);
_Static_assert(sizeof(bunsui_buf) == sizeof(v1_buf), "a plugin of version 1 writes that much");
SAME(bunsui_host_v1, v1_host, head);
SAME(bunsui_host_v1, v1_host, ctx);
SAME(bunsui_host_v1, v1_host, log);
SAME(bunsui_host_v1, v1_host, cancelled);
SAME(bunsui_host_v1, v1_host, cancel_fd);
_Static_assert(sizeof(bunsui_host_v1) >= sizeof(v1_host), "tables only grow");
SAME(bunsui_plugin_v1_table, v1_table, head);
SAME(bunsui_plugin_v1_table, v1_table, describe);
SAME(bunsui_plugin_v1_table, v1_table, call);
SAME(bunsui_plugin_v1_table, v1_table, free);
_Static_assert(sizeof(bunsui_plugin_v1_table) >= sizeof(v1_table), "tables only grow");
_Static_assert(BUNSUI_ABI_VERSION == 1u, "what cannot be done by growing gets a symbol of its own");
_Static_assert(v1_ok == BUNSUI_OK && v1_error == BUNSUI_ERROR && v1_panic == BUNSUI_PANIC, "statuses");
_Static_assert(v1_debug == BUNSUI_DEBUG && v1_info == BUNSUI_INFO && v1_warn == BUNSUI_WARN &&
                   v1_error_level == BUNSUI_ERROR_LEVEL, "levels");
_Static_assert(v1_go_on == BUNSUI_GO_ON && v1_stop == BUNSUI_STOP && v1_stop_now == BUNSUI_STOP_NOW, "stops");
