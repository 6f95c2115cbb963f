//! What `sync`, its exit code and `status` say about whether everything is safe, with and without
//! the service.

use std::fs;
use std::process::Stdio;

use fichier_emulator::{Action, Fault};
use fichier_testkit::{Machine, crypt, tree, until, write};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::PROGRAM;

fn degraded(world: &Machine) -> Vec<String> {
    let status = world.status().expect("a status");
    let entries = status["degraded"].as_array().expect("degraded").iter();
    entries.map(|entry| entry["kind"].as_str().unwrap().to_owned()).collect()
}

/// The first line of a mirror in what a person reads.
fn head(world: &Machine, mirror: &str) -> String {
    let drawn = world.run(&["status"]).expect(0).stdout;
    let start = format!("{mirror}: ");
    drawn.lines().find_map(|line| line.strip_prefix(&start)).expect("the mirror").to_owned()
}

#[test]
fn z02_after_ctrl_c_while_bytes_flow_the_next_sync_ends_with_0_only_when_all_is_there() {
    let world = Machine::of(PROGRAM);
    write(&world.source("photos").join("large"), vec![7; 1 << 20]);
    world.emulator.inject(Fault::once("upload.cgi", Action::StallBody(1_000)));
    let mut command = world.command(&["sync"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("bytes flow", || {
        let requests = world.emulator.requests();
        requests.iter().any(|request| request.endpoint == "upload.cgi").then_some(())
    });
    kill_process(Pid::from_raw(child.id().try_into().unwrap()).unwrap(), Signal::INT).unwrap();
    child.wait().unwrap();

    let photos = world.mirror("photos");
    assert_eq!((&photos["complete"], &photos["last_success"]), (&false.into(), &Value::Null));
    assert_eq!(photos["pending_files"], 1, "{photos:#}");
    assert!(!head(&world, "photos").contains("up to date"), "{}", head(&world, "photos"));
    world.run(&["sync"]).expect(0).says("waiting: 1 file sent and not confirmed yet").says("done");
    let there = tree::in_account(&world.emulator, "/backup/photos");
    assert!(there.contains_key("large"), "it is there when sync says done");
    let photos = world.mirror("photos");
    assert_eq!((&photos["complete"], &photos["pending_files"]), (&true.into(), &0.into()));
    assert!(photos["last_success"].is_string(), "{photos:#}");
}

#[test]
fn z02_a_sync_by_the_service_waits_for_a_file_that_the_node_lost() {
    let mut world = Machine::of(PROGRAM);
    for name in ["a", "b"] {
        write(&world.source("photos").join(name), name);
    }
    world.emulator.inject(Fault::once("end.pl", Action::Vanish(crypt::stored_file("b"))));
    world.start();
    world.run(&["sync"]).expect(0).says("done");
    let there = tree::in_account(&world.emulator, "/backup/photos");
    assert_eq!(there.keys().collect::<Vec<_>>(), ["a", "b"], "both are there");
    let photos = world.mirror("photos");
    assert_eq!((&photos["complete"], &photos["pending_files"]), (&true.into(), &0.into()));
}

#[test]
fn z08_a_refused_key_ends_sync_at_the_first_refusal_and_a_good_one_ends_the_state() {
    let mut world = Machine::of(PROGRAM);
    world.add_mirror("music", "target = \"/music\"");
    for mirror in ["photos", "music"] {
        write(&world.source(mirror).join("one"), "one");
    }
    world.emulator.revoke_key();
    world.run(&["sync"]).expect(77).says("music: not tried");
    assert_eq!(world.emulator.calls(), 1, "one refusal is enough");
    assert_eq!(degraded(&world), ["key_refused"]);
    assert_eq!(head(&world, "music"), "stopped: the API key is refused");
    world.emulator.set_key(world.emulator.api_key());
    world.run(&["sync"]).expect(0);
    assert_eq!(degraded(&world), Vec::<String>::new());
}

#[test]
fn z09_what_the_service_met_last_ends_when_a_sync_disproves_it() {
    let mut world = Machine::of(PROGRAM);
    write(&world.source("photos").join("one"), "one");
    world.start();
    world.until_mirrored("photos");
    world.emulator.inject(Fault::always("*", Action::Reset));
    write(&world.source("photos").join("two"), "two");
    until("it is told", || degraded(&world).contains(&"unreachable".to_owned()).then_some(()));
    world.service().signal(Signal::TERM);
    assert_eq!(world.take_service().ended(), Some(0));
    world.run(&["sync"]).expect(69);
    assert_eq!(degraded(&world), ["unreachable"]);
    world.emulator.clear_faults();
    world.run(&["sync"]).expect(0);
    assert_eq!(degraded(&world), Vec::<String>::new());

    // Without a service the state of the mirror is told, not that there is no service.
    let status = world.status().unwrap();
    assert_eq!(
        (&status["running"], &status["mirrors"][0]["state"]),
        (&false.into(), &"idle".into())
    );
    assert_eq!(head(&world, "photos"), "all files were safe at the last look");
    world.run(&["status"]).expect(0).says("is not running");
    fs::rename(world.source("photos"), world.path("away")).unwrap();
    world.run(&["sync"]).expect(4);
    assert_eq!(degraded(&world), ["source_missing"]);
    fs::rename(world.path("away"), world.source("photos")).unwrap();
    world.run(&["sync"]).expect(0);
    assert_eq!(degraded(&world), Vec::<String>::new());
}

#[test]
fn z10_without_a_mirror_sync_says_that_none_is_configured_and_how() {
    let world = Machine::of(PROGRAM);
    let text = fs::read_to_string(world.config()).unwrap();
    fs::write(world.config(), text.split("[[mirror]]").next().unwrap()).unwrap();
    world.run(&["sync"]).expect(78).says("no mirror is configured").says("[[mirror]]");
    world.run(&["sync", "--dry-run"]).expect(78).says("no mirror is configured");
    world.run(&["status"]).expect(0).says("No mirror is configured").says("[[mirror]]");
    let mut world = world;
    world.start();
    until("the service says so", || world.log().contains("no mirror is configured").then_some(()));
    world.run(&["sync"]).expect(78).says("no mirror is configured");
}

#[test]
fn z11_the_mirrors_are_in_the_order_of_the_configuration() {
    let mut world = Machine::of(PROGRAM);
    world.add_mirror("music", "target = \"/music\"");
    world.add_mirror("albums", "target = \"/albums\"");
    let names = |world: &Machine| {
        let status = world.status().expect("a status");
        let mirrors = status["mirrors"].as_array().unwrap().iter();
        mirrors.map(|mirror| mirror["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&world), ["photos", "music", "albums"]);
    let said = world.run(&["sync"]).expect(0).stdout;
    world.start();
    assert_eq!(names(&world), ["photos", "music", "albums"]);
    let by_service = world.run(&["sync"]).expect(0).stdout;
    for said in [said, by_service] {
        let order: Vec<&str> = said.lines().filter_map(|line| line.split(':').next()).collect();
        assert_eq!(order, ["photos", "music", "albums"], "{said}");
    }
}

#[test]
fn z12_problems_below_a_folder_that_cannot_be_read_are_told_as_one() {
    let Some(user) = PROGRAM.ordinary_user() else {
        eprintln!("not run: no user without root's rights can be had");
        return;
    };
    use std::os::unix::fs::PermissionsExt;
    let mut world = Machine::of(PROGRAM);
    world.user = user;
    let folder = world.source("photos").join("folder");
    for name in ["a", "b"] {
        write(&folder.join(name), name);
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o000)).unwrap();
    }
    world.hand_over();
    world.run(&["sync"]).expect(3);
    let problems = |world: &Machine| {
        let problems = world.mirror("photos")["problems"].as_array().unwrap().clone();
        problems.iter().map(|it| it["path"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(problems(&world), ["folder/a", "folder/b"]);
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o000)).unwrap();
    world.run(&["sync"]).expect(3);
    assert_eq!(problems(&world), ["folder"]);
    let drawn = world.run(&["status"]).expect(0).stdout;
    assert_eq!(drawn.matches("Permission denied").count(), 1, "each is told once:\n{drawn}");
    assert!(!drawn.contains("fichierd status"), "{drawn}");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["a", "b"] {
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o644)).unwrap();
    }
    world.run(&["sync"]).expect(0);
    assert_eq!(problems(&world), Vec::<String>::new());
}
