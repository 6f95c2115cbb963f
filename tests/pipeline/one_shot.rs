//! What a run that is not the service costs: `fichierd sync`, given again and again. It believes
//! what the last clean end knew, and the claim before its first call tells whether anybody else has
//! worked on the target since.

use fichier_emulator::FolderTaken;
use fichier_testkit::crypt::{self, Lack};
use fichier_testkit::{Bench, TARGET};
use fichierd::mirror::Trouble;
use fichierd::remote::claims::MACHINE_NOTE;

/// Another run: a cycle of everything, and the work that is due after it. Returns its calls.
async fn run(world: Bench) -> (Bench, Vec<String>) {
    let mut world = world.restart();
    world.worker.is_one_shot = true;
    let calls = go_on(&mut world).await;
    (world, calls)
}

async fn go_on(world: &mut Bench) -> Vec<String> {
    let mark = world.emulator.calls();
    while world.cycle().await.more {}
    while world.worker.chores(&world.shared).await.next.is_zero() {}
    world.emulator.calls_since(mark)
}

/// A mirror of three files that several runs have worked on.
async fn used() -> Bench {
    let mut world = Bench::new().await;
    world.write_many((0..3).map(|n| format!("file-{n}")));
    for n in 0..3 {
        (world, _) = run(world).await;
        world.write("file-0", format!("edit {n}"));
    }
    (world, _) = run(world).await;
    world.assert_mirrored();
    world
}

