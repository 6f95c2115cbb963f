//! `fichierd verify`, beside the service and without one.

use fichier_emulator::Damage;
use fichier_testkit::{Machine, crypt, tree, until, write};
use serde_json::Value;

use crate::PROGRAM;

fn world(running: bool) -> Machine {
    let mut world = Machine::of(PROGRAM);
    let source = world.source("photos");
    for n in 0..20 {
        write(&source.join(format!("{n}")), format!("content of {n}"));
    }
    if running {
        world.start();
    }
    world.run(&["sync"]).expect(0);
    world
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn a_sample_and_everything_are_verified_and_status_tells_of_it() {
    for running in [false, true] {
        let world = world(running);
        world.until_chores_done("photos");
        assert!(!world.mirror("photos")["snapshot"]["newest"].is_null());
        let before = world.emulator.calls();
        world.run(&["verify", "photos", "--sample", "10%"]).expect(0).says("2 files");
        assert_eq!(world.emulator.calls() - before, 2);
        let all = world.run(&["verify", "photos", "--full", "--json"]).expect(0);
        let all = json(&all.stdout);
        assert_eq!(
            (&all["good"], &all["files"], &all["calls"]),
            (&true.into(), &20.into(), &20.into())
        );
        let proof = &world.mirror("photos")["proofs"]["verify"];
        assert_eq!((&proof["good"], &proof["files"]), (&true.into(), &20.into()));
        world.run(&["verify", "photos", "--path", "nothing"]).expect(1);
        world.run(&["verify", "photos", "--sample", "0%"]).expect(2);
        world.run(&["verify", "elsewhere"]).expect(2);
        world.assert_at_rest();
    }
}

#[test]
fn what_is_damaged_is_named_and_sent_again() {
    for running in [false, true] {
        let world = world(running);
        let files = world.emulator.files();
        let link = |name: &str| {
            let name = crypt::stored_file(name);
            let found = files.iter().find(|f| f.path == "/backup/photos" && f.name == name);
            found.unwrap().link.clone()
        };
        world.emulator.damage_content(&link("7"), Damage::Silent);
        world.emulator.remove_file(&link("8"));
        let found = world.run(&["verify", "photos", "--full"]).expect(3);
        found.says("damaged: 7").says("missing: 8").says("2 of them are here unchanged");
        world.run(&["sync"]).expect(0);
        until("both are sent again", || {
            let there = tree::in_account(&world.emulator, "/backup/photos");
            let is_whole = |name: &str| {
                there.get(name).is_some_and(|now| *now == format!("content of {name}").into_bytes())
            };
            (is_whole("7") && is_whole("8")).then_some(())
        });
        world.run(&["verify", "photos", "--full"]).expect(0).says("all as recorded");
    }
}

#[test]
fn an_address_that_may_not_download_ends_with_77_and_says_why() {
    let world = world(false);
    world.emulator.set_downloads_need_cdn(true);
    world.run(&["verify", "photos"]).expect(77).says("CDN credits");
    world.run(&["verify", "photos", "--use-cdn"]).expect(0);
    world.emulator.set_other_location(true);
    world.run(&["verify", "photos", "--use-cdn"]).expect(75).says("#887");
}
