//! `check --online` tells whether this machine can send, and whether a restore would work.

use std::time::Duration;

use fichier_emulator::{Offer, Rules};
use fichier_testkit::tree;
use fichier_testkit::{Machine, write};

use crate::PROGRAM;

#[test]
fn an_online_check_tells_of_the_account_and_gets_a_file_back() {
    for mirrored in [false, true] {
        let world = Machine::of(PROGRAM);
        if mirrored {
            write(&world.source("photos").join("one"), "one");
            world.run(&["sync"]).expect(0);
        }
        let ran = world.run(&["check", "--online"]).expect(0);
        let ran = ran.says("account: Premium, until 20").says("storage: ").says(" of ");
        ran.says("a test file arrived whole").says("came back as it was sent");
        assert_eq!(world.emulator.downloads().len(), 1);
        let left = world.emulator.files().len() - tree::snapshots(&world.emulator).len();
        assert_eq!(left, usize::from(mirrored), "the file is removed");
        world.emulator.assert_no_violations();
        if mirrored {
            world.assert_at_rest();
        }
    }
}

#[test]
fn a_machine_that_may_not_download_is_told_so_on_the_first_day() {
    let world = Machine::of(PROGRAM);
    world.emulator.set_rules(Rules { downloads_need_cdn: true, ..Rules::scaled(1_000) });
    let ran = world.run(&["check", "--online"]).expect(3).says("a test file arrived whole");
    ran.says("nothing can be restored from here").says("CDN credits").says("#913");
    assert_eq!(world.emulator.files(), []);
    world.emulator.assert_no_violations();
}

#[test]
fn a_check_in_json_has_each_finding_with_what_mends_it_and_the_exit_code() {
    let world = Machine::of(PROGRAM);
    let json = |world: &Machine, code: i32| -> serde_json::Value {
        let ran = world.run(&["check", "--online", "--json"]).expect(code);
        serde_json::from_str(&ran.stdout).unwrap()
    };
    let of = |document: &serde_json::Value, about: &str| {
        let findings = document["findings"].as_array().unwrap().clone();
        let found = findings.into_iter().find(|finding| finding["about"] == about);
        found.unwrap_or_else(|| panic!("`{about}` in {document}"))
    };
    let good = json(&world, 0);
    assert_eq!((&good["schema"], &good["exit"]), (&"fichierd.check/1".into(), &0.into()));
    for about in ["configuration", "key", "state_folder", "room", "source", "watches"] {
        assert_ne!(of(&good, about)["what"], "", "{about}");
    }
    for about in ["dns", "connection", "clock", "account", "storage", "upload", "download"] {
        assert_eq!(of(&good, about)["level"], "ok", "{about}");
    }

    world.emulator.revoke_key();
    let refused = json(&world, 77);
    let findings = refused["findings"].as_array().unwrap();
    let key = findings.iter().find(|it| it["about"] == "key" && it["level"] == "error").unwrap();
    assert!(key["mend"].as_str().unwrap().contains("systemctl restart fichierd"), "{key}");

    // No process listens at this port any more.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = std::fs::read_to_string(world.config()).unwrap();
    let closed = config.replace(&world.emulator.api_url(), &format!("http://{free}/v1"));
    std::fs::write(world.config(), closed).unwrap();
    let unreachable = json(&world, 69);
    assert_eq!(of(&unreachable, "connection")["level"], "error");
    assert_eq!(unreachable["exit"], 69);
}

#[test]
fn an_account_that_may_not_upload_is_told_so_and_nothing_is_sent() {
    let world = Machine::of(PROGRAM);
    world.emulator.set_upload_forbidden(true);
    world.run(&["check", "--online"]).expect(3).says("forbids uploads");
    assert_eq!(world.emulator.calls(), 1);
    let world = Machine::of(PROGRAM);
    world.emulator.set_offer(Offer::None);
    world.run(&["check", "--online"]).expect(77).says("neither Premium nor Access");
    let world = Machine::of(PROGRAM);
    world.emulator.revoke_key();
    world.run(&["check", "--online"]).expect(77).says("refused the API key");
    world.run(&["check"]).expect(0);
}

/// Checks that text meant for others does not tell whose account it is from.
fn assert_anonymous(world: &Machine, text: &str) {
    let secrets = ["photos", "one.jpg", "someone@example.com", "1fichier.com/?"];
    for secret in secrets.into_iter().chain([world.emulator.api_key()]) {
        assert!(!text.contains(secret), "`{secret}` is in:\n{text}");
    }
}

#[test]
fn a_probe_tells_how_the_service_behaves_and_the_service_keeps_it() {
    for running in [false, true] {
        let mut world = Machine::of(PROGRAM);
        world.emulator.tolerate_trials(true);
        write(&world.source("photos").join("one.jpg"), "one");
        world.run(&["sync"]).expect(0);
        world.run(&["check"]).expect(0).says("documentation is silent is not known");
        if running {
            world.start();
        }
        let files = world.emulator.files();
        let ran = world.run(&["check", "--probe", "--json"]).expect(0);
        assert_anonymous(&world, &ran.stdout);
        let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(report["schema"], "fichierd.probe/1");
        assert_eq!(report["traits"]["batch"]["is"], 100);
        assert_eq!(report["traits"]["name_taken"]["is"], "twins");
        assert_eq!(report["stopped"], serde_json::Value::Null);
        ran.says("about 70 calls in 5 min");
        let said = report["said"].as_array().unwrap();
        let empty = said.iter().find(|said| said["question"] == "an empty file").unwrap();
        assert!(empty["answer"].as_str().unwrap().contains("found no file"), "{empty}");
        assert_eq!(world.emulator.files(), files, "nothing else is touched, nothing is left");
        world.run(&["check"]).expect(0).says("11 of 11 answers are known");
        let ran = world.run(&["check", "--probe"]).expect(0).says("download to this address");
        let table = ran.stdout.split("ok ").last().unwrap().to_owned();
        assert!(table.contains("served (") && table.contains("an empty file"), "{table}");
        world.emulator.assert_no_violations();
    }
}

#[test]
fn z112_a_test_file_that_is_not_listed_proves_no_refused_key() {
    let world = Machine::of(PROGRAM);
    let listing_lag = Duration::from_secs(24 * 3_600);
    world.emulator.set_rules(Rules { remove_told: true, listing_lag, ..Rules::scaled(1_000) });
    let ran = world.run(&["check", "--online"]).expect(3).says("does not list it");
    assert!(!ran.stdout.contains("refused the API key"), "{}", ran.stdout);
    let name = ran.stdout.split("fichierd-check-").nth(1).unwrap();
    assert!(name.len() > 16, "it is named, to be removed: {}", ran.stdout);

    world.emulator.set_rules(Rules { remove_told: true, ..Rules::scaled(1_000) });
    world.run(&["check", "--online"]).expect(0).says("a test file arrived whole");
}
