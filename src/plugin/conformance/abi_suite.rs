//! The checks of the interface itself, in a process that holds the library's raw table: `bunsui __plugin-conformance LIBRARY`.
//!
//! Says each check when it begins and when it ends, a line of JSON each; a check that ends the process is the one that began last.

use super::guarded::Guarded;
use super::{Said, Verdict, about};
use crate::plugin::library::{Declaration, Library};
use crate::plugin::processes;
use bunsui_plugin_abi as abi;
use serde_json::{Value as Json, json};
use std::ffi::c_void;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The first check; without it no other can be made.
pub(super) const LOADS: &str = "it loads, and its table of functions is one of interface 1";

/// Where nobody answers, and at once: checks do not speak to AWS.
const NOWHERE: &str = "http://127.0.0.1:9";

/// Threads that call at once, and how often each does.
const AT_ONCE: usize = 8;
const ROUNDS: usize = 50;

/// Bytes of replies after which memory that was not given back would be seen, and how long it is looked for at most.
const ENOUGH_BYTES: usize = 24 << 20;
const LONGEST_LOOK: Duration = Duration::from_secs(2);

/// Tries one library's table; says verdicts on standard output.
pub fn conformance_main(library: &Path) -> ExitCode {
    let Ok(output) = take_output() else { return ExitCode::from(3) };
    let suite = Suite { output: Mutex::new(output) };
    suite.run(library);
    suite.say(&Said::Done);
    // The short way out, as for a host: handlers of the library do not run.
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    ExitCode::SUCCESS
}

/// What the plugin prints is talk.
fn take_output() -> std::io::Result<File> {
    let output = File::from(std::io::stdout().as_fd().try_clone_to_owned()?);
    rustix::stdio::dup2_stdout(std::io::stderr())?;
    Ok(output)
}

struct Suite {
    output: Mutex<File>,
}

/// What one call gave.
struct Given {
    status: i32,
    bytes: Vec<u8>,
}

impl Given {
    fn json(&self) -> Result<Json, String> {
        serde_json::from_slice(&self.bytes)
            .map_err(|error| format!("its answer is not JSON: {error}; it is `{}`", beginning(&self.bytes)))
    }

    /// An answer that a host can read, whatever it says.
    fn is_readable(&self) -> Result<(), String> {
        let json = self.json()?;
        match self.status {
            abi::STATUS_OK => Ok(()),
            abi::STATUS_ERROR if json["message"].is_string() => Ok(()),
            abi::STATUS_PANIC => Err(format!("it panicked: {}", json["message"].as_str().unwrap_or("?"))),
            abi::STATUS_ERROR => Err(format!("an error has no `message`: `{}`", beginning(&self.bytes))),
            other => Err(format!("status {other} is none of 0, 1 and 2")),
        }
    }

    fn is_error(&self) -> Result<(), String> {
        self.is_readable()?;
        if self.status == abi::STATUS_ERROR {
            return Ok(());
        }
        Err(format!("it was answered as if it were right: `{}`", beginning(&self.bytes)))
    }
}

fn beginning(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(120)]).into_owned()
}

impl Suite {
    fn say(&self, said: &Said) {
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        let line = serde_json::to_string(said).unwrap_or_default();
        let _ = writeln!(output, "{line}");
    }

    fn check<T>(&self, check: &str, tried: impl FnOnce() -> Result<T, String>) -> Option<T> {
        self.say(&Said::Begun(check.to_owned()));
        let (given, verdict) = match tried() {
            Ok(given) => (Some(given), Ok(())),
            Err(reason) => (None, Err(reason)),
        };
        self.say(&Said::Ended(Verdict::of(check, verdict)));
        given
    }

    fn run(&self, library: &Path) {
        let Some((library, declaration)) = self.check(LOADS, || {
            let library = Library::load(library).map_err(|error| about(&error))?;
            let declaration = library.describe().map_err(|error| about(&error))?;
            Ok((library, declaration))
        }) else {
            return;
        };
        let table = Table { library: &library };
        self.check("describing itself twice gives the same, each in bytes of its own", || {
            table.describe_twice()
        });
        self.wrong_input(&table, &declaration);
        self.check("it reads no more of its host's table than is there", || table.short_host(&declaration));
        self.check("it takes a host's table that has grown", || table.grown_host(&declaration));
        self.check("calls at once do not mix", || table.at_once(&declaration));
        self.check("what it allocates is given back", || table.memory());
    }

