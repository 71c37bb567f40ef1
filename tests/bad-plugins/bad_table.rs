//! A plugin whose table or declaration is wrong. The sin is in the name of the file: the tests copy this library to
//! `libbunsui_<sin>.so`, and the host's arguments say which copy is loaded.
#![expect(unsafe_code, reason = "a plugin without the SDK")]

use bunsui_plugin_abi::{Buf, Header, HostV1, PluginV1, STATUS_OK};
use std::sync::atomic::{AtomicUsize, Ordering};

/// What replies share that should not.
static mut SHARED: [u8; 4096] = [0; 4096];
static CALLS: AtomicUsize = AtomicUsize::new(0);
/// The length of the latest request, whoever asked.
static CURRENT: AtomicUsize = AtomicUsize::new(0);

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
    let ok = r#"{"name": "rival", "version": "1", "operation_types": [{"name": "misbehave", "summary": "", "schema": {}, "has_check": true}]}"#;
    let text = match sin().as_str() {
        "not_json" => "not JSON",
        "no_types" => r#"{"name": "x", "version": "1", "operation_types": []}"#,
        "bad_name" => {
            r#"{"name": "a b", "version": "1", "operation_types": [{"name": "x", "summary": "", "schema": {}}]}"#
        }
        "bad_schema" => {
            r#"{"name": "x", "version": "1", "operation_types": [{"name": "x", "summary": "", "schema": {"type": "nonsense"}}]}"#
        }
        "twice" => {
            r#"{"name": "x", "version": "1", "operation_types": [{"name": "x", "summary": "", "schema": {}}, {"name": "x", "summary": "", "schema": {}}]}"#
        }
        "crashes" => std::process::abort(),
        "hangs" => loop {
            std::thread::park();
        },
        "leaks" => loop {
            std::mem::forget(vec![1_u8; 8 << 20]);
            std::thread::sleep(std::time::Duration::from_millis(5));
        },
        _ => ok,
    };
    let bytes = match sin().as_str() {
        "not_utf8" => text.replace("rival", "r\u{e9}val").bytes().filter(|byte| *byte != 0xa9).collect(),
        "huge" => vec![b' '; 100_000_000],
        _ => text.as_bytes().to_vec(),
    };
    let bytes = bytes.leak();
    match sin().as_str() {
        "no_bytes" => return STATUS_OK,
        "one_buffer" => {
            // SAFETY: none; two replies shall be one buffer.
            let shared = unsafe { (&raw mut SHARED).as_mut() }.expect("it is static");
            shared.fill(b' ');
            shared[..bytes.len()].copy_from_slice(bytes);
            shared[bytes.len()] =
                if CALLS.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) { b' ' } else { b'\n' };
            let buf = Buf { ptr: shared.as_mut_ptr(), len: bytes.len() + 1, cap: 0 };
            // SAFETY: the host passes a place for the reply.
            unsafe { reply.write(buf) };
            return STATUS_OK;
        }
        _ => {}
    }
    // SAFETY: the host passes a place for the reply.
    unsafe { reply.write(Buf { ptr: bytes.as_mut_ptr(), len: bytes.len(), cap: bytes.len() }) };
    STATUS_OK
}

/// The reply that the request's key `reply` names.
unsafe extern "C" fn call(host: *const HostV1, request: *const u8, len: usize, reply: *mut Buf) -> i32 {
    if sin() == "overreads" {
        // SAFETY: none; it is behind the host's table.
        std::hint::black_box(unsafe { host.add(1).cast::<u8>().read_volatile() });
    }
    // SAFETY: the host passes these bytes.
    let request = String::from_utf8_lossy(unsafe { std::slice::from_raw_parts(request, len) });
    let asked = |name: &str| request.contains(&format!("\"reply\":\"{name}\""));
    let mut status = STATUS_OK;
    let bytes = if sin() == "mixes" {
        CURRENT.store(len, Ordering::SeqCst);
        std::thread::yield_now();
        format!("[{}]", CURRENT.load(Ordering::SeqCst)).into_bytes()
    } else if asked("not JSON") {
        b"[".to_vec()
    } else if asked("not UTF-8") {
        b"\"\xff\"".to_vec()
    } else if asked("100 MB") {
        vec![b' '; 100_000_000]
    } else if asked("an unknown status") {
        status = 77;
        b"77".to_vec()
    } else if asked("an error that is none") {
        status = 1;
        b"{}".to_vec()
    } else if asked("another form") {
        b"{\"severity\": 7}".to_vec()
    } else {
        b"[]".to_vec()
    };
    let bytes = bytes.leak();
    let mut buf = Buf { ptr: bytes.as_mut_ptr(), len: bytes.len(), cap: bytes.len() };
    if asked("no pointer") {
        buf.ptr = std::ptr::null_mut();
    }
    if asked("a wrong length") {
        buf.len = usize::MAX;
    }
    if asked("nothing") {
        return status;
    }
    // SAFETY: the host passes a place for the reply.
    unsafe { reply.write(buf) };
    status
}

unsafe extern "C" fn free(ptr: *mut u8, _: usize, cap: usize) {
    if matches!(sin().as_str(), "one_buffer" | "forgets") {
        return;
    }
    // SAFETY: the bytes were leaked with that capacity; after the second time they are not there, which is a sin.
    let again = || drop(unsafe { Vec::from_raw_parts(ptr, 0, cap) });
    again();
    if sin() == "frees_twice" {
        again();
    }
}
