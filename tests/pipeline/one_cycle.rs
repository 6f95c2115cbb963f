//! What one cycle records of entries that moved, were replaced or were exchanged, of every kind:
//! after it the tree of the records equals the disk, with the empty files and links that only the
//! records hold.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::symlink;
use std::path::Path;

use fichier_state::{PastContent, RelPath};
use fichier_testkit::{Bench, TARGET};
use fichierd::restore::{Node, Tree};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    File,
    Empty,
    Link,
    Folder,
}

const KINDS: [Kind; 4] = [Kind::File, Kind::Empty, Kind::Link, Kind::Folder];

/// Makes an entry of this kind; its contents, or where it leads, have `what` in them.
fn make(path: &Path, kind: Kind, what: &str) {
    match kind {
        Kind::File => fichier_testkit::write(path, format!("content of {what}")),
        Kind::Empty => fichier_testkit::write(path, ""),
        Kind::Link => symlink(what, path).unwrap(),
        Kind::Folder => {
            fs::create_dir(path).unwrap();
            make(&path.join("file"), Kind::File, &format!("{what}, in a folder"));
            make(&path.join("empty"), Kind::Empty, what);
            make(&path.join("link"), Kind::Link, what);
        }
    }
}

fn rename(folder: &Path, from: &str, to: &str) {
    fs::rename(folder.join(from), folder.join(to)).unwrap();
}

fn remove(path: &Path, kind: Kind) {
    if kind == Kind::Folder {
        fs::remove_dir_all(path).unwrap();
    } else {
        fs::remove_file(path).unwrap();
    }
}

/// One case: what is there before, and what happens to it.
struct Case {
    name: String,
    before: Box<dyn Fn(&Path)>,
    happens: Box<dyn Fn(&Path)>,
}

fn case(name: String, before: impl Fn(&Path) + 'static, happens: impl Fn(&Path) + 'static) -> Case {
    Case { name, before: Box::new(before), happens: Box::new(happens) }
}

/// The entries on disk: folders end with a slash, files say their size, links where they lead.
fn on_disk(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let below = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            let seen = path.symlink_metadata().unwrap();
            let is = if seen.is_symlink() {
                format!("-> {}", fs::read_link(&path).unwrap().display())
            } else if seen.is_dir() {
                folders.push(path);
                "folder".to_owned()
            } else {
                format!("{} bytes", seen.len())
            };
            found.insert(below, is);
        }
    }
    found
}

/// The same of the records as they are now.
fn on_record(world: &Bench) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let moment = world.moment();
    let walked = world.shared.state.read(|store| {
        let mirror = store.mirror("photos", TARGET)?.unwrap();
        Tree::new(store, &mirror, moment).walk(&RelPath::root(), |path, node| {
            let is = match node {
                Node::Folder(_) => "folder".to_owned(),
                Node::Entry(entry, _) => match entry.content {
                    PastContent::File { size_bytes, .. } => format!("{size_bytes} bytes"),
                    PastContent::Empty => "0 bytes".to_owned(),
                    PastContent::Symlink(to) => format!("-> {}", String::from_utf8(to).unwrap()),
                },
                Node::Listed(_) | Node::Unusable => "unknown".to_owned(),
            };
            found.insert(path.to_string(), is);
            ControlFlow::Continue(())
        })
    });
    walked.unwrap();
    found
}

