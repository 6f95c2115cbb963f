//! Several services and configurations of one user: each command reaches the right one, or none.

use std::fs;
use std::path::PathBuf;

use fichier_emulator::{Action, Fault};
use fichier_testkit::{Machine, Service, User, tree, until, write};
use rustix::process::Signal;

use crate::PROGRAM;

/// Writes a second configuration beside that of the machine, with folders of its own.
fn second(world: &Machine) -> PathBuf {
    let text = fs::read_to_string(world.config()).unwrap();
    let text = text.replace("/state\"", "/state-b\"").replace("photos", "letters");
    let config = world.path("b.toml");
    fs::write(&config, text).unwrap();
    fs::create_dir_all(world.source("letters")).unwrap();
    config
}

/// Changes the configuration of the machine.
fn edit(world: &Machine, change: impl Fn(&str) -> String) {
    let text = fs::read_to_string(world.config()).unwrap();
    fs::write(world.config(), change(&text)).unwrap();
}

/// The configuration without the line that names the socket.
fn by_default(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.starts_with("control_socket"));
    lines.map(|line| format!("{line}\n")).collect()
}

fn sent(world: &Machine, mirror: &str) -> usize {
    tree::in_account(&world.emulator, &format!("/backup/{mirror}")).len()
}

#[test]
fn z20_a_command_of_one_configuration_is_not_answered_by_the_service_of_another() {
    for named in [false, true] {
        let mut world = Machine::of(PROGRAM);
        if !named {
            edit(&world, by_default);
        }
        let b = second(&world);
        write(&world.source("photos").join("one"), "one");
        world.start();
        world.until_mirrored("photos");

        write(&world.source("letters").join("two"), "two");
        world.run_with(&b, &["sync"]).expect(0).says("letters: done: 1 sent");
        assert_eq!(sent(&world, "letters"), 1);
        let told = world.run_with(&b, &["status"]).expect(0);
        assert!(told.stdout.contains("letters") && !told.stdout.contains("photos"));
        world.run_with(&b, &["pause"]).expect(0);
        assert_eq!(world.status().unwrap()["paused"], false);
        world.run_with(&b, &["sync"]).expect(4).says("fichierd resume");
        world.run(&["sync"]).expect(0).says("photos: done");
    }
}

#[test]
fn z20_two_services_of_one_user_answer_for_themselves() {
    let mut world = Machine::of(PROGRAM);
    edit(&world, by_default);
    let b = second(&world);
    world.start();
    let log = world.path("b.log");
    let _second = Service::start(PROGRAM.command(User::Ours), &b, &log);
    until("the second service answers", || {
        let told = world.run_with(&b, &["status", "--json"]);
        told.stdout.contains("\"running\": true").then_some(())
    });
    for (config, mirror, other) in [(world.config(), "photos", "letters"), (b, "letters", "photos")]
    {
        write(&world.source(mirror).join("file"), mirror);
        world.run_with(&config, &["sync"]).expect(0).says(&format!("{mirror}: done"));
        let told = world.run_with(&config, &["status", "--json"]).expect(0);
        assert!(told.stdout.contains("\"running\": true") && !told.stdout.contains(other));
        assert_eq!(sent(&world, mirror), 1);
    }
}

#[test]
fn z21_commands_find_a_service_whose_socket_systemd_has_placed() {
    let mut world = Machine::of(PROGRAM);
    edit(&world, by_default);
    let runtime = world.path("run");
    world.environment = vec![("RUNTIME_DIRECTORY", runtime.to_str().unwrap().to_owned())];
    world.start();
    assert!(runtime.join("control.sock").exists());
    world.run(&["pause"]).expect(0).says("paused: nothing new is begun");
    assert_eq!(world.status().unwrap()["paused"], true);
}

#[test]
fn z20_two_configurations_of_one_state_folder_are_told_apart() {
    let mut world = Machine::of(PROGRAM);
    let b = second(&world);
    fs::write(&b, fs::read_to_string(&b).unwrap().replace("/state-b\"", "/state\"")).unwrap();
    world.start();
    let told = world.run_with(&b, &["sync"]).expect(75).says("another `state_dir`");
    assert!(told.stderr.contains("config.toml"), "{}", told.stderr);
}

