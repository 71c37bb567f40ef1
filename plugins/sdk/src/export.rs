//! What [`export_plugin!`](crate::export_plugin) expands to: the C interface over safe implementations.

use crate::{Declaration, Fragment, Host, OperationType, OperationTypeDeclaration, PluginError, TaskFailure};
pub use bunsui_plugin_abi as abi;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

/// A plugin: its name, its version and its operation types.
#[derive(Clone, Copy)]
pub struct Plugin {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// Its types.
    pub operation_types: &'static [&'static dyn OperationType],
}

/// Exports a plugin: `export_plugin! { name: "ecs", version: env!("CARGO_PKG_VERSION"), operation_types: [Ecs] }`.
///
/// Each operation type is an expression of a constant value.
#[macro_export]
macro_rules! export_plugin {
    (name: $name:expr, version: $version:expr, operation_types: [$($operation_type:expr),+ $(,)?] $(,)?) => {
        #[cfg(panic = "abort")]
        compile_error!("a bunsui plugin must be built with panic = \"unwind\": with \"abort\" a panic would end its host");

        #[allow(unsafe_code, reason = "the C interface")]
        const _: () = {
            use $crate::export::abi;

            static PLUGIN: $crate::export::Plugin = $crate::export::Plugin {
                name: $name,
                version: $version,
                operation_types: &[$(&$operation_type),+],
            };
            static TABLE: abi::PluginV1 = abi::PluginV1 {
                head: abi::Header::of::<abi::PluginV1>(),
                describe: Some(describe),
                call: Some(call),
                free: Some($crate::export::free),
            };

            unsafe extern "C" fn describe(reply: *mut abi::Buf) -> i32 {
                // SAFETY: the host passes a place for the reply.
                unsafe { $crate::export::describe(&PLUGIN, reply) }
            }

            unsafe extern "C" fn call(
                host: *const abi::HostV1,
                request: *const u8,
                request_len: usize,
                reply: *mut abi::Buf,
            ) -> i32 {
                // SAFETY: the host passes its table, the request's bytes and a place for the reply.
                unsafe { $crate::export::call(&PLUGIN, host, request, request_len, reply) }
            }

            /// The plugin's table.
            #[unsafe(no_mangle)]
            pub extern "C" fn bunsui_plugin_v1() -> *const abi::PluginV1 {
                &raw const TABLE
            }
        };
    };
}

/// # Safety
/// `reply` is a place for a [`abi::Buf`].
#[expect(unsafe_code, reason = "writes the reply where the host says")]
pub unsafe fn describe(plugin: &Plugin, reply: *mut abi::Buf) -> i32 {
    let (status, body) = guarded(|| Ok(to_json(&plugin.declaration())));
    // SAFETY: the caller's promise.
    unsafe { give(reply, &body) };
    status
}

/// # Safety
/// `host` is null or a table whose size its header says; `request` has `len` bytes; `reply` is a place for a [`abi::Buf`].
#[expect(unsafe_code, reason = "reads what the host passes")]
pub unsafe fn call(
    plugin: &Plugin,
    host: *const abi::HostV1,
    request: *const u8,
    len: usize,
    reply: *mut abi::Buf,
) -> i32 {
    let (status, body) = guarded(|| {
        // SAFETY: the caller's promise.
        let table = unsafe { read_host(host) };
        // SAFETY: the caller's promise; `from_raw_parts` wants a pointer even for no bytes.
        let bytes = if len == 0 { &[][..] } else { unsafe { std::slice::from_raw_parts(request, len) } };
        plugin.answer(bytes, &Host::new(&table))
    });
    // SAFETY: the caller's promise.
    unsafe { give(reply, &body) };
    status
}

/// # Safety
/// The three are of a [`abi::Buf`] that this plugin gave and that was not given back yet.
#[expect(unsafe_code, reason = "takes back what it gave")]
pub unsafe extern "C" fn free(ptr: *mut u8, len: usize, cap: usize) {
    if !ptr.is_null() {
        // SAFETY: `give` took these three from a Vec<u8>.
        drop(unsafe { Vec::from_raw_parts(ptr, len, cap) });
    }
}

#[expect(unsafe_code, reason = "reads what the host passes")]
unsafe fn read_host(host: *const abi::HostV1) -> abi::HostV1 {
    let empty = abi::HostV1 {
        head: abi::Header::of::<abi::HostV1>(),
        ctx: std::ptr::null_mut(),
        log: None,
        cancelled: None,
        cancel_fd: None,
    };
    if host.is_null() {
        return empty;
    }
    // SAFETY: every table begins with a header.
    let head = unsafe { host.cast::<abi::Header>().read() };
    let mut table = empty;
    let known = size_of::<abi::HostV1>().min(head.struct_size as usize);
    // SAFETY: `known` bytes are there on both sides. A part that an older host lacks stays `None`: tables grow by whole
    // fields.
    unsafe {
        std::ptr::copy_nonoverlapping(host.cast::<u8>(), (&raw mut table).cast::<u8>(), known);
    }
    table
}

