//! Hands the arguments to the library and leaves with its exit code.

/// A large file is hundreds of thousands of small strings and tables, and a session is many threads that each make a few.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    bunsui::cli::main(std::env::args_os())
}
