//! Mirrors are restored to a disk, and every property of every entry is compared with the original.

use std::fs::{self, File, FileTimes};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::time::{Duration, SystemTime};

use fichier_emulator::{Action, Damage, Fault};
use fichier_testkit::bench::OPTIONS;
use fichier_testkit::exact::{assert_same, describe};
use fichier_testkit::{Bench, crypt};
use fichierd::restore::{Options, Overwrite, RestoreError};
use tempfile::TempDir;

/// A tree with every kind of entry that can be mirrored.
pub fn fill(world: &Bench) {
    world.write("plain", "some text");
    world.write("deep/er/still/file", "far below");
    world.write("empty", "");
    world.write("twin 1", "the same content twice");
    world.write("deep/twin 2", "the same content twice");
    fs::create_dir_all(world.path("no/files/here")).unwrap();
    symlink("../plain", world.path("deep/link")).unwrap();
    symlink("nowhere at all", world.path("dangling")).unwrap();
    fs::hard_link(world.path("plain"), world.path("deep/hard link")).unwrap();
    fs::hard_link(world.path("empty"), world.path("deep/empty too")).unwrap();
    let odd = std::ffi::OsStr::from_bytes(b"caf\xE9 \n'quoted' $x");
    fs::write(world.source().join(odd), "an odd name").unwrap();
    let mut sparse = File::create(world.path("sparse")).unwrap();
    sparse.write_all(b"begins").unwrap();
    sparse.seek(SeekFrom::Start(5 << 20)).unwrap();
    sparse.write_all(b"goes on").unwrap();
    sparse.set_len(9 << 20).unwrap();
    world.write("private", "for one pair of eyes");
    let mode = |path: &str, mode| {
        fs::set_permissions(world.path(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    mode("private", 0o400);
    mode("no/files", 0o2750);
    mode("deep/er", 0o555);
    let attribute = |path: &str, value: &[u8]| {
        let flags = rustix::fs::XattrFlags::empty();
        // A file system without attributes has none to restore.
        let _none = rustix::fs::setxattr(world.path(path), "user.origin", value, flags);
    };
    attribute("plain", b"hand\0made");
    attribute("no", b"a folder");
    if rustix::process::geteuid().is_root() {
        rustix::fs::chown(
            world.path("twin 1"),
            Some(rustix::process::Uid::from_raw(1234)),
            Some(rustix::process::Gid::from_raw(2345)),
        )
        .unwrap();
        mode("twin 1", 0o6755);
    }
    let old = FileTimes::new().set_modified(SystemTime::UNIX_EPOCH - Duration::new(86_400, 5));
    File::options().append(true).open(world.path("deep/twin 2")).unwrap().set_times(old).unwrap();
}

/// The changes of that tree on each of three days.
pub fn change(world: &Bench, day: u32) {
    match day {
        1 => {
            world.write("plain", "another text");
            world.rename("deep/er", "moved");
            fs::remove_file(world.path("dangling")).unwrap();
        }
        2 => {
            world.remove_tree("moved");
            world.write("empty", "not empty any more");
            world.rename("twin 1", "renamed twin");
            fs::set_permissions(world.path("no"), fs::Permissions::from_mode(0o711)).unwrap();
        }
        _ => {
            world.remove("plain");
            world.write("plain/inside", "a folder in the place of a file");
            world.write("moved/again", "new under an old name");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_entry_comes_back_exactly() {
    let mut world = Bench::new().await;
    fill(&world);
    world.settle().await;
    let original = describe(world.source());
    let dest = TempDir::new().unwrap();
    let before = world.emulator.calls();
    let report = world.restore(world.moment(), dest.path()).await;
    assert_eq!(report.problems, []);
    assert!(report.unset.is_empty(), "{:?}", report.unset);
    assert_same(&original, &describe(dest.path()));
    let calls = world.emulator.calls_since(before);
    let tokens = calls.iter().filter(|call| *call == "download/get_token.cgi").count();
    // `plain`, `file`, one twin, the odd name, `sparse`, `private`.
    assert_eq!(tokens, 6, "identical contents are downloaded once: {calls:?}");
    world.emulator.assert_no_violations();

    // Files that are there are left alone, and cost nothing.
    let before = world.emulator.calls();
    let again = world.restore(world.moment(), dest.path()).await;
    assert_eq!((again.files, again.downloads), (0, 0));
    assert_eq!(world.emulator.calls_since(before), [""; 0]);
    assert_same(&original, &describe(dest.path()));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_several_days_comes_back_as_it_was() {
    let mut world = Bench::new().await;
    fill(&world);
    world.settle().await;
    let mut days = vec![(world.moment(), describe(world.source()))];
    for day in 1..4 {
        world.later(24);
        change(&world, day);
        world.settle().await;
        days.push((world.moment(), describe(world.source())));
    }
    for (moment, original) in &days {
        let dest = TempDir::new().unwrap();
        let report = world.restore(*moment, dest.path()).await;
        assert_eq!(report.problems, [], "{moment:?}");
        assert_same(original, &describe(dest.path()));
    }
    world.emulator.assert_no_violations();
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_there_are_kept_or_replaced_as_told() {
    let mut world = Bench::new().await;
    world.write("same", "the same");
    world.write("other", "what was backed up");
    world.write("missing", "not there");
    world.write("link in the way", "a file");
    world.settle().await;
    let dest = TempDir::new().unwrap();
    let prepare = || {
        let write = |name: &str, text: &str| fs::write(dest.path().join(name), text).unwrap();
        write("same", "the same");
        write("other", "what stands there");
        write("mine", "not of the backup");
        drop(fs::remove_file(dest.path().join("link in the way")));
        symlink("/etc/hostname", dest.path().join("link in the way")).unwrap();
        drop(fs::remove_file(dest.path().join("missing")));
    };
    let text = |name: &str| fs::read_to_string(dest.path().join(name)).unwrap();
    let with = |overwrite| Options { overwrite, ..OPTIONS };
    prepare();
    let plan = || world.plan(world.moment(), &[]);
    let report = world.try_restore(plan(), dest.path(), with(Overwrite::Never)).await.unwrap();
    assert_eq!((report.files, report.same, report.left), (1, 1, 2), "{report:?}");
    assert_eq!(text("other"), "what stands there");

    prepare();
    let report = world.try_restore(plan(), dest.path(), with(Overwrite::Changed)).await.unwrap();
    assert_eq!((report.files, report.same, report.problem_count), (2, 1, 1), "{report:?}");
    assert_eq!(text("other"), "what was backed up");
    assert!(dest.path().join("link in the way").is_symlink());

    prepare();
    let report = world.try_restore(plan(), dest.path(), with(Overwrite::Always)).await.unwrap();
    assert_eq!((report.files, report.same, report.problem_count), (3, 1, 0), "{report:?}");
    assert_eq!(text("link in the way"), "a file");
    assert_eq!(text("mine"), "not of the backup");
    assert!(!dest.path().join(".fichierd-restore").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_matches_comes_back_with_the_folders_on_the_way() {
    let mut world = Bench::new().await;
    world.write("a/b/wanted.jpg", "1");
    world.write("a/b/other.txt", "2");
    world.write("c/d", "3");
    world.settle().await;
    let dest = TempDir::new().unwrap();
    let plan = world.plan(world.moment(), &["*.jpg", "/c/"]);
    assert_eq!(plan.totals().download_files, 2);
    world.try_restore(plan, dest.path(), OPTIONS).await.unwrap();
    let found = describe(dest.path());
    let names: Vec<&str> = found.iter().map(|line| line.split(" mode").next().unwrap()).collect();
    assert_eq!(names, ["\"\"", "\"a\"", "\"a/b\"", "\"a/b/wanted.jpg\"", "\"c\"", "\"c/d\""]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_download_goes_on_where_it_broke_off() {
    let mut world = Bench::new().await;
    world.write("large", vec![7; 3 << 20]);
    world.settle().await;
    world.emulator.inject(Fault::once("download", Action::ResetAfter(1 << 20)));
    let dest = TempDir::new().unwrap();
    let (calls, sent) = (world.emulator.calls(), world.emulator.bytes_sent());
    let report = world.restore(world.moment(), dest.path()).await;
    assert_eq!((report.files, report.problem_count), (1, 0));
    assert_eq!(fs::read(dest.path().join("large")).unwrap(), vec![7; 3 << 20]);
    assert!(world.emulator.bytes_sent() - sent < (3 << 20) + (512 << 10), "sent again");
    let calls = world.emulator.calls_since(calls);
    assert_eq!(calls, ["download/get_token.cgi"; 2], "a new address for each attempt");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_copy_is_told_apart_and_another_one_is_taken() {
    let mut world = Bench::new().await;
    world.write("one", "content of both");
    world.write("alone", "content of one");
    world.settle().await;
    world.later(1);
    // There is a second copy, and the first one goes to the versions.
    world.write("two", "content of both");
    world.settle().await;
    world.later(1);
    world.remove("one");
    world.settle().await;
    for file in world.emulator.files() {
        if ["two", "alone"].contains(&crypt::plain_file(&file.name).as_str()) {
            world.emulator.damage_content(&file.link, Damage::Silent);
        }
    }
    let dest = TempDir::new().unwrap();
    let report = world.restore(world.moment(), dest.path()).await;
    assert_eq!(fs::read_to_string(dest.path().join("two")).unwrap(), "content of both");
    assert!(!dest.path().join("alone").exists(), "nothing damaged gets a name");
    let problems: Vec<_> = report.problems.iter().map(|p| p.path.to_string()).collect();
    assert_eq!(problems, ["alone"]);
    assert!(report.problems[0].what.contains("damaged"), "{:?}", report.problems[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_gone_from_the_service_is_a_problem_and_the_rest_comes_back() {
    let mut world = Bench::new().await;
    world.write("gone", "somebody removed it");
    world.write("there", "still there");
    world.settle().await;
    let files = world.emulator.files();
    world.emulator.remove_file(
        &files.iter().find(|file| crypt::plain_file(&file.name) == "gone").unwrap().link,
    );
    let dest = TempDir::new().unwrap();
    let report = world.restore(world.moment(), dest.path()).await;
    assert_eq!((report.files, report.problem_count), (1, 1), "{report:?}");
    assert_eq!(fs::read_to_string(dest.path().join("there")).unwrap(), "still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_location_is_waited_for_and_an_address_that_is_refused_ends_it() {
    let mut world = Bench::new().await;
    world.write("a", "text");
    world.settle().await;
    let dest = TempDir::new().unwrap();
    world.emulator.set_other_location(true);
    let plan = world.plan(world.moment(), &[]);
    let restoring = world.try_restore(plan, dest.path(), OPTIONS);
    let ends = async {
        while world.emulator.calls_since(0).iter().filter(|c| c.contains("get_token")).count() < 2 {
            tokio::task::yield_now().await;
        }
        world.emulator.set_other_location(false);
    };
    let (report, ()) = tokio::join!(restoring, ends);
    assert_eq!(report.unwrap().files, 1);

    world.emulator.set_downloads_need_cdn(true);
    let elsewhere = TempDir::new().unwrap();
    let plan = || world.plan(world.moment(), &[]);
    let refused = world.try_restore(plan(), elsewhere.path(), OPTIONS).await.unwrap_err();
    let RestoreError::Service(error) = refused else { panic!("{refused:?}") };
    assert!(matches!(error.kind, fichier_api::ErrorKind::AddressRefused), "{error:?}");
    let paid = Options { use_cdn: true, ..OPTIONS };
    let report = world.try_restore(plan(), elsewhere.path(), paid).await.unwrap();
    assert_eq!(report.files, 1);
}

/// Whatever the records say, nothing is written outside of the destination.
#[tokio::test(flavor = "multi_thread")]
async fn hostile_records_do_not_lead_out_of_the_destination() {
    let mut world = Bench::new().await;
    world.write("harmless", "text");
    world.write("folder/inside", "more text");
    world.settle().await;
    let moment = world.moment();
    let outside = TempDir::new().unwrap();
    let dest = outside.path().join("dest");
    fs::create_dir(&dest).unwrap();
    // Another user left a link at the path of a folder of the backup.
    let elsewhere = outside.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, dest.join("folder")).unwrap();
    let report = world.restore(moment, &dest).await;
    assert_eq!(fs::read_to_string(dest.join("harmless")).unwrap(), "text");
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0, "the link was followed");
    let mut there: Vec<_> =
        fs::read_dir(outside.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    there.sort();
    assert_eq!(there, ["dest", "elsewhere"]);
    assert!(report.problems.iter().any(|p| p.path.to_string() == "folder"), "{report:#?}");
    // Records that no fichierd writes, with names that lead out: the state is damaged.
    let state = world.state_file();
    let db = rusqlite::Connection::open(state).unwrap();
    for (number, name) in [&b"../evil"[..], b"/tmp/evil", b"..", b"a/../../evil"].iter().enumerate()
    {
        db.execute(
            "INSERT INTO entries SELECT folder_id, ?1, kind, size_bytes, mtime_ns, ctime_ns, inode,
                mode, uid, gid, meta_mtime_ns, xattrs, racy, unmanaged, ?2, whirlpool, randomblob(32),
                remote_name, confirmed_s, origin, unsettled, symlink, since, links, holes, cipher
            FROM entries WHERE name = CAST('harmless' AS BLOB)",
            rusqlite::params![name, format!("evil{number:016}")],
        )
        .unwrap();
    }
    let plan = world.try_plan(moment, &[]);
    assert!(matches!(plan, Err(fichier_state::Error::Corrupt { .. })), "{plan:?}");
}
