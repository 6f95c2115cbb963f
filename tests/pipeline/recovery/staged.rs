//! Errors between the staging folder and the place of a file, found by the simulation (tests/sim);
//! each test is the smallest story that shows one.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fichier_emulator::{Action, Fault, NameTaken};
use fichier_state::RelPath;
use fichier_testkit::{Bench, TARGET, crypt, tree};
use fichierd::base::Access;
use fichierd::mirror::CycleEnd;

/// Runs a cycle and kills it when its `n`th transaction (from 0) is on disk. Returns whether there
/// were so many.
async fn kill_after_transaction(world: &mut Bench, n: usize) -> bool {
    cycle_meeting(world, |_| {}, n).await.0
}

/// The same; `after` is called with the number of each transaction that is on disk.
async fn cycle_meeting(
    world: &mut Bench,
    after: impl Fn(usize) + Send + Sync + 'static,
    n: usize,
) -> (bool, CycleEnd) {
    let written = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&written);
    let untapped = world.shared.state.clone();
    world.shared.state = untapped.clone().tapped(Arc::new(move |access| {
        if access == Access::AfterWrite {
            after(count.fetch_add(1, Ordering::SeqCst));
        }
        let is_dead = count.load(Ordering::SeqCst) > n;
        if is_dead { Err(fichier_state::Error::TimeUp) } else { Ok(()) }
    }));
    let end = world.cycle().await;
    world.shared.state = untapped;
    (written.load(Ordering::SeqCst) > n, end)
}

/// The names of the files in the staging folder.
fn staged(world: &Bench) -> Vec<String> {
    tree::staged(&world.emulator)
}

/// One of two equal files was taken for a link without a file, and asked for until the service
/// would have banned the address.
#[tokio::test(flavor = "multi_thread")]
async fn links_of_nothing_in_a_result_are_never_asked_for() {
    let mut world = Bench::with(|rules| rules.links_as_sent = true, |_| {}).await;
    for name in ["a", "b", "c"] {
        world.write(name, "the same content");
    }
    world.emulator.inject(Fault::once("end.pl", Action::ExtraLinks));
    let end = world.cycle().await;
    assert_eq!(end.report.uploaded_files, 3, "{:?}", world.problems());
    let refused = world.emulator.requests().into_iter().filter(|request| request.status == 404);
    assert_eq!(refused.count(), 0);
    world.settle().await;
    world.assert_mirrored();
}

/// Only the files of the first call went, and the others lay in the staging folder from then on.
#[tokio::test(flavor = "multi_thread")]
async fn damaged_copies_go_though_the_service_removes_a_part_of_them_at_a_time() {
    for refusals in 0..3 {
        let mut world = Bench::with(|rules| rules.batch_max = Some(3), |_| {}).await;
        world.write_many((0..5).map(|n| format!("file-{n}")));
        world.emulator.inject(Fault::once("upload.cgi", Action::WrongWhirlpool));
        for _ in 0..refusals {
            world.emulator.inject(Fault::once("file/rm.cgi", Action::Partial(0)));
        }
        let end = world.cycle().await;
        assert_eq!(end.report.problems, 5, "{end:?}");
        for _ in 0..refusals {
            assert_eq!(staged(&world).len(), 5);
            world.cycle().await;
        }
        world.settle().await;
        world.assert_mirrored();
    }
}

/// It was removed later all the same, because the removal had been begun.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_looked_damaged_is_not_removed_once_it_is_taken_for_the_file() {
    let mut world = Bench::new().await;
    world.write("file", "content");
    world.emulator.inject(Fault::once("end.pl", Action::WrongWhirlpool));
    // The listing shows it as it should be.
    let end = world.cycle().await;
    assert_eq!(end.report.uploaded_files, 1, "{end:?}");
    world.settle().await;
    world.assert_mirrored();
    assert_eq!(world.asked("file/rm.cgi"), 0);
    let name = crypt::stored_file("file");
    assert_eq!(world.emulator.files().iter().filter(|file| file.name == name).count(), 1);
}

