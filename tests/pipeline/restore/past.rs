//! The trees of earlier times, read from the records after real cycles.

use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::time::Duration;

use expect_test::{Expect, expect};
use fichier_state::{Moment, PastContent, RelPath};
use fichier_testkit::Bench;
use fichierd::restore::tree::differences;
use fichierd::restore::{Node, Tree, What};

/// A day goes by.
fn next_day(world: &Bench) {
    world.shared.state.clock().advance(Duration::from_secs(24 * 3600));
}

/// Mirrors everything, and returns the moment.
async fn settled(world: &mut Bench) -> Moment {
    world.settle().await;
    world.shared.state.read(|s| s.newest_moment()).unwrap()
}

fn with_tree<T>(world: &Bench, moment: Moment, look: impl FnOnce(&Tree<'_>) -> T) -> T {
    world
        .shared
        .state
        .read(|store| {
            let mirror = store.mirror("photos", fichier_testkit::TARGET)?.unwrap();
            Ok(look(&Tree::new(store, &mirror, moment)))
        })
        .unwrap()
}

fn tree_at(world: &Bench, moment: Moment) -> String {
    let mut lines = String::new();
    with_tree(world, moment, |tree| {
        tree.walk(&RelPath::root(), |path, node| {
            let line = match node {
                Node::Folder(_) => format!("{path}/\n"),
                Node::Listed(_) => format!("{path} listed\n"),
                Node::Unusable => format!("{path} unusable\n"),
                Node::Entry(entry, _) => match entry.content {
                    // An encrypted mirror has an object for it, a plain one has none.
                    PastContent::Empty | PastContent::File { size_bytes: 0, .. } => {
                        format!("{path} empty\n")
                    }
                    PastContent::File { size_bytes, .. } => format!("{path} {size_bytes}\n"),
                    PastContent::Symlink(to) => {
                        format!("{path} -> {}\n", String::from_utf8(to).unwrap())
                    }
                },
            };
            lines += &line;
            ControlFlow::Continue(())
        })
        .unwrap();
    });
    lines
}

fn compare(world: &Bench, before: Moment, after: Moment, expected: Expect) {
    let found = world
        .shared
        .state
        .read(|store| {
            let mirror = store.mirror("photos", fichier_testkit::TARGET)?.unwrap();
            differences(&Tree::new(store, &mirror, before), &Tree::new(store, &mirror, after))
        })
        .unwrap();
    let lines = found.iter().map(|difference| {
        let path = &difference.path;
        match &difference.what {
            What::Added => format!("+ {path}\n"),
            What::Removed => format!("- {path}\n"),
            What::Changed => format!("c {path}\n"),
            What::Attributes => format!("a {path}\n"),
            What::Renamed { from } => format!("{from} -> {path}\n"),
        }
    });
    expected.assert_eq(&lines.collect::<String>());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_day_of_a_mirror_can_be_looked_at_and_compared() {
    let mut world = Bench::new().await;
    world.write("keep", "the same");
    world.write("edit", "one");
    world.write("2025/a", "first a");
    world.write("2025/b", "first b");
    world.write("empty", "");
    symlink("keep", world.path("link")).unwrap();
    let first = settled(&mut world).await;
    next_day(&world);
    world.write("edit", "two, and longer");
    world.rename("2025", "archive");
    world.write("new", "new");
    fs::set_permissions(world.path("keep"), fs::Permissions::from_mode(0o600)).unwrap();
    let second = settled(&mut world).await;
    next_day(&world);
    world.remove_tree("archive");
    world.rename("new", "renamed");
    world.remove("link");
    let third = settled(&mut world).await;

    expect![[r#"
        2025/
        2025/a 7
        2025/b 7
        edit 3
        empty empty
        keep 8
        link -> keep
    "#]]
    .assert_eq(&tree_at(&world, first));
    expect![[r#"
        archive/
        archive/a 7
        archive/b 7
        edit 15
        empty empty
        keep 8
        link -> keep
        new 3
    "#]]
    .assert_eq(&tree_at(&world, second));
    expect![[r#"
        edit 15
        empty empty
        keep 8
        renamed 3
    "#]]
    .assert_eq(&tree_at(&world, third));
    compare(
        &world,
        first,
        second,
        expect![[r#"
            2025 -> archive
            c edit
            a keep
            + new
        "#]],
    );
    compare(
        &world,
        second,
        third,
        expect![[r#"
            - archive
            - archive/a
            - archive/b
            - link
            new -> renamed
        "#]],
    );
    compare(&world, third, third, expect![""]);
    // Every earlier file can be found: its content is a current file or a version.
    for moment in [first, second, third] {
        let lost = with_tree(&world, moment, |tree| {
            let mut contents = Vec::new();
            tree.walk(&RelPath::root(), |path, node| {
                if let Node::Entry(entry, _) = node
                    && let PastContent::File { size_bytes, fingerprint } = entry.content
                {
                    contents.push((path, size_bytes, fingerprint));
                }
                ControlFlow::Continue(())
            })
            .unwrap();
            contents
        });
        for (path, size_bytes, fingerprint) in lost {
            let copies =
                world.shared.state.read(|s| s.copies_of(size_bytes, &fingerprint, 1)).unwrap();
            assert!(!copies.is_empty(), "`{path}` at {moment:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_times_of_folders_are_known_after_looks_at_single_paths_too() {
    let mut world = Bench::new().await;
    world.write("a/b/c", "one");
    world.settle().await;
    next_day(&world);
    world.write("a/b/new", "two");
    let end = world.cycle_over(&["a/b/new"]).await;
    assert!(end.trouble.is_none(), "{:?}", end.trouble);
    let moment = world.shared.state.read(|s| s.newest_moment()).unwrap();
    let node = with_tree(&world, moment, |tree| tree.at(&RelPath::parse(b"a/b").unwrap()).unwrap());
    let Some(Node::Folder(folder)) = node else { panic!("a folder, please: {node:?}") };
    let on_disk = fs::metadata(world.path("a/b")).unwrap();
    let mtime_ns = std::os::unix::fs::MetadataExt::mtime(&on_disk) * 1_000_000_000
        + std::os::unix::fs::MetadataExt::mtime_nsec(&on_disk);
    assert_eq!(folder.metadata.mtime_ns, mtime_ns);
}

#[tokio::test(flavor = "multi_thread")]
async fn attributes_of_folders_are_noticed_and_kept() {
    let mut world = Bench::new().await;
    world.write("a/b", "one");
    world.settle().await;
    next_day(&world);
    let path = world.path("a");
    if rustix::fs::setxattr(&path, "user.note", b"kept", rustix::fs::XattrFlags::empty()).is_err() {
        eprintln!("skipped: this file system has no extended attributes");
        return;
    }
    let end = world.cycle().await;
    assert_eq!(end.report.calls, 0, "attributes cost no call");
    let moment = world.shared.state.read(|s| s.newest_moment()).unwrap();
    let node = with_tree(&world, moment, |tree| tree.at(&RelPath::parse(b"a").unwrap()).unwrap());
    let Some(Node::Folder(folder)) = node else { panic!("a folder, please: {node:?}") };
    assert_eq!(folder.metadata.xattrs, [(b"user.note".to_vec(), b"kept".to_vec())]);
}
