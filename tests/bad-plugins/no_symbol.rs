//! A library that is no plugin: it has no entry point.

/// Something, so that the library is not empty.
#[unsafe(no_mangle)]
#[expect(unsafe_code, reason = "an exported symbol")]
pub extern "C" fn bunsui_not_a_plugin() {}
