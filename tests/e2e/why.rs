//! `why`: one line that says what is so of a path, with and without a running service.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use fichier_emulator::{Action, Fault};
use fichier_testkit::{Machine, crypt, until, write};

use crate::PROGRAM;

/// The one line that `why` prints of a path in the source, without the path.
#[track_caller]
fn why(world: &Machine, path: &str) -> String {
    let path = world.source("photos").join(path);
    let told = world.run(&["why", path.to_str().unwrap()]).expect(0).stdout;
    let (_, line) = told.split_once(": ").unwrap();
    assert_eq!(told.lines().count(), 1, "{told}");
    line.trim_end().to_owned()
}

#[track_caller]
fn assert_says(world: &Machine, path: &str, what: &str) {
    let said = why(world, path);
    assert!(said.contains(what), "{path}: `{what}` is not in: {said}");
}

/// Runs `check` without a service and with one. The service is paused, so that nothing changes
/// meanwhile.
fn in_both(world: &mut Machine, check: impl Fn(&Machine)) {
    check(world);
    world.run(&["pause"]).expect(0);
    world.start();
    check(world);
}

#[test]
fn z25_why_tells_apart_what_is_safe_left_out_and_not_there() {
    let mut world = Machine::of(PROGRAM);
    world.add_mirror("photos", "exclude = [\n  \"*.bak\",\n  \"*.tmp\",\n]");
    let source = world.source("photos");
    write(&source.join("one"), "one");
    write(&source.join("empty"), "");
    write(&source.join("gone"), "gone soon");
    write(&source.join("a.tmp"), "excluded");
    write(&source.join("sub/.fichierignore"), "# none of these\n*.raw\ncache/\n");
    write(&source.join("sub/b.raw"), "excluded");
    write(&source.join("sub/cache/deep/c"), "excluded");
    write(&source.join("sub/d"), "d");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        source.join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    until("it is quiet", || why(&world, "one").contains("not recorded yet").then_some(()));
    assert_says(&world, "one", "not recorded yet; it is sent at the next: fichierd sync");
    world.run(&["sync"]);
    fs::remove_file(source.join("gone")).unwrap();
    world.run(&["sync"]);
    symlink(&source, world.path("link")).unwrap();
    let config = world.config();
    let at = fs::read_to_string(&config).unwrap();
    let line = at.lines().position(|line| line.contains("*.tmp")).unwrap() + 1;
    in_both(&mut world, |world| {
        assert_says(world, "one", "safe since 20");
        // Of an encrypted mirror it is on the service.
        let empty = if crypt::is_on() { "safe since 20" } else { "safe in the records" };
        assert_says(world, "empty", empty);
        assert_says(world, "a.tmp", &format!("excluded by {}:{line}: `*.tmp`", config.display()));
        let rules = source.join("sub/.fichierignore").display().to_string();
        assert_says(world, "sub/b.raw", &format!("excluded by {rules}:2: `*.raw`"));
        let cache = source.join("sub/cache").display().to_string();
        let excluded = format!("excluded by {rules}:3: `cache/` excludes {cache}");
        assert_says(world, "sub/cache/deep/c", &excluded);
        assert_says(world, "pipe", "not mirrored: it is a FIFO");
        assert_says(world, "never", "not there, and never recorded");
        assert_says(world, "one/below", "not there, and never recorded");
        assert_says(world, "gone", "not there; it was mirrored until 20");
        assert_says(world, "sub", "a folder, on 1fichier; 2 files below it confirmed");
        assert_says(world, "../link/one", "safe since 20");
        assert_says(world, "sub/../one", "safe since 20");
        world.run(&["why", "/elsewhere"]).expect(0).says("not below the source of any mirror");
    });
}

#[test]
fn z25_why_tells_what_waits_and_for_what() {
    let mut world = Machine::of(PROGRAM);
    world.add_mirror("photos", "removals_floor = 1\nsettle = \"1h\"\nsettle_at_most = \"2h\"");
    let source = world.source("photos");
    for name in ["1", "2", "3", "4", "5"] {
        write(&source.join(name), format!("content {name}"));
    }
    assert_says(&world, "1", "waits for quiet: it was written");
    world.add_mirror("photos", "removals_floor = 1\nexclude = []");
    world.run(&["sync"]).expect(0);
    for name in ["1", "2", "3"] {
        fs::remove_file(source.join(name)).unwrap();
    }
    world.run(&["sync"]).expect(4);
    world.add_mirror("photos", "removals_floor = 1\nexclude = [\"5\"]");
    world.run(&["sync"]).expect(4);
    write(&source.join("4"), "changed");
    until("it is quiet", || why(&world, "4").contains("changed since it was sent").then_some(()));
    in_both(&mut world, |world| {
        assert_says(world, "1", "the removal is held");
        assert_says(world, "1", "fichierd approve photos");
        assert_says(world, "5", "`5`; its copy is kept as unmanaged; to remove it: fichierd prune");
        assert_says(world, "4", "changed since it was sent");
        assert_says(world, "4", "the copy of 20");
    });
    assert_says(&world, "4", "after: fichierd resume");
    world.run(&["reject", "photos"]).expect(0).says("3 paths");
    assert_says(&world, "1", "kept as unmanaged");
}

#[test]
fn z25_why_tells_of_a_file_that_is_sent_and_not_confirmed() {
    let mut world = Machine::of(PROGRAM);
    write(&world.source("photos").join("one"), "one");
    // Were it refused, the listing of the staging folder would tell that the file has arrived.
    world.emulator.inject(Fault::always("end.pl", Action::StallHeaders));
    world.start();
    until("it is sent", || why(&world, "one").contains("being confirmed").then_some(()));
}

#[test]
fn z25_why_tells_what_cannot_be_looked_at() {
    let mut world = Machine::of(PROGRAM);
    let Some(user) = PROGRAM.ordinary_user() else {
        eprintln!("skipped: no user whom the kernel refuses anything");
        return;
    };
    world.user = user;
    let source = world.source("photos");
    for path in ["shut/a", "passed/b", "c"] {
        write(&source.join(path), path);
    }
    world.hand_over();
    world.run(&["sync"]).expect(0);
    let mode = |path: &str, mode| {
        fs::set_permissions(source.join(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    mode("shut", 0o000);
    mode("passed", 0o311);
    mode("c", 0o000);
    write(&source.join("c2"), "c2");
    world.hand_over();
    mode("c2", 0o000);
    world.run(&["sync"]).expect(3);
    in_both(&mut world, |world| {
        for (path, folder) in [("shut/a", "shut"), ("passed/b", "passed")] {
            let folder = source.join(folder).display().to_string();
            assert_says(world, path, &format!("below a folder that cannot be read: {folder}"));
            assert_says(world, path, "the copy of 20");
        }
        assert_says(world, "c2", "cannot be read: Permission denied");
        assert_says(world, "c2", "next try at 20");
    });
    for path in ["shut", "passed"] {
        mode(path, 0o755);
    }
    fs::rename(&source, world.path("away")).unwrap();
    assert_says(&world, "c", "the source");
    assert_says(&world, "c", "the copy of 20");
    fs::rename(world.path("away"), &source).unwrap();
}
