//! Both sides of the control socket, on a real one.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use super::server::leave_link;
use super::*;
use crate::base::Exit;
use crate::config::Config;
use crate::restore::ProvedBy;

/// A configuration whose service listens at this path, and keeps its state beside the socket.
fn config(socket: &Path) -> Config {
    let state_dir = socket.parent().unwrap();
    let file = state_dir.with_file_name("config.toml");
    let text = format!("state_dir = {state_dir:?}\ncontrol_socket = {socket:?}\n");
    fs::write(&file, text).unwrap();
    Config::load(Some(&file)).unwrap()
}

/// Asks the service that listens at this path, as a command of its own configuration.
async fn ask(socket: &Path, request: &Request) -> Result<Option<Reply>, AskError> {
    super::ask(&config(socket), request).await
}

/// A service that answers every request with the result of `answer`.
fn service(path: &Path, answer: fn(Request) -> Option<Reply>) {
    let listener = listen(path).unwrap();
    let (calls, mut asked) = mpsc::channel::<Call>(4);
    tokio::spawn(serve(listener, Identity::of(&config(path)), calls));
    tokio::spawn(async move {
        while let Some(call) = asked.recv().await {
            if let Some(reply) = answer(call.request) {
                call.reply.send(reply).unwrap();
            }
        }
    });
}

#[expect(clippy::unnecessary_wraps, reason = "the form of an answer")]
fn echo(request: Request) -> Option<Reply> {
    Some(Reply::Done { message: format!("{request:?}") })
}

#[tokio::test]
async fn every_request_arrives_as_it_was_sent() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("run/control.sock");
    service(&socket, echo);
    let mirror = || "photos".to_owned();
    let strange = Path::new(OsStr::from_bytes(b"/srv/caf\xe9")).to_path_buf();
    let requests = [
        Request::Status,
        Request::Sync { mirrors: vec![mirror(), "b".to_owned()] },
        Request::Sync { mirrors: Vec::new() },
        Request::Pause,
        Request::Resume,
        Request::Approve {
            mirror: mirror(),
            take_over: false,
            encrypt_again: false,
            remove_plain: false,
        },
        Request::Approve {
            mirror: mirror(),
            take_over: true,
            encrypt_again: false,
            remove_plain: false,
        },
        Request::Reject { mirror: mirror() },
        Request::Prune { mirror: mirror() },
        Request::Proved(proved()),
        Request::Habits(Box::default()),
        Request::PasswordKept { mirror: mirror(), keys: fichier_state::KeysId([7; 8]) },
        Request::Why { path: "/srv/photos/a b.jpg".into() },
        Request::Why { path: strange },
    ];
    let mut sent: Vec<String> = requests.iter().map(name).collect();
    sent.dedup();
    assert_eq!(sent, every_request(), "the requests that were sent are not all there are");
    for request in requests {
        let reply = ask(&socket, &request).await.unwrap().unwrap();
        assert_eq!(reply, Reply::Done { message: format!("{request:?}") });
    }
}

fn proved() -> Proved {
    Proved {
        mirror: "photos".to_owned(),
        by: ProvedBy::Drill,
        good: true,
        files: 7,
        bytes: 4096,
        detail: "all came".to_owned(),
        broken: Vec::new(),
        confirmed: Vec::new(),
    }
}

/// The name of a request as it is sent.
fn name(request: &Request) -> String {
    let value = serde_json::to_value(request).unwrap();
    let tag = value.as_object().and_then(|object| object.keys().next().cloned());
    tag.or_else(|| value.as_str().map(str::to_owned)).unwrap()
}

