//! Alerts: what reaches a receiver, when, and what happens while it cannot be reached.

use std::fs;

use fichier_testkit::machine::{Machine, until, write};
use fichier_testkit::receiver::{Received, Receiver};

use crate::PROGRAM;

/// What must be seen nowhere but in requests to the receiver.
const SECRET: &str = "a-secret-of-this-check";

/// A machine whose one mirror has a file, and these blocks behind it.
fn told(blocks: &str) -> Machine {
    let mut world = Machine::of(PROGRAM);
    world.add_mirror("photos", blocks);
    write(&world.source("photos").join("file"), "content");
    world
}

fn block(receiver: &Receiver, kind: &str, more: &str) -> String {
    let url = receiver.url();
    format!("[[notify]]\nname = \"hc\"\nkind = \"{kind}\"\nurl = \"{url}/{SECRET}\"\n{more}\n")
}

fn paths(receiver: &Receiver) -> Vec<String> {
    receiver.received().into_iter().map(|it| it.path.replace(SECRET, "S")).collect()
}

fn assert_secret(world: &Machine) {
    let status = world.run(&["status"]).stdout + &world.run(&["status", "--json"]).stdout;
    assert!(!world.log().contains(SECRET) && !status.contains(SECRET), "{status}");
}

fn degraded(world: &Machine, kind: &str) -> Option<serde_json::Value> {
    let status = world.status()?;
    let all = status["degraded"].as_array().unwrap().clone();
    all.into_iter().find(|it| it["kind"] == kind)
}

#[test]
fn a_check_is_pinged_while_all_is_safe_failed_once_and_pinged_again() {
    let receiver = Receiver::new();
    let mut world = told(&block(&receiver, "healthchecks", ""));
    world.start();
    until("it is pinged twice", || (paths(&receiver).len() >= 2).then_some(()));
    assert!(paths(&receiver).iter().all(|path| path == "/S"));
    let ping = receiver.received().remove(0);
    assert_eq!(ping.method, "POST");
    assert!(ping.body.contains("everything is safe") && ping.body.contains("photos: 1 file safe"));

    let (source, away) = (world.source("photos"), world.path("away"));
    fs::rename(&source, &away).unwrap();
    let failed = || paths(&receiver).iter().filter(|path| *path == "/S/fail").count();
    until("it is failed", || (failed() > 0).then_some(()));
    let after = paths(&receiver).len();
    until("the state is told for a while", || {
        degraded(&world, "source_missing").filter(|it| it["since_age_s"].as_u64() >= Some(3))
    });
    assert_eq!(failed(), 1);
    assert!(!paths(&receiver)[after..].contains(&"/S".to_owned()), "silence is the alarm");

    fs::rename(&away, &source).unwrap();
    until("it is pinged again", || {
        paths(&receiver)[after..].contains(&"/S".to_owned()).then_some(())
    });
    assert_secret(&world);
}

#[test]
fn a_message_outlasts_a_killed_service_and_keeps_its_id() {
    let receiver = Receiver::new();
    receiver.answer(|_| 503);
    let mut world = told(&block(&receiver, "webhook", "remind = \"0\""));
    world.start();
    until("the mirror is complete", || {
        world.mirror("photos")["complete"].as_bool().filter(|it| *it)
    });
    fs::rename(world.source("photos"), world.path("away")).unwrap();
    let begins = |it: &Received| it.json()["type"] == "state.begins";
    until("it is told", || receiver.received().iter().any(begins).then_some(()));
    world.take_service().kill();
    let refused = receiver.received();
    receiver.answer(|_| 200);
    world.start();
    until("it is delivered", || (receiver.received().len() > refused.len()).then_some(()));
    let sent = receiver.received();
    let ids: Vec<_> = sent.iter().map(|it| it.header("webhook-id").unwrap()).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    let json = sent[0].json();
    assert_eq!(json["schema"], "fichierd.notify/1");
    assert_eq!(json["data"]["state"], "source_missing");
    assert_eq!(json["data"]["mirror"], "photos");
    until("status knows", || {
        let notified = world.status()?["notified"][0].clone();
        (notified["waiting"] == 0 && notified["told"].is_string()).then_some(())
    });
    assert_secret(&world);
}

#[test]
fn a_receiver_that_takes_nothing_is_told_in_status_and_delays_no_mirror() {
    let receiver = Receiver::new();
    receiver.answer(|_| 404);
    let mut world = told(&block(&receiver, "uptime-kuma", ""));
    world.start();
    until("status tells it", || {
        let cause = degraded(&world, "notify_failed")?["cause"].clone();
        cause.as_str().unwrap().contains("HTTP 404").then_some(())
    });
    write(&world.source("photos").join("another"), "content");
    world.run(&["sync"]).expect(0);
    assert_eq!(world.mirror("photos")["files"], 2);
    world.run(&["status"]).says("alerts do not get out").says("fichierd notify test");
    assert_secret(&world);
}