    /// What no host sends, and what one of another version may.
    fn wrong_input(&self, table: &Table<'_>, declaration: &Declaration) {
        for (what, bytes) in malformed() {
            self.check(&format!("a request that is {what} is an error"), || table.call(&bytes).is_error());
        }
        let unknown = json!({"method": "check", "operation_type": "no such type", "request": {}});
        self.check("an unknown operation type is an error", || table.ask(&unknown).is_error());
        for declared in &declaration.operation_types {
            let of = |method: &str, request: Json| json!({"method": method, "operation_type": declared.name, "request": request});
            let name = &declared.name;
            self.check(&format!("`{name}`: an unknown method is an error"), || {
                table.ask(&of("no_such_method", json!({}))).is_error()
            });
            for method in METHODS {
                self.check(&format!("`{name}`: `{method}` with wrong input is answered"), || {
                    wrong_requests().into_iter().try_for_each(|request| {
                        let about = format!("`{}`", beginning(request.to_string().as_bytes()));
                        table
                            .ask(&of(method, request))
                            .is_readable()
                            .map_err(|reason| format!("of the request {about}: {reason}"))
                    })
                });
            }
        }
    }
}

const METHODS: [&str; 8] =
    ["check", "states", "permissions", "preflight", "run_local", "stop", "explain", "logs"];

fn malformed() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("empty", Vec::new()),
        ("no JSON", b"not JSON".to_vec()),
        ("cut off", br#"{"method": "check", "operation_ty"#.to_vec()),
        ("not UTF-8", b"{\"method\": \"\xff\"}".to_vec()),
        ("a list", b"[]".to_vec()),
        ("null", b"null".to_vec()),
        ("without its members", b"{}".to_vec()),
        ("nested without end", vec![b'['; 100_000]),
    ]
}

/// Requests with members that are missing, of another type, or that nobody knows.
fn wrong_requests() -> Vec<Json> {
    let all = |keys: Json| {
        json!({
            "job": "j", "operation": "o", "keys": keys, "partition": "aws", "region": "eu-west-1",
            "account": "123456789012", "bucket": "lake", "timeout_seconds": null,
            "aws": {"region": "eu-west-1", "profile": null, "role": null, "endpoint_url": NOWHERE, "endpoint_urls": {}},
            "state": "no such state", "arguments": {}, "directory": "/nowhere", "objects": "/nowhere", "session": "s",
            "attempt": 1, "try_number": 1, "execution_arn": "arn:aws:states:eu-west-1:123456789012:execution:m:e",
            "submitted": null, "error": "E", "cause": "c", "from_a_later_bunsui": {"a": 1},
        })
    };
    vec![
        Json::Null,
        json!([]),
        json!({}),
        all(Json::Null),
        all(json!(7)),
        all(json!([{}])),
        all(json!({})),
        all(json!({"no_such_key": {"deep": [1, null, "é\u{0}\u{202e}"]}})),
    ]
}

/// The functions of a library.
struct Table<'a> {
    library: &'a Library,
}

