//! The C interface between bunsui and its operation plugins.
//!
//! A plugin is a shared library that exports one function, [`SYMBOL`], which gives a static [`PluginV1`]: a versioned
//! table of functions. Requests and replies are JSON in UTF-8. The same interface in C is `include/bunsui_plugin.h`;
//! docs/plugin-abi.md describes the requests.
//!
//! The rules: who allocates frees; nothing unwinds across; the first eight bytes of a table are read before anything
//! else of it; tables only grow at their end, and a reader reads no more than `struct_size` says is there. What cannot be
//! done by growing gets a new symbol.
//!
//! Takes and gives nothing: these are types. Deliberately has no dependency.

use core::ffi::c_void;

/// The version of this interface. Not bunsui's version.
pub const ABI_VERSION: u32 = 1;

/// The one exported symbol: an [`EntryPoint`].
pub const SYMBOL: &str = "bunsui_plugin_v1";

/// How a call ended: the buffer holds the reply.
pub const STATUS_OK: i32 = 0;
/// How a call ended: the buffer holds an error, `{"message", "pointer"?, "code"?, "help"?}`.
pub const STATUS_ERROR: i32 = 1;
/// How a call ended: the plugin panicked; the buffer holds an error.
pub const STATUS_PANIC: i32 = 2;

/// Level of a log line.
pub const LEVEL_DEBUG: u32 = 0;
/// Level of a log line.
pub const LEVEL_INFO: u32 = 1;
/// Level of a log line.
pub const LEVEL_WARN: u32 = 2;
/// Level of a log line.
pub const LEVEL_ERROR: u32 = 3;

/// [`HostV1::cancelled`]: go on.
pub const GO_ON: i32 = 0;
/// [`HostV1::cancelled`]: end what was started, politely, and return.
pub const STOP: i32 = 1;
/// [`HostV1::cancelled`]: whoever asked is gone; end everything now.
pub const STOP_NOW: i32 = 2;

/// The beginning of every table.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// [`ABI_VERSION`] of who made the table.
    pub abi_version: u32,
    /// Bytes of the whole table, this header included.
    pub struct_size: u32,
}

/// Bytes that the plugin allocated; the host gives them back to [`PluginV1::free`], each exactly once.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Buf {
    /// The bytes; may be null if `len` is 0.
    pub ptr: *mut u8,
    /// How many are meant.
    pub len: usize,
    /// For the plugin's own use; handed back unchanged.
    pub cap: usize,
}

impl Buf {
    /// No bytes.
    pub const EMPTY: Self = Self { ptr: core::ptr::null_mut(), len: 0, cap: 0 };
}

/// `log(ctx, level, message, message_len, fields, fields_len)`: one line; `fields` is a JSON object or has length 0.
pub type LogFn = unsafe extern "C" fn(*mut c_void, u32, *const u8, usize, *const u8, usize);
/// `cancelled(ctx)`: [`GO_ON`], [`STOP`] or [`STOP_NOW`].
pub type CancelledFn = unsafe extern "C" fn(*mut c_void) -> i32;
/// `cancel_fd(ctx)`: a descriptor that becomes readable when `cancelled` changes, or -1. It belongs to the host.
pub type CancelFdFn = unsafe extern "C" fn(*mut c_void) -> i32;

/// The host's side of one call. Valid until that call returns; its functions may be called from any thread.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct HostV1 {
    /// Version and size.
    pub head: Header,
    /// First argument of every function below.
    pub ctx: *mut c_void,
    /// Says a line.
    pub log: Option<LogFn>,
    /// Whether to stop.
    pub cancelled: Option<CancelledFn>,
    /// For waiting, with poll(2), for `cancelled` to change.
    pub cancel_fd: Option<CancelFdFn>,
}

/// `describe(reply)`: writes the declaration, or an error, and gives the status.
pub type DescribeFn = unsafe extern "C" fn(*mut Buf) -> i32;
/// `call(host, request, request_len, reply)`: does what the request says. Called from many threads at once.
pub type CallFn = unsafe extern "C" fn(*const HostV1, *const u8, usize, *mut Buf) -> i32;
/// `free(ptr, len, cap)`: takes back a [`Buf`].
pub type FreeFn = unsafe extern "C" fn(*mut u8, usize, usize);

/// The plugin's table. Static: it is never freed, and the library is never unloaded.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct PluginV1 {
    /// Version and size.
    pub head: Header,
    /// What the plugin is.
    pub describe: Option<DescribeFn>,
    /// Everything else.
    pub call: Option<CallFn>,
    /// Takes back what the two above gave.
    pub free: Option<FreeFn>,
}

/// The type of [`SYMBOL`].
pub type EntryPoint = unsafe extern "C" fn() -> *const PluginV1;

/// What a table's header says of it, when a reader that knows `abi_version` 1 looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compatibility {
    /// It can be read.
    Readable,
    /// Made for a later interface.
    Newer,
    /// Made for an earlier interface.
    Older,
    /// Shorter than version 1 needs.
    Truncated,
}

impl Header {
    /// The header of a table of type `T`.
    pub const fn of<T>() -> Self {
        // A table is a few dozen bytes long.
        Self { abi_version: ABI_VERSION, struct_size: size_of::<T>() as u32 }
    }

    /// Whether a table with this header can be read as a `T`.
    pub const fn compatibility<T>(self) -> Compatibility {
        if self.abi_version > ABI_VERSION {
            Compatibility::Newer
        } else if self.abi_version < ABI_VERSION {
            Compatibility::Older
        } else if (self.struct_size as usize) < size_of::<T>() {
            Compatibility::Truncated
        } else {
            Compatibility::Readable
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_eight_bytes_decide() {
        let of = |abi_version, struct_size| Header { abi_version, struct_size }.compatibility::<PluginV1>();
        let size = size_of::<PluginV1>() as u32;
        assert_eq!(of(1, size), Compatibility::Readable);
        assert_eq!(of(1, size + 8), Compatibility::Readable, "a grown table is still version 1");
        assert_eq!(of(1, size - 8), Compatibility::Truncated);
        assert_eq!(of(2, size), Compatibility::Newer);
        assert_eq!(of(0, size), Compatibility::Older);
        assert_eq!(of(2, 0), Compatibility::Newer, "the version is looked at before the size");
    }

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn the_layout_is_what_the_header_file_says() {
        assert_eq!((size_of::<Header>(), size_of::<Buf>()), (8, 24));
        assert_eq!((size_of::<HostV1>(), size_of::<PluginV1>()), (40, 32));
    }
}