#[test]
fn a_sync_without_the_service_tells_too() {
    let receiver = Receiver::new();
    let world = told(&block(&receiver, "uptime-kuma", ""));
    world.run(&["sync"]).expect(0);
    let [ping] = &receiver.received()[..] else { panic!("{:?}", receiver.received()) };
    assert!(ping.path.starts_with(&format!("/{SECRET}?status=up&msg=")), "{}", ping.path);
    world.run(&["status"]).says("Alerts to hc: told");
    fs::rename(world.source("photos"), world.path("away")).unwrap();
    world.run(&["sync"]).expect(4);
    assert_eq!(receiver.received().len(), 2);
    assert!(receiver.received()[1].path.contains("status=down"));
}

#[test]
fn a_mirror_that_is_not_complete_for_long_is_overdue() {
    let receiver = Receiver::new();
    let mut world = told(&format!(
        "alarm_after = \"2000s\"\n{}",
        block(&receiver, "webhook", "on = [\"overdue\"]")
    ));
    world.start();
    until("the mirror is complete", || {
        world.mirror("photos")["complete"].as_bool().filter(|it| *it)
    });
    assert!(degraded(&world, "overdue").is_none());
    fs::rename(world.source("photos"), world.path("away")).unwrap();
    until("it is told", || {
        let told = receiver.received();
        told.first().map(|it| assert_eq!(it.json()["data"]["state"], "overdue"))
    });
    assert!(degraded(&world, "overdue").is_some());
}

#[test]
fn the_way_to_a_receiver_is_tried_by_hand() {
    let receiver = Receiver::new();
    let world = told(&block(&receiver, "healthchecks", ""));
    let ran = world.run(&["notify", "test"]).expect(0).says("hc: delivered; it answered HTTP 200");
    assert!(!ran.stdout.contains(SECRET), "{}", ran.stdout);
    assert_eq!(paths(&receiver), ["/S/log"], "nothing is said to be safe that is not");
    assert!(receiver.received()[0].body.contains("not everything is safe"));
    receiver.answer(|_| 404);
    let ran = world.run(&["notify", "test", "hc"]).expect(1).says("hc: NOT delivered: HTTP 404");
    assert!(!ran.stdout.contains(SECRET) && !ran.stderr.contains(SECRET));
    world.run(&["notify", "test", "other"]).expect(2).says("no [[notify]] named `other`");
    let none = Machine::of(PROGRAM);
    none.run(&["notify", "test"]).expect(2).says("nobody is told");
}

#[test]
fn a_mistake_in_a_block_is_shown_without_its_address() {
    for (wrong, said) in [
        ("url = \"https://hc.test/a-secret-of-this-check\"\nafer = \"1m\"", "afer"),
        ("url = \"https//a-secret-of-this-check\"", "`url` is not an address"),
        ("url = \"http://hc.test/a-secret-of-this-check\"", "unencrypted"),
        ("url_file = \"/x\"\nmirrors = [\"musik\"]", "there is no mirror `musik`"),
        ("url_file = \"/x\"\non = [\"stoped\"]", "`on` has a word that is none"),
        ("", "does not say where to report"),
    ] {
        let world = told(&format!("[[notify]]\nname = \"hc\"\nkind = \"healthchecks\"\n{wrong}\n"));
        let ran = world.run(&["check"]).expect(78);
        let all = ran.stdout + &ran.stderr;
        assert!(all.contains(said) && !all.contains(SECRET), "{all}");
    }
}

#[test]
fn a_monitor_gets_its_codes() {
    let mut world = told("");
    world.run(&["status", "--exit-code"]).expect(3).says("UNKNOWN: ");
    world.start();
    until("everything is safe", || {
        let ran = world.run(&["status", "--exit-code"]);
        (ran.code == 0).then(|| assert!(ran.stdout.starts_with("SAFE: 1 file, complete ")))
    });
    fs::rename(world.source("photos"), world.path("away")).unwrap();
    until("it is stopped", || {
        let ran = world.run(&["status", "--exit-code"]);
        // Held, until the state that it is has been told.
        let said = ["STOPPED: photos: ", "HELD: photos: "];
        let is_said = said.iter().any(|it| ran.stdout.starts_with(it));
        (ran.code == 2).then(|| assert!(is_said, "{}", ran.stdout))
    });
    world.take_service().kill();
    world.run(&["status", "--exit-code"]).expect(2);
    world.run(&["status", "--exit-code", "--json"]).expect(2).says("cannot be used with");
}
