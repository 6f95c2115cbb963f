//! The state is lost, and the replies of the service are not as documented: the mirror adopts what
//! is there, or stops and says why. Nothing is ever there twice (H.2).

use std::collections::BTreeSet;
use std::time::Duration;

use fichier_emulator::{Action, DotFolders, Fault, Reshape};
use fichier_testkit::Bench;
use fichier_testkit::crypt::{self, Lack};

/// Files on the service that the state does not know of any more.
async fn lost() -> Bench {
    let mut world = Bench::new().await;
    world.write_many((0..12).map(|n| format!("folder/file-{n}")));
    world.write_many((0..3).map(|n| format!("folder/deep/er/file-{n}")));
    world.write_many(["top".to_owned()]);
    world.settle().await;
    world.lose_state()
}

/// Runs a few cycles. Returns whether the last one found nothing more to do, and what is told.
async fn look(world: &mut Bench) -> (bool, String) {
    let mut told = (false, String::new());
    for _ in 0..6 {
        let end = world.cycle().await;
        let is_done = end.trouble.is_none() && end.report.problems == 0;
        let problems = world.problems();
        let changed = end.report.changed_something();
        told =
            (is_done && problems.is_empty() && !changed, format!("{:?} {problems:?}", end.trouble));
        if told.0 {
            break;
        }
        world.worker.dirty.take_settled(Duration::ZERO, Duration::ZERO);
    }
    told
}