fn count(calls: &[String], endpoint: &str) -> usize {
    calls.iter().filter(|call| *call == endpoint).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn z81_a_run_with_nothing_to_do_makes_no_call_from_the_second_one_on() {
    let mut world = Bench::new().await;
    world.write_many((0..3).map(|n| format!("file-{n}")));
    (world, _) = run(world).await;
    for _ in 0..3 {
        let calls;
        (world, calls) = run(world).await;
        assert_eq!(calls, Vec::<String>::new());
    }
    let world = used().await;
    let (world, calls) = run(world).await;
    assert_eq!(calls, Vec::<String>::new());
    // What only the records hold is no work for the service.
    std::os::unix::fs::symlink("file-0", world.path("link")).unwrap();
    if !crypt::skips(Lack::FilesWithoutObject) {
        world.write("empty", "");
    }
    let (mut world, calls) = run(world).await;
    assert_eq!(calls, Vec::<String>::new());
    assert!(world.record_of("link").is_some());
    world.pass(std::time::Duration::from_secs(7 * 3600));
    assert_eq!(go_on(&mut world).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn z82_a_run_with_something_to_do_costs_one_call_more_than_the_service() {
    let mut world = used().await;
    // A process that goes on is the measure.
    world.write("file-1", "by the service");
    let by_the_service = go_on(&mut world).await;
    for n in 0..3 {
        world.write("file-1", format!("by a run, {n}"));
        let calls;
        (world, calls) = run(world).await;
        let mut expected = vec!["folder/mkdir.cgi".to_owned()];
        expected.extend(by_the_service.clone());
        assert_eq!(calls, expected);
        world.assert_mirrored();
    }
    // A deletion is preceded by no other look at the claims.
    world.remove("file-2");
    let (world, calls) = run(world).await;
    assert_eq!(calls, ["folder/mkdir.cgi", "file/mv.cgi"]);
    world.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn z82_where_mkdir_does_not_refuse_the_claims_are_listed_before_each() {
    for answer in [FolderTaken::Existing, FolderTaken::Duplicate] {
        let mut world = Bench::with(|rules| rules.on_folder_taken = answer, |_| {}).await;
        world.write("file", "one");
        (world, _) = run(world).await;
        for n in 0..3 {
            world.write("file", format!("edit {n}"));
            let calls;
            (world, calls) = run(world).await;
            assert!(count(&calls, "folder/ls.cgi") > 0, "{answer:?}: {calls:?}");
            world.assert_mirrored();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn z83_the_first_mirror_of_a_small_tree_has_few_fixed_calls() {
    let mut world = Bench::new().await;
    world.write_many((0..3).map(|n| format!("file-{n}")));
    world.worker.is_one_shot = true;
    let calls = {
        let mark = world.emulator.calls();
        go_on(&mut world).await;
        world.emulator.calls_since(mark)
    };
    world.assert_mirrored();
    let own = ["upload/get_upload_server.cgi", "upload.cgi", "end.pl", "file/mv.cgi"];
    // An encrypted target is marked with its keys.
    let most = own.len() + 10 + usize::from(crypt::is_on());
    assert!(calls.len() <= most, "{calls:?}");
    let folders = world.emulator.folders();
    for later in ["versions", "epoch"] {
        assert!(!folders.contains(&format!("{TARGET}/.fichierd/{later}")), "{later}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn z81_the_canary_waits_for_a_run_that_has_something_to_do() {
    let asks = |calls: &[String]| calls.iter().any(|call| call == "download/get_token.cgi");
    let mut world = Bench::new().await;
    world.write("file", "one");
    world.worker.is_one_shot = true;
    let calls = go_on(&mut world).await;
    assert!(!asks(&calls), "{calls:?}");
    for _ in 0..2 {
        let calls;
        (world, calls) = run(world).await;
        assert_eq!(calls, Vec::<String>::new());
    }
    world.write("file", "two");
    let (_, calls) = run(world).await;
    assert!(asks(&calls), "{calls:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn z84_a_copy_of_the_state_that_went_on_is_noticed_by_the_next_claim() {
    for other_machine in [false, true] {
        let (mut world, saved) = used().await.save_state();
        world.worker.is_one_shot = true;
        world.write("file-1", "goes on");
        go_on(&mut world).await;
        let mut copy = world.put_back_state(saved);
        copy.worker.is_one_shot = true;
        if other_machine {
            let named = copy.shared.state.write(|w| w.set_note(MACHINE_NOTE, Some("other")));
            named.unwrap();
        }
        copy.write("file-2", "of the copy");
        let files = copy.emulator.files().len();
        let end = copy.cycle().await;
        if other_machine {
            assert!(matches!(end.trouble, Some(Trouble::Held(_))), "{end:?}");
            assert_eq!(copy.emulator.files().len(), files);
        } else {
            // The whole target is looked at, then it goes on.
            copy.settle().await;
            copy.assert_mirrored();
        }
    }
}

/// The state file is not a copy: a machine was set back with all its disks.
#[tokio::test(flavor = "multi_thread")]
async fn z84_a_claim_that_is_refused_leads_to_a_look_at_all_of_them() {
    let mut world = used().await;
    world.worker.is_one_shot = true;
    let epoch = format!("{TARGET}/.fichierd/epoch/");
    let claims = |world: &Bench| -> Vec<u64> {
        let folders = world.emulator.folders();
        let numbers = folders.iter().filter_map(|path| path.strip_prefix(&epoch)?.parse().ok());
        numbers.collect()
    };
    let newest = claims(&world).into_iter().max().unwrap();
    world.emulator.add_folder(&format!("{epoch}{}", newest + 1));
    world.remove("file-2");
    let mark = world.emulator.calls();
    let (mut world, _) = run(world).await;
    let calls = world.emulator.calls_since(mark);
    assert!(count(&calls, "folder/ls.cgi") >= 2, "{calls:?}");
    world.settle().await;
    world.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn z84_a_run_may_be_killed_at_each_request_and_the_next_one_looks_first() {
    for carried_out in [false, true] {
        for n in 0.. {
            let mut world = used().await.restart();
            world.worker.is_one_shot = true;
            world.write("file-1", "other");
            world.remove("file-2");
            let reached = world.kill_at(n, carried_out).await;
            // The process that was killed did not close its state.
            let mut world = world.die_and_start();
            world.worker.is_one_shot = true;
            world.settle().await;
            world.assert_mirrored();
            if !reached {
                assert!(n > 3, "only {n} requests");
                break;
            }
        }
    }
}

/// Files that are sent to a staging folder that is gone reach the account's root, from where they
/// are put into their places.
#[tokio::test(flavor = "multi_thread")]
async fn z84_what_somebody_removed_meanwhile_is_made_again_and_nothing_is_lost() {
    for gone in [".fichierd/incoming", ".fichierd/epoch", ".fichierd/versions", ".fichierd"] {
        let world = used().await;
        world.emulator.remove_folder(&world.folder_like(gone).unwrap());
        let mut world = world.restart();
        world.worker.is_one_shot = true;
        world.write("file-1", format!("without {gone}"));
        world.settle().await;
        assert_eq!(world.local(), world.remote(), "{gone}");
        assert!(world.emulator.files().iter().all(|file| file.path.starts_with(TARGET)), "{gone}");
    }
}
