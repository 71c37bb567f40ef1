//! AWS in trouble: answers that a proxy gives in the place of the emulator's.

use super::{functions, job, make_function, scratch_on_aws, variable};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

/// What a proxy answers to a request, by its action and body; none: the emulator answers.
pub(super) type Fault = dyn FnMut(&str, &str) -> Option<(u16, String)> + Send;

/// A proxy on loopback before `server`; its address.
pub(super) fn proxy(server: String, mut fault: Box<Fault>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("it has one"));
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let Ok(socket) = socket else { return };
            let (head, body) = request(&socket);
            let target = head.lines().find_map(|line| line.strip_prefix("x-amz-target: "));
            let action = target.and_then(|target| target.rsplit('.').next()).unwrap_or_default();
            match fault(action, &body) {
                Some((status, answer)) => answer_with(&socket, status, &answer),
                None => pass_on(&socket, &server, &head, &body),
            }
        }
    });
    address
}

fn request(mut socket: &TcpStream) -> (String, String) {
    let mut bytes = Vec::new();
    let mut buffer = [0; 65536];
    loop {
        let count = socket.read(&mut buffer).unwrap_or(0);
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            if count == 0 {
                return (text, String::new());
            }
            continue;
        };
        let length =
            head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) || count == 0 {
            return (head.replace("\r\n", "\n"), body.to_owned());
        }
    }
}

fn answer_with(mut socket: &TcpStream, status: u16, answer: &str) {
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/x-amz-json-1.0\r\nconnection: close\r\ncontent-length: {}",
        answer.len()
    );
    let _ = socket.write_all(format!("{head}\r\n\r\n{answer}").as_bytes());
}

fn pass_on(mut socket: &TcpStream, server: &str, head: &str, body: &str) {
    let Ok(mut upstream) = TcpStream::connect(server.trim_start_matches("http://")) else { return };
    let head: Vec<&str> =
        head.lines().filter(|line| !line.to_lowercase().starts_with("connection:")).collect();
    let sent = format!("{}\r\nconnection: close\r\n\r\n{body}", head.join("\r\n"));
    let mut answer = Vec::new();
    if upstream.write_all(sent.as_bytes()).is_ok() {
        let _ = upstream.read_to_end(&mut answer);
    }
    let text = String::from_utf8_lossy(&answer).replacen("\r\n", "\r\nconnection: close\r\n", 1);
    let _ = socket.write_all(text.as_bytes());
}

pub(super) fn error(name: &str) -> String {
    format!("{{\"__type\": \"com.amazonaws.states#{name}\", \"message\": \"as the test says\"}}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_that_pass_are_waited_for() {
    let Some(scratch) = scratch_on_aws().await else { return };
    make_function(&scratch, "a", "def handler(event, context):\n    return {'n': 1}\n");
    scratch.write("t.toml", functions(&job("a", "", "")));
    scratch.run("deploy t.toml").expect_code(0);
    // More of each than the SDK tries by itself.
    let (mut starts, mut looks) = (5, 5);
    let fault = move |action: &str, _: &str| {
        let (left, answer) = match action {
            "StartExecution" => (&mut starts, (400, error("ThrottlingException"))),
            "DescribeExecution" => (&mut looks, (500, error("InternalServerError"))),
            _ => return None,
        };
        *left -= 1;
        (*left >= 0).then_some(answer)
    };
    let address = proxy(variable(&scratch, "BUNSUI_AWS__ENDPOINT_URL"), Box::new(fault));
    let scratch = scratch.with_variable("BUNSUI_AWS__ENDPOINT_URLS__SFN", &address);
    let finished = scratch.run("run t.toml --output json").expect_code(0);
    assert_eq!(crate::product::jobs(&finished)["a"]["attempt"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_is_refused_is_its_jobs_failure() {
    let Some(scratch) = scratch_on_aws().await else { return };
    make_function(&scratch, "b", "def handler(event, context):\n    return {'n': 1}\n");
    scratch.write("t.toml", functions(&(job("a", "", "") + &job("b", "", ""))));
    scratch.run("deploy t.toml").expect_code(0);
    let fault = |action: &str, body: &str| {
        let is_meant = action == "StartExecution" && body.contains("bunsui-t--a");
        is_meant.then(|| (400, error("InvalidExecutionInput")))
    };
    let address = proxy(variable(&scratch, "BUNSUI_AWS__ENDPOINT_URL"), Box::new(fault));
    let scratch = scratch.with_variable("BUNSUI_AWS__ENDPOINT_URLS__SFN", &address);
    let failed = scratch.run("run t.toml").expect_code(1);
    assert!(
        failed.stderr.contains("InvalidExecutionInput") && failed.stderr.contains("succeeded  b"),
        "{}",
        failed.stderr
    );
    assert!(
        failed.stderr.contains("1 failed, 1 succeeded") || failed.stderr.contains("1 succeeded"),
        "{}",
        failed.stderr
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_is_gone_is_said_to_be() {
    let Some(scratch) = scratch_on_aws().await else { return };
    scratch.write("t.toml", functions(&job("a", "", "")));
    scratch.run("deploy t.toml").expect_code(0);
    let fault = |action: &str, _: &str| {
        (action == "StartExecution").then(|| (400, error("StateMachineDoesNotExist")))
    };
    let address = proxy(variable(&scratch, "BUNSUI_AWS__ENDPOINT_URL"), Box::new(fault));
    let scratch = scratch.with_variable("BUNSUI_AWS__ENDPOINT_URLS__SFN", &address);
    let refused = scratch.run("run t.toml").expect_code(3).stderr;
    assert!(refused.contains("bunsui::aws::version_gone") && refused.contains("--with-current"), "{refused}");
    assert!(refused.contains("to go on: bunsui session resume "), "{refused}");
}
