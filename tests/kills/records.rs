//! K17, K18: death while the state file changes its form, is closed or copied; and another version
//! of the program takes over uploads that are under way (O05).

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use fichier_emulator::{Action, Fault};
use fichier_testkit::{Machine, crypt, tree, until, write};
use rusqlite::Connection;
use rustix::process::Signal;

use crate::PROGRAM;

/// The state file of the first form, as a released version left it.
const FIRST_FORM: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../fichier-state/tests/databases/v1.db");

fn form_of(path: &Path) -> i64 {
    let db = Connection::open(path).unwrap();
    let verdict: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok", "{}", path.display());
    db.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

fn dies_at(world: &mut Machine, points: String) -> bool {
    world.environment = vec![("FAILPOINTS", points)];
    world.launch();
    world.environment.clear();
    let mut service = world.take_service();
    until("it dies, or works", || {
        (!service.is_running() || world.status().is_some_and(|s| s["running"] == true))
            .then_some(())
    });
    let died = !service.is_running();
    drop(service);
    died
}

#[test]
fn k17_killed_at_any_statement_of_a_migration_the_form_is_old_or_new_and_a_copy_is_kept() {
    let mut world = Machine::of(PROGRAM);
    write(&world.source("photos").join("one"), "one");
    let state = world.path("state");
    fs::create_dir_all(&state).unwrap();
    let (file, copy) = (state.join("state.db"), state.join("state.v1.db"));
    let fresh = || {
        for rest in ["state.db-wal", "state.db-shm"] {
            fs::remove_file(state.join(rest)).ok();
        }
        fs::copy(FIRST_FORM, &file).unwrap();
    };
    fresh();
    for point in ["copy:begun", "copy:made", "migration:before-commit"] {
        assert!(dies_at(&mut world, format!("{point}=return")), "{point}");
        assert_eq!(form_of(&file), 1, "after {point}");
    }
    // One form after the other; none is skipped or half there.
    let mut forms = Vec::new();
    while dies_at(&mut world, format!("migration:statement={}*off->return", forms.len())) {
        forms.push(form_of(&file));
        assert_eq!(form_of(&copy), 1, "the copy, after statement {}", forms.len());
        fresh();
    }
    let newest = form_of(&file);
    assert!(forms.len() > 5 && forms.is_sorted(), "{forms:?}");
    assert_eq!(BTreeSet::from_iter(forms), (1..newest).collect());
    assert_eq!(form_of(&copy), 1);

    // Dead after a commit, the file has the next form.
    fresh();
    assert!(dies_at(&mut world, "migration:committed=return".to_owned()));
    assert_eq!(form_of(&file), 2);
    world.start();
    if crypt::is_on() {
        // Its mirrors were plain, and are held until a person says that all is to be sent again.
        until("it is approved", || {
            let ran = world.run(&["approve", "--encrypt-again", "photos"]);
            (ran.code == 0 && ran.stdout.contains("sent again")).then_some(())
        });
    }
    world.until_mirrored("photos");
    world.assert_mirrored();
    assert_eq!(form_of(&file), newest);
}

#[test]
fn k18_killed_while_the_state_is_closed_or_copied_nothing_is_lost_and_nothing_sent_again() {
    let closing = ["close:begun", "close:marked", "close:checkpointed"];
    let copying = ["snapshot:extracted", "snapshot:packed"];
    for point in closing.into_iter().chain(copying) {
        let mut world = Machine::of(PROGRAM);
        for number in 0..50 {
            write(&world.source("photos").join(format!("{number}")), format!("file {number}"));
        }
        world.environment = vec![("FAILPOINTS", format!("{point}=return"))];
        world.launch();
        if closing.contains(&point) {
            world.until_mirrored("photos");
            world.service().signal(Signal::TERM);
        }
        assert_eq!(world.take_service().ended(), None, "{point}");
        world.environment.clear();
        world.start();
        world.until_mirrored("photos");
        world.assert_at_rest();
        assert_eq!(world.mirror("photos")["files"], 50, "{point}");
        let size = tree::stored_bytes(&tree::on_disk(&world.source("photos")));
        let sent = world.emulator.bytes_received() - tree::snapshot_bytes(&world.emulator);
        assert_eq!(sent, size, "{point}");
    }
}

#[test]
fn o05_an_older_version_over_an_upload_under_way_touches_nothing_and_the_newer_one_finishes_it() {
    let mut world = Machine::of(PROGRAM);
    write(&world.source("photos").join("large"), vec![5; 1 << 20]);
    let held_back = Action::Delay(Duration::from_secs(600));
    world.emulator.inject(Fault::once("upload.cgi", held_back));
    world.launch();
    until("the node has stored it", || (!tree::staged(&world.emulator).is_empty()).then_some(()));
    world.take_service().kill();
    // An older program takes this file for one from the future.
    let file = world.path("state/state.db");
    let set_form = |change: i64| {
        let db = Connection::open(&file).unwrap();
        let form: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        db.pragma_update(None, "user_version", form + change).unwrap();
    };
    set_form(1);
    let (before, mark) = (fs::read(&file).unwrap(), world.emulator.calls());
    world.launch();
    assert_eq!(world.take_service().ended(), Some(78));
    assert_eq!(fs::read(&file).unwrap(), before, "the file was touched");
    assert_eq!(world.emulator.calls_since(mark), Vec::<String>::new());
    set_form(-1);
    world.start();
    world.until_mirrored("photos");
    world.until_chores_done("photos");
    world.assert_mirrored();
    let sent = world.emulator.bytes_received() - tree::snapshot_bytes(&world.emulator);
    assert_eq!(sent, crypt::stored_bytes(1 << 20), "sent once");
}