/// Runs all cases side by side, each in a folder of its own, and compares after one cycle.
#[track_caller]
fn assert_recorded(world: &Bench, cases: &[Case]) {
    let (disk, records) = (on_disk(world.source()), on_record(world));
    let of = |all: &BTreeMap<String, String>, name: &str| -> Vec<String> {
        let below = all.iter().filter(|(path, _)| path.starts_with(&format!("{name}/")));
        below.map(|(path, is)| format!("{path}: {is}")).collect()
    };
    let mut wrong = Vec::new();
    for case in cases {
        let (disk, records) = (of(&disk, &case.name), of(&records, &case.name));
        if disk != records {
            wrong.push(format!("{}:\n  on disk   {disk:?}\n  on record {records:?}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    world.assert_mirrored();
}

async fn run(cases: Vec<Case>) {
    let mut world = Bench::new().await;
    for case in &cases {
        fs::create_dir(world.path(&case.name)).unwrap();
        (case.before)(&world.path(&case.name));
    }
    world.settle().await;
    for case in &cases {
        (case.happens)(&world.path(&case.name));
    }
    let end = world.cycle().await;
    assert!(end.trouble.is_none(), "{:?}", end.trouble);
    assert_recorded(&world, &cases);
    // Nothing is left to be done.
    let end = world.cycle().await;
    assert!(!end.report.changed_something(), "{end:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn z80_whatever_takes_the_name_of_an_entry_that_moved_is_recorded_in_the_same_cycle() {
    let mut cases = Vec::new();
    for moves in KINDS {
        for comes in KINDS {
            for to in ["x.1", "sub/x", "sub/y", "new/x"] {
                let name = format!("{moves:?} moves to {}, {comes:?} comes", to.replace('/', " "));
                let what = name.clone();
                let before = move |folder: &Path| {
                    fs::create_dir(folder.join("sub")).unwrap();
                    make(&folder.join("sub/keep"), Kind::File, &format!("{what}, kept"));
                    make(&folder.join("x"), moves, &what);
                };
                let what = name.clone();
                let happens = move |folder: &Path| {
                    fs::create_dir_all(folder.join("new")).unwrap();
                    rename(folder, "x", to);
                    make(&folder.join("x"), comes, &format!("{what}, which came"));
                };
                cases.push(case(name, before, happens));
            }
        }
    }
    run(cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn z80_entries_that_exchange_their_names_are_recorded_in_the_same_cycle() {
    let mut cases = Vec::new();
    for one in KINDS {
        for other in KINDS {
            for (x, y) in [("x", "y"), ("p/x", "q/x"), ("p/x", "q/y")] {
                let name = format!("{one:?} {other:?} {}", format!("{x} {y}").replace('/', "-"));
                let what = name.clone();
                let before = move |folder: &Path| {
                    for sub in ["p", "q"] {
                        fs::create_dir(folder.join(sub)).unwrap();
                    }
                    make(&folder.join(x), one, &format!("{what}, one"));
                    make(&folder.join(y), other, &format!("{what}, other"));
                };
                let happens = move |folder: &Path| {
                    rename(folder, x, "aside");
                    rename(folder, y, x);
                    rename(folder, "aside", y);
                };
                cases.push(case(name, before, happens));
            }
        }
    }
    run(cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn z80_a_chain_of_moves_with_something_new_at_its_start_is_recorded_in_the_same_cycle() {
    let mut cases = Vec::new();
    for first in KINDS {
        for second in KINDS {
            for comes in [Kind::File, Kind::Empty, Kind::Link] {
                let name = format!("{first:?} {second:?} {comes:?}");
                let what = name.clone();
                let before = move |folder: &Path| {
                    make(&folder.join("log"), first, &format!("{what}, first"));
                    make(&folder.join("log.1"), second, &format!("{what}, second"));
                };
                let what = name.clone();
                let happens = move |folder: &Path| {
                    rename(folder, "log.1", "log.2");
                    rename(folder, "log", "log.1");
                    make(&folder.join("log"), comes, &format!("{what}, which came"));
                };
                cases.push(case(name, before, happens));
            }
        }
    }
    run(cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn z80_an_entry_that_became_another_kind_is_recorded_in_the_same_cycle() {
    let mut cases = Vec::new();
    for goes in KINDS {
        for comes in KINDS {
            let name = format!("{goes:?} becomes {comes:?}");
            let what = name.clone();
            let before = move |folder: &Path| {
                make(&folder.join("keep"), Kind::File, &format!("{what}, kept"));
                make(&folder.join("x"), goes, &what);
            };
            let what = name.clone();
            let happens = move |folder: &Path| {
                remove(&folder.join("x"), goes);
                make(&folder.join("x"), comes, &format!("{what}, which came"));
            };
            cases.push(case(name, before, happens));
        }
    }
    run(cases).await;
}

/// The files of a folder that is gone moved out of it one by one, and something else has its name.
#[tokio::test(flavor = "multi_thread")]
async fn z80_what_takes_the_name_of_a_folder_that_was_emptied_is_recorded_in_the_same_cycle() {
    let mut cases = Vec::new();
    for comes in [Kind::File, Kind::Empty, Kind::Link] {
        let name = format!("{comes:?} comes");
        let what = name.clone();
        let before = move |folder: &Path| make(&folder.join("x"), Kind::Folder, &what);
        let what = name.clone();
        let happens = move |folder: &Path| {
            fs::create_dir(folder.join("y")).unwrap();
            for inside in ["file", "empty", "link"] {
                rename(folder, &format!("x/{inside}"), &format!("y/{inside}"));
            }
            fs::remove_dir(folder.join("x")).unwrap();
            make(&folder.join("x"), comes, &format!("{what}, which came"));
        };
        cases.push(case(name, before, happens));
    }
    run(cases).await;
}
