//! Stand-ins for AWS on loopback: ministack, and moto as a second opinion; a server of its own for each process of tests.

use std::io::Read;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A server, and what was started to hold it.
#[derive(Debug)]
pub struct Emulator {
    /// `http://127.0.0.1:PORT`
    pub address: String,
    /// Ends the server when its standard input ends, so that none is left whatever becomes of the tests.
    _holder: Child,
}

/// No start takes so long.
const LONG: Duration = Duration::from_secs(60);

/// What is started, and how.
struct Program {
    /// Below the builds.
    executable: &'static str,
    /// Tells servers of one process apart.
    name: &'static str,
    /// `PORT` among them stands for the port.
    arguments: &'static [&'static str],
    variables: &'static [(&'static str, &'static str)],
    /// The variable that takes the port.
    port: &'static str,
    /// A page that is there once it is ready.
    health: &'static str,
    /// A variable that, with this value, makes its absence an error.
    needed: (&'static str, &'static str),
    /// What to do where it is not installed.
    install: &'static str,
}

const MINISTACK: Program = Program {
    executable: "ministack/bin/ministack",
    name: "ministack",
    arguments: &[],
    variables: &[
        ("BIND_HOST", "127.0.0.1"),
        ("SFTP_ENABLED", "0"),
        ("IOT_MTLS_ENABLED", "0"),
        ("LOG_LEVEL", "WARNING"),
    ],
    port: "GATEWAY_PORT",
    health: "/_ministack/health",
    needed: ("CI", "true"),
    install: "`.ci/tool ministack` installs it",
};

/// The one server of this process; none where ministack is not installed, which CI (`CI=true`) does not accept.
///
/// # Panics
///
/// Where it is installed and does not start, or is not there in CI.
pub fn ministack() -> Option<&'static Emulator> {
    static SERVER: OnceLock<Option<Emulator>> = OnceLock::new();
    SERVER.get_or_init(|| MINISTACK.start(&[])).as_ref()
}

/// Another server, which checks signatures and enforces policies of users; an account's own key may do everything in it.
///
/// # Panics
///
/// As [`ministack`].
pub fn enforcing_ministack() -> Option<&'static Emulator> {
    static SERVER: OnceLock<Option<Emulator>> = OnceLock::new();
    let program = Program { name: "enforcing", ..MINISTACK };
    SERVER.get_or_init(|| program.start(&[("AUTH", "true")])).as_ref()
}

/// Another emulator, by other people: what both agree on is likely so. It has one account, 123456789012.
///
/// # Panics
///
/// Where it is installed and does not start, or is not there and `BUNSUI_MOTO=needed`.
pub fn moto() -> Option<&'static Emulator> {
    static SERVER: OnceLock<Option<Emulator>> = OnceLock::new();
    let program = Program {
        executable: "moto/bin/moto_server",
        name: "moto",
        arguments: &["-H", "127.0.0.1", "-p", "PORT"],
        variables: &[],
        port: "MOTO_PORT",
        health: "/moto-api/data.json",
        needed: ("BUNSUI_MOTO", "needed"),
        install: "`.ci/tool moto` installs it",
    };
    SERVER.get_or_init(|| program.start(&[])).as_ref()
}

/// A program that `.ci/tool` installs beside the builds; none where it is not there, which CI (`CI=true`) does not accept.
///
/// # Panics
///
/// Where it is not there in CI.
#[allow(clippy::print_stderr, reason = "what is skipped is said")]
pub fn tool(name: &str) -> Option<PathBuf> {
    let found = installed(&format!("{name}/bin/{name}"));
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{name} is not installed");
        eprintln!("NOT CHECKED: {name} is not installed (`.ci/tool {name}` installs it)");
    }
    found
}

/// Where `.ci/tool` puts what it installs: beside the builds.
fn installed(executable: &str) -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    own.ancestors().map(|folder| folder.join(executable)).find(|path| path.is_file())
}

/// Twelve digits: an account that no other test uses. Its access key is the same text.
pub fn own_account() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("{:07}{:05}", std::process::id() % 10_000_000, NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Program {
    #[allow(clippy::print_stderr, reason = "what is skipped is said")]
    fn start(&self, variables: &[(&str, &str)]) -> Option<Emulator> {
        let Some(executable) = installed(self.executable) else {
            let (variable, value) = self.needed;
            let is_needed = std::env::var_os(variable).is_some_and(|found| found == value);
            assert!(!is_needed, "{} is not installed", self.name);
            eprintln!("NOT CHECKED: AWS, for {} is not installed ({})", self.name, self.install);
            return None;
        };
        // Free now; whoever takes it before the server does makes that fail, and the test with it.
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
        let folder = std::env::temp_dir().join(format!("bunsui-{}-{}", self.name, std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let arguments = self.arguments.iter().map(|argument| argument.replace("PORT", &port.to_string()));
        let holder = Command::new("sh")
            .args([
                "-c",
                "\"$0\" \"$@\" >server.log 2>&1 & server=$!; cat >/dev/null; kill $server; wait $server; rm -rf \"$PWD\"",
            ])
            .arg(executable)
            .args(arguments)
            .current_dir(&folder)
            .env(self.port, port.to_string())
            .envs(self.variables.iter().chain(variables).copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let server = Emulator { address: format!("http://127.0.0.1:{port}"), _holder: holder };
        let began = Instant::now();
        while !answers(port, self.health) {
            let log = || std::fs::read_to_string(folder.join("server.log")).unwrap_or_default();
            assert!(began.elapsed() < LONG, "{} does not start:\n{}", self.name, log());
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(server)
    }
}

/// Whether its health page is there.
fn answers(port: u16, page: &str) -> bool {
    use std::io::Write;
    let Ok(mut socket) = std::net::TcpStream::connect(("127.0.0.1", port)) else { return false };
    let _ = socket.set_read_timeout(Some(Duration::from_secs(2)));
    let request = format!("GET {page} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut reply = String::new();
    socket.write_all(request.as_bytes()).is_ok()
        && (socket.read_to_string(&mut reply).is_ok() || !reply.is_empty())
        && reply.split(' ').nth(1) == Some("200")
}
