//! A plugin whose table or declaration is wrong. The sin is in the name of the file: the tests copy this library to
//! `libbunsui_<sin>.so`, and the host's arguments say which copy is loaded.
#![expect(unsafe_code, reason = "a plugin without the SDK")]

use bunsui_plugin_abi::{Buf, Header, HostV1, PluginV1, STATUS_OK};

fn sin() -> String {
    let library = std::env::args().next_back().unwrap_or_default();
    let name = library.rsplit('/').next().unwrap_or_default();
    name.trim_start_matches("libbunsui_").split('.').next().unwrap_or_default().to_owned()
}

/// The entry point.
#[unsafe(no_mangle)]
pub extern "C" fn bunsui_plugin_v1() -> *const PluginV1 {
    let head = Header::of::<PluginV1>();
    let mut table = PluginV1 { head, describe: Some(describe), call: Some(call), free: Some(free) };
    match sin().as_str() {
        "newer" => table.head.abi_version += 1,
        "older" => table.head.abi_version -= 1,
        "truncated" => table.head.struct_size = 16,
        "null_table" => return std::ptr::null(),
        "null_describe" => table.describe = None,
        "null_call" => table.call = None,
        "null_free" => table.free = None,
        _ => {}
    }
    Box::leak(Box::new(table))
}

unsafe extern "C" fn describe(reply: *mut Buf) -> i32 {
    let ok = r#"{"name": "rival", "version": "1", "operation_types": [{"name": "misbehave", "summary": "", "schema": {}}]}"#;
    let text = match sin().as_str() {
        "not_json" => "not JSON",
        "no_types" => r#"{"name": "x", "version": "1", "operation_types": []}"#,
        "bad_name" => {
            r#"{"name": "a b", "version": "1", "operation_types": [{"name": "x", "summary": "", "schema": {}}]}"#
        }
        "bad_schema" => {
            r#"{"name": "x", "version": "1", "operation_types": [{"name": "x", "summary": "", "schema": {"type": "nonsense"}}]}"#
        }
        "crashes" => std::process::abort(),
        "hangs" => loop {
            std::thread::park();
        },
        _ => ok,
    };
    let bytes = text.as_bytes().to_vec().leak();
    // SAFETY: the host passes a place for the reply.
    unsafe { reply.write(Buf { ptr: bytes.as_mut_ptr(), len: bytes.len(), cap: bytes.len() }) };
    STATUS_OK
}

unsafe extern "C" fn call(_: *const HostV1, _: *const u8, _: usize, _: *mut Buf) -> i32 {
    STATUS_OK
}

unsafe extern "C" fn free(ptr: *mut u8, len: usize, cap: usize) {
    // SAFETY: `describe` leaked these bytes.
    drop(unsafe { Vec::from_raw_parts(ptr, len, cap) });
}
