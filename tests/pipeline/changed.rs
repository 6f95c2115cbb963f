//! A mirror's name or target is changed, two targets are exchanged, a mirror is split, two are
//! merged: the records and the history go on, nothing is sent a second time, and nothing is moved
//! before a person has said so.

use std::path::Path;
use std::time::Duration;

use fichier_emulator::Rules;
use fichier_testkit::bench::TIME_SCALE;
use fichier_testkit::crypt;
use fichier_testkit::{Bench, TARGET};
use fichierd::config::{MaxRemovals, MirrorConfig};
use fichierd::daemon::{How, approve};
use fichierd::disk::Due;
use fichierd::mirror::{MirrorWorker, Trouble};

/// The files below a target, without our own folders, as `path: content`.
fn shown(world: &Bench, target: &str) -> Vec<String> {
    let mut found: Vec<String> = world
        .emulator
        .files()
        .iter()
        .filter_map(|file| {
            let below = file.path.strip_prefix(target)?;
            let is_ours =
                below.starts_with("/.fichierd") || !below.is_empty() && !below.starts_with('/');
            let content = String::from_utf8(world.content(&file.link)).unwrap();
            let folder = crypt::plain_folder(below);
            let path = format!("{folder}/{}", crypt::plain_file(&file.name));
            (!is_ours).then(|| format!("{}: {content}", path.trim_start_matches('/')))
        })
        .collect();
    found.sort();
    found
}

async fn mirrored() -> Bench {
    let mut world = Bench::new().await;
    world.write_many(["a/one".to_owned(), "a/two".to_owned(), "b/three".to_owned()]);
    world.settle().await;
    world.write("a/one", "edited");
    world.settle().await;
    world
}

async fn why_held(world: &mut Bench) -> String {
    let end = world.cycle().await;
    let Some(Trouble::Held(why)) = end.trouble else { panic!("{:?}", end.trouble) };
    why.text(&world.config.name)
}