/// The names of all requests, in their order, as the error about an unknown one lists them.
fn every_request() -> Vec<String> {
    let error = serde_json::from_str::<Request>("\"unheard-of\"").unwrap_err().to_string();
    let (_, names) = error.split_once("expected one of ").unwrap();
    names.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn only_the_answers_to_work_may_take_long() {
    let mirror = || "photos".to_owned();
    let begins_work = |request: Request| request.job().is_some();
    assert!(begins_work(Request::Sync { mirrors: Vec::new() }));
    assert!(begins_work(Request::Reject { mirror: mirror() }));
    assert!(begins_work(Request::Prune { mirror: mirror() }));
    assert!(!begins_work(Request::Approve {
        mirror: mirror(),
        take_over: true,
        encrypt_again: false,
        remove_plain: false,
    }));
    assert!(!begins_work(Request::Proved(proved())));
}

#[tokio::test]
async fn z20_a_service_is_asked_only_by_commands_of_its_own_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("run/control.sock");
    service(&socket, echo);
    let own = config(&socket);
    let other_config = Config { path: dir.path().join("other.toml"), ..own.clone() };
    let other_state = Config { state_dir: dir.path().join("other"), ..own.clone() };
    let foreign = Config { state_dir: dir.path().join("other"), ..other_config.clone() };
    assert!(super::ask(&own, &Request::Pause).await.unwrap().is_some());
    assert_eq!(super::ask(&foreign, &Request::Pause).await.unwrap(), None);
    for config in [&other_config, &other_state] {
        let error = super::ask(config, &Request::Pause).await.unwrap_err();
        assert_eq!(error.exit(), Exit::TryLater);
        for part in [&own.path, &own.state_dir] {
            assert!(error.to_string().contains(part.to_str().unwrap()), "{error}");
        }
    }
    // The state of the service of this configuration is worth knowing, wherever it is kept.
    assert!(super::ask(&other_state, &Request::Status).await.unwrap().is_some());
    assert!(super::ask(&other_config, &Request::Status).await.is_err());
}

#[tokio::test]
async fn z20_links_in_the_paths_make_no_other_service() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("run/control.sock");
    service(&socket, echo);
    let own = config(&socket);
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(dir.path(), &link).unwrap();
    let linked = Config {
        path: link.join("config.toml"),
        state_dir: link.join("run"),
        control_socket: link.join("run/control.sock"),
        ..own
    };
    assert!(super::ask(&linked, &Request::Pause).await.unwrap().is_some());
}

#[tokio::test]
async fn z20_a_link_in_the_state_folder_leads_to_a_socket_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("run/control.sock");
    service(&socket, echo);
    let (own, state) = (config(&socket), dir.path().join("run"));
    let text = format!("state_dir = {state:?}\ncontrol_socket = \"/nowhere/control.sock\"\n");
    fs::write(&own.path, text).unwrap();
    let changed = Config::load(Some(&own.path)).unwrap();
    assert!(super::ask(&changed, &Request::Pause).await.unwrap().is_some());

    // A link of an earlier service is replaced, a socket in use or a file is not.
    let (folder, first) = (dir.path().join("state"), dir.path().join("first.sock"));
    fs::create_dir(&folder).unwrap();
    let link = folder.join("control.sock");
    leave_link(&folder, &first).unwrap();
    assert_eq!(fs::read_link(&link).unwrap(), first);
    leave_link(&folder, &socket).unwrap();
    assert_eq!(fs::read_link(&link).unwrap(), socket);
    leave_link(&folder, &link).unwrap();
    let _listener = listen(&link).unwrap();
    leave_link(&folder, &first).unwrap();
    assert!(!fs::symlink_metadata(&link).unwrap().is_symlink());
}

#[tokio::test]
async fn a_refusal_comes_with_its_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("run/control.sock");
    let refuse = |_| Some(Reply::Refused { message: "held".to_owned(), exit: 4 });
    service(&socket, refuse);
    let reply = ask(&socket, &Request::Pause).await.unwrap();
    assert_eq!(reply, Some(Reply::Refused { message: "held".to_owned(), exit: 4 }));
}

#[tokio::test]
async fn a_request_that_is_dropped_is_answered_with_try_later() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("run/control.sock");
    service(&socket, |_| None);
    let reply = ask(&socket, &Request::Resume).await.unwrap();
    let message = "the service stopped before it had an answer".to_owned();
    assert_eq!(reply, Some(Reply::Refused { message, exit: Exit::TryLater.code() }));
}

#[tokio::test]
async fn without_a_service_there_is_no_answer_and_no_error() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("run/control.sock");
    assert_eq!(ask(&socket, &Request::Status).await.unwrap(), None);
    drop(listen(&socket).unwrap());
    assert!(socket.exists(), "the socket of a killed service stays behind");
    assert_eq!(ask(&socket, &Request::Status).await.unwrap(), None);
}