/// The old copy made room for a new one that was gone already (I4).
#[tokio::test(flavor = "multi_thread")]
async fn the_old_copy_stays_when_the_new_one_is_gone_from_staging() {
    let mut world = Bench::new().await;
    world.write("file", "old");
    world.settle().await;
    world.write("file", "new");
    world.emulator.inject(Fault::always("file/mv.cgi", Action::Reset));
    world.cycle().await;
    world.emulator.clear_faults();
    assert_eq!(staged(&world), ["file"]);
    let staged = world.emulator.files().into_iter().find(|file| file.path != TARGET).unwrap();
    world.emulator.remove_file(&staged.link);
    // At first the service may not know it yet.
    let end = world.cycle().await;
    assert_eq!((end.report.uploads_pending, end.report.retired), (1, 0), "{end:?}");
    assert_eq!(world.remote()["file"], b"old");
    world.later(1);
    let end = world.cycle().await;
    assert_eq!(end.report.retired, end.report.uploaded_files, "{end:?}");
    world.settle().await;
    world.assert_mirrored();
    assert_eq!(world.versions(), [("file".to_owned(), b"old".to_vec())]);
}

/// The node had named a file that was gone, and the one that had arrived lay there for ever.
#[tokio::test(flavor = "multi_thread")]
async fn what_came_instead_of_a_file_that_is_gone_from_staging_goes_too() {
    let mut world = Bench::new().await;
    world.write("before", "content");
    world.settle().await;
    world.write("file", "new");
    world.emulator.inject(Fault::always("file/mv.cgi", Action::Reset));
    world.cycle().await;
    world.emulator.clear_faults();
    let staged = world.emulator.files().into_iter().find(|file| file.path != TARGET).unwrap();
    world.emulator.remove_file(&staged.link);
    let (name, content) = (crypt::stored_file("file"), crypt::stored_content(b"new"));
    world.emulator.add_file(&staged.path, &name, &content);
    world.later(1);
    world.settle().await;
    world.assert_mirrored();
}

/// The new knowledge was recorded first, and the file with the wrong name was forgotten when the
/// process died then: it kept that name for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_the_service_renamed_has_its_name_at_the_end_whenever_the_process_dies() {
    let mut deaths = tokio::task::JoinSet::new();
    let mut n = 0;
    loop {
        let rules = |rules: &mut fichier_emulator::Rules| rules.on_name_taken = NameTaken::Rename;
        let mut world = Bench::with(rules, |_| {}).await;
        world.write("file", "old");
        world.settle().await;
        world.write("file", "new");
        let reached = kill_after_transaction(&mut world, n).await;
        deaths.spawn(async move {
            eprintln!("died after transaction {n}");
            let mut world = world.restart();
            world.settle().await;
            world.assert_mirrored();
            assert_eq!(world.versions(), [("file".to_owned(), b"old".to_vec())]);
        });
        if !reached {
            break;
        }
        n += 1;
    }
    assert!(n > 8, "only {n} transactions");
    while let Some(death) = deaths.join_next().await {
        death.unwrap();
    }
}

/// A file that travels under another name meets no other, so no file has to make room for it: the
/// old copy went first, and for a while there was neither.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_under_a_temporary_name_lets_the_old_one_stay_until_it_is_there() {
    for name_taken in [NameTaken::Duplicate, NameTaken::Refuse] {
        for n in 0.. {
            let mut world = Bench::with(|rules| rules.on_name_taken = name_taken, |_| {}).await;
            let paths = ["a/twin", "b/twin"];
            paths.iter().for_each(|path| world.write(path, format!("old {path}")));
            world.settle().await;
            paths.iter().for_each(|path| world.write(path, format!("new {path}")));
            let reached = world.kill_at(n, true).await;
            // The second of one name is the one that travels under another.
            let shown = world.visible();
            let has_copy = |content: &str| shown.iter().any(|(_, c)| c == content.as_bytes());
            assert!(
                has_copy("old b/twin") || has_copy("new b/twin"),
                "ended at request {n}: neither copy is in {shown:?}"
            );
            if !reached {
                assert!(n > 5, "only {n} requests");
                world.settle().await;
                world.assert_mirrored();
                break;
            }
        }
    }
}

/// It was taken for done, and the file that replaces another one kept its temporary name for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_file_that_kept_its_temporary_name_is_renamed_later_without_being_sent() {
    let mut world = Bench::new().await;
    let paths = ["a/twin", "b/twin"];
    paths.iter().for_each(|path| world.write(path, format!("old {path}")));
    world.settle().await;
    paths.iter().for_each(|path| world.write(path, format!("new {path}")));
    let sent = world.emulator.bytes_received();
    world.emulator.inject(Fault::always("file/rename.cgi", Action::Partial(0)));
    let end = world.cycle().await;
    assert_eq!(end.report.problems, 1, "{end:?}");
    for _ in 0..5 {
        world.shared.state.clock().advance(Duration::from_secs(11));
        world.cycle().await;
    }
    let calls = world.calls_of_cycle().await;
    assert!(calls.is_empty(), "it is not tried at once after so many times: {calls:?}");
    world.emulator.clear_faults();
    world.shared.state.clock().advance(Duration::from_secs(3600));
    world.settle().await;
    world.assert_mirrored();
    assert_eq!(world.emulator.bytes_received() - sent, crypt::bytes_of(&["new a/twin"; 2]));
    assert_eq!(world.problems(), []);
}

