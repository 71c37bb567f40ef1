//! One plugin library, loaded: every reason to refuse it, its declaration, calls.
//!
//! Takes: a path. Gives: a [`Library`] whose calls are safe, or a [`LoadError`].
//! Deliberately does not: unload, ever. Runs in the plugin host; only [`inspect`] runs elsewhere.

use super::elf;
use super::frame::FRAME_LIMIT;
use crate::pipeline::OperationType;
use bunsui_plugin_abi as abi;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::ffi::c_void;
use std::path::Path;

/// What a plugin says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Declaration {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) operation_types: Vec<DeclaredType>,
}

/// What a plugin says of one operation type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct DeclaredType {
    pub(super) name: String,
    pub(super) summary: String,
    pub(super) schema: Json,
    #[serde(default)]
    pub(super) has_check: bool,
    #[serde(default)]
    pub(super) has_run_local: bool,
}

impl DeclaredType {
    /// The type as the catalogue has it, of that plugin.
    pub(super) fn of_plugin(self, plugin: &str) -> OperationType {
        let Self { name, summary, schema, has_check, has_run_local } = self;
        let plugin = plugin.to_owned();
        OperationType { name, plugin, summary, schema, has_check, has_run_local, judge: Default::default() }
    }
}

/// Why a library is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum LoadError {
    #[error("there is no such file")]
    Missing,
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    #[error("it is not a shared library: {0}")]
    NotALibrary(String),
    #[error("everybody may write to `{0}`; `chmod o-w` takes that back")]
    Writable(String),
    #[error("it is cut off: it says it is {expected} bytes long and is {found}")]
    CutOff { expected: u64, found: u64 },
    #[error("the system cannot load it: {0}")]
    CannotLoad(String),
    #[error("it is not a bunsui plugin: it has no symbol `bunsui_plugin_v1`")]
    NoSymbol,
    #[error("it is built for plugin interface {0}, this bunsui speaks {ours}", ours = abi::ABI_VERSION)]
    NewerInterface(u32),
    #[error("it is built for plugin interface {0}, this bunsui speaks {ours}", ours = abi::ABI_VERSION)]
    OlderInterface(u32),
    #[error("its table of functions is {found} bytes long, interface 1 has {expected}")]
    TruncatedTable { expected: u32, found: u32 },
    #[error("it gives no table of functions")]
    NullTable,
    #[error("its function `{0}` is missing")]
    NullFunction(String),
    #[error("what it declares cannot be used: {0}")]
    BadDeclaration(String),
    #[error("the JSON Schema of its operation type `{operation_type}` is not valid: {message}")]
    BadSchema { operation_type: String, message: String },
    #[error("it crashed while it was loaded: {0}")]
    Crashed(String),
    #[error("it did not say within {0} seconds what it is")]
    Hung(u64),
    #[error("its host process could not be started: {0}")]
    NoHost(String),
}

impl LoadError {
    /// The code of its page.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Missing => "bunsui::plugin::missing",
            Self::Unreadable(_) => "bunsui::plugin::unreadable",
            Self::NotALibrary(_) => "bunsui::plugin::not_a_library",
            Self::Writable(_) => "bunsui::plugin::writable_by_others",
            Self::CutOff { .. } => "bunsui::plugin::cut_off",
            Self::CannotLoad(_) => "bunsui::plugin::cannot_load",
            Self::NoSymbol => "bunsui::plugin::no_symbol",
            Self::NewerInterface(_) => "bunsui::plugin::newer_interface",
            Self::OlderInterface(_) => "bunsui::plugin::older_interface",
            Self::TruncatedTable { .. } => "bunsui::plugin::truncated_table",
            Self::NullTable => "bunsui::plugin::null_table",
            Self::NullFunction(_) => "bunsui::plugin::null_function",
            Self::BadDeclaration(_) => "bunsui::plugin::bad_declaration",
            Self::BadSchema { .. } => "bunsui::plugin::bad_schema",
            Self::Crashed(_) => "bunsui::plugin::crashed",
            Self::Hung(_) => "bunsui::plugin::hung",
            Self::NoHost(_) => "bunsui::plugin::no_host",
        }
    }
}

