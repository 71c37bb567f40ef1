//! A stand-in for AWS on loopback: ministack, a server of its own for each process of tests.

use std::io::Read;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A server, and what was started to hold it.
#[derive(Debug)]
pub struct Ministack {
    /// `http://127.0.0.1:PORT`
    pub address: String,
    /// Ends the server when its standard input ends, so that none is left whatever becomes of the tests.
    _holder: Child,
}

/// No start takes so long.
const LONG: Duration = Duration::from_secs(60);

/// The one server of this process; none where ministack is not installed, which CI (`CI=true`) does not accept.
///
/// # Panics
///
/// Where it is installed and does not start, or is not there in CI.
pub fn ministack() -> Option<&'static Ministack> {
    static SERVER: OnceLock<Option<Ministack>> = OnceLock::new();
    SERVER.get_or_init(|| start("open", &[])).as_ref()
}

/// Another server, which checks signatures and enforces policies of users; an account's own key may do everything in it.
///
/// # Panics
///
/// As [`ministack`].
pub fn enforcing_ministack() -> Option<&'static Ministack> {
    static SERVER: OnceLock<Option<Ministack>> = OnceLock::new();
    SERVER.get_or_init(|| start("enforcing", &[("AUTH", "true")])).as_ref()
}

/// Twelve digits: an account that no other test uses. Its access key is the same text.
pub fn own_account() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("{:07}{:05}", std::process::id() % 10_000_000, NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Where `.ci/run` installs it: beside the builds.
fn executable() -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    let target = own.ancestors().find(|folder| folder.join("ministack/bin/ministack").is_file())?;
    Some(target.join("ministack/bin/ministack"))
}

#[allow(clippy::print_stderr, reason = "what is skipped is said")]
fn start(name: &str, variables: &[(&str, &str)]) -> Option<Ministack> {
    let Some(executable) = executable() else {
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "ministack is not installed");
        eprintln!("NOT CHECKED: AWS, for ministack is not installed (`.ci/ministack` installs it)");
        return None;
    };
    // Free now; whoever takes it before the server does makes that fail, and the test with it.
    let port =
        TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
    let folder = std::env::temp_dir().join(format!("bunsui-ministack-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let holder = Command::new("sh")
        .args(["-c", "\"$0\" >server.log 2>&1 & server=$!; cat >/dev/null; kill $server; wait $server; rm -rf \"$PWD\""])
        .arg(executable)
        .current_dir(&folder)
        .env("GATEWAY_PORT", port.to_string())
        .env("BIND_HOST", "127.0.0.1")
        .env("SFTP_ENABLED", "0")
        .env("IOT_MTLS_ENABLED", "0")
        .env("LOG_LEVEL", "WARNING")
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell");
    let server = Ministack { address: format!("http://127.0.0.1:{port}"), _holder: holder };
    let began = Instant::now();
    while !answers(port) {
        let log = || std::fs::read_to_string(folder.join("server.log")).unwrap_or_default();
        assert!(began.elapsed() < LONG, "ministack does not start:\n{}", log());
        std::thread::sleep(Duration::from_millis(50));
    }
    Some(server)
}

/// Whether its health page is there.
fn answers(port: u16) -> bool {
    use std::io::Write;
    let Ok(mut socket) = std::net::TcpStream::connect(("127.0.0.1", port)) else { return false };
    let _ = socket.set_read_timeout(Some(Duration::from_secs(2)));
    let request = "GET /_ministack/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut reply = String::new();
    socket.write_all(request.as_bytes()).is_ok()
        && (socket.read_to_string(&mut reply).is_ok() || !reply.is_empty())
        && reply.starts_with("HTTP/1.1 200")
}