/// Only the node's result told which bytes of a file that changed meanwhile had been sent.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_upload_left_goes_though_the_node_never_told_of_it() {
    let mut world = Bench::new().await;
    world.write("before", "content");
    world.settle().await;
    let installation = world.shared.state.read(|s| s.installation()).unwrap().unwrap();
    let staging = format!("{TARGET}/.fichierd/incoming-{installation}");
    world.emulator.inject(Fault::once("upload.cgi", Action::EmptyLinks(7)));
    world.write("later", "content of another one");
    world.emulator.add_file(&staging, "changed while it was read", b"half of it");
    world.cycle().await;
    assert_eq!(staged(&world), ["changed while it was read"]);

    world.shared.state.clock().advance(Duration::from_secs(200));
    world.settle().await;
    world.assert_mirrored();
    let calls = world.calls_of_cycle().await;
    assert!(calls.is_empty(), "nothing is left to look for: {calls:?}");
}

/// Two files in one upload, of which `changes` gets another content of the same size when the
/// `m`th transaction is on disk; the process dies after the `n`th.
async fn upload_with_a_change(m: usize, n: usize) -> (Bench, bool, CycleEnd) {
    let mut world = Bench::new().await;
    world.write("before", "content");
    world.settle().await;
    world.write("stays", "one");
    world.write("changes", "two");
    let path = world.path("changes");
    let change = move |number| {
        if number == m {
            fs::write(&path, "2nd").unwrap();
            // Within one tick of the disk's clock the two contents would have the same times.
            let file = fs::File::options().write(true).open(&path).unwrap();
            file.set_modified(std::time::UNIX_EPOCH).unwrap();
        }
    };
    let (reached, end) = cycle_meeting(&mut world, change, n).await;
    (world, reached, end)
}

/// The links of files that did not belong there were recorded nowhere when the process died between
/// two transactions, and the files lay in the staging folder for ever.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_of_a_file_that_changed_goes_whenever_the_process_dies() {
    let mut changed_after = None;
    for m in 0..20 {
        let (world, _, end) = upload_with_a_change(m, usize::MAX).await;
        let sent = world.emulator.bytes_received() - crypt::bytes_of(&["content"]);
        if (sent, end.report.uploaded_files) == (crypt::bytes_of(&["one", "two"]), 1) {
            changed_after.get_or_insert(m);
        }
    }
    let m = changed_after.expect("a change is noticed after both files are sent");
    for n in m.. {
        let (world, reached, _) = upload_with_a_change(m, n).await;
        let mut world = world.restart();
        world.settle().await;
        assert_eq!(staged(&world), Vec::<String>::new(), "died after transaction {n}");
        world.assert_mirrored();
        if !reached {
            assert!(n > m + 4, "only {n} transactions");
            break;
        }
    }
}

/// The time of its last try was not recorded, and it was tried with each cycle.
#[tokio::test(flavor = "multi_thread")]
async fn an_old_copy_that_the_service_does_not_let_go_is_asked_for_at_times_only() {
    let mut world = Bench::new().await;
    world.write("file", "old");
    world.settle().await;
    world.write("file", "new");
    let path = RelPath::parse(b"file").unwrap();
    // The new one is in place then.
    world.emulator.inject(Fault::always("file/mv.cgi", Action::Partial(0)).after(1));
    for tries in 1..=6 {
        // The time that it waits after five of them, on the clock of these tests.
        world.shared.state.clock().advance(Duration::from_secs(11));
        world.cycle().await;
        assert_eq!(world.shared.state.read(|s| s.tries(world.worker.id, &path)).unwrap(), tries);
    }
    let calls = world.calls_of_cycle().await;
    assert!(calls.is_empty(), "it is not tried at once after so many times: {calls:?}");
    world.emulator.clear_faults();
    world.shared.state.clock().advance(Duration::from_secs(3600));
    world.settle().await;
    world.assert_mirrored();
    assert_eq!(world.versions(), [("file".to_owned(), b"old".to_vec())]);
    assert_eq!(world.problems(), []);
}