/// Everything that can be said of a file without loading it.
pub(super) fn inspect(path: &Path) -> Result<(), LoadError> {
    let metadata = path.metadata().map_err(|error| unreadable(&error))?;
    if !metadata.is_file() {
        return Err(LoadError::NotALibrary("it is a folder or a device".to_owned()));
    }
    let mut file = std::fs::File::open(path).map_err(|error| unreadable(&error))?;
    elf::check(&mut file, metadata.len())
}

/// A library that everybody may replace is everybody's code. So is one in a folder in which everybody may put another.
pub(super) fn refuse_writable(path: &Path) -> Result<(), LoadError> {
    use std::os::unix::fs::PermissionsExt;
    const OTHERS: u32 = 0o002;
    let real = path.canonicalize().map_err(|error| unreadable(&error))?;
    for place in [Some(real.as_path()), real.parent()].into_iter().flatten() {
        let metadata = place.metadata().map_err(|error| unreadable(&error))?;
        if metadata.permissions().mode() & OTHERS != 0 {
            return Err(LoadError::Writable(place.display().to_string()));
        }
    }
    Ok(())
}

/// SHA-256 of a library's file, in hexadecimal digits.
pub(super) fn sha256(path: &Path) -> Result<String, LoadError> {
    file_sha256(path).map_err(|error| unreadable(&error))
}

