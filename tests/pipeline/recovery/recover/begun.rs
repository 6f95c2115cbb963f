//! A process has died, and the next one looks at each piece of work that was begun: it is recorded
//! as carried out, done again, or dropped (K03 to K15).

use std::time::Duration;

use fichier_api::names::RemoteName;
use fichier_emulator::{Action, Fault, FolderTaken, Rules};
use fichier_state::{Content, Intent, Origin, RelPath};
use fichier_testkit::{Bench, crypt};
use tokio::task::JoinSet;

use super::{Operation, Setting, assert_all_on_record, on_record, prepared};

/// Its record is at the old place, and so is the file: no other step would bring it back there.
#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_is_undone_while_the_process_is_dead_is_undone_on_the_service() {
    let operation = Operation {
        before: |w| w.write_many(["f/new".to_owned(), "g/old".to_owned()]),
        change: |w| w.rename("f/new", "g/old"),
    };
    for links_change in [false, true] {
        for n in 0..2 {
            let setting = Setting { links_change, ..Setting::default() };
            let mut world = prepared(setting, operation).await;
            let before = world.remote();
            assert!(world.kill_at(n, true).await);
            world.rename("g/old", "f/new");
            world.write("g/old", "content of g/old");
            let mut world = world.restart();
            world.settle().await;
            world.assert_mirrored();
            assert_eq!(world.remote(), before);
        }
    }
}

