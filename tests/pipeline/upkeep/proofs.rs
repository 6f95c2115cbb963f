//! Files are read back and compared, the canary tells whether this address may download at all, and
//! the quota of the account is watched.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fichier_api::{DownloadOptions, ErrorKind};
use fichier_emulator::{Action, Damage, Fault, HashLag, Offer};
use fichier_state::{Proof, ProofKind, Store};
use fichier_testkit::{Bench, TARGET, crypt};
use fichierd::restore::proof::{Confirmed, keep};
use fichierd::restore::verify::{Progress, Sample, Wanted};
use fichierd::restore::{
    Broken, Drill, Proved, ProvedBy, Selection, Share, Verify, VerifyOutcome, Wrong,
};
use fichierd::upkeep::quota;

const DAY: Duration = Duration::from_secs(24 * 3600);

async fn mirrored(files: usize) -> Bench {
    let mut world = Bench::new().await;
    world.write_many((0..files).map(|n| format!("{}/{n}", n % 3)));
    world.settle().await;
    world
}

fn sample(world: &Bench, share: Share, patterns: &[&str]) -> Sample {
    let patterns: Vec<String> = patterns.iter().map(|text| (*text).to_owned()).collect();
    let selection = Selection::parse(&patterns, BTreeSet::new()).unwrap();
    let chosen = world.shared.state.read(|store: &Store| {
        let mirror = store.mirror("photos", TARGET)?.unwrap();
        Sample::choose(store, &mirror, &selection, share)
    });
    chosen.unwrap()
}

async fn verify(world: &Bench, share: Share) -> VerifyOutcome {
    let progress = Arc::new(Progress::default());
    let verify = Verify {
        client: world.shared.client.clone(),
        keyring: crypt::keyring(),
        parallel: 4,
        progress: Arc::clone(&progress),
    };
    let sample = sample(world, share, &[]);
    let contents = sample.contents.len() as u64;
    let outcome = verify.run(sample).await;
    assert!(progress.contents.load(Ordering::Relaxed) <= contents);
    outcome
}

async fn drill(world: &Bench) -> Proof {
    let prepared = world.shared.state.read(|store| {
        let mirror = store.mirror("photos", TARGET)?.unwrap();
        Drill::prepare(store, &mirror, &crypt::keyring(), 1 << 20)
    });
    let folder = tempfile::TempDir::new().unwrap();
    let (client, now_s) = (world.shared.client.clone(), world.shared.state.now_s());
    prepared.unwrap().unwrap().run(client, folder.path(), now_s).await.unwrap()
}

