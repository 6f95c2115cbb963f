//! The metrics of made-up states, as text.

use std::collections::BTreeSet;

use expect_test::expect;

use super::*;
use crate::status::{
    AccountStatus, Counters, DegradedStatus, Kind, MirrorState, MirrorStatus, ProofStatus, Scope,
    Status, WatchStatus,
};

fn now() -> Timestamp {
    "2026-05-04T12:02:05Z".parse().unwrap()
}

fn mirror(name: &str) -> MirrorStatus {
    MirrorStatus { name: name.to_owned(), ..MirrorStatus::default() }
}

fn entry(kind: Kind, mirror: Option<&str>) -> DegradedStatus {
    DegradedStatus {
        kind,
        mirror: mirror.map(str::to_owned),
        title: "a title".to_owned(),
        cause: "/srv/secret: https://1fichier.com/?abcdefghij".to_owned(),
        what_to_do: "nothing".to_owned(),
        stops: false,
        since: None,
        since_age_s: None,
        next_try: None,
    }
}

/// A status in which everything that can be known is known.
fn full() -> Status {
    let at = Some(now());
    let proof = ProofStatus {
        good: true,
        at: now(),
        age_s: 0,
        files: 1,
        bytes: 1,
        detail: "/srv/secret/file".to_owned(),
        last_good: at,
        last_good_age_s: Some(0),
    };
    let mut one = mirror("photos");
    one.source = "/srv/secret".into();
    one.target = "/backups/secret".to_owned();
    (one.state, one.complete, one.last_success) = (MirrorState::Idle, true, at);
    (one.files, one.bytes) = (184_203, 5_497_558_138_880);
    one.watch = WatchStatus { mode: "watching".to_owned(), watched: 12, advice: None };
    one.proofs.audit = Some(proof.clone());
    one.proofs.verify = Some(proof.clone());
    one.proofs.drill = Some(proof.clone());
    one.proofs.canary = Some(proof);
    one.snapshot = Some(crate::status::SnapshotStatus {
        newest: at,
        newest_age_s: Some(0),
        changed_since: None,
        overdue_since: None,
    });
    Status {
        running: true,
        calls_made: 7,
        account: Some(AccountStatus {
            offer: "premium".to_owned(),
            subscription_end: at,
            used_bytes: Some(1),
            allowed_bytes: Some(2),
            hot_bytes: Some(3),
            available_bytes: Some(-4),
            ..AccountStatus::default()
        }),
        mirrors: vec![one, mirror("music")],
        degraded: vec![entry(Kind::Unreachable, None), entry(Kind::Burst, Some("photos"))],
        counters: Some(Box::default()),
        ..Status::default()
    }
}

fn text(status: &Status) -> String {
    render(status, now(), Format::Text).unwrap()
}

/// The lines with samples.
fn samples(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.starts_with('#')).collect()
}

/// Name and labels of a sample.
fn series(line: &str) -> &str {
    line.rsplit_once(' ').unwrap().0
}