/// A process that died when the service had made the folder `new`.
async fn killed_over_a_folder() -> Bench {
    let rules = |rules: &mut Rules| rules.on_folder_taken = FolderTaken::Duplicate;
    let mut world = Bench::with(rules, |_| {}).await;
    world.write("above/file", "content");
    world.settle().await;
    world.write("above/new/file", "content of another one");
    assert!(world.kill_at(0, true).await);
    assert_eq!(world.remote_folders(), ["above", "above/new"]);
    world.restart()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_may_have_been_made_is_not_made_while_it_cannot_be_looked_for() {
    let mut world = killed_over_a_folder().await;
    world.emulator.inject(Fault::always("folder/ls.cgi", Action::Reset));
    world.cycle().await;
    let begun = world.shared.state.read(|s| s.intents(world.worker.id)).unwrap();
    assert_eq!(begun.len(), 1, "it is still to be looked for");
    world.emulator.clear_faults();
    world.settle().await;
    world.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_may_have_been_made_is_made_anew_in_one_that_is_gone() {
    let mut world = killed_over_a_folder().await;
    world.emulator.remove_folder(&world.folder_path("above"));
    world.settle().await;
    world.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_there_though_the_service_denies_it_is_not_forgotten() {
    let mut world = Bench::new().await;
    world.write("above/file", "content");
    world.settle().await;
    let sent = world.emulator.bytes_received();
    world.write("above/new/file", "of another one");
    world.emulator.inject(Fault::always("folder/mkdir.cgi", Action::Denied));
    world.cycle().await;
    assert_eq!(world.problems().len(), 1, "{:?}", world.problems());
    world.emulator.clear_faults();
    world.shared.state.clock().advance(Duration::from_secs(60));
    world.settle().await;
    let file = world.record_of("above/file").unwrap();
    assert_eq!(file.remote().unwrap().origin, Origin::Sent, "it is not one that was found there");
    world.assert_mirrored();
    assert_eq!(world.emulator.bytes_received() - sent, crypt::bytes_of(&["of another one"]));
}

/// A decision of a person or a rule before the process died is not asked for again.
#[tokio::test(flavor = "multi_thread")]
async fn a_removal_that_was_begun_is_done_and_forgotten_as_far_as_the_service_does_it() {
    for is_refused in [false, true] {
        let mut world = Bench::new().await;
        for content in ["first", "second"] {
            world.write("file", content);
            world.settle().await;
        }
        let mirror = world.worker.id;
        let on_record =
            |world: &Bench| world.shared.state.read(|s| s.versions(mirror, None, 10)).unwrap();
        let urls = on_record(&world).into_iter().map(|version| version.url).collect();
        let paths = vec![RelPath::parse(b"file").unwrap()];
        let intent = Intent::Remove { urls, paths };
        world.shared.state.write(|w| w.begin(mirror, &intent).map(|_| ())).unwrap();
        if is_refused {
            world.emulator.inject(Fault::always("file/rm.cgi", Action::Partial(0)));
        }
        world.cycle().await;
        let left = usize::from(is_refused);
        assert_eq!(world.versions().len(), left);
        assert_eq!(on_record(&world).len(), left);
        assert_eq!(world.shared.state.read(|s| s.intents(mirror)).unwrap().len(), 0);
        world.assert_mirrored();
    }
}

/// The work begun there could not be finished, and was tried with each cycle until the service
/// locked the address.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_begun_in_a_folder_that_is_gone_by_then_is_over_whenever_the_process_dies() {
    let before = |w: &Bench| {
        w.write_many(["f/file", "g/file", "g/other", "h/1/file", "h/2/file"].map(str::to_owned));
        w.write("large", vec![7; 5 << 20]);
    };
    let changes: [fn(&Bench); 6] = [
        |w| w.rename("f/file", "g/moved"),
        |w| w.rename("f/file", "g/file"),
        |w| w.rename("h/1", "g/moved folder"),
        |w| w.write("g/copy", vec![7; 5 << 20]),
        |w| w.write("g/new", "new"),
        |w| w.remove_tree("h"),
    ];
    let mut ends = JoinSet::new();
    for change in changes {
        let operation = Operation { before, change };
        let g = crypt::stored_folder("g");
        for gone in [&*g, ".fichierd/versions", ".fichierd/incoming"].map(str::to_owned) {
            for n in 0..4 {
                let gone = gone.clone();
                ends.spawn(async move {
                    let mut world = prepared(Setting::default(), operation).await;
                    world.kill_at(n, true).await;
                    if let Some(folder) = world.folder_like(&gone) {
                        world.emulator.remove_folder(&folder);
                    }
                    let mut world = world.restart();
                    eprintln!("died at {n}, without {gone}");
                    world.settle().await;
                    let begun = world.shared.state.read(|s| s.intents(world.worker.id)).unwrap();
                    assert!(begun.is_empty(), "at {n}, without {gone}: {begun:?}");
                    world.emulator.assert_no_violations();
                });
            }
        }
    }
    while let Some(end) = ends.join_next().await {
        end.unwrap();
    }
}

/// The next plan would reach the same end, but with more calls, and with a version of a file that
/// was never replaced.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_carried_out_when_the_process_died_is_on_record_before_the_next_plan() {
    let before = |w: &Bench| {
        w.write_many(["f/file", "f/other", "g/file"].map(str::to_owned));
        w.write("large", vec![7; 5 << 20]);
    };
    let changes: [fn(&Bench); 3] = [
        |w| w.rename("f/other", "g/other"),
        |w| w.rename("f/other", "f/with another name"),
        |w| w.write("g/copy", vec![7; 5 << 20]),
    ];
    for links_change in [false, true] {
        for change in changes {
            let setting = Setting { links_change, ..Setting::default() };
            let mut world = prepared(setting, Operation { before, change }).await;
            assert!(world.kill_at(0, true).await);
            let mut world = world.restart();
            let end = world.cycle().await;
            let report = &end.report;
            let done = (report.relocated, report.copied, report.retired, report.uploaded_files);
            assert_eq!(done, (0, 0, 0, 0), "{end:?}");
            world.assert_mirrored();
            assert_all_on_record(&world);
            let stored = crypt::stored_file("copy");
            for file in world.emulator.files().iter().filter(|file| file.name == stored) {
                let copy = on_record(&world, &file.link).unwrap();
                assert_eq!(copy.remote().unwrap().origin, Origin::Copied);
            }
        }
    }
}

/// With the name or the content alone, it might be a foreign file.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_was_not_made_when_the_process_died_is_not_seen_in_another_file() {
    let others: [(&str, &[u8]); 2] = [("copy", b"of somebody else"), ("other", &[7; 5 << 20])];
    for (name, content) in others {
        let operation = Operation {
            before: |w| {
                w.write("g/file", "content");
                w.write("large", vec![7; 5 << 20]);
            },
            change: |w| w.write("g/copy", vec![7; 5 << 20]),
        };
        let mut world = prepared(Setting::default(), operation).await;
        assert!(world.kill_at(0, false).await);
        let other = world.put_by_others(&format!("g/{name}"), content);
        let mut world = world.restart();
        world.settle().await;
        assert!(on_record(&world, &other).is_none(), "`{name}` is not ours");
        assert!(world.record_of("g/copy").unwrap().remote().is_some());
    }
}