#[tokio::test]
async fn a_socket_left_behind_is_replaced_and_a_living_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("run/control.sock");
    drop(listen(&socket).unwrap());
    let living = listen(&socket).unwrap();
    let before = fs::metadata(&socket).unwrap();
    assert_eq!(listen(&socket).unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
    assert_eq!(fs::metadata(&socket).unwrap().ino(), before.ino());
    drop(living);
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_never_removed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("precious");
    fs::write(&file, "data").unwrap();
    assert_eq!(listen(&file).unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
    assert_eq!(fs::read_to_string(&file).unwrap(), "data");
}

#[tokio::test]
async fn others_may_not_open_the_socket() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("run/control.sock");
    let _listener = listen(&socket).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&socket), 0o660);
    assert_eq!(mode(socket.parent().unwrap()) & 0o007, 0);
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_and_the_service_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("run/control.sock");
    service(&socket, echo);
    let huge = Request::Approve {
        mirror: "x".repeat(70_000),
        take_over: false,
        encrypt_again: false,
        remove_plain: false,
    };
    let error = ask(&socket, &huge).await.unwrap_err();
    assert!(error.to_string().contains("HTTP 413"), "{error}");
    assert_eq!(error.exit(), Exit::Unavailable);
    assert!(ask(&socket, &Request::Pause).await.unwrap().is_some());
}

#[tokio::test]
async fn commands_that_wait_leave_room_for_the_status() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("run/control.sock");
    let listener = listen(&socket).unwrap();
    let (calls, mut asked) = mpsc::channel::<Call>(4);
    tokio::spawn(serve(listener, Identity::of(&config(&socket)), calls));
    let sync = Request::Sync { mirrors: Vec::new() };
    let mut waiting = Vec::new();
    let mut unanswered = Vec::new();
    for _ in 0..16 {
        let (socket, sync) = (socket.clone(), sync.clone());
        waiting.push(tokio::spawn(async move { ask(&socket, &sync).await }));
        unanswered.push(asked.recv().await.unwrap());
    }
    let refused = ask(&socket, &sync).await.unwrap();
    let message = "too many commands are waiting for an answer".to_owned();
    assert_eq!(refused, Some(Reply::Refused { message, exit: Exit::TryLater.code() }));
    let answering = async {
        let call = asked.recv().await.unwrap();
        assert_eq!(call.request, Request::Status);
        call.reply.send(Reply::Cycle(Vec::new())).unwrap();
    };
    let (status, ()) = tokio::join!(ask(&socket, &Request::Status), answering);
    assert_eq!(status.unwrap(), Some(Reply::Cycle(Vec::new())));
    drop((waiting, unanswered));
}

/// The response to these bytes.
async fn say(socket: &Path, request: &str) -> String {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    response
}

async fn post(socket: &Path, body: &str) -> String {
    let head = "POST /v1/ask HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                Content-Type: application/json\r\nContent-Length";
    say(socket, &format!("{head}: {}\r\n\r\n{body}", body.len())).await
}

#[tokio::test]
async fn the_status_can_be_asked_for_without_this_program() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("run/control.sock");
    service(&socket, echo);
    let request = "GET /v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let response = say(&socket, request).await;
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    assert!(response.ends_with(r#"{"reply":"done","content":{"message":"Status"}}"#), "{response}");
}

#[tokio::test]
async fn the_requests_of_the_documents_can_be_asked_without_this_program() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("run/control.sock");
    service(&socket, echo);
    let json = include_str!("../../../../../docs/json.md");
    let (_, table) = json.split_once("| Body of `POST /v1/ask` |").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let cells = table.lines().filter_map(|row| row.split('|').nth(1));
    let codes = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let mut asked = Vec::new();
    for body in codes.filter(|code| code.starts_with(['"', '{'])) {
        let response = post(&socket, body).await;
        let (_, request) = response.split_once(r#""message":""#).expect(&response);
        asked.push(request.split([' ', '"', '(']).next().unwrap().to_owned());
    }
    asked.dedup();
    let documented = [
        "Status",
        "Sync",
        "Pause",
        "Resume",
        "Approve",
        "Reject",
        "Prune",
        "Proved",
        "Habits",
        "PasswordKept",
        "Why",
    ];
    assert_eq!(asked, documented);
}

#[tokio::test]
async fn what_is_no_request_is_refused_as_a_whole() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("run/control.sock");
    service(&socket, echo);
    for body in [
        "",
        "{",
        "null",
        r#""approve""#,
        r#""erase""#,
        r#"{"erase":{}}"#,
        r#"{"prune":{}}"#,
        r#"{"prune":{"mirror":"a","all":true}}"#,
        r#"{"pause":null,"resume":null}"#,
        r#"{"sync":{}} {"sync":{}}"#,
    ] {
        let response = post(&socket, body).await;
        let is_refused =
            ["HTTP/1.1 400 ", "HTTP/1.1 422 "].iter().any(|it| response.starts_with(it));
        assert!(is_refused, "{body}: {response}");
    }
}
