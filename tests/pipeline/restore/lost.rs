//! The machine is lost, or a part of the records or files: how much of it comes back.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use fichier_emulator::{Action, Damage, Fault, StoredFile};
use fichier_testkit::bench::{Lost, OPTIONS};
use fichier_testkit::exact::{assert_same, describe};
use fichier_testkit::{Bench, TARGET, crypt};
use fichierd::restore::recovery::recover;
use fichierd::restore::{Order, RecoverError, Recovered, Report, Source};
use tempfile::TempDir;

use super::whole::{change, fill};

/// Recovers from the key and the target alone.
async fn recovered(lost: &Lost) -> Result<Recovered, RecoverError> {
    let order = Order {
        target: TARGET.to_owned(),
        state_dir: lost.state.path().to_owned(),
        replace: false,
        walk: false,
        name: Some("photos".to_owned()),
        source: Some(lost.config.source.clone()),
        form: crypt::form(),
        finds_scheme: false,
    };
    recover(&lost.client(), &order, &mut |_| {}).await
}

/// The copies of the records at the service, the newest first.
fn snapshots(lost: &Lost) -> Vec<StoredFile> {
    let folder = format!("{TARGET}/.fichierd/state");
    let files = lost.emulator.files().into_iter();
    let mut found: Vec<_> = files
        .filter(|file| file.path == folder && crypt::plain_file(&file.name).ends_with(".zst"))
        .collect();
    found.sort_by_key(|file| std::cmp::Reverse(crypt::plain_file(&file.name)));
    found
}

/// Restores the tree as it was at a time, in Unix seconds.
async fn restore_at(world: &Bench, at_s: i64, dest: &Path) -> Report {
    let moment = world.shared.state.read(|s| s.moment_at(at_s)).unwrap().unwrap();
    world.try_restore(world.plan(moment, &[]), dest, OPTIONS).await.unwrap()
}

/// A time, in Unix seconds, and the tree as it was then.
type Day = (i64, Vec<String>);

/// A mirror with every kind of entry that changes from day to day, and the tree of each day. At the
/// end of each day a copy of the records goes to the service.
async fn four_days() -> (Bench, Vec<Day>) {
    let mut world = Bench::new().await;
    fill(&world);
    let mut days = Vec::new();
    for day in 0..4 {
        if day > 0 {
            world.later(24);
            change(&world, day);
        }
        world.settle().await;
        days.push((world.shared.state.now_s(), describe(world.source())));
        world.all_chores().await;
    }
    (world, days)
}

/// The lines of a tree without those of some paths.
fn without(lines: &[String], paths: &[&str]) -> Vec<String> {
    let is_of = |line: &String| paths.iter().any(|path| line.starts_with(&format!("{path:?} ")));
    lines.iter().filter(|line| !is_of(line)).cloned().collect()
}

/// Names and contents of the files that have any: a walk can find these.
fn names_and_contents(lines: &[String]) -> Vec<String> {
    let is_file = |line: &&String| line.contains(" bytes ") && !line.contains(" 0 bytes ");
    let plain = |line: &String| {
        let name = line.split("\" mode").next().unwrap_or_default();
        let content = line.split(" bytes ").nth(1).unwrap_or_default();
        format!("{name} {}", &content[..64])
    };
    lines.iter().filter(is_file).map(plain).collect()
}

