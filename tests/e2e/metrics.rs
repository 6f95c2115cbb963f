//! The metrics: the same value as `status --json`, on the control socket, on an address of this
//! machine and in a file.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use fichier_testkit::{Machine, until, write};
use rustix::process::Signal;

use crate::PROGRAM;

/// An answer over HTTP.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

/// Sends one request, and reads the answer to its end.
fn exchange(mut stream: impl Read + Write, request: &str) -> Answer {
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).unwrap_or_default().parse().unwrap_or(0);
    Answer { status, head: head.to_lowercase(), body: body.to_owned() }
}

/// Asks for the metrics, on the control socket.
fn on_socket(world: &Machine, accept: &str) -> Answer {
    let stream = UnixStream::connect(world.path("control.sock")).unwrap();
    let request = format!(
        "GET /metrics HTTP/1.1\r\nhost: localhost\r\naccept: {accept}\r\nconnection: close\r\n\r\n"
    );
    exchange(stream, &request)
}

/// The value of a series; `None` if it is not there.
fn value(text: &str, series: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.split(' ').next() == Some(series))?;
    Some(line.rsplit(' ').next().unwrap().parse().unwrap())
}

#[test]
fn the_metrics_on_the_socket_are_those_of_the_status() {
    let mut world = Machine::of(PROGRAM);
    world.add_plain_mirror("photos");
    write(&world.source("photos").join("one"), "one");
    write(&world.source("photos").join("two"), "two, longer");
    world.start();
    world.until_mirrored("photos");
    world.assert_at_rest();
    let told = on_socket(&world, "*/*");
    assert_eq!(told.status, 200, "{}", told.body);
    assert!(told.head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"));
    let of = |series: &str| value(&told.body, series);
    assert_eq!(of("fichierd_files{mirror=\"photos\",state=\"safe\"}"), Some(2.0));
    assert_eq!(of("fichierd_file_actions_total{mirror=\"photos\",action=\"sent\"}"), Some(2.0));
    assert_eq!(of("fichierd_upload_bytes_total{mirror=\"photos\"}"), Some(14.0));
    assert_eq!(of("fichierd_degraded{mirror=\"photos\",kind=\"problems\"}"), Some(0.0));
    let status = world.status().unwrap();
    let success = status["mirrors"][0]["last_success"].as_str().unwrap();
    let success: jiff::Timestamp = success.parse().unwrap();
    let told_success = of("fichierd_mirror_last_success_timestamp_seconds{mirror=\"photos\"}");
    assert_eq!(told_success, Some(success.as_second() as f64));
    let calls = of("fichierd_api_calls_total").unwrap();
    assert_eq!(Some(calls), status["calls_made"].as_f64());
    let answered = told.body.lines().filter(|it| it.starts_with("fichierd_api_requests_total{"));
    // The canary's download is a request, and no call.
    let is_call = |line: &&str| !line.contains("endpoint=\"download\"");
    let answers = answered.filter(is_call).map(|line| value(line, line.split(' ').next().unwrap()));
    assert_eq!(answers.map(Option::unwrap).sum::<f64>(), calls, "{}", told.body);

    let open = on_socket(&world, "application/openmetrics-text;version=1.0.0,text/plain;q=0.5");
    assert!(open.head.contains("content-type: application/openmetrics-text; version=1.0.0"));
    assert!(open.body.ends_with("# EOF\n"), "{}", open.body);
}

#[test]
fn a_reload_takes_no_counter_back() {
    let mut world = Machine::of(PROGRAM);
    write(&world.source("photos").join("one"), "one");
    world.start();
    world.until_mirrored("photos");
    world.assert_at_rest();
    let counters = || {
        let told = on_socket(&world, "*/*").body;
        let of = |line: &str| value(&told, line.split(' ').next().unwrap()).unwrap();
        let lines = told.lines().filter(|line| !line.starts_with('#') && line.contains("_total"));
        lines.map(|line| (line.split(' ').next().unwrap().to_owned(), of(line))).collect::<Vec<_>>()
    };
    let before = counters();
    assert!(before.iter().any(|(name, count)| name == "fichierd_api_calls_total" && *count > 0.0));
    // The mirror gives up its seat, and all calls go through another client.
    let text = fs::read_to_string(world.config()).unwrap();
    fs::write(world.config(), text.replace("settle = \"100ms\"", "settle = \"110ms\"")).unwrap();
    world.service().signal(Signal::HUP);
    until("it is reloaded", || world.log().contains("configuration reloaded").then_some(()));
    for ((name, before), (same, after)) in before.iter().zip(counters()) {
        assert!(*name == same && after >= *before, "{name}: {before}, then {after}");
    }
}

/// Asks for the metrics at an address.
fn over_http(port: u16, method: &str, path: &str, host: &str) -> Answer {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    exchange(stream, &format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n\r\n"))
}

/// Adds `[metrics]` with this line to the configuration, or takes it out again.
fn configure(world: &Machine, line: &str) {
    let text = fs::read_to_string(world.config()).unwrap();
    let (account, mirrors) = text.split_once("[[mirror]]").unwrap();
    let account = account.split("[metrics]").next().unwrap();
    fs::write(world.config(), format!("{account}[metrics]\n{line}\n[[mirror]]{mirrors}")).unwrap();
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn the_address_tells_this_machine_and_nobody_else_and_takes_no_orders() {
    let mut world = Machine::of(PROGRAM);
    let port = free_port();
    configure(&world, &format!("listen = \"127.0.0.1:{port}\""));
    write(&world.source("photos").join("one"), "one");
    world.start();
    world.until_mirrored("photos");
    until("it listens", || TcpStream::connect(("127.0.0.1", port)).ok());
    let told = over_http(port, "GET", "/metrics", "localhost");
    assert_eq!(told.status, 200, "{}", told.head);
    assert!(told.head.contains("content-type: text/plain; version=0.0.4"), "{}", told.head);
    assert!(value(&told.body, "fichierd_running") == Some(1.0), "{}", told.body);
    let head = over_http(port, "HEAD", "/metrics", &format!("127.0.0.1:{port}"));
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    for (method, path, host, expected) in [
        ("GET", "/metrics", "evil.test", 421),
        ("GET", "/metrics", "evil.test:7576", 421),
        ("GET", "http://evil.test/metrics", "localhost", 421),
        ("POST", "/metrics", "localhost", 405),
        ("DELETE", "/metrics", "localhost", 405),
        ("GET", "/v1/status", "localhost", 404),
        ("POST", "/v1/ask", "localhost", 404),
    ] {
        let told = over_http(port, method, path, host);
        assert_eq!(told.status, expected, "{method} {path} {host}");
        assert!(!told.body.contains("fichierd_"), "{}", told.body);
    }

    configure(&world, "");
    world.service().signal(Signal::HUP);
    until("it listens no longer", || TcpStream::connect(("127.0.0.1", port)).err());
    assert_eq!(on_socket(&world, "*/*").status, 200);
}

#[test]
fn a_port_that_another_program_has_keeps_nothing_from_being_mirrored() {
    let mut world = Machine::of(PROGRAM);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    configure(&world, &format!("listen = \"127.0.0.1:{port}\""));
    write(&world.source("photos").join("one"), "one");
    world.start();
    world.until_mirrored("photos");
    assert_eq!(world.log().matches("cannot be used, and is tried again").count(), 1);
}

#[test]
fn the_text_file_is_written_by_the_service_and_by_a_single_run() {
    let mut world = Machine::of(PROGRAM);
    let file = world.path("fichierd.prom");
    configure(&world, &format!("textfile = \"{}\"", file.display()));
    write(&world.source("photos").join("one"), "one");
    world.run(&["sync"]).expect(0);
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(value(&text, "fichierd_running"), Some(0.0));
    assert_eq!(value(&text, "fichierd_files{mirror=\"photos\",state=\"safe\"}"), Some(1.0));
    assert!(value(&text, "fichierd_written_timestamp_seconds").unwrap() > 1.7e9);
    assert!(!text.contains("_total"), "a run of its own has no counters: {text}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644);

    world.start();
    let written = |series: &str| value(&fs::read_to_string(&file).unwrap(), series);
    until("the service writes it", || (written("fichierd_running") == Some(1.0)).then_some(()));
    write(&world.source("photos").join("two"), "two");
    let safe = "fichierd_files{mirror=\"photos\",state=\"safe\"}";
    until("a change is written", || (written(safe) == Some(2.0)).then_some(()));
}

#[test]
fn a_text_file_that_cannot_be_written_is_told_once_and_is_in_nobodys_way() {
    let world = Machine::of(PROGRAM);
    let file = world.path("no such folder/fichierd.prom");
    configure(&world, &format!("textfile = \"{}\"", file.display()));
    write(&world.source("photos").join("one"), "one");
    let ran = world.run(&["sync"]).expect(0);
    assert_eq!(ran.stderr.matches("cannot be written").count(), 1, "{}", ran.stderr);
}