impl Table<'_> {
    fn call(&self, request: &[u8]) -> Given {
        self.call_of(request, &host(size_of::<abi::HostV1>()))
    }

    fn ask(&self, request: &Json) -> Given {
        self.call(request.to_string().as_bytes())
    }

    fn call_of(&self, request: &[u8], host: *const abi::HostV1) -> Given {
        let (status, buf) = self.library.raw_call(host, request);
        let bytes = copy(buf);
        self.library.give_back(buf);
        Given { status, bytes }
    }

    fn describe_twice(&self) -> Result<(), String> {
        let (_, first) = self.library.raw_describe();
        let before = copy(first);
        let (_, second) = self.library.raw_describe();
        let (again, after) = (copy(first), copy(second));
        let is_shared = first.ptr == second.ptr && first.len > 0;
        self.library.give_back(second);
        let kept = copy(first);
        self.library.give_back(first);
        if before != after {
            return Err("the second declaration is another".to_owned());
        }
        if before != again || before != kept {
            return Err("the first declaration changed before it was given back".to_owned());
        }
        // Bytes that never change may be one buffer; `free` must then not end them.
        let (_, third) = self.library.raw_describe();
        let last = copy(third);
        self.library.give_back(third);
        match last == before {
            true => Ok(()),
            false if is_shared => {
                Err("two replies were one buffer, and giving one back ended the other".to_owned())
            }
            false => Err("the third declaration is another".to_owned()),
        }
    }

    /// A request that every plugin answers, of each type.
    fn harmless(declaration: &Declaration) -> Vec<Vec<u8>> {
        let of_type = |name: &String| {
            let methods = ["explain", "states", "permissions", "no_such_method"].into_iter();
            let mut requests = wrong_requests();
            let request = requests.swap_remove(6);
            methods
                .map(|method| {
                    json!({"method": method, "operation_type": name, "request": request})
                        .to_string()
                        .into_bytes()
                })
                .collect::<Vec<_>>()
        };
        declaration.operation_types.iter().flat_map(|declared| of_type(&declared.name)).collect()
    }

    fn short_host(&self, declaration: &Declaration) -> Result<(), String> {
        let Some(guarded) = Guarded::new() else {
            return Err("no memory could be set apart for it".to_owned());
        };
        let host = guarded.put(host(size_of::<abi::HostV1>()));
        let requests = Self::harmless(declaration);
        requests.iter().try_for_each(|request| self.call_of(request, host).is_readable())
    }

    fn grown_host(&self, declaration: &Declaration) -> Result<(), String> {
        #[repr(C)]
        struct Grown {
            table: abi::HostV1,
            more: [usize; 8],
        }
        let grown = Grown { table: host(size_of::<Grown>()), more: [usize::MAX; 8] };
        debug_assert_eq!(grown.more.len(), 8);
        Self::harmless(declaration).iter().try_for_each(|request| {
            let (of_grown, of_ours) = (self.call_of(request, &raw const grown.table), self.call(request));
            let is_same = of_grown.bytes == of_ours.bytes;
            if is_same { of_grown.is_readable() } else { Err("it was answered otherwise".to_owned()) }
        })
    }

    fn at_once(&self, declaration: &Declaration) -> Result<(), String> {
        let requests = Self::harmless(declaration);
        let expected: Vec<Vec<u8>> = requests.iter().map(|request| self.call(request).bytes).collect();
        let work = |first: usize| {
            for at in (0..ROUNDS * requests.len()).map(|round| (first + round) % requests.len()) {
                let given = self.call(&requests[at]);
                if given.bytes != expected[at] {
                    return Err(format!(
                        "the request `{}` was answered with `{}`, and alone with `{}`",
                        beginning(&requests[at]),
                        beginning(&given.bytes),
                        beginning(&expected[at])
                    ));
                }
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let work = &work;
            let threads: Vec<_> = (0..AT_ONCE).map(|first| scope.spawn(move || work(first))).collect();
            threads.into_iter().try_for_each(|thread| {
                thread.join().unwrap_or_else(|_| Err("a thread of the suite was lost".to_owned()))
            })
        })
    }

    fn memory(&self) -> Result<(), String> {
        let round = || {
            let (_, buf) = self.library.raw_describe();
            let length = buf.len;
            self.library.give_back(buf);
            length
        };
        // What is set up once is there after these.
        let _: usize = (0..50).map(|_| round()).sum();
        let Some(before) = processes::resident_bytes(rustix::process::getpid()) else { return Ok(()) };
        let began = Instant::now();
        let (mut given, mut calls) = (0, 0);
        while given < ENOUGH_BYTES && began.elapsed() < LONGEST_LOOK {
            given += round();
            calls += 1;
        }
        let grown =
            processes::resident_bytes(rustix::process::getpid()).unwrap_or(before).saturating_sub(before);
        if grown > (given as u64 / 2).max(1 << 20) {
            return Err(format!(
                "memory grew by {} KiB in {calls} calls that gave {} KiB: about {} bytes a call are not given back",
                grown >> 10,
                given >> 10,
                grown / calls
            ));
        }
        Ok(())
    }
}

/// A copy of what a buffer holds.
#[expect(unsafe_code, reason = "reads what the plugin allocated")]
fn copy(buf: abi::Buf) -> Vec<u8> {
    if buf.ptr.is_null() || buf.len == 0 {
        return Vec::new();
    }
    // SAFETY: the plugin promises `len` bytes at `ptr` until they are given back; a lie ends this process, and that is said.
    unsafe { std::slice::from_raw_parts(buf.ptr, buf.len) }.to_vec()
}

/// A host that hears nothing and wants every call to end: what should run forever does not.
fn host(struct_size: usize) -> abi::HostV1 {
    abi::HostV1 {
        head: abi::Header {
            abi_version: abi::ABI_VERSION,
            struct_size: u32::try_from(struct_size).unwrap_or(0),
        },
        ctx: std::ptr::null_mut(),
        log: Some(log),
        cancelled: Some(cancelled),
        cancel_fd: Some(cancel_fd),
    }
}

#[expect(unsafe_code, reason = "the type that the interface has for it")]
unsafe extern "C" fn log(_: *mut c_void, _: u32, _: *const u8, _: usize, _: *const u8, _: usize) {}

#[expect(unsafe_code, reason = "the type that the interface has for it")]
unsafe extern "C" fn cancelled(_: *mut c_void) -> i32 {
    abi::STOP
}

#[expect(unsafe_code, reason = "the type that the interface has for it")]
unsafe extern "C" fn cancel_fd(_: *mut c_void) -> i32 {
    -1
}