#[expect(unsafe_code, reason = "writes the reply where the host says")]
unsafe fn give(reply: *mut abi::Buf, body: &Json) {
    let mut bytes = std::mem::ManuallyDrop::new(body.to_string().into_bytes());
    let buf = abi::Buf { ptr: bytes.as_mut_ptr(), len: bytes.len(), cap: bytes.capacity() };
    if !reply.is_null() {
        // SAFETY: the caller's promise.
        unsafe { reply.write(buf) };
    }
}

thread_local! {
    static PANICKED_AT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Catches panics; the hook keeps the place and prints nothing, since a plugin's standard error is nobody's screen.
fn guarded(work: impl FnOnce() -> Result<Json, PluginError>) -> (i32, Json) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            let at = info.location().map(ToString::to_string);
            PANICKED_AT.with(|place| *place.borrow_mut() = at);
        }));
    });
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(reply)) => (abi::STATUS_OK, reply),
        Ok(Err(error)) => (abi::STATUS_ERROR, to_json(&error)),
        Err(payload) => {
            let said = payload
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
                .or_else(|| payload.downcast_ref::<String>().cloned())
                .unwrap_or_else(|| "something that is not a text".to_owned());
            // A payload may panic again when it is dropped.
            std::mem::forget(payload);
            let at = PANICKED_AT.with(|place| place.borrow_mut().take());
            let at = at.map(|at| format!(" at {at}")).unwrap_or_default();
            (abi::STATUS_PANIC, to_json(&PluginError::new(format!("panicked{at}: {said}"))))
        }
    }
}

fn to_json(value: &impl Serialize) -> Json {
    serde_json::to_value(value).unwrap_or_else(|error| json!({ "message": error.to_string() }))
}

impl Plugin {
    fn declaration(&self) -> Declaration {
        Declaration {
            name: self.name.to_owned(),
            version: self.version.to_owned(),
            operation_types: self
                .operation_types
                .iter()
                .map(|operation_type| OperationTypeDeclaration {
                    name: operation_type.name().to_owned(),
                    summary: operation_type.summary().to_owned(),
                    schema: operation_type.schema(),
                    has_check: operation_type.has_check(),
                    has_run_local: operation_type.has_run_local(),
                })
                .collect(),
        }
    }

    fn answer(&self, bytes: &[u8], host: &Host<'_>) -> Result<Json, PluginError> {
        let request: Request = serde_json::from_slice(bytes)
            .map_err(|error| PluginError::new(format!("the request is not understood: {error}")))?;
        let operation_type =
            self.operation_types.iter().find(|known| known.name() == request.operation_type).ok_or_else(
                || PluginError::new(format!("operation type `{}` is not known", request.operation_type)),
            )?;
        let body = request.request;
        match request.method.as_str() {
            "check" => operation_type.check(&read(body)?).map(|findings| to_json(&findings)),
            "states" => operation_type.states(&read(body)?).map(|fragment: Fragment| to_json(&fragment)),
            "permissions" => operation_type.permissions(&read(body)?).map(|reply| to_json(&reply)),
            "preflight" => operation_type.preflight(&read(body)?).map(|reply| to_json(&reply)),
            "run_local" => Ok(local_reply(operation_type.run_local(&read(body)?, host))),
            "stop" => operation_type.stop(&read(body)?).map(|reply| to_json(&reply)),
            "explain" => Ok(to_json(&operation_type.explain(&read(body)?))),
            "logs" => operation_type.logs(&read(body)?).map(|reply| to_json(&reply)),
            other => Err(PluginError::new(format!("method `{other}` is not known"))
                .help("the plugin was built with an older SDK than this bunsui")),
        }
    }
}

#[derive(serde::Deserialize)]
struct Request {
    method: String,
    operation_type: String,
    request: Json,
}

fn read<T: DeserializeOwned>(body: Json) -> Result<T, PluginError> {
    serde_json::from_value(body)
        .map_err(|error| PluginError::new(format!("the request is not understood: {error}")))
}

fn local_reply(outcome: Result<Json, TaskFailure>) -> Json {
    match outcome {
        Ok(output) => json!({ "output": output }),
        Err(failure) => json!({ "failure": failure }),
    }
}
