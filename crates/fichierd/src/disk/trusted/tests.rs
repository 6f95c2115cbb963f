//! Links on the way to a folder, with users who own them.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, lchown, symlink};

use super::*;

/// Users that no test machine has.
const EVE: u32 = 61_001;
const ADAM: u32 = 61_002;

/// A folder of root, with one of Eve in it; `None`, with the reason printed, without root.
fn stage() -> Option<tempfile::TempDir> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root may give folders to others");
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    for (folder, owner) in [("eve", EVE), ("eve/own", EVE), ("adam", ADAM), ("secret", 0)] {
        let folder = dir.path().join(folder);
        fs::create_dir(&folder).unwrap();
        fs::create_dir(folder.join("in")).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        chown(&folder, Some(owner), Some(owner)).unwrap();
        chown(folder.join("in"), Some(owner), Some(owner)).unwrap();
    }
    Some(dir)
}

fn link(dir: &Path, at: &str, to: &str, owner: u32) {
    symlink(to, dir.join(at)).unwrap();
    lchown(dir.join(at), Some(owner), Some(owner)).unwrap();
}

/// The end of the way, relative to `dir`, or why there is none.
fn end(dir: &Path, path: &str) -> String {
    let shown = |text: String| text.replace(&format!("{}/", dir.display()), "");
    match open_trusted(&dir.join(path)) {
        Ok(folder) => {
            use std::os::fd::AsRawFd as _;
            let end = fs::read_link(format!("/proc/self/fd/{}", folder.as_raw_fd())).unwrap();
            shown(end.display().to_string())
        }
        Err(error) => shown(error.to_string()),
    }
}

#[test]
fn a_way_without_links_is_gone_as_the_kernel_goes_it() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::create_dir_all(dir.join("a/b/c")).unwrap();
    fs::write(dir.join("file"), "x").unwrap();
    assert_eq!(end(dir, "a/b"), "a/b");
    assert_eq!(end(dir, "a/b/c/../../b/."), "a/b");
    assert_eq!(open_trusted(&dir.join("no/b")).unwrap_err().kind(), io::ErrorKind::NotFound);
    for path in ["file", "file/b"] {
        let error = open_trusted(&dir.join(path)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotADirectory, "{path}");
    }
    open_trusted(Path::new("/")).unwrap();
    open_trusted(Path::new("src")).unwrap();
}

#[test]
fn own_links_are_followed_on_the_way_and_never_at_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::create_dir_all(dir.join("a/b/c")).unwrap();
    symlink("a/b", dir.join("relative")).unwrap();
    symlink(dir.join("a"), dir.join("absolute")).unwrap();
    symlink("../absolute/b", dir.join("a/through")).unwrap();
    symlink("round", dir.join("round")).unwrap();
    assert_eq!(end(dir, "relative/c"), "a/b/c");
    assert_eq!(end(dir, "absolute/b"), "a/b");
    assert_eq!(end(dir, "absolute/through/c"), "a/b/c");
    let at_the_end = open_trusted(&dir.join("relative")).unwrap_err();
    assert_eq!(at_the_end.kind(), io::ErrorKind::NotADirectory);
    let endless = open_trusted(&dir.join("round/c")).unwrap_err();
    assert_eq!(endless.raw_os_error(), Some(Errno::LOOP.raw_os_error()));
}

#[test]
fn z40_a_link_of_another_user_leads_only_to_what_is_theirs() {
    let Some(dir) = stage() else { return };
    let dir = dir.path();
    link(dir, "eve/to-own", "own", EVE);
    link(dir, "eve/to-secret", "../secret", EVE);
    link(dir, "eve/to-adam", "../adam", EVE);
    link(dir, "eve/up", "..", EVE);
    assert_eq!(end(dir, "eve/to-own/in"), "eve/own/in");
    let refused = |link: &str, other: u32| {
        format!("the link {link} belongs to user {EVE}, and leads to a folder of user {other}")
    };
    assert_eq!(end(dir, "eve/to-secret/in"), refused("eve/to-secret", 0));
    assert_eq!(end(dir, "eve/to-adam/in"), refused("eve/to-adam", ADAM));
    assert_eq!(end(dir, "eve/up/secret"), refused("eve/up", 0));
    // What is theirs stays theirs, however the way goes.
    assert_eq!(end(dir, "eve/up/eve/own"), "eve/own");
}

#[test]
fn z40_a_link_in_a_folder_that_others_can_write_to_is_not_followed_but_that_of_root_is() {
    let Some(dir) = stage() else { return };
    let dir = dir.path();
    link(dir, "adam/planted", "../eve", EVE);
    assert_eq!(
        end(dir, "adam/planted/own"),
        format!(
            "the link adam/planted belongs to user {EVE}, and others than the owner can put \
             links there"
        )
    );
    link(dir, "adam/of-root", "../secret", 0);
    assert_eq!(end(dir, "adam/of-root/in"), "secret/in");
    fs::set_permissions(dir.join("eve"), fs::Permissions::from_mode(0o777)).unwrap();
    link(dir, "eve/to-own", "own", EVE);
    assert!(end(dir, "eve/to-own/in").contains("others than the owner"));
}