/// SHA-256 of a file, in hexadecimal digits.
pub(crate) fn file_sha256(path: &Path) -> std::io::Result<String> {
    use sha2::{Digest, Sha256};
    let mut file = std::fs::File::open(path)?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match std::io::Read::read(&mut file, &mut buffer)? {
            0 => break,
            count => digest.update(&buffer[..count]),
        }
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

pub(super) fn unreadable(error: &std::io::Error) -> LoadError {
    if error.kind() == std::io::ErrorKind::NotFound {
        LoadError::Missing
    } else {
        LoadError::Unreadable(error.to_string())
    }
}

/// A loaded plugin library.
pub(super) struct Library {
    describe: abi::DescribeFn,
    call: abi::CallFn,
    free: abi::FreeFn,
}

/// What a call gave.
pub(super) struct CallOutcome {
    pub(super) status: i32,
    /// The reply, or how long it says it is, where that is too long.
    pub(super) reply: Result<Vec<u8>, usize>,
}

impl Library {
    /// Loads a library for good and checks its table.
    #[expect(unsafe_code, reason = "loads native code and reads its table")]
    pub(super) fn load(path: &Path) -> Result<Self, LoadError> {
        inspect(path)?;
        let name = path.canonicalize().map_err(|error| unreadable(&error))?;
        // SAFETY: a library's initialisers run here. That is what loading a plugin means, and why it is done in a process of
        // its own.
        let library = unsafe { libloading::Library::new(name) }
            .map_err(|error| LoadError::CannotLoad(with_source(&error)))?;
        // Never unloaded: its threads, statics and destructors of thread-locals may outlive any call.
        let library = Box::leak(Box::new(library));
        // SAFETY: the symbol's name says its type.
        let entry = unsafe { library.get::<abi::EntryPoint>(abi::SYMBOL.as_bytes()) }
            .map_err(|_| LoadError::NoSymbol)?;
        // SAFETY: the entry point takes nothing.
        let table = unsafe { entry() };
        if table.is_null() {
            return Err(LoadError::NullTable);
        }
        // SAFETY: every table of every version begins with a header.
        check_header(unsafe { table.cast::<abi::Header>().read() })?;
        // SAFETY: the header says that a whole table of version 1 is there.
        Self::from_table(unsafe { table.read() })
    }

    fn from_table(table: abi::PluginV1) -> Result<Self, LoadError> {
        let missing = |name: &str| LoadError::NullFunction(name.to_owned());
        Ok(Self {
            describe: table.describe.ok_or_else(|| missing("describe"))?,
            call: table.call.ok_or_else(|| missing("call"))?,
            free: table.free.ok_or_else(|| missing("free"))?,
        })
    }

    /// What the plugin says of itself.
    pub(super) fn describe(&self) -> Result<Declaration, LoadError> {
        let (status, reply) = self.raw_describe();
        let bytes = self.take(reply).map_err(|length| {
            LoadError::BadDeclaration(format!("its answer says that it has {length} bytes"))
        })?;
        if status != abi::STATUS_OK {
            let said = String::from_utf8_lossy(&bytes).into_owned();
            return Err(LoadError::BadDeclaration(format!("it answered with an error: {said}")));
        }
        let declaration: Declaration = serde_json::from_slice(&bytes).map_err(|error| {
            LoadError::BadDeclaration(format!("its answer is not what was asked for: {error}"))
        })?;
        if declaration.operation_types.is_empty() {
            return Err(LoadError::BadDeclaration("it has no operation types".to_owned()));
        }
        Ok(declaration)
    }

    /// Sends a request. `functions` serves the plugin during the call and gets `ctx`.
    pub(super) fn call(&self, functions: HostFunctions, ctx: *mut c_void, request: &[u8]) -> CallOutcome {
        let host = abi::HostV1 {
            head: abi::Header::of::<abi::HostV1>(),
            ctx,
            log: Some(functions.log),
            cancelled: Some(functions.cancelled),
            cancel_fd: Some(functions.cancel_fd),
        };
        let (status, reply) = self.raw_call(&raw const host, request);
        CallOutcome { status, reply: self.take(reply) }
    }

    /// The call itself: its status and the buffer, which is to be given back.
    #[expect(unsafe_code, reason = "calls the plugin")]
    pub(super) fn raw_call(&self, host: *const abi::HostV1, request: &[u8]) -> (i32, abi::Buf) {
        let mut reply = abi::Buf::EMPTY;
        // SAFETY: the function is the plugin's own; the caller's table, the request and the place for the reply outlive the call.
        let status = unsafe { (self.call)(host, request.as_ptr(), request.len(), &raw mut reply) };
        (status, reply)
    }

    /// The same of the declaration.
    #[expect(unsafe_code, reason = "calls the plugin")]
    pub(super) fn raw_describe(&self) -> (i32, abi::Buf) {
        let mut reply = abi::Buf::EMPTY;
        // SAFETY: the function is the plugin's own, the place for the reply is ours.
        let status = unsafe { (self.describe)(&raw mut reply) };
        (status, reply)
    }

    /// Gives back what one of the two above gave; once.
    #[expect(unsafe_code, reason = "gives back what the plugin allocated")]
    pub(super) fn give_back(&self, buf: abi::Buf) {
        if !buf.ptr.is_null() {
            // SAFETY: unchanged, as the plugin gave it.
            unsafe { (self.free)(buf.ptr, buf.len, buf.cap) };
        }
    }

    #[expect(unsafe_code, reason = "reads what the plugin allocated and gives it back")]
    fn take(&self, reply: abi::Buf) -> Result<Vec<u8>, usize> {
        if reply.ptr.is_null() {
            return Ok(Vec::new());
        }
        let bytes = if reply.len > FRAME_LIMIT {
            Err(reply.len)
        } else {
            // SAFETY: the plugin promises `len` bytes at `ptr`, until they are given back.
            Ok(unsafe { std::slice::from_raw_parts(reply.ptr, reply.len) }.to_vec())
        };
        // SAFETY: given back once, unchanged.
        unsafe { (self.free)(reply.ptr, reply.len, reply.cap) };
        bytes
    }
}

/// The functions of the host's table.
#[derive(Clone, Copy)]
pub(super) struct HostFunctions {
    pub(super) log: abi::LogFn,
    pub(super) cancelled: abi::CancelledFn,
    pub(super) cancel_fd: abi::CancelFdFn,
}

fn check_header(head: abi::Header) -> Result<(), LoadError> {
    match head.compatibility::<abi::PluginV1>() {
        abi::Compatibility::Readable => Ok(()),
        abi::Compatibility::Newer => Err(LoadError::NewerInterface(head.abi_version)),
        abi::Compatibility::Older => Err(LoadError::OlderInterface(head.abi_version)),
        abi::Compatibility::Truncated => Err(LoadError::TruncatedTable {
            expected: abi::Header::of::<abi::PluginV1>().struct_size,
            found: head.struct_size,
        }),
    }
}

fn with_source(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => source.to_string(),
        None => error.to_string(),
    }
}