fn is_twice(world: &Bench) -> bool {
    let visible = world.visible();
    let paths: BTreeSet<&String> = visible.iter().map(|(path, _)| path).collect();
    let folders = world.remote_folders();
    let names: BTreeSet<&String> = folders.iter().collect();
    paths.len() != visible.len() || names.len() != folders.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn y17_a_lost_state_doubles_nothing_whatever_form_listings_have() {
    let field = |name: &str| name.to_owned();
    let forms = [
        (true, Reshape::LeftOut(field("files"))),
        (true, Reshape::LeftOut(field("folder_id"))),
        (true, Reshape::LeftOut(field("items"))),
        (true, Reshape::Null(field("items"))),
        (true, Reshape::OtherForm(field("items"))),
        (true, Reshape::OtherForm(field("sub_folders"))),
        (true, Reshape::OtherType(field("sub_folders.id"))),
        (true, Reshape::OtherType(field("files"))),
        (true, Reshape::OtherCase(field("items.filename"))),
        (false, Reshape::LeftOut(field("sub_folders"))),
        (false, Reshape::LeftOut(field("sub_folders.id"))),
        (false, Reshape::LeftOut(field("items.url"))),
        (false, Reshape::LeftOut(field("items.filename"))),
        (false, Reshape::LeftOut(field("items.size"))),
        (false, Reshape::OkAlone),
    ];
    if crypt::skips(Lack::RecognitionForFree) {
        return;
    }
    for (works, form) in forms {
        let mut world = lost().await;
        let (sent, files) = (world.emulator.bytes_received(), world.visible());
        world.emulator.inject(Fault::always("folder/ls.cgi", Action::Reshape(form.clone())));
        let before = world.emulator.calls();
        let (is_done, told) = look(&mut world).await;
        let calls = world.emulator.calls() - before;
        assert_eq!(is_done, works, "{form:?}: {told}");
        assert!(!is_twice(&world), "{form:?}: {:?}", world.visible());
        assert_eq!(world.visible().len(), files.len(), "{form:?}: {told}");
        assert_eq!(world.emulator.bytes_received(), sent, "{form:?}: {told}");
        assert!(calls <= 80, "{form:?}: {calls} calls");
        world.emulator.clear_faults();
        world.settle().await;
        world.assert_mirrored();
        assert_eq!(world.emulator.bytes_received(), sent, "{form:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn y17_a_lost_state_doubles_nothing_when_listings_are_cut_without_a_word() {
    let mut world = Bench::new().await;
    world.write_many((0..65).map(|n| format!("folder/file-{n}")));
    world.settle().await;
    world.emulator.set_clock_ahead(3600);
    world.write_many((65..130).map(|n| format!("folder/file-{n}")));
    world.settle().await;
    world.emulator.set_clock_ahead(0);
    let sent = world.emulator.bytes_received();
    if crypt::skips(Lack::RecognitionForFree) {
        return;
    }
    let mut world = world.lose_state();
    // A hundred rows of each listing, counted as if they were all.
    for call in ["folder/ls.cgi", "file/ls.cgi"] {
        world.emulator.inject(Fault::always(call, Action::PartialListing(100)));
    }
    look(&mut world).await;
    assert!(!is_twice(&world), "{} files", world.visible().len());
    world.emulator.clear_faults();
    world.settle().await;
    world.assert_mirrored();
    assert_eq!(world.emulator.bytes_received(), sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn y13_a_folder_that_is_there_and_that_no_listing_shows_is_named_and_nothing_goes_on_for_ever()
 {
    let mut world = lost().await;
    let sub_folders = Reshape::LeftOut("sub_folders".to_owned());
    world.emulator.inject(Fault::always("folder/ls.cgi", Action::Reshape(sub_folders)));
    world.emulator.inject(Fault::always("folder/mkdir.cgi", Action::Reshape(Reshape::French)));
    let before = world.emulator.calls();
    let (is_done, told) = look(&mut world).await;
    assert!(!is_done);
    assert!(told.contains("`backup`"), "{told}");
    assert!(told.contains("Un dossier porte"), "{told}");
    assert!(world.emulator.calls() - before <= 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn y11_a_copy_whose_reply_lacks_its_link_is_looked_up_and_not_made_twice() {
    let link = |field: &str| Reshape::LeftOut(field.to_owned());
    let actions = [
        Action::Reshape(link("urls")),
        Action::Reshape(link("urls.to_url")),
        Action::Reshape(Reshape::OtherForm("urls".to_owned())),
        Action::Reshape(Reshape::OkAlone),
        Action::DoItThenStatus(200),
    ];
    for action in actions {
        let mut world = Bench::new().await;
        world.write("large", vec![7; 4 << 20]);
        world.settle().await;
        let sent = world.emulator.bytes_received();
        world.emulator.inject(Fault::always("file/cp.cgi", action.clone()));
        world.write("copy", vec![7; 4 << 20]);
        world.settle().await;
        world.assert_mirrored();
        assert_eq!(world.asked("file/cp.cgi"), 1, "{action:?}");
        assert_eq!(world.emulator.bytes_received(), sent, "{action:?}");
    }
}

/// Whether the service takes names that begin with a dot is not certain. The folder of this program
/// has another name then, which a restart, a machine without a state and a recovery find again.
#[tokio::test(flavor = "multi_thread")]
async fn y16_where_a_leading_dot_is_refused_our_own_folder_has_another_name() {
    let mut world = Bench::with(|rules| rules.dot_folders = DotFolders::Refused, |_| {}).await;
    world.write_many((0..3).map(|n| format!("folder/file-{n}")));
    world.settle().await;
    let own = |world: &Bench| {
        let folders = world.emulator.folders();
        let own = folders.iter().filter(|path| path.ends_with("fichierd"));
        own.cloned().collect::<Vec<_>>()
    };
    let is_mirrored = |world: &Bench| {
        let mut visible = world.remote();
        visible.retain(|path, _| !path.starts_with("_fichierd/"));
        visible == world.local()
    };
    let sent = world.emulator.bytes_received();
    assert!(is_mirrored(&world));
    assert_eq!(own(&world), ["/backup/photos/_fichierd"]);
    let mut world = world.restart();
    world.write("folder/file-0", "edited");
    world.settle().await;
    let mut world = world.lose_state();
    world.settle().await;
    assert!(is_mirrored(&world));
    assert_eq!(own(&world), ["/backup/photos/_fichierd"]);
    assert_eq!(world.emulator.bytes_received(), sent + crypt::bytes_of(&["edited"]));
    // A folder of that name here would be taken for ours there.
    world.write("_fichierd/file", "ours by name");
    world.cycle().await;
    assert_eq!(world.problems()[0].0, "_fichierd");
}

#[tokio::test(flavor = "multi_thread")]
async fn y16_where_folders_with_a_leading_dot_are_hidden_a_lost_state_goes_on_beside_them() {
    let mut world = Bench::with(|rules| rules.dot_folders = DotFolders::Hidden, |_| {}).await;
    world.write_many((0..3).map(|n| format!("folder/file-{n}")));
    world.settle().await;
    let sent = world.emulator.bytes_received();
    for _ in 0..2 {
        world = world.lose_state();
        world.settle().await;
        let mut visible = world.remote();
        visible.retain(|path, _| !path.starts_with("_fichierd/"));
        assert!(visible == world.local());
        assert_eq!(world.emulator.bytes_received(), sent);
    }
    let folders = world.emulator.folders();
    assert!(folders.contains(&"/backup/photos/_fichierd".to_owned()), "{folders:?}");
}