fn proofs(world: &Bench, kind: ProofKind) -> Vec<Proof> {
    world.shared.state.read(|s| s.proofs(world.worker.id, kind)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn verifying_everything_costs_one_call_for_each_content_and_keeps_nothing() {
    let mut world = mirrored(40).await;
    for copy in ["a", "b", "c"] {
        world.write(&format!("same/{copy}"), "the same content thrice");
    }
    world.settle().await;
    // Enciphered, the three are stored with different bytes.
    let contents = if crypt::is_on() { 43 } else { 41 };
    let mark = world.emulator.calls();
    let outcome = verify(&world, Share::Full).await;
    assert_eq!((outcome.files, outcome.downloads), (43, contents as u64));
    assert!(outcome.findings.is_empty() && outcome.stopped.is_none());
    let calls = world.emulator.calls_since(mark);
    assert_eq!(calls, vec!["download/get_token.cgi"; contents]);
    world.emulator.assert_no_violations();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_is_a_share_of_what_is_wanted() {
    let world = mirrored(60).await;
    assert_eq!(sample(&world, Share::Percent(5.0), &[]).files, 3);
    assert_eq!(sample(&world, Share::Percent(0.1), &[]).files, 1);
    let below = sample(&world, Share::Percent(50.0), &["/1/"]);
    assert_eq!(below.files, 10);
    assert!(below.contents.iter().all(|wanted| wanted.path.to_string().starts_with("1/")));
    assert_eq!(sample(&world, Share::Full, &["nothing"]), Sample::default());
    let different: std::collections::BTreeSet<String> = (0..40)
        .map(|_| sample(&world, Share::Percent(1.0), &[]).contents[0].path.to_string())
        .collect();
    assert!(different.len() > 10, "always the same files");
}

#[tokio::test(flavor = "multi_thread")]
async fn z66_what_is_damaged_or_missing_is_found_told_and_sent_again() {
    let mut world = mirrored(12).await;
    world.emulator.damage_content(&world.link("4"), Damage::Silent);
    world.emulator.truncate_content(&world.link("5"), 3, Damage::Silent);
    world.emulator.remove_file(&world.link("6"));
    let gone_here = world.link("7");
    world.emulator.damage_content(&gone_here, Damage::Silent);
    let outcome = verify(&world, Share::Full).await;
    let paths = |wrong| outcome.paths(wrong).map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(paths(Wrong::Damaged), ["1/4", "1/7", "2/5"]);
    assert_eq!(paths(Wrong::Missing), ["0/6"]);
    assert_eq!(outcome.files, 12);

    // A damaged copy of a file that is gone here is better than none.
    fs::remove_file(world.path("1/7")).unwrap();
    let broken = |finding: &fichierd::restore::verify::Finding| Broken {
        path: finding.wanted.path.clone(),
        whirlpool: finding.wanted.whirlpool,
        is_gone: finding.wrong == Wrong::Missing,
    };
    let proved = Proved {
        mirror: "photos".to_owned(),
        by: ProvedBy::Verify,
        good: false,
        files: 12,
        bytes: 100,
        detail: "4 of 12".to_owned(),
        broken: outcome.findings.iter().map(broken).collect(),
        confirmed: Vec::new(),
    };
    let dirty = world.worker.dirty.clone();
    let again = keep(&world.shared.state, &world.config, Some(&dirty), &proved).unwrap();
    assert_eq!(again, 3);
    assert_eq!(dirty.len(), 3);
    // Until they are sent again a restore and a drill lack them, and say so.
    let dest = tempfile::TempDir::new().unwrap();
    let report = world.restore(world.moment(), dest.path()).await;
    let mut lacking: Vec<_> = report.problems.iter().map(|it| it.path.to_string()).collect();
    lacking.sort();
    assert_eq!(lacking, ["0/6", "1/4", "1/7", "2/5"], "{:?}", report.problems);
    let drilled = drill(&world).await;
    assert!(!drilled.good && drilled.detail.contains("`0/6`"), "{drilled:?}");
    world.settle().await;
    world.assert_mirrored();
    let dest = tempfile::TempDir::new().unwrap();
    assert_eq!(world.restore(world.moment(), dest.path()).await.problems, []);
    assert!(drill(&world).await.good);
    assert!(verify(&world, Share::Full).await.findings.is_empty());
    assert!(!proofs(&world, ProofKind::Verify)[0].good);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_comes_damaged_once_is_tried_again() {
    let world = mirrored(3).await;
    world.emulator.inject(Fault::once("download", Action::WrongBytes));
    let outcome = verify(&world, Share::Full).await;
    assert_eq!((outcome.files, outcome.findings.len()), (3, 0));
    world
        .emulator
        .inject(Fault::always("download", Action::WrongBytes).only(&crypt::stored_file("1")));
    let outcome = verify(&world, Share::Full).await;
    assert_eq!(outcome.findings[0].wrong, Wrong::Damaged);
    assert_eq!(outcome.findings[0].wanted.path.to_string(), "1/1");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_gone_cost_no_ban_and_a_refusal_ends_the_run() {
    let world = mirrored(60).await;
    for file in world.emulator.files() {
        world.emulator.remove_file(&file.link);
    }
    let outcome = verify(&world, Share::Full).await;
    assert!((10..=14).contains(&outcome.findings.len()), "{}", outcome.findings.len());
    world.emulator.assert_no_violations();

    let world = mirrored(20).await;
    world.emulator.set_downloads_need_cdn(true);
    let mark = world.emulator.calls();
    let outcome = verify(&world, Share::Full).await;
    let stopped = outcome.stopped.expect("nothing can come");
    assert!(matches!(stopped.kind, ErrorKind::AddressRefused), "{stopped:?}");
    assert!(world.emulator.calls_since(mark).len() <= 4);
}

/// The folder as the first snapshot leaves it behind.
fn put_canary(world: &Bench) -> String {
    let link = world.emulator.add_file(&format!("{TARGET}/.fichierd/state"), "canary", b"peep");
    let hash = world.emulator.files().into_iter().find(|f| f.link == link).unwrap().whirlpool;
    let text = format!(r#"{{"link": "{link}", "size": 4, "whirlpool": "{hash}"}}"#);
    let note = format!("canary of mirror {}", world.worker.id.0);
    world.shared.state.write(|w| w.set_note(&note, Some(&text))).unwrap();
    link
}

#[tokio::test(flavor = "multi_thread")]
async fn the_canary_is_downloaded_once_a_week_and_without_one_nothing_is() {
    let mut world = mirrored(3).await;
    // It would come with the first snapshot.
    world.emulator.inject(Fault::always("upload.cgi", Action::NodeStorage));
    world.all_chores().await;
    world.pass(DAY);
    world.all_chores().await;
    assert_eq!(proofs(&world, ProofKind::Canary), []);
    world.emulator.clear_faults();
    put_canary(&world);
    let mut downloads = Vec::new();
    for _ in 0..15 {
        let before = world.emulator.downloads().len();
        world.all_chores().await;
        downloads.push(world.emulator.downloads().len() - before);
        world.pass(DAY);
    }
    assert_eq!(downloads, [1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1]);
    assert!(proofs(&world, ProofKind::Canary)[0].good);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_may_not_download_is_told_early() {
    let mut world = mirrored(3).await;
    put_canary(&world);
    world.emulator.set_other_location(true);
    let mark = world.emulator.calls();
    world.all_chores().await;
    assert!(world.emulator.calls_since(mark).contains(&"download/get_token.cgi".to_owned()));
    assert_eq!(proofs(&world, ProofKind::Canary), [], "another download says nothing of a restore");
    assert_eq!(world.all_chores().await, Vec::<String>::new());

    world.emulator.set_other_location(false);
    world.emulator.set_downloads_need_cdn(true);
    world.pass(Duration::from_secs(3600));
    world.all_chores().await;
    let proof = &proofs(&world, ProofKind::Canary)[0];
    assert!(!proof.good);
    let status = world
        .shared
        .state
        .read(|s| {
            fichierd::daemon::health::offline(s, std::slice::from_ref(&world.config), &[], 1, None)
        })
        .unwrap();
    let text = fichierd::status::render(&status, jiff::Timestamp::now());
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("a restore from this address needs CDN credits or a GOLD"), "{text}");

    // Z112: with `use_cdn` in the configuration it is paid for.
    let free = world.shared.client.clone();
    let paying = DownloadOptions { use_cdn: true, ..DownloadOptions::default() };
    world.shared.client = free.with_download_options(paying);
    world.pass(DAY);
    world.all_chores().await;
    assert!(proofs(&world, ProofKind::Canary)[0].good);
    world.shared.client = free;
    world.pass(7 * DAY);
    world.all_chores().await;
    assert!(!proofs(&world, ProofKind::Canary)[0].good);

    world.emulator.set_downloads_need_cdn(false);
    world.pass(DAY);
    world.all_chores().await;
    assert!(proofs(&world, ProofKind::Canary)[0].good);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_is_gone_is_forgotten() {
    let mut world = mirrored(1).await;
    let link = put_canary(&world);
    world.emulator.remove_file(&link);
    world.all_chores().await;
    let note = format!("canary of mirror {}", world.worker.id.0);
    let note = world.shared.state.read(|s| s.note(&note)).unwrap();
    assert_eq!(note, None);
    assert_eq!(proofs(&world, ProofKind::Canary), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_account_is_read_once_a_day_with_changes_and_its_quota_is_told() {
    let mut world = mirrored(3).await;
    // A figure of the last minutes is taken from the pacer's memory, so the calls tell nothing.
    let read = |world: &Bench| world.shared.state.read(|s| quota::reading(s)).unwrap();
    world.all_chores().await;
    assert_eq!(read(&world), None, "not on the first day");
    world.pass(DAY);
    world.all_chores().await;
    let first = read(&world).expect("a reading");
    for _ in 0..5 {
        world.pass(DAY);
        world.all_chores().await;
        assert_eq!(read(&world).as_ref(), Some(&first), "nothing was sent");
    }
    world.write("new", "sent today");
    world.settle().await;
    world.all_chores().await;
    assert!(read(&world).unwrap().read_s > first.read_s);
    let row = world.shared.state.read(|s| s.mirror("photos", TARGET)).unwrap().unwrap();
    let warning = |world: &Bench| world.shared.state.read(|s| quota::warning(s, &row)).unwrap();
    assert_eq!(warning(&world), None);
    let full = quota::Reading { is_full: true, ..read(&world).unwrap() };
    let text = serde_json::to_string(&full).unwrap();
    world.shared.state.write(|w| w.set_note("account", Some(&text))).unwrap();
    let text = warning(&world).expect("a warning");
    assert!(text.contains("current files of this mirror take"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn y49_the_day_of_the_next_risk_is_that_of_the_oldest_upload_and_none_is_made_up() {
    let mut world = Bench::with(|rules| rules.hot_for = Some(60 * DAY), |_| {}).await;
    world.write("old", "content");
    world.settle().await;
    let account = |world: &Bench| {
        let read = |s: &Store| fichierd::daemon::health::offline(s, &[], &[], 1, None);
        world.shared.state.read(read).unwrap().account
    };
    assert_eq!(account(&world), None, "it was not read yet");
    let mut offers = Vec::new();
    for offer in [Offer::Access, Offer::Premium, Offer::Gold] {
        world.emulator.set_offer(offer);
        world.pass(2 * DAY);
        world.write("new", format!("{offer:?}"));
        world.settle().await;
        // What the account said a moment ago is remembered for ten minutes.
        tokio::time::sleep(Duration::from_secs(700) / fichier_testkit::bench::TIME_SCALE).await;
        world.all_chores().await;
        offers.push(account(&world).expect("a reading"));
    }
    let [access, premium, gold] = &offers[..] else { panic!("{offers:?}") };
    let oldest_s = world.record_of("old").unwrap().remote().unwrap().confirmed_s;
    let first_s = access.first_expiry.map(|at| at.as_second());
    assert_eq!((access.expires_after_days, first_s), (Some(30), Some(oldest_s + 30 * 24 * 3600)));
    assert!(access.hot_bytes.unwrap() > 0 && access.used_bytes == Some(0), "{access:?}");
    for kept in [premium, gold] {
        assert_eq!((kept.expires_after_days, kept.first_expiry), (None, None), "{kept:?}");
        assert!(kept.subscription_end.is_some());
    }
}

/// A file that is too large to be proved by the service is confirmed by `verify`.
#[tokio::test(flavor = "multi_thread")]
async fn y59_a_file_whose_hash_is_not_told_is_confirmed_by_a_verification() {
    let never = 1000 * DAY;
    let lag = HashLag { result: never, listing: never, info: never };
    let mut world = Bench::with(|rules| rules.hash_lag = lag, |_| {}).await;
    world.write("large", vec![7; 5 << 20]);
    let end = world.settle().await;
    assert_eq!(end.completeness.by_size, 1);
    let outcome = verify(&world, Share::Full).await;
    assert_eq!((outcome.findings.len(), outcome.proved.len()), (0, 1));
    let named = |file: &Wanted| Confirmed { path: file.path.clone(), whirlpool: file.whirlpool };
    let proved = Proved {
        mirror: "photos".to_owned(),
        by: ProvedBy::Verify,
        good: true,
        files: 1,
        bytes: 5 << 20,
        detail: "all files".to_owned(),
        broken: Vec::new(),
        confirmed: outcome.proved.iter().map(named).collect(),
    };
    keep(&world.shared.state, &world.config, None, &proved).unwrap();
    assert!(world.record_of("large").unwrap().remote().unwrap().is_confirmed());
    let end = world.cycle().await;
    assert!(end.completeness.is_complete() && end.completeness.by_size == 0, "{end:?}");
}
