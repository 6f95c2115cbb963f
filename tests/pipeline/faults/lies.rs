//! The service says one thing and does another, or others change what it holds: no file is left
//! where it must not be, none is sent again without end, and a wrong belief is found out (rows U08,
//! U11, U13, X02, X07, X08).

use std::time::Duration;

use fichier_emulator::{Action, Fault, FolderTaken, Rules};
use fichier_testkit::{Bench, TARGET, crypt};

const DAY: Duration = Duration::from_secs(24 * 3600);
const MINUTES: Duration = Duration::from_secs(6 * 60);

/// A change on disk, and the call whose reply is false.
type Change = (&'static str, fn(&Bench));

async fn with_changes(audit: Option<Duration>) -> Bench {
    let mut world = Bench::with(|_| {}, |config| config.audit = audit).await;
    world.write_many(["folder/a", "folder/b", "folder/c"].map(str::to_owned));
    world.settle().await;
    world.write("folder/a", "changed");
    world.write("folder/d", "new");
    world
}

/// Lets a week pass, with its looks at the target and second looks at everything doubtful.
async fn week(world: &mut Bench) {
    for _ in 0..7 {
        world.pass(DAY);
        world.all_chores().await;
        world.pass(MINUTES);
        world.all_chores().await;
    }
}

fn in_the_root(world: &Bench) -> Vec<String> {
    let files = world.emulator.files().into_iter();
    files.filter(|f| f.path == "/" && !f.anonymous).map(|f| f.name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn u08_files_that_land_in_the_accounts_root_do_not_stay_there() {
    for times in [1, usize::MAX] {
        let mut world = with_changes(None).await;
        let fault = Fault { times, ..Fault::once("upload.cgi", Action::IntoRoot) };
        world.emulator.inject(fault);
        world.settle().await;
        assert_eq!(in_the_root(&world), Vec::<String>::new());
        world.assert_mirrored();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn u08_a_staging_folder_that_is_gone_leads_nothing_into_the_accounts_root() {
    let mut world = with_changes(None).await;
    world.emulator.remove_folder(&world.folder_like(".fichierd/incoming").unwrap());
    world.settle().await;
    assert_eq!(in_the_root(&world), Vec::<String>::new());
    assert_eq!(world.local(), world.remote());
}

#[tokio::test(flavor = "multi_thread")]
async fn u11_an_upload_holds_at_most_five_hundred_files() {
    let mut world = Bench::new().await;
    world.write_many((0..1_001).map(|n| format!("folder-{}/file-{n:04}", n % 3)));
    world.settle().await;
    // More than 500 files in one call would be a violation.
    world.assert_mirrored();
    let uploads = world.emulator.requests().into_iter().filter(|r| r.endpoint == "upload.cgi");
    let counts: Vec<usize> = uploads.map(|upload| upload.links).collect();
    assert_eq!(counts.iter().sum::<usize>(), 1_001, "{counts:?}");
    assert!(counts.len() <= 4, "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn u11_an_upload_is_no_more_than_a_minute_of_the_measured_bandwidth() {
    let mut world = Bench::new().await;
    // A minute of that speed is less than the smallest bound of a batch, 16 MiB.
    world.shared.state.write(|w| w.set_note("bandwidth", Some("1000"))).unwrap();
    for n in 0..4 {
        world.write(&format!("file-{n}"), vec![n; 5 << 20]);
    }
    world.write("larger than that alone", vec![9; 17 << 20]);
    world.settle().await;
    world.assert_mirrored();
    let uploads = world.emulator.requests().into_iter().filter(|r| r.endpoint == "upload.cgi");
    let uploads: Vec<(usize, u64)> = uploads.map(|r| (r.links, r.bytes)).collect();
    assert_eq!(uploads.iter().map(|(files, _)| files).sum::<usize>(), 5);
    for (files, bytes) in &uploads {
        assert!(*files == 1 || *bytes <= 17 << 20, "{uploads:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn u13_a_move_or_rename_that_only_says_it_was_done_is_found_out_by_the_audit() {
    let changes: [Change; 3] = [
        ("file/mv.cgi", |world| world.write("folder/e", "published nowhere")),
        ("file/mv.cgi", |world| world.rename("folder/c", "elsewhere/c")),
        ("file/rename.cgi", |world| world.rename("folder/b", "folder/renamed")),
    ];
    for (endpoint, change) in changes {
        let mut world = with_changes(Some(7 * DAY)).await;
        world.settle().await;
        change(&world);
        let before = world.visible();
        world.emulator.inject(Fault::once(endpoint, Action::SaysDone));
        world.settle().await;
        assert_eq!(world.visible(), before, "{endpoint}: it was done");
        let sent = world.sent_bytes();
        week(&mut world).await;
        week(&mut world).await;
        world.settle().await;
        world.assert_mirrored();
        assert_eq!(world.sent_bytes(), sent, "{endpoint}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn x02_files_that_others_rename_and_move_are_put_back_and_have_no_second_copy() {
    let mut world = with_changes(Some(7 * DAY)).await;
    world.settle().await;
    world.emulator.rename_file(&world.link("a"), "renamed by others");
    world.emulator.move_file(&world.link("b"), &format!("{TARGET}/of others"));
    world.emulator.move_file(&world.link("c"), "/outside");
    let sent = world.sent_bytes();
    week(&mut world).await;
    week(&mut world).await;
    world.settle().await;
    world.assert_mirrored();
    assert_eq!(world.sent_bytes(), sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn x07_a_file_that_the_host_removes_at_once_is_not_sent_for_ever() {
    let mut world = with_changes(None).await;
    world.settle().await;
    world.write("folder/banned", "the host does not like it");
    let uploads = world.asked("upload.cgi");
    world
        .emulator
        .inject(Fault::always("file/mv.cgi", Action::Vanish(crypt::stored_file("banned"))));
    let deadline = std::time::Instant::now() + Duration::from_secs(25);
    let given_up = |world: &Bench| {
        world.problems().iter().any(|(_, what)| what.contains("removed on 1fichier 3 times"))
    };
    while !given_up(&world) {
        assert!(std::time::Instant::now() < deadline, "{:?}", world.problems());
        world.cycle().await;
        // Asking for missing files without a pause would lead to a ban.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(world.asked("upload.cgi") - uploads, 3);
    for _ in 0..3 {
        assert_eq!(world.calls_of_cycle().await, Vec::<String>::new());
    }
    world.emulator.clear_faults();
    world.write("folder/banned", "something better");
    world.settle().await;
    world.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn x08_a_listing_that_wrongly_shows_a_part_is_not_believed() {
    for (rows, times) in [(0, 1), (1, 1), (1, usize::MAX), (0, usize::MAX)] {
        let mut world = with_changes(Some(7 * DAY)).await;
        world.settle().await;
        let (sent, before) = (world.sent_bytes(), world.remote());
        let action = Action::PartialListing(rows);
        world.emulator.inject(Fault { times, ..Fault::once("folder/ls.cgi", action) });
        week(&mut world).await;
        world.emulator.clear_faults();
        world.settle().await;
        assert_eq!(world.remote(), before, "{rows} rows");
        assert_eq!(world.sent_bytes(), sent, "{rows} rows");
        world.assert_mirrored();
    }
}

/// A listing alone tells the fate of files whose links changed, and of a copy or a folder whose
/// reply was lost: they were sent, or made, a second time.
#[tokio::test(flavor = "multi_thread")]
async fn x08_what_a_listing_wrongly_does_not_show_once_is_not_taken_for_gone() {
    type Case = (fn(&Bench), Fault, usize);
    let cases: [Case; 4] = [
        (
            |w| {
                w.rename("f/a", "g/a");
                w.rename("f/b", "g/b");
            },
            Fault::once("file/mv.cgi", Action::DoItThenReset),
            0,
        ),
        // It is shown in its new folder, where it is not, and in its old one.
        (|w| w.rename("f/a", "g/a"), Fault::once("file/mv.cgi", Action::Partial(0)), 1),
        (
            |w| w.write("g/copy", vec![7; 5 << 20]),
            Fault::once("file/cp.cgi", Action::DoItThenReset),
            0,
        ),
        (|w| w.rename("f/a", "g/new/a"), Fault::once("folder/mkdir.cgi", Action::DoItThenReset), 0),
    ];
    for (change, fault, listings) in cases {
        eprintln!("{fault:?}");
        let rules = |rules: &mut Rules| {
            rules.mv_changes_link = true;
            rules.on_folder_taken = FolderTaken::Duplicate;
        };
        let mut world = Bench::with(rules, |_| {}).await;
        world.write_many(["f/a", "f/b", "f/stays", "g/c"].map(str::to_owned));
        world.write("large", vec![7; 5 << 20]);
        world.settle().await;
        let sent = world.emulator.bytes_received();
        change(&world);
        world.emulator.inject(fault);
        world.emulator.inject(Fault::once("folder/ls.cgi", Action::EmptyListing).after(listings));
        world.settle().await;
        world.assert_mirrored();
        assert_eq!(world.emulator.bytes_received(), sent);
    }
}