fn approved(world: &Bench) {
    approve(&world.shared.state, &world.config, How::default()).unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn z85_a_mirror_that_has_another_name_goes_on_with_its_records_and_its_history() {
    let world = mirrored().await;
    let (sent, id) = (world.emulator.bytes_received(), world.worker.id);
    let mut world = world.restart_with(|config| config.name = "pictures".to_owned());
    assert_eq!(world.worker.id, id);
    world.settle().await;
    world.assert_mirrored();
    assert_eq!(world.emulator.bytes_received(), sent);
    world.write("a/two", "edited too");
    world.settle().await;
    world.assert_mirrored();
    let versions = world.shared.state.read(|s| s.version_totals(id)).unwrap();
    assert_eq!(versions.0, 2);
    assert_eq!(world.shared.state.read(|s| s.mirrors()).unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn z86_a_new_target_waits_for_approval_and_then_the_folder_is_moved_with_its_history() {
    for target in ["/backup/pictures", "/photos", "/elsewhere/deep/photos", "/else/pictures"] {
        let world = mirrored().await;
        let (sent, before) = (world.emulator.bytes_received(), shown(&world, TARGET));
        let id = world.worker.id;
        let mut world = world.restart_with(|config| config.target = target.to_owned());
        world.write("b/four", "is not sent before");
        for _ in 0..2 {
            let why = why_held(&mut world).await;
            assert!(why.contains(TARGET) && why.contains(target), "{why}");
            assert!(why.contains("fichierd approve photos"), "{why}");
        }
        assert_eq!(shown(&world, TARGET), before);
        assert_eq!(shown(&world, target), Vec::<String>::new());
        approved(&world);
        let mut world = world.restart();
        world.remove("b/four");
        world.settle().await;
        assert_eq!(shown(&world, target), before, "{target}");
        assert_eq!(shown(&world, TARGET), Vec::<String>::new(), "{target}");
        assert_eq!(world.emulator.bytes_received(), sent);
        assert_eq!(world.worker.id, id);
        world.write("a/two", "edited too");
        world.settle().await;
        assert!(shown(&world, target).contains(&"a/two: edited too".to_owned()));
        assert_eq!(world.shared.state.read(|s| s.version_totals(id)).unwrap().0, 2);
        world.emulator.assert_no_violations();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn z86_the_move_of_a_target_may_be_killed_at_each_request() {
    for carried_out in [false, true] {
        for n in 0.. {
            let world = mirrored().await;
            let (sent, before) = (world.emulator.bytes_received(), shown(&world, TARGET));
            let target = "/elsewhere/pictures";
            let mut world = world.restart_with(|config| config.target = target.to_owned());
            why_held(&mut world).await;
            approved(&world);
            let reached = world.kill_at(n, carried_out).await;
            let mut world = world.die_and_start();
            world.settle().await;
            assert_eq!(shown(&world, target), before, "killed at {n}");
            assert_eq!(world.emulator.bytes_received(), sent, "killed at {n}");
            world.emulator.assert_no_violations();
            if !reached {
                assert!(n > 3, "only {n} requests");
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn z87_a_target_is_not_moved_onto_a_folder_of_somebody_else() {
    let world = mirrored().await;
    world.emulator.add_file("/else/photos", "theirs", b"theirs");
    let before = shown(&world, TARGET);
    let mut world = world.restart_with(|config| config.target = "/else/photos".to_owned());
    why_held(&mut world).await;
    approved(&world);
    let why = why_held(&mut world).await;
    assert!(why.contains("/else/photos") && why.contains("remote mv"), "{why}");
    assert_eq!(shown(&world, TARGET), before);
    assert_eq!(shown(&world, "/else/photos"), ["theirs: theirs"]);
    // When the other folder is gone from there, it goes on as approved.
    world.emulator.remove_folder("/else/photos");
    approved(&world);
    world.settle().await;
    assert_eq!(shown(&world, "/else/photos"), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn y54_a_target_is_not_moved_beside_a_folder_that_a_cut_listing_does_not_show() {
    let world = mirrored().await;
    world.emulator.add_file("/else/photos", "theirs", b"theirs");
    (0..299).for_each(|n| {
        world.emulator.add_folder(&format!("/else/other {n}"));
    });
    let before = shown(&world, TARGET);
    // The cut listing shows the folder in one of three cases.
    let rules = Rules { listing_cap: 100, ..Rules::scaled(TIME_SCALE) };
    let whole = Rules::scaled(TIME_SCALE);
    world.emulator.set_rules(rules);
    let mut world = world.restart_with(|config| config.target = "/else/photos".to_owned());
    why_held(&mut world).await;
    for _ in 0..3 {
        approved(&world);
        let end = world.cycle().await;
        assert!(
            matches!(end.trouble, Some(Trouble::Held(_) | Trouble::Failing(_))),
            "{:?}",
            end.trouble
        );
        assert_eq!(shown(&world, TARGET), before);
        assert_eq!(shown(&world, "/else/photos"), ["theirs: theirs"]);
    }
    world.emulator.remove_folder("/else/photos");
    world.emulator.set_rules(whole);
    approved(&world);
    world.settle().await;
    assert_eq!(shown(&world, "/else/photos"), before);
}

/// Another mirror beside that of the world.
fn beside(name: &str, source: &Path, target: &str) -> MirrorConfig {
    MirrorConfig {
        settle: Duration::ZERO,
        max_removals: MaxRemovals::Percent(100),
        ..MirrorConfig::new(name, source, target)
    }
}

async fn run(world: &Bench, config: &MirrorConfig) -> Option<Trouble> {
    let mut worker = MirrorWorker::open(config.clone(), &world.shared.state).unwrap();
    worker.form = crypt::form();
    loop {
        let everything = Due { everything: true, paths: Vec::new() };
        let end = worker.run(&world.shared, &everything).await;
        if end.trouble.is_some() || !end.more && !end.report.changed_something() {
            return end.trouble;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn z87_two_targets_that_are_exchanged_are_moved_one_after_the_other() {
    let world = mirrored().await;
    let docs = tempfile::tempdir().unwrap();
    fichier_testkit::write(&docs.path().join("letter"), "a letter");
    let other = beside("docs", docs.path(), "/backup/docs");
    assert!(run(&world, &other).await.is_none());
    let (photos, letters) = (shown(&world, TARGET), shown(&world, "/backup/docs"));
    let sent = world.emulator.bytes_received();
    let one = MirrorConfig { target: "/backup/docs".to_owned(), ..world.config.clone() };
    let other = MirrorConfig { target: TARGET.to_owned(), ..other };
    for config in [&one, &other] {
        assert!(matches!(run(&world, config).await, Some(Trouble::Held(_))));
    }
    assert_eq!(
        (shown(&world, TARGET), shown(&world, "/backup/docs")),
        (photos.clone(), letters.clone())
    );
    for config in [&one, &other] {
        approve(&world.shared.state, config, How::default()).unwrap().unwrap();
        assert!(run(&world, config).await.is_none());
    }
    assert_eq!((shown(&world, "/backup/docs"), shown(&world, TARGET)), (photos, letters));
    assert_eq!(world.emulator.bytes_received(), sent);
    world.emulator.assert_no_violations();
}

#[tokio::test(flavor = "multi_thread")]
async fn z88_a_mirror_that_is_split_waits_for_approval_and_takes_over_what_is_there() {
    let world = mirrored().await;
    let (sent, before) = (world.emulator.bytes_received(), shown(&world, TARGET));
    let parts =
        ["a", "b"].map(|name| beside(name, &world.source().join(name), &world.folder_path(name)));
    for part in &parts {
        let Some(Trouble::Held(why)) = run(&world, part).await else { panic!("is not held") };
        let why = why.text(&part.name);
        assert!(
            why.contains("`photos`") && why.contains(&format!("approve {}", part.name)),
            "{why}"
        );
    }
    approve(&world.shared.state, &parts[0], How::default()).unwrap().unwrap();
    for part in &parts {
        assert!(run(&world, part).await.is_none());
    }
    assert_eq!(world.emulator.bytes_received(), sent);
    assert_eq!(
        shown(&world, TARGET).iter().filter(|file| !file.contains("/.fichierd/")).count(),
        before.len()
    );
    // They are mirrors as any other.
    world.write("a/two", "edited by the part");
    assert!(run(&world, &parts[0]).await.is_none());
    assert!(shown(&world, &world.folder_path("a")).contains(&"two: edited by the part".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn z88_mirrors_that_are_merged_wait_for_approval_and_their_files_are_taken_over() {
    let world = Bench::new().await;
    world.write_many(["a/one".to_owned(), "a/two".to_owned(), "b/three".to_owned()]);
    for name in ["a", "b"] {
        let part = beside(name, &world.source().join(name), &world.folder_path(name));
        assert!(run(&world, &part).await.is_none());
    }
    let files = world.emulator.files().len();
    let sent = world.emulator.bytes_received();
    let whole = world.config.clone();
    assert!(matches!(run(&world, &whole).await, Some(Trouble::Held(_))));
    approve(&world.shared.state, &whole, How::default()).unwrap().unwrap();
    assert!(run(&world, &whole).await.is_none());
    assert_eq!(world.emulator.bytes_received(), sent);
    assert_eq!(world.emulator.files().len(), files);
    let found = shown(&world, TARGET);
    assert_eq!(
        found,
        ["a/one: content of a/one", "a/two: content of a/two", "b/three: content of b/three"]
    );
}
