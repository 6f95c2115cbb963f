//! Every reply of the service, in every form that it may have: a small life of a mirror goes on as
//! ever, or it stops safely, says why, and goes on once the replies are as documented (H.2).
//!
//! *It works*: the target is as the disk, nothing is there twice, and at most 1.3 times the bytes
//! were sent. *It stops safely*: the cycle says that it is not done, few calls are made, and nothing
//! that was sent has been removed.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use fichier_emulator::{Action, Fault, Reshape};
use fichier_testkit::{Bench, crypt};
use fichierd::mirror::CycleEnd;

/// The most calls of a step that does not come to its end.
const MOST_CALLS: usize = 80;
/// Cycles until a step that goes on in silence is given up.
const CYCLES: usize = 12;

/// One endpoint, and the fields of its reply that a variant is made of.
type Row = (&'static str, &'static [&'static str]);

const LISTING: Row = (
    "folder/ls.cgi",
    &[
        "status",
        "folder_id",
        "name",
        "files",
        "size",
        "sub_folders",
        "sub_folders.id",
        "sub_folders.name",
        "items",
        "items.url",
        "items.filename",
        "items.size",
        "items.date",
        "items.checksum",
    ],
);
const FOLDERS: [Row; 3] = [
    ("folder/mkdir.cgi", &["status", "folder_id", "name"]),
    ("folder/mv.cgi", &["status", "old_name", "new_name"]),
    ("folder/rm.cgi", &["status"]),
];
const FILES: [Row; 3] = [
    ("file/mv.cgi", &["status", "moved", "urls"]),
    ("file/rename.cgi", &["status", "renamed", "urls", "urls.url", "urls.new_filename"]),
    ("file/info.cgi", &["url", "filename", "size", "folder_id", "path", "checksum", "date"]),
];
const WAYS: [Row; 2] = [
    ("upload/get_upload_server.cgi", &["url", "id"]),
    ("download/get_token.cgi", &["status", "url"]),
];

/// A step in the life of the mirror: its name, and the change on disk.
type Change = (&'static str, fn(&Bench));

/// The life of the mirror, one step after the other.
const LIFE: [Change; 4] = [
    ("new files", |w| {
        w.write_many((0..3).map(|n| format!("folder/file-{n}")));
        w.write_many(["other/deep/a", "other/b", "top"].map(str::to_owned));
    }),
    ("edits", |w| {
        w.write("folder/file-0", "edited");
        w.write("top", "edited too");
    }),
    ("moves", |w| {
        w.rename("folder/file-1", "folder/renamed");
        w.rename("folder/file-2", "other/moved and renamed");
        w.rename("other/deep", "deeper");
    }),
    ("removals", |w| {
        w.remove("top");
        w.remove_tree("folder");
    }),
];

/// The forms that a field may have.
fn forms(field: &str) -> Vec<Reshape> {
    let field = || field.to_owned();
    vec![
        Reshape::LeftOut(field()),
        Reshape::Null(field()),
        Reshape::OtherType(field()),
        Reshape::OtherForm(field()),
        Reshape::OtherCase(field()),
    ]
}

/// The forms that a whole reply may have.
fn wholes() -> Vec<Action> {
    let shapes = [
        Reshape::OkAlone,
        Reshape::French,
        Reshape::MoreFields,
        Reshape::InAList,
        Reshape::Plain,
        Reshape::LabelledPage,
        Reshape::Marked,
        Reshape::Packed,
    ];
    let mut wholes: Vec<Action> = shapes.into_iter().map(Action::Reshape).collect();
    wholes.extend([Action::DoItThenStatus(200), Action::Truncated, Action::Empty]);
    wholes
}

/// One case: an endpoint, what its replies are like, and for how long.
#[derive(Clone, Debug)]
struct Case {
    on: &'static str,
    action: Action,
    times: usize,
}

impl Case {
    fn fault(&self) -> Fault {
        Fault { times: self.times, ..Fault::once(self.on, self.action.clone()) }
    }
}

fn cases(rows: &[Row]) -> Vec<Case> {
    let mut cases = Vec::new();
    for (on, fields) in rows {
        let of_fields = fields.iter().flat_map(|field| forms(field)).map(Action::Reshape);
        for action in of_fields.chain(wholes()) {
            cases.push(Case { on, action, times: usize::MAX });
        }
        for action in wholes() {
            cases.push(Case { on, action, times: 1 });
        }
    }
    cases
}

/// Lives a life in each case, a few at a time. Panics with all cases that do not end well.
async fn live(cases: Vec<Case>) {
    let at_once = std::sync::Arc::new(tokio::sync::Semaphore::new(6));
    let mut lives = tokio::task::JoinSet::new();
    for case in cases {
        let at_once = std::sync::Arc::clone(&at_once);
        lives.spawn(async move {
            let _turn = at_once.acquire_owned().await.unwrap();
            let told = tokio::spawn(life(case.clone())).await;
            let told = told.unwrap_or_else(|panic| Err(format!("panic: {panic}")));
            told.map(|why| why.map(|why| format!("{case:?}: {why}")))
                .map_err(|problem| format!("{case:?}: {problem}"))
        });
    }
    let all = lives.join_all().await;
    let stopped: Vec<&String> = all.iter().flatten().flatten().collect();
    eprintln!("{} of {} stopped safely: {stopped:#?}", stopped.len(), all.len());
    let mut bad: Vec<String> = all.iter().filter_map(|told| told.clone().err()).collect();
    bad.sort();
    assert!(bad.is_empty(), "{} cases:\n{}", bad.len(), bad.join("\n"));
}

/// How a step ended.
struct Step {
    is_done: bool,
    end: CycleEnd,
    calls: usize,
    problems: Vec<(String, String)>,
}

impl Step {
    /// Whether the program says that it is not done.
    fn says_so(&self) -> bool {
        let report = &self.end.report;
        self.end.trouble.is_some()
            || report.problems > 0
            || report.uploads_pending > 0
            || !self.problems.is_empty()
    }
}

async fn step(world: &mut Bench) -> Step {
    let before = world.emulator.calls();
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut cycles = 0;
    loop {
        let end = world.cycle().await;
        cycles += 1;
        let report = &end.report;
        let is_done = end.trouble.is_none()
            && !report.changed_something()
            && report.problems == 0
            && report.uploads_pending == 0
            && world.worker.dirty.is_empty()
            && !end.more;
        let problems = world.problems();
        if is_done || cycles >= CYCLES || Instant::now() > deadline {
            let calls = world.emulator.calls() - before;
            return Step { is_done: is_done && problems.is_empty(), end, calls, problems };
        }
        world.worker.dirty.take_settled(Duration::ZERO, Duration::ZERO);
    }
}

/// Returns why the life stopped, if it did.
async fn life(case: Case) -> Result<Option<String>, String> {
    let mut world = Bench::new().await;
    world.emulator.inject(case.fault());
    let mut written = 0;
    let mut contents = BTreeSet::new();
    for (name, change) in LIFE {
        change(&world);
        for (_, content) in world.local() {
            if contents.insert(content.clone()) {
                written += crypt::stored_bytes(content.len() as u64);
            }
        }
        let step = step(&mut world).await;
        if !step.is_done {
            return stopped(world, name, &step, &contents, written).await;
        }
        check(&world, name, &contents, written)?;
    }
    let mut world = world.restart();
    let restarted = step(&mut world).await;
    if !restarted.is_done {
        return stopped(world, "a restart", &restarted, &contents, written).await;
    }
    check(&world, "a restart", &contents, written)?;
    restores(&world).await.map(|()| None)
}

/// Restores everything, or says what is missing.
async fn restores(world: &Bench) -> Result<(), String> {
    let dest = tempfile::tempdir().unwrap();
    let plan = world.plan(world.moment(), &[]);
    let restoring = world.try_restore(plan, dest.path(), fichier_testkit::bench::OPTIONS);
    // A refusal may be asked about again for minutes; that is tested where restores are.
    let Ok(restored) = tokio::time::timeout(Duration::from_secs(2), restoring).await else {
        return Ok(());
    };
    let Ok(report) = restored else { return Ok(()) };
    let there = fichier_testkit::tree::on_disk(dest.path());
    let is_whole = there == world.local();
    let says_so = !report.problems.is_empty();
    if is_whole || says_so { Ok(()) } else { Err("a restore lacks files and says nothing".into()) }
}

/// What must hold after a step that is done.
fn check(
    world: &Bench,
    name: &str,
    contents: &BTreeSet<Vec<u8>>,
    written: u64,
) -> Result<(), String> {
    let (visible, local) = (world.visible(), world.local());
    let paths: BTreeSet<&String> = visible.iter().map(|(path, _)| path).collect();
    if paths.len() != visible.len() {
        return Err(format!("after {name}, something is there twice: {visible:?}"));
    }
    if visible.into_iter().collect::<std::collections::BTreeMap<_, _>>() != local {
        return Err(format!("after {name}, it is done and not as on disk"));
    }
    sound(world, name, contents, written)
}

/// What must hold whatever happened: nothing that was sent is removed, and little is sent twice.
fn sound(
    world: &Bench,
    name: &str,
    contents: &BTreeSet<Vec<u8>>,
    written: u64,
) -> Result<(), String> {
    let sent = world.sent_bytes();
    if sent * 10 > written * 13 {
        return Err(format!("after {name}, {sent} bytes were sent for {written}"));
    }
    let removed = world.emulator.calls_since(0).iter().any(|call| call == "file/rm.cgi");
    if removed {
        return Err(format!("after {name}, a file was removed for good"));
    }
    let kept: BTreeSet<Vec<u8>> =
        world.emulator.files().iter().map(|file| world.content(&file.link)).collect();
    if sent >= written && !contents.is_subset(&kept) {
        return Err(format!("after {name}, content that was sent is gone"));
    }
    Ok(())
}

/// A life that stopped: it says so, and goes on once the replies are as documented.
async fn stopped(
    mut world: Bench,
    name: &str,
    step: &Step,
    contents: &BTreeSet<Vec<u8>>,
    written: u64,
) -> Result<Option<String>, String> {
    if !step.says_so() {
        return Err(format!("{name} does not end, and nothing says so: {:?}", step.end));
    }
    if step.calls > MOST_CALLS {
        return Err(format!("{name}: {} calls and no end", step.calls));
    }
    sound(&world, name, contents, written)?;
    world.emulator.clear_faults();
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let again = self::step(&mut world).await;
        if again.is_done {
            break;
        }
        if Instant::now() > deadline {
            return Err(format!("{name}: it does not go on: {:?} {:?}", again.end, again.problems));
        }
    }
    let why = format!("{name}: {:?} {:?}", step.end.trouble, step.problems);
    match check(&world, name, contents, written) {
        Ok(()) => Ok(Some(why)),
        Err(problem) => Err(format!("stopped at {why}; {problem}")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn y09_a_mirror_lives_whatever_form_listings_have() {
    live(cases(&[LISTING])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn y12_a_mirror_lives_whatever_form_replies_about_folders_have() {
    live(cases(&FOLDERS)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn y11_a_mirror_lives_whatever_form_replies_about_files_have() {
    live(cases(&FILES)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn y14_a_mirror_lives_whatever_form_addresses_have() {
    let mut cases = cases(&WAYS);
    let on = "upload/get_upload_server.cgi";
    for (before, after) in [("https://", ""), ("http://", "/"), ("", "/upload.cgi"), (" ", "\n")] {
        let around = Reshape::Around {
            field: "url".to_owned(),
            before: before.to_owned(),
            after: after.to_owned(),
        };
        cases.push(Case { on, action: Action::Reshape(around), times: usize::MAX });
    }
    live(cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn y15_a_service_that_wants_get_for_a_node_is_asked_so_and_once_by_post() {
    let mut world = Bench::with(|rules| rules.upload_server_by_get = true, |_| {}).await;
    for n in 0..3 {
        world.write(&format!("file-{n}"), format!("content {n}"));
        world.settle().await;
    }
    world.assert_mirrored();
    assert_eq!(world.asked("upload/get_upload_server.cgi"), 4);
}
