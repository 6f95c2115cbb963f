//! The documentation does not tell everything that the service does. Whatever it does, one story of
//! new files, an edit, a rename, a deletion and a folder that moves ends equal to the disk, with no
//! rule broken and nothing lost. There is one case for each answer of each switch of the emulator.

use std::time::Duration;

use fichier_emulator::{
    AtQuota, BadKeyOnNode, BatchExcess, EmptyFile, FolderTaken, FullFolder, LongName, NameTaken,
    RemoveUnknown, Rules, WhileProcessing,
};
use fichier_testkit::{Bench, crypt};

const MINUTES: Duration = Duration::from_secs(2 * 60);

/// One answer, by the name of its switch.
type Case = (&'static str, fn(&mut Rules));

const PACE: [Case; 8] = [
    ("node requests do not count", |r| r.node_calls_count = false),
    ("30 s leave out folder/ls", |r| r.folder_ls_counts = false),
    ("listings at any rate", |r| r.listing_interval = None),
    ("locks of an hour", |r| r.lock_length = Duration::from_secs(3600)),
    ("locks that calls do not prolong", |r| r.lock_prolonged = false),
    ("locks that do not double", |r| r.lock_doubles_to = None),
    ("removing the unknown is not found", |r| r.remove_unknown = RemoveUnknown::NotFound),
    ("unknown folders list empty", |r| r.unknown_folder_lists_empty = true),
];

const BATCHES: [Case; 5] = [
    ("one link a call, the rest left out", |r| r.batch_max = Some(1)),
    ("three links a call, the rest left out", |r| r.batch_max = Some(3)),
    ("one link a call, more refused", |r| {
        r.batch_max = Some(1);
        r.batch_excess = BatchExcess::Refuse;
    }),
    ("three links a call, more refused", |r| {
        r.batch_max = Some(3);
        r.batch_excess = BatchExcess::Refuse;
    }),
    ("mv changes the link", |r| r.mv_changes_link = true),
];

const UPLOADS: [Case; 9] = [
    ("links as sent", |r| r.links_as_sent = true),
    ("upload ids for ever", |r| r.upload_id_kept = None),
    ("no links while processing", |r| r.processing = MINUTES),
    ("a page while processing", |r| {
        r.processing = MINUTES;
        r.while_processing = WhileProcessing::Page;
    }),
    ("no result at all", |r| r.result_kept = Duration::ZERO),
    ("new links unknown for a while", |r| r.new_link_lag = Duration::from_secs(30)),
    ("empty files are stored", |r| r.empty_files = EmptyFile::Store),
    ("a bad key is refused by nodes", |r| r.bad_key_on_node = BadKeyOnNode::Refuse),
    ("room is lost silently", |r| r.at_quota = AtQuota::Lose),
];

const LISTINGS: [Case; 5] = [
    ("new and removed files lag", |r| r.listing_lag = MINUTES),
    ("files appear after their result", |r| {
        r.listing_lag = MINUTES;
        r.appears_after_result = true;
    }),
    ("moved files lag", |r| r.move_lag = MINUTES),
    ("no sub_folders on leaves", |r| r.sub_folders_missing_on_leaf = true),
    ("numbers drift", |r| r.numbers_drift = true),
];

const FOLDERS_AND_NAMES: [Case; 8] = [
    ("mkdir tells the existing folder", |r| r.on_folder_taken = FolderTaken::Existing),
    ("folders of one name", |r| r.on_folder_taken = FolderTaken::Duplicate),
    ("folder names fold case", |r| r.folders_fold_case = true),
    ("folder/mv does both", |r| r.folder_mv_does_both = true),
    ("folder/rm takes all", |r| r.rm_full_folder = FullFolder::Remove),
    ("a taken name is refused", |r| r.on_name_taken = NameTaken::Refuse),
    ("a taken name is changed", |r| r.on_name_taken = NameTaken::Rename),
    ("names are not mangled", |r| r.mangle_names = false),
];

async fn tell(cases: &[Case]) {
    let mut worlds = tokio::task::JoinSet::new();
    for (name, rules) in cases.iter().copied() {
        worlds.spawn(async move { (name, tokio::spawn(story(name, rules)).await) });
    }
    while let Some(done) = worlds.join_next().await {
        let (name, told) = done.unwrap();
        assert!(told.is_ok(), "the story does not end well when: {name}");
    }
}

async fn story(name: &'static str, rules: fn(&mut Rules)) {
    let mut world = Bench::with(rules, |_| {}).await;
    world.write_many((0..5).map(|n| format!("folder/file-{n}")));
    world.write_many(["folder/deep/a", "other/file-0", "top"].map(str::to_owned));
    world.settle().await;
    world.assert_mirrored();

    (0..4).for_each(|n| world.write(&format!("folder/file-{n}"), format!("edit {n}")));
    world.settle().await;
    world.assert_mirrored();

    (0..4).for_each(|n| world.rename(&format!("folder/file-{n}"), &format!("to/{n} renamed")));
    world.settle().await;
    world.assert_mirrored();

    world.rename("folder/deep", "other/deeper");
    world.settle().await;
    world.assert_mirrored();

    world.remove("top");
    (0..4).for_each(|n| world.remove(&format!("to/{n} renamed")));
    world.remove_tree("folder");
    world.settle().await;
    world.assert_mirrored();
    let kept = world.versions();
    for n in 0..4 {
        let (old, new) = (format!("content of folder/file-{n}"), format!("edit {n}"));
        for content in [old, new] {
            let found = kept.iter().filter(|(_, bytes)| *bytes == content.as_bytes()).count();
            assert!(found == 1, "{name}: `{content}` is kept {found} times");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_story_ends_as_on_disk_whatever_the_service_counts_and_locks() {
    tell(&PACE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_story_ends_as_on_disk_whatever_a_batch_may_hold() {
    tell(&BATCHES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_story_ends_as_on_disk_whatever_becomes_of_uploads() {
    tell(&UPLOADS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_story_ends_as_on_disk_however_late_or_odd_listings_are() {
    tell(&LISTINGS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_story_ends_as_on_disk_whatever_happens_to_names_and_folders() {
    tell(&FOLDERS_AND_NAMES).await;
}

/// The service keeps other names than were asked for: every content is there once, and the mirror
/// settles.
#[tokio::test(flavor = "multi_thread")]
async fn names_that_the_service_composes_or_cuts_do_not_double_or_lose_a_file() {
    let cases: [Case; 2] = [
        ("composed", |r| r.compose_names = true),
        ("cut", |r| {
            r.name_max = 12;
            r.long_names = LongName::Cut;
        }),
    ];
    for (name, rules) in cases {
        let mut world = Bench::with(rules, |_| {}).await;
        world.write("folder/e\u{301} one", "first");
        world.write("folder/a rather long name", "second");
        world.write("folder/plain", "third");
        world.settle().await;
        world.write("folder/e\u{301} one", "first, edited");
        world.write("folder/a rather long name", "second, edited");
        world.settle().await;
        let there: Vec<_> = world.visible().into_iter().map(|(_, content)| content).collect();
        let expected = ["first, edited", "second, edited", "third"];
        assert_eq!(there.len(), expected.len(), "{name}: {:?}", world.visible());
        for content in expected {
            assert!(there.contains(&content.as_bytes().to_vec()), "{name}: `{content}` is missing");
        }
        let sent = world.emulator.bytes_received();
        assert_eq!(world.calls_of_cycle().await, Vec::<String>::new(), "{name}");
        assert_eq!(world.emulator.bytes_received(), sent);
        world.emulator.assert_no_violations();
    }
}

/// Two folders here, of which the service makes one: the other is told, and all else goes on.
#[tokio::test(flavor = "multi_thread")]
async fn n06_of_two_folders_whose_names_are_one_to_the_service_one_is_mirrored_and_one_told() {
    for on_folder_taken in [FolderTaken::Refuse, FolderTaken::Existing] {
        let rules = |rules: &mut Rules| {
            rules.compose_names = true;
            rules.on_folder_taken = on_folder_taken;
        };
        let mut world = Bench::with(rules, |_| {}).await;
        world.write("caf\u{e9}/one", "one");
        world.write("cafe\u{301}/two", "two");
        world.write("folder/holiday pictures 2024/three", "three");
        for _ in 0..3 {
            let end = world.cycle().await;
            assert!(end.trouble.is_none(), "{on_folder_taken:?}: {:?}", end.trouble);
        }
        let shown = world.visible();
        let has = |path: &str| shown.iter().any(|(there, _)| there == path);
        if crypt::is_on() {
            // Their encrypted names have one form only.
            assert_eq!(shown.len(), 3, "{shown:?}");
            continue;
        }
        // The one that is made first has the name.
        assert!(has("caf\u{e9}/two") && has("folder/holiday pictures 2024/three"), "{shown:?}");
        assert!(!has("caf\u{e9}/one"), "{on_folder_taken:?}");
        let problems = world.problems();
        assert!(problems.iter().any(|(path, _)| path.starts_with("caf\u{e9}")), "{problems:?}");
        world.emulator.assert_no_violations();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn u12_a_full_account_stops_uploads_alone_and_room_lets_them_go_on() {
    for at_quota in [AtQuota::Refuse, AtQuota::Lose] {
        let mut world = Bench::with(|_| {}, |_| {}).await;
        world.write_many(["folder/a".to_owned(), "folder/b".to_owned()]);
        world.settle().await;
        let full = world.emulator.files().iter().map(|file| file.size).sum();
        let roomy = Rules::scaled(2_000);
        world.emulator.set_rules(Rules { quota_bytes: full, at_quota, ..roomy.clone() });
        world.write("folder/c", "new");
        world.rename("folder/a", "folder/renamed");
        world.remove("folder/b");
        for _ in 0..3 {
            world.cycle().await;
        }
        let remote = world.remote();
        assert!(remote.contains_key("folder/renamed"), "{at_quota:?}: {:?}", remote.keys());
        assert!(!remote.contains_key("folder/b"), "{at_quota:?}: {:?}", remote.keys());
        assert!(!remote.contains_key("folder/c"), "{at_quota:?}: {:?}", remote.keys());
        world.emulator.set_rules(roomy);
        world.settle().await;
        world.assert_mirrored();
    }
}
