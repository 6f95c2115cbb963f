//! A restore that ended early, and its end when it is given again; and what stands in its way.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use fichier_emulator::{Action, Fault};
use fichier_testkit::bench::OPTIONS;
use fichier_testkit::exact::{assert_same, describe};
use fichier_testkit::{Bench, crypt};
use fichierd::restore::{Options, Overwrite, Report, RestoreError};
use tempfile::TempDir;

use super::whole::fill;

/// The lines of a tree without those of some paths.
fn without(lines: &[String], paths: &[&str]) -> Vec<String> {
    let is_of = |line: &String| paths.iter().any(|path| line.starts_with(&format!("{path:?} ")));
    lines.iter().filter(|line| !is_of(line)).cloned().collect()
}

fn named(report: &Report) -> Vec<String> {
    report.problems.iter().map(|problem| problem.path.to_string()).collect()
}

async fn try_into(world: &Bench, dest: &Path, options: Options) -> Result<Report, RestoreError> {
    world.try_restore(world.plan(world.moment(), &[]), dest, options).await
}

fn mode_of(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().mode() & 0o7777
}

#[tokio::test(flavor = "multi_thread")]
async fn z60_what_an_interrupted_restore_left_to_set_is_set_by_the_next_one() {
    let mut world = Bench::new().await;
    fill(&world);
    world.settle().await;
    let original = describe(world.source());
    for overwrite in [Overwrite::Never, Overwrite::Changed, Overwrite::Always] {
        let dest = TempDir::new().unwrap();
        // A killed process drops what it was doing as this does.
        let calls = world.emulator.calls();
        tokio::select! {
            ended = try_into(&world, dest.path(), OPTIONS) => panic!("{ended:?}"),
            () = async {
                while world.emulator.calls() == calls {
                    tokio::task::yield_now().await;
                }
            } => {}
        }
        let options = Options { overwrite, made_top: false, ..OPTIONS };
        // The first one may still be at work on a thread.
        let report = loop {
            match try_into(&world, dest.path(), options.clone()).await {
                Err(RestoreError::Disk { source, .. })
                    if source.kind() == std::io::ErrorKind::ResourceBusy => {}
                ended => break ended.unwrap(),
            }
        };
        assert_eq!(report.problems, [], "{overwrite:?}");
        assert_same(&original, &describe(dest.path()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn z61_a_restore_without_its_service_leaves_word_of_the_folders_that_it_made() {
    let mut world = Bench::new().await;
    fill(&world);
    world.settle().await;
    let original = describe(world.source());
    let dest = TempDir::new().unwrap();
    world.emulator.inject(Fault::always("download/get_token.cgi", Action::KeyRefused));
    let ended = try_into(&world, dest.path(), OPTIONS).await.unwrap_err();
    assert!(matches!(ended, RestoreError::Service(_)), "{ended:?}");
    assert_eq!(mode_of(&dest.path().join("deep/er")), 0o700);
    world.emulator.clear_faults();
    world.emulator.forget_calls();
    // The next process does not know that the key was refused.
    world.shared.client.try_key_again();
    let again = try_into(&world, dest.path(), Options { made_top: false, ..OPTIONS }).await;
    assert_eq!(again.unwrap().problems, []);
    assert_same(&original, &describe(dest.path()));
    assert!(!dest.path().join(".fichierd-restore").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn z62_what_stands_in_the_way_of_a_folder_keeps_all_that_it_has() {
    let mut world = Bench::new().await;
    world.write("folder 1/inside", "text");
    world.write("folder 2/inside", "text");
    world.write("file", "text");
    fs::set_permissions(world.path("folder 1"), fs::Permissions::from_mode(0o751)).unwrap();
    world.settle().await;
    for overwrite in [Overwrite::Never, Overwrite::Changed] {
        let dest = TempDir::new().unwrap();
        let at = |name: &str| dest.path().join(name);
        fs::write(at("folder 1"), "mine").unwrap();
        fs::set_permissions(at("folder 1"), fs::Permissions::from_mode(0o640)).unwrap();
        symlink("elsewhere", at("folder 2")).unwrap();
        fs::create_dir(at("file")).unwrap();
        fs::set_permissions(at("file"), fs::Permissions::from_mode(0o711)).unwrap();
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::lchown(at("folder 2"), Some(4711), Some(4712)).unwrap();
        }
        fs::set_permissions(dest.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let before = describe(dest.path());
        let options = Options { overwrite, made_top: false, ..OPTIONS };
        let report = try_into(&world, dest.path(), options).await.unwrap();
        let named = named(&report);
        assert!(["folder 1", "folder 2"].iter().all(|it| named.contains(&(*it).to_owned())));
        // The time of the destination itself is that of the last change in it.
        let after = describe(dest.path());
        assert_same(&without(&before, &[""]), &without(&after, &[""]));
        assert_eq!(mode_of(dest.path()), 0o755);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn z63_a_destination_that_was_there_keeps_its_metadata_and_one_that_was_made_gets_it() {
    let mut world = Bench::new().await;
    world.write("a", "text");
    fs::set_permissions(world.source(), fs::Permissions::from_mode(0o750)).unwrap();
    world.settle().await;
    let with = |overwrite, made_top, in_place| Options { overwrite, made_top, in_place, ..OPTIONS };
    for (options, mode) in [
        (with(Overwrite::Never, false, false), 0o711),
        (with(Overwrite::Always, false, false), 0o711),
        (with(Overwrite::Never, true, false), 0o750),
        (with(Overwrite::Never, false, true), 0o750),
    ] {
        let dest = TempDir::new().unwrap();
        fs::set_permissions(dest.path(), fs::Permissions::from_mode(0o711)).unwrap();
        try_into(&world, dest.path(), options.clone()).await.unwrap();
        assert_eq!(mode_of(dest.path()), mode, "{options:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn z64_a_download_server_that_never_has_one_file_costs_that_file_and_nothing_else() {
    let page = |status| Action::Status(status, "<html>Not here".to_owned());
    for action in [page(404), page(410), page(403), page(500), page(200), Action::Reset] {
        let mut world = Bench::new().await;
        fill(&world);
        world.settle().await;
        let original = describe(world.source());
        world
            .emulator
            .inject(Fault::always("download", action.clone()).only(&crypt::stored_file("file")));
        let dest = TempDir::new().unwrap();
        let before = world.emulator.calls();
        let report = try_into(&world, dest.path(), OPTIONS).await.unwrap();
        assert_eq!(named(&report), ["deep/er/still/file"], "{action:?}");
        let lost = ["deep/er/still", "deep/er/still/file"];
        assert_same(&without(&original, &lost), &without(&describe(dest.path()), &lost));
        let still = dest.path().join("deep/er/still");
        assert_eq!(mode_of(&still), mode_of(&world.path("deep/er/still")), "{action:?}");
        let calls = world.emulator.calls_since(before);
        assert!(calls.len() <= 5 + 12, "{action:?}: {calls:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn z65_a_refusal_in_unknown_words_ends_a_restore_after_about_ten_equal_answers() {
    let mut world = Bench::new().await;
    world.write_many((0..8).map(|number| number.to_string()));
    world.settle().await;
    world.emulator.set_download_refusal(Some("Der Abruf ist untersagt #77777"));
    let dest = TempDir::new().unwrap();
    let before = world.emulator.calls();
    let ended = try_into(&world, dest.path(), OPTIONS).await.unwrap_err();
    let RestoreError::Service(error) = ended else { panic!("{ended:?}") };
    assert!(error.kind.to_string().contains("Der Abruf ist untersagt"), "{error:?}");
    let calls = world.emulator.calls_since(before);
    assert!((8..=16).contains(&calls.len()), "{calls:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn z75_a_restore_in_place_follows_no_planted_link() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root may give folders to others");
        return;
    }
    let mut world = Bench::new().await;
    world.write("a", "text");
    world.settle().await;
    let dir = TempDir::new().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let at = |name: &str| dir.path().join(name);
    let eve = Some(61_001);
    for folder in ["secret/photos", "eve", "open"] {
        fs::create_dir_all(at(folder)).unwrap();
    }
    std::os::unix::fs::chown(at("eve"), eve, eve).unwrap();
    fs::set_permissions(at("open"), fs::Permissions::from_mode(0o1777)).unwrap();
    for link in ["eve/photos", "eve/above", "open/above"] {
        let to = if link.ends_with("photos") { "secret/photos" } else { "secret" };
        symlink(at(to), at(link)).unwrap();
        std::os::unix::fs::lchown(at(link), eve, eve).unwrap();
    }
    let options = Options { in_place: true, made_top: false, ..OPTIONS };
    for planted in ["eve/photos", "eve/above/photos", "open/above/photos", "open/above/new"] {
        let refused = fichierd::restore::make_top(&at(planted), true).unwrap_err();
        let refused_too = try_into(&world, &at(planted), options.clone()).await.unwrap_err();
        assert!(matches!(refused_too, RestoreError::Disk { .. }), "{refused_too:?}");
        assert!(refused.to_string().contains("link"), "{planted}: {refused}");
    }
    assert_eq!(fs::read_dir(at("secret/photos")).unwrap().count(), 0, "a link was followed");
    assert!(!at("secret/new").exists());
    // A link of root, and a folder that is missing, are what they are for.
    symlink(at("secret"), at("of root")).unwrap();
    assert!(!fichierd::restore::make_top(&at("of root/photos"), true).unwrap());
    assert!(fichierd::restore::make_top(&at("secret/new/deep"), true).unwrap());
    let named = fichierd::restore::make_top(&at("of root"), true).unwrap_err().to_string();
    assert!(named.contains("of root is a link") && named.contains("write the path"), "{named}");
    try_into(&world, &at("of root/photos"), options).await.unwrap();
    assert_eq!(fs::read_to_string(at("secret/photos/a")).unwrap(), "text");
}

#[tokio::test(flavor = "multi_thread")]
async fn unfinished_files_of_a_restore_into_the_source_are_not_mirrored() {
    let mut world = Bench::new().await;
    world.write("a/one", "one");
    world.settle().await;
    let before = world.remote();
    for folder in [".fichierd-restore", "a/.fichierd-restore"] {
        world.write(&format!("{folder}/unfinished-folders"), "a note");
        world.write(&format!("{folder}/{}", "0a".repeat(32)), "the beginning of a file");
    }
    let calls = world.calls_of_cycle().await;
    assert_eq!((calls, world.problems()), (Vec::new(), Vec::new()));
    assert_eq!(world.remote(), before);
    world.remove_tree(".fichierd-restore");
    world.remove_tree("a/.fichierd-restore");
    let end = world.cycle().await;
    assert_eq!((end.outcome.held, end.report.retired), (None, 0));
}
