//! The metrics: the same value as `status --json`, on the control socket.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use fichier_testkit::{Machine, write};

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