#[test]
fn z22_keys_that_need_a_restart_are_refused_by_name_and_the_old_values_stay() {
    for (key, value) in [
        ("state_dir", "state-b"),
        ("control_socket", "other.sock"),
        ("api_url", "http://127.0.0.1:9/v1"),
    ] {
        let mut world = Machine::of(PROGRAM);
        write(&world.source("photos").join("one"), "one");
        world.start();
        world.until_mirrored("photos");
        edit(&world, |text| {
            let was = text.lines().find(|line| line.starts_with(key)).unwrap();
            let value = if key == "api_url" {
                value.to_owned()
            } else {
                world.path(value).to_str().unwrap().to_owned()
            };
            text.replace(was, &format!("{key} = \"{value}\""))
        });
        let told = format!("a change of `{key}` needs a restart");
        world.service().signal(Signal::HUP);
        until("the status tells it", || {
            let status = world.run(&["status"]).expect(0);
            status.stdout.contains(&told).then_some(())
        });
        write(&world.source("photos").join("two"), "two");
        world.until_mirrored("photos");
        if key == "state_dir" {
            world.run(&["sync"]).expect(75).says("needs a restart");
        } else {
            world.run(&["sync"]).expect(0);
        }
        assert!(!world.path("state-b").exists(), "nothing is begun in a new state folder");
    }
}

#[test]
fn z31_two_configurations_of_one_account_keep_one_pace_if_they_name_one_file() {
    for is_shared in [true, false] {
        // The hold-off lasts a real minute.
        let mut world = Machine::at_scale(PROGRAM, 1);
        if is_shared {
            let pace = world.path("shared-pace").display().to_string();
            edit(&world, |text| text.replace("[pace]\n", &format!("[pace]\nfile = \"{pace}\"\n")));
        }
        let b = second(&world);
        write(&world.source("photos").join("one"), "one");
        write(&world.source("letters").join("two"), "two");
        world.emulator.inject(Fault::once("folder/ls.cgi", Action::Flood));
        world.start();
        until("the service holds off", || {
            world.status().filter(|status| !status["hold_off"].is_null())
        });
        let told = world.run_with(&b, &["status", "--json"]).expect(0);
        let status: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
        assert_eq!(!status["hold_off"].is_null(), is_shared, "{}", told.stdout);
    }
}

#[test]
fn z31_a_check_tells_that_another_service_keeps_a_pace_of_its_own() {
    for is_shared in [false, true] {
        let mut world = Machine::of(PROGRAM);
        if is_shared {
            let pace = world.path("shared-pace").display().to_string();
            edit(&world, |text| text.replace("[pace]\n", &format!("[pace]\nfile = \"{pace}\"\n")));
        }
        let b = second(&world);
        world.start();
        let told = world.run_with(&b, &["check"]);
        let warns = told.stdout.contains("keeps a pace of its own");
        assert_eq!(warns, !is_shared, "{}", told.stdout);
    }
}

#[test]
fn z31_a_pace_file_that_cannot_be_written_is_named() {
    let world = Machine::of(PROGRAM);
    let pace = world.path("missing/pace").display().to_string();
    edit(&world, |text| text.replace("[pace]\n", &format!("[pace]\nfile = \"{pace}\"\n")));
    write(&world.source("photos").join("one"), "one");
    let told = world.run(&["sync"]).expect(1);
    assert!(told.stderr.contains(&pace), "{}", told.stderr);
    assert_eq!(world.emulator.calls(), 0);
}

#[test]
fn z23_a_pause_binds_sync_also_while_no_service_runs() {
    let world = Machine::of(PROGRAM);
    write(&world.source("photos").join("one"), "one");
    world.run(&["pause"]).expect(0).says("not running");
    world.run(&["sync"]).expect(4).says("fichierd resume");
    assert_eq!(world.emulator.calls(), 0);
    world.run(&["sync", "--dry-run"]).expect(0).says("one");
    world.run(&["resume"]).expect(0);
    world.run(&["sync"]).expect(0);
    assert_eq!(sent(&world, "photos"), 1);
}

#[test]
fn z24_a_reject_with_nothing_held_says_so() {
    for running in [false, true] {
        let mut world = Machine::of(PROGRAM);
        write(&world.source("photos").join("one"), "one");
        if running {
            world.start();
        }
        world.run(&["sync"]).expect(0);
        let told = until("no cycle is under way", || {
            let told = world.run(&["reject", "photos"]);
            (told.code != 75).then_some(told)
        });
        assert_eq!(told.expect(0).stdout, "nothing is held: there is nothing to decide\n");
    }
}
