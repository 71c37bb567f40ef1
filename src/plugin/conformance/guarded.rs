//! A host's table at the very end of a page that nothing may be read behind: who reads more of a table than it has, ends.

use bunsui_plugin_abi as abi;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect};

/// A place for a table, for as long as this process lives.
#[derive(Debug)]
pub(super) struct Guarded {
    end: *mut u8,
}

impl Guarded {
    /// Two pages, of which the second cannot be read.
    #[expect(unsafe_code, reason = "maps memory")]
    pub(super) fn new() -> Option<Self> {
        let page = rustix::param::page_size();
        // SAFETY: a new mapping, at a place that the system chooses; it is never taken away.
        let start = unsafe {
            mmap_anonymous(
                std::ptr::null_mut(),
                2 * page,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE,
            )
        };
        let start = start.ok()?.cast::<u8>();
        // SAFETY: within the mapping.
        let end = unsafe { start.add(page) };
        // SAFETY: the second page of a mapping that nobody else knows.
        unsafe { mprotect(end.cast(), page, MprotectFlags::empty()) }.ok()?;
        Some(Self { end })
    }

    /// Puts a table there, so that its last byte is the last that can be read.
    #[expect(unsafe_code, reason = "writes into the mapping")]
    pub(super) fn put(&self, table: abi::HostV1) -> *const abi::HostV1 {
        // SAFETY: a page is longer than the table; a page's end is as aligned as a table's size.
        let place = unsafe { self.end.sub(size_of::<abi::HostV1>()) }.cast::<abi::HostV1>();
        // SAFETY: within the first page, which can be written to.
        unsafe { place.write(table) };
        place
    }
}
