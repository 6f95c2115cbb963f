//! Names and paths.

use std::path::{Component, Path};

use fichier_api::names::{MAX_NAME_BYTES, RemoteName};
use fichier_state::RelPath;

/// The bytes are two names, with a newline between them.
pub fn names(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == b'\n');
    let (one, other) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let (first, second) = (RemoteName::encode(one), RemoteName::encode(other));
    assert_eq!(one == other, first == second, "`{first}` stands for two names");
    for (local, remote) in [(one, &first), (other, &second)] {
        let is_cut = remote.is_shortened_from(local);
        assert!(is_cut || remote.decode() == local, "`{remote}` does not lead back");
        check_is_safe(remote.as_str());
    }
    // Names that others gave are read, and always in the same way.
    let text = String::from_utf8_lossy(data);
    let theirs = RemoteName::from_service(text.into_owned());
    let local = theirs.decode();
    let ours = RemoteName::encode(&local);
    assert!(ours.decode() == local || ours.is_shortened_from(&local));
}

/// Panics if the service, a form or a path could take the name for something else.
fn check_is_safe(name: &str) {
    assert!(name.len() <= MAX_NAME_BYTES, "{} bytes", name.len());
    assert!(!matches!(name, "." | ".."), "{name}");
    let unsafe_char = |c: char| matches!(c, '/' | '\\' | '<' | '>' | '"' | '\'' | '`' | '$');
    let is_ascii_control = |c: char| c.is_ascii_control();
    assert!(!name.contains(unsafe_char) && !name.contains(is_ascii_control), "{name:?}");
    assert!(!name.starts_with(' ') && !name.ends_with(' '), "{name:?}");
}

/// The bytes are a path, and also JSON of one.
pub fn rel_paths(data: &[u8]) {
    let parsed = RelPath::parse(data).ok();
    let read = serde_json::from_slice::<RelPath>(data).ok();
    for path in parsed.iter().chain(&read) {
        check_stays_below(path);
        let shown = path.to_string();
        assert!(!shown.chars().any(char::is_control), "{shown:?}");
        let json = serde_json::to_string(path).expect("a path can be written");
        assert_eq!(serde_json::from_str::<RelPath>(&json).ok().as_ref(), Some(path));
        if let Some(parent) = path.parent() {
            assert!(path.starts_with(&parent) && parent < *path);
            assert_eq!(parent.join(path.name()), *path);
            assert_eq!(path.strip_prefix(&parent).map(|rest| rest.depth()), Some(1));
        }
        assert_eq!(path.depth(), path.components().count());
    }
    if let (Some(parsed), Some(read)) = (parsed, read) {
        assert_eq!(parsed.cmp(&read), parsed.components().cmp(read.components()));
    }
}

/// Joined to a folder, a path leads into that folder, and nowhere else.
pub(super) fn check_stays_below(path: &RelPath) {
    let joined = Path::new("/source").join(path.as_path());
    let mut parts = joined.components().skip(2);
    assert!(joined.starts_with("/source"), "{path} leads out");
    assert!(parts.all(|part| matches!(part, Component::Normal(_))), "{path} leads out");
    assert_eq!(joined.components().count(), path.depth() + 2, "{path}");
    assert!(!path.as_bytes().contains(&0), "{path}");
}