/// A file that cannot be looked at now is looked at later, and stays begun until then.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_begun_stays_begun_while_the_network_is_away() {
    let before = |w: &Bench| {
        w.write_many(["f/file", "g/file", "h/1/file", "h/2/file"].map(str::to_owned));
        w.write("large", vec![7; 5 << 20]);
    };
    let changes: [fn(&Bench); 5] = [
        |w| w.rename("f/file", "h/file"),
        |w| w.rename("f/file", "g/other"),
        |w| w.rename("f/file", "g/file"),
        |w| w.write("g/copy", vec![7; 5 << 20]),
        |w| w.remove_tree("h/1"),
    ];
    for change in changes {
        let setting = Setting { links_change: true, ..Setting::default() };
        let mut world = prepared(setting, Operation { before, change }).await;
        assert!(world.kill_at(0, true).await);
        let mut world = world.restart();
        let begun = |world: &Bench| {
            let intents = world.shared.state.read(|s| s.intents(world.worker.id)).unwrap();
            intents.into_iter().map(|(id, ..)| id).collect::<Vec<_>>()
        };
        let before = begun(&world);
        assert_eq!(before.len(), 1);
        // Behind the three calls of a start.
        world.emulator.inject(Fault::always("*", Action::Reset).after(3));
        let end = world.cycle().await;
        assert!(end.trouble.is_some(), "{end:?}");
        assert_eq!(begun(&world), before, "not another one that was begun since");
        world.emulator.clear_faults();
        world.settle().await;
        world.assert_mirrored();
        assert_all_on_record(&world);
    }
}

/// Renames a file in the account, and records the name as the audit does.
fn renamed_by_others(world: &Bench, name: &str) -> String {
    let link = world.link(name);
    world.emulator.rename_file(&link, "given by somebody else");
    let mut entry = on_record(world, &link).unwrap();
    let Content::File(copy) = &mut entry.content else { panic!("it is a file") };
    copy.remote_name = Some(RemoteName::from_service("given by somebody else".to_owned()));
    world.shared.state.write(|w| w.put_entry(&entry)).unwrap();
    link
}

/// A name that another user gave it ends with the next one.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_known_by_the_name_it_has_when_the_process_died_over_it() {
    let mut world = Bench::new().await;
    world.write("g/file", "content");
    world.write("odd", "of another one");
    world.settle().await;
    let link = renamed_by_others(&world, "odd");
    world.rename("odd", "g/plain");
    assert!(world.kill_at(1, true).await);
    let mut world = world.restart();
    world.cycle().await;
    let name = on_record(&world, &link).unwrap().remote_name();
    assert_eq!(name.as_str(), crypt::stored_file("plain"));
    world.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_does_not_inherit_the_name_that_others_gave_to_its_source() {
    let mut world = Bench::new().await;
    world.write("g/file", "content");
    world.write("odd", vec![7; 5 << 20]);
    world.settle().await;
    renamed_by_others(&world, "odd");
    world.write("g/copy", vec![7; 5 << 20]);
    assert!(world.kill_at(0, true).await);
    let mut world = world.restart();
    world.cycle().await;
    let name = on_record(&world, &world.link("copy")).unwrap().remote_name();
    assert_eq!(name.as_str(), crypt::stored_file("copy"));
}