fn told(report: &Report) -> Vec<String> {
    let mut told: Vec<String> = report.problems.iter().map(|it| it.path.to_string()).collect();
    told.sort();
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_burnt_down_comes_back_as_it_was_on_any_day() {
    let (world, days) = four_days().await;
    let lost = world.lose_machine().with_new_disks();
    let before = lost.emulator.calls();
    let recovered = recovered(&lost).await.unwrap();
    assert!(matches!(recovered.from, Source::Snapshot { .. }), "{:?}", recovered.from);
    assert_eq!(recovered.unusable, []);
    let sample = recovered.sample.unwrap();
    assert_eq!((sample.files, sample.newer), (sample.as_recorded, 0), "{sample:?}");
    let calls = lost.emulator.calls_since(before);
    assert!(calls.len() < 10, "{calls:?}");

    let mut world = lost.start();
    for (at_s, original) in &days {
        let dest = TempDir::new().unwrap();
        let report = restore_at(&world, *at_s, dest.path()).await;
        assert_eq!(report.problems, [], "{at_s}");
        assert!(report.unset.is_empty(), "{:?}", report.unset);
        assert_same(original, &describe(dest.path()));
    }
    // It is restored in its place, and the mirror goes on: files that are there are not sent again.
    restore_at(&world, days[3].0, world.source()).await;
    let sent = world.sent_bytes();
    world.settle().await;
    assert_eq!(world.sent_bytes(), sent);
    world.assert_mirrored();
    world.emulator.assert_no_violations();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_is_lost_alone_is_rebuilt_and_nothing_is_sent_or_removed() {
    let (world, days) = four_days().await;
    let lost = world.lose_machine().with_new_state();
    recovered(&lost).await.unwrap();
    let (files, sent) = (lost.emulator.files(), lost.emulator.bytes_received());
    let mut world = lost.start();
    world.settle().await;
    assert_eq!(world.emulator.files(), files);
    assert_eq!(world.emulator.bytes_received(), sent);
    assert_same(&days[3].1, &describe(world.source()));
    world.emulator.assert_no_violations();
}

/// The damage to a file at the service.
#[derive(Clone, Copy, Debug)]
enum Harm {
    Missing,
    /// The service knows of the damage and shows it, or does not.
    Truncated(Damage),
    WrongBytes(Damage),
}

const HARMS: [Harm; 5] = [
    Harm::Missing,
    Harm::Truncated(Damage::Noticed),
    Harm::Truncated(Damage::Silent),
    Harm::WrongBytes(Damage::Noticed),
    Harm::WrongBytes(Damage::Silent),
];

impl Harm {
    fn do_to(self, lost: &Lost, file: &StoredFile) {
        match self {
            Harm::Missing => lost.emulator.remove_file(&file.link),
            Harm::Truncated(damage) => {
                lost.emulator.truncate_content(&file.link, file.size / 2, damage);
            }
            Harm::WrongBytes(damage) => lost.emulator.damage_content(&file.link, damage),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_newest_snapshot_the_one_before_it_is_used() {
    for harm in HARMS {
        let (world, days) = four_days().await;
        let lost = world.lose_machine().with_new_disks();
        let all = snapshots(&lost);
        assert!(all.len() >= 3, "{all:?}");
        harm.do_to(&lost, &all[0]);
        let recovered = recovered(&lost).await.unwrap();
        let Source::Snapshot { name, .. } = &recovered.from else { panic!("{harm:?}") };
        assert_eq!(*name, crypt::plain_file(&all[1].name), "{harm:?}");
        let unusable: Vec<_> = recovered.unusable.iter().map(|(name, _)| name.clone()).collect();
        let said = if matches!(harm, Harm::Missing) {
            vec![]
        } else {
            vec![crypt::plain_file(&all[0].name)]
        };
        assert_eq!(unusable, said, "{harm:?}");
        let world = lost.start();
        let dest = TempDir::new().unwrap();
        restore_at(&world, days[2].0, dest.path()).await;
        assert_same(&days[2].1, &describe(dest.path()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn z67_a_snapshot_that_does_not_come_or_is_no_snapshot_gives_way_to_an_older_one() {
    let page = |status| Action::Status(status, "<html>Not now".to_owned());
    let bomb = zstd::encode_all(std::io::repeat(0).take(1 << 30), 3).unwrap();
    assert!(bomb.len() < 200_000, "{}", bomb.len());
    for (harm, said) in [
        (Some(page(404)), "does not know the file"),
        (Some(page(500)), "it does not come"),
        (Some(page(200)), "it does not come"),
        (Some(page(403)), "it does not come"),
        (Some(Action::Reset), "it does not come"),
        (None, "more than the records of a mirror can be"),
    ] {
        let (world, days) = four_days().await;
        let lost = world.lose_machine().with_new_disks();
        let all = snapshots(&lost);
        match &harm {
            Some(action) => {
                let fault = Fault::always("download", action.clone());
                lost.emulator.inject(fault.only(&all[0].name));
            }
            None => {
                let stored = crypt::stored_content(&bomb);
                lost.emulator.replace_content(&all[0].link, &stored);
            }
        }
        let recovered = recovered(&lost).await.unwrap();
        let Source::Snapshot { name, .. } = &recovered.from else { panic!("{harm:?}") };
        assert_eq!(*name, crypt::plain_file(&all[1].name), "{harm:?}");
        let [(unusable, why)] = &recovered.unusable[..] else { panic!("{recovered:?}") };
        let is_newest = *unusable == crypt::plain_file(&all[0].name);
        assert!(is_newest && why.contains(said), "{harm:?}: {why}");
        lost.emulator.clear_faults();
        let world = lost.start();
        let dest = TempDir::new().unwrap();
        restore_at(&world, days[2].0, dest.path()).await;
        assert_same(&days[2].1, &describe(dest.path()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn z68_if_no_snapshot_comes_at_present_the_recovery_waits_for_one_and_does_not_walk() {
    let (world, _) = four_days().await;
    let lost = world.lose_machine().with_new_disks();
    lost.emulator.inject(Fault::always("download", Action::Status(502, "nginx".to_owned())));
    let refused = recovered(&lost).await.unwrap_err();
    assert!(matches!(refused, RecoverError::Api(_)), "{refused:?}");
    lost.emulator.clear_faults();
    let recovered = recovered(&lost).await.unwrap();
    assert!(matches!(recovered.from, Source::Snapshot { .. }) && recovered.unusable.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_snapshot_the_folders_are_walked_and_every_byte_comes_back() {
    for harm in HARMS {
        let (world, days) = four_days().await;
        let current = world.remote();
        let lost = world.lose_machine().with_new_disks();
        let all = snapshots(&lost);
        all.iter().for_each(|file| harm.do_to(&lost, file));
        let recovered = recovered(&lost).await.unwrap();
        let Source::Walk(walked) = &recovered.from else { panic!("{harm:?}") };
        assert_eq!(walked.files, current.len() as u64, "{harm:?}");
        assert!(walked.versions > 0, "{harm:?}");
        let said = if matches!(harm, Harm::Missing) { 0 } else { all.len() };
        assert_eq!(recovered.unusable.len(), said, "{harm:?}: {:?}", recovered.unusable);
        let world = lost.start();
        let dest = TempDir::new().unwrap();
        let report = world.restore(world.moment(), dest.path()).await;
        assert_eq!(report.problems, [], "{harm:?}");
        let found = names_and_contents(&describe(dest.path()));
        assert_eq!(found, names_and_contents(&days[3].1), "{harm:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_state_file_is_moved_aside_and_another_one_is_made() {
    for harm in ["missing", "truncated", "wrong bytes", "no database"] {
        let (world, days) = four_days().await;
        let lost = world.lose_machine();
        let file = lost.state.path().join("state.db");
        let mut content = fs::read(&file).unwrap();
        let middle = content.len() / 2;
        match harm {
            "missing" => fs::remove_file(&file).unwrap(),
            "truncated" => fs::write(&file, &content[..middle]).unwrap(),
            "wrong bytes" => {
                content[middle..middle + 8192].fill(0xa5);
                fs::write(&file, content).unwrap();
            }
            _ => fs::write(&file, "something else").unwrap(),
        }
        let length = |path: &Path| fs::metadata(path).ok().map(|found| found.len());
        let damaged = length(&file);
        let recovered = recovered(&lost).await.unwrap();
        assert!(matches!(recovered.from, Source::Snapshot { .. }), "{harm}");
        assert_eq!(recovered.aside.and_then(|path| length(&path)), damaged, "{harm}");
        let (files, sent) = (lost.emulator.files(), lost.emulator.bytes_received());
        let mut world = lost.start();
        world.settle().await;
        assert_eq!((world.emulator.files(), world.emulator.bytes_received()), (files, sent));
        let dest = TempDir::new().unwrap();
        restore_at(&world, days[1].0, dest.path()).await;
        assert_same(&days[1].1, &describe(dest.path()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_file_or_version_is_told_by_name_and_the_rest_comes_back() {
    for harm in HARMS {
        let (world, days) = four_days().await;
        let lost = world.lose_machine().with_new_disks();
        let files = lost.emulator.files();
        let is_version = |file: &&StoredFile| {
            file.path.contains("/.fichierd/versions")
                && lost.emulator.content(&file.link).map(crypt::plain_content).as_deref()
                    == Some(b"far below")
        };
        let named =
            |name: &str| files.iter().find(|file| crypt::plain_file(&file.name) == name).unwrap();
        harm.do_to(&lost, files.iter().find(is_version).unwrap());
        harm.do_to(&lost, named("sparse"));
        // `deep/twin 2` has the same content, and a copy of its own.
        harm.do_to(&lost, named("renamed twin"));
        recovered(&lost).await.unwrap();
        let world = lost.start();

        for (day, lost, gone) in [
            (3, &["sparse"][..], &["", "sparse"][..]),
            (
                0,
                &["deep/er/still/file", "sparse"],
                &["", "deep/er/still", "deep/er/still/file", "sparse"],
            ),
        ] {
            let dest = TempDir::new().unwrap();
            let report = restore_at(&world, days[day].0, dest.path()).await;
            assert_eq!(told(&report), lost, "{harm:?}");
            assert_same(&without(&days[day].1, gone), &without(&describe(dest.path()), gone));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_folder_that_is_gone_costs_what_was_in_it_and_nothing_else() {
    let (world, days) = four_days().await;
    let lost = world.lose_machine().with_new_disks();
    lost.emulator.remove_folder(&format!("{TARGET}/{}", crypt::stored_folder("plain")));
    recovered(&lost).await.unwrap();
    let world = lost.start();
    let dest = TempDir::new().unwrap();
    let report = restore_at(&world, days[3].0, dest.path()).await;
    assert_eq!(told(&report), ["plain/inside"]);
    let gone = ["plain", "plain/inside"];
    assert_same(&without(&days[3].1, &gone), &without(&describe(dest.path()), &gone));
}