#[test]
fn a_status_without_mirrors_is_told_as_it_always_was() {
    let status = Status { version: "1.2.3".to_owned(), ..Status::default() };
    let told = text(&status);
    let (head, _) = told.split_once("# HELP fichierd_degraded").unwrap();
    expect![[r##"
        # HELP fichierd_build_info The version of the program that answers.
        # TYPE fichierd_build_info gauge
        fichierd_build_info{version="1.2.3"} 1
        # HELP fichierd_running Whether a service runs (1), or a single run has left what is on record (0).
        # TYPE fichierd_running gauge
        fichierd_running 0
        # HELP fichierd_written_timestamp_seconds When these metrics were taken: old in a text file that is no longer written.
        # TYPE fichierd_written_timestamp_seconds gauge
        fichierd_written_timestamp_seconds 1777896125
    "##]]
    .assert_eq(head);
}

#[test]
fn a_mirror_is_told_as_it_always_was() {
    let told = text(&full());
    let of_photos = samples(&told)
        .into_iter()
        .filter(|line| line.contains("mirror=\"photos\"") && !line.starts_with("fichierd_degraded"))
        .map(|line| format!("{line}\n"));
    expect![[r#"
        fichierd_mirror_state{mirror="photos",state="idle"} 1
        fichierd_mirror_state{mirror="photos",state="working"} 0
        fichierd_mirror_state{mirror="photos",state="waiting"} 0
        fichierd_mirror_state{mirror="photos",state="held"} 0
        fichierd_mirror_state{mirror="photos",state="problem"} 0
        fichierd_mirror_state{mirror="photos",state="offline"} 0
        fichierd_mirror_state{mirror="photos",state="never"} 0
        fichierd_mirror_complete{mirror="photos"} 1
        fichierd_mirror_last_success_timestamp_seconds{mirror="photos"} 1777896125
        fichierd_mirror_proof_last_good_timestamp_seconds{mirror="photos",proof="audit"} 1777896125
        fichierd_mirror_proof_last_good_timestamp_seconds{mirror="photos",proof="verify"} 1777896125
        fichierd_mirror_proof_last_good_timestamp_seconds{mirror="photos",proof="drill"} 1777896125
        fichierd_mirror_proof_last_good_timestamp_seconds{mirror="photos",proof="canary"} 1777896125
        fichierd_snapshot_timestamp_seconds{mirror="photos"} 1777896125
        fichierd_files{mirror="photos",state="safe"} 184203
        fichierd_files{mirror="photos",state="by_size"} 0
        fichierd_files{mirror="photos",state="version"} 0
        fichierd_files{mirror="photos",state="unmanaged"} 0
        fichierd_files{mirror="photos",state="foreign"} 0
        fichierd_bytes{mirror="photos",state="safe"} 5497558138880
        fichierd_bytes{mirror="photos",state="version"} 0
        fichierd_pending_files{mirror="photos"} 0
        fichierd_pending_bytes{mirror="photos"} 0
        fichierd_queue_files{mirror="photos",reason="put_off"} 0
        fichierd_queue_files{mirror="photos",reason="doubted"} 0
        fichierd_queue_files{mirror="photos",reason="unsettled"} 0
        fichierd_queue_files{mirror="photos",reason="problem"} 0
        fichierd_removals_held{mirror="photos"} 0
        fichierd_watched_folders{mirror="photos",mode="watching"} 12
        fichierd_upload_bytes_total{mirror="photos"} 0
        fichierd_file_actions_total{mirror="photos",action="sent"} 0
        fichierd_file_actions_total{mirror="photos",action="adopted"} 0
        fichierd_file_actions_total{mirror="photos",action="moved"} 0
        fichierd_file_actions_total{mirror="photos",action="copied"} 0
        fichierd_file_actions_total{mirror="photos",action="retired"} 0
    "#]]
    .assert_eq(&of_photos.collect::<String>());
}

#[test]
fn every_degraded_state_is_there_as_0_or_1() {
    let told = text(&full());
    for kind in Kind::ALL {
        let of = |mirror: &str, value: u8| {
            let line = format!(
                "fichierd_degraded{{mirror=\"{mirror}\",kind=\"{}\"}} {value}",
                kind.word()
            );
            samples(&told).contains(&line.as_str())
        };
        let is_of_service = kind.about().scope == Scope::Service;
        assert_eq!(of("", u8::from(*kind == Kind::Unreachable)), is_of_service, "{kind:?}");
        assert_eq!(of("photos", u8::from(*kind == Kind::Burst)), !is_of_service, "{kind:?}");
        assert_eq!(of("music", 0), !is_of_service, "{kind:?}");
    }
    let degraded =
        samples(&told).iter().filter(|line| line.starts_with("fichierd_degraded")).count();
    let of_service = Kind::ALL.iter().filter(|it| it.about().scope == Scope::Service).count();
    assert_eq!(degraded, of_service + 2 * (Kind::ALL.len() - of_service));
}

#[test]
fn what_is_not_known_is_left_out_and_never_told_as_0() {
    let told = text(&Status { mirrors: vec![mirror("music")], ..Status::default() });
    for absent in [
        "fichierd_hold_off_until",
        "fichierd_account",
        "fichierd_mirror_last_success",
        "fichierd_mirror_proof",
        "fichierd_snapshot",
        "fichierd_watched_folders",
        "_total",
    ] {
        assert!(!told.contains(absent), "{absent}: {told}");
    }
}

#[test]
fn no_series_and_no_family_is_told_twice_and_their_number_is_bounded() {
    for format in [Format::Text, Format::OpenMetrics] {
        let told = render(&full(), now(), format).unwrap();
        let lines = samples(&told);
        let different: BTreeSet<&str> = lines.iter().map(|line| series(line)).collect();
        assert_eq!(different.len(), lines.len());
        let families: Vec<&str> = told.lines().filter(|it| it.starts_with("# TYPE")).collect();
        let names: BTreeSet<&str> =
            families.iter().map(|it| it.split(' ').nth(2).unwrap()).collect();
        assert_eq!(names.len(), families.len(), "{families:?}");
        let of_photos = lines.iter().filter(|line| line.contains("mirror=\"photos\"")).count();
        assert!(of_photos <= 60, "{of_photos} series of one mirror");
        assert!(lines.len() - 2 * of_photos < 250, "{} series of the service", lines.len());
    }
}

#[test]
fn counters_begin_at_0_for_each_endpoint_and_result_that_there_is() {
    let counters = Counters {
        requests: fichier_api::Counts {
            requests: vec![
                ("folder/ls.cgi", fichier_api::Answer::Ok, 3),
                ("folder/ls.cgi", fichier_api::Answer::Flood, 0),
                ("vouchers/ls.cgi", fichier_api::Answer::Ok, 0),
            ],
            waited: std::time::Duration::from_millis(1_500),
            hold_offs: 0,
        },
        ..Counters::default()
    };
    let told = text(&Status { counters: Some(Box::new(counters)), ..Status::default() });
    for line in [
        "fichierd_api_requests_total{endpoint=\"folder/ls.cgi\",result=\"ok\"} 3",
        "fichierd_api_requests_total{endpoint=\"folder/ls.cgi\",result=\"flood\"} 0",
        "fichierd_api_wait_seconds_total 1.5",
        "fichierd_hold_offs_total 0",
    ] {
        assert!(samples(&told).contains(&line), "{line}: {told}");
    }
    assert!(!told.contains("vouchers"));
}

#[test]
fn no_path_link_or_text_of_an_error_is_told() {
    let told = text(&full());
    for secret in ["secret", "/srv", "1fichier.com", "premium", "a title"] {
        assert!(!told.contains(secret), "{secret}: {told}");
    }
}

#[test]
fn a_name_with_quotes_and_line_ends_does_not_break_its_line() {
    let status = Status { mirrors: vec![mirror("a\"b\\c\nd")], ..Status::default() };
    for format in [Format::Text, Format::OpenMetrics] {
        let told = render(&status, now(), format).unwrap();
        assert!(told.contains("{mirror=\"a\\\"b\\\\c\\nd\"} 0\n"), "{told}");
    }
}

#[test]
fn openmetrics_ends_with_its_mark_and_names_units_and_counters_its_way() {
    let told = render(&full(), now(), Format::OpenMetrics).unwrap();
    assert!(told.ends_with("\n# EOF\n"), "{told}");
    for line in [
        "# TYPE fichierd_build info",
        "# UNIT fichierd_api_wait_seconds seconds",
        "# TYPE fichierd_api_wait_seconds counter",
        "fichierd_api_wait_seconds_total 0.0",
    ] {
        assert!(told.lines().any(|it| it == line), "{line}: {told}");
    }
    assert!(!text(&full()).contains("EOF"));
}

#[test]
fn the_help_is_a_sentence_and_names_have_base_units() {
    for metric in metrics::all() {
        assert!(metric.help.ends_with('.') && metric.help.len() > 20, "{}", metric.name);
        assert!(metric.name.starts_with("fichierd_"), "{}", metric.name);
        assert_eq!(
            metric.name.ends_with("_total"),
            metric.sort == Sort::Counter,
            "{}",
            metric.name
        );
    }
}

#[test]
fn openmetrics_is_sent_to_those_who_ask_for_it() {
    let prometheus_2 = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;\
                        version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
                        application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;\
                        escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
    for accept in [prometheus_2, prometheus_3, "application/openmetrics-text"] {
        assert_eq!(Format::asked_for(Some(accept)), Format::OpenMetrics, "{accept}");
    }
    let preferred = "text/plain;version=0.0.4, application/openmetrics-text;q=0.4";
    for accept in [
        "*/*",
        "text/plain",
        "text/html",
        "",
        "application/openmetrics-text;q=0",
        "application/openmetrics-text; version=0.0.1",
        preferred,
    ] {
        assert_eq!(Format::asked_for(Some(accept)), Format::Text, "{accept}");
    }
    assert_eq!(Format::asked_for(None), Format::Text);
}

#[test]
fn the_manual_has_the_table_of_all_metrics() {
    let manual = include_str!("../../../../../../docs/operations.md");
    let shown: Vec<&str> = manual.lines().filter(|it| it.starts_with("| `fichierd_")).collect();
    let row = |metric: &Metric| {
        let sort = match metric.sort {
            Sort::Gauge => "gauge",
            Sort::Counter => "counter",
            Sort::Info => "info",
        };
        let labels: Vec<String> = metric.labels.iter().map(|it| format!("`{it}`")).collect();
        let row =
            format!("| `{}` | {sort} | {} | {} |", metric.name, labels.join(", "), metric.help);
        row.replace("|  |", "| |")
    };
    assert_eq!(shown, metrics::all().map(row).collect::<Vec<_>>());
}

/// The words of a text that could be the names of metrics.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("fichierd_")).collect()
}

/// The expressions of the shipped alerts and of the shipped dashboard.
fn expressions() -> String {
    let rules = include_str!("../../../../../../config/monitoring/fichierd.rules.yml");
    let dashboard = include_str!("../../../../../../config/monitoring/fichierd.json");
    format!("{rules}{dashboard}")
}

#[test]
fn alerts_and_dashboard_ask_for_metrics_that_there_are_and_leave_none_out() {
    let asked = expressions();
    let there: BTreeSet<&str> = metrics::all().map(|it| it.name).collect();
    // An alert may well ask for less than the dashboard shows, but each number has its reader.
    let unread: Vec<_> = there.difference(&names(&asked)).copied().collect();
    let unknown: Vec<_> = names(&asked).difference(&there).map(|it| it.to_string()).collect();
    assert_eq!((unread, unknown), (vec!["fichierd_pending_bytes"], Vec::new()));
}

#[test]
fn alerts_know_every_state_that_alarms_and_no_state_that_is_not() {
    let asked = expressions();
    let mut kinds = BTreeSet::new();
    for part in asked.split("kind=").skip(1) {
        let words = part.trim_start_matches('~').trim_start_matches('"');
        kinds.extend(words.split('"').next().unwrap().split('|'));
    }
    let there: BTreeSet<&str> = Kind::ALL.iter().map(|kind| kind.word()).collect();
    assert_eq!(kinds.difference(&there).collect::<Vec<_>>(), [&""; 0]);
    for kind in Kind::ALL.iter().filter(|kind| kind.about().alarms) {
        assert!(kinds.contains(kind.word()), "no alert for {}", kind.word());
    }
}
