//! A path below a source, as the bytes that the file system uses.
//!
//! Names on Linux are bytes and need not be text; they are kept as they are and made
//! readable only by `Display`, which loses nothing and lets no control character through to
//! a terminal.
//!
//! Invariant: no component is empty, `.` or `..`, none holds a NUL, and there is no slash at
//! either end; so joined to a source it stays below it, and equal paths have equal bytes.

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A path relative to the source of a mirror; the source itself is the root, without bytes.
///
/// Ordered by component: the contents of a folder come right after it, and before `folder-x`.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct RelPath(Vec<u8>);

/// Bytes that are no [`RelPath`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a path below a source: {}", Shown(.0))]
pub struct BadPath(Vec<u8>);

impl RelPath {
    /// The source itself.
    pub fn root() -> RelPath {
        RelPath(Vec::new())
    }

    /// Takes a path apart and accepts it as it is; nothing is normalised.
    ///
    /// # Errors
    ///
    /// [`BadPath`] for an empty, `.` or `..` component, a NUL, or a slash at an end.
    pub fn parse(bytes: &[u8]) -> Result<RelPath, BadPath> {
        let path = RelPath(bytes.to_vec());
        if bytes.is_empty() || bytes.split(|&byte| byte == b'/').all(is_component) {
            Ok(path)
        } else {
            Err(BadPath(path.0))
        }
    }

    /// Whether these bytes can be the name of a file or folder.
    pub(crate) fn is_name(name: &[u8]) -> bool {
        is_component(name) && !name.contains(&b'/')
    }

    /// This path and one more name, which must come from a directory listing: not empty, not
    /// `.` or `..`, without slash and NUL.
    #[must_use]
    pub fn join(&self, name: &[u8]) -> RelPath {
        debug_assert!(RelPath::is_name(name), "not a name: {}", Shown(name));
        let mut bytes = Vec::with_capacity(self.0.len() + 1 + name.len());
        bytes.extend_from_slice(&self.0);
        if !self.is_root() {
            bytes.push(b'/');
        }
        bytes.extend_from_slice(name);
        RelPath(bytes)
    }

    /// The folder that holds it; `None` for the root.
    pub fn parent(&self) -> Option<RelPath> {
        if self.is_root() {
            return None;
        }
        let end = self.last_slash().unwrap_or(0);
        Some(RelPath(self.0[..end].to_vec()))
    }

    /// The last component; empty for the root.
    pub fn name(&self) -> &[u8] {
        &self.0[self.last_slash().map_or(0, |slash| slash + 1)..]
    }

    /// The names from the source down; none for the root.
    pub fn components(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|&byte| byte == b'/').filter(|name| !name.is_empty())
    }

    /// Whether this is `base` or below it.
    pub fn starts_with(&self, base: &RelPath) -> bool {
        self.after(base).is_some()
    }

    /// The path seen from `base`; `None` if it is not at or below it.
    pub fn strip_prefix(&self, base: &RelPath) -> Option<RelPath> {
        self.after(base).map(|rest| RelPath(rest.to_vec()))
    }

    /// The bytes, `/` between components.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is the source itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// For joining to the source.
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// How many names it has; 0 for the root.
    pub fn depth(&self) -> usize {
        self.components().count()
    }

    fn last_slash(&self) -> Option<usize> {
        self.0.iter().rposition(|&byte| byte == b'/')
    }

    fn after(&self, base: &RelPath) -> Option<&[u8]> {
        let rest = self.0.strip_prefix(base.as_bytes())?;
        if base.is_root() || rest.is_empty() { Some(rest) } else { rest.strip_prefix(b"/") }
    }
}

impl Ord for RelPath {
    fn cmp(&self, other: &RelPath) -> Ordering {
        // No name holds a NUL: with the slash below every other byte, this compares
        // component by component.
        let rank = |&byte: &u8| if byte == b'/' { 0 } else { byte };
        self.0.iter().map(rank).cmp(other.0.iter().map(rank))
    }
}

impl PartialOrd for RelPath {
    fn partial_cmp(&self, other: &RelPath) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Shown(&self.0).fmt(f)
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// As a string where it is one, else as a list of bytes.
impl Serialize for RelPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => serializer.collect_seq(&self.0),
        }
    }
}

impl<'de> Deserialize<'de> for RelPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RelPath, D::Error> {
        deserializer.deserialize_any(PathVisitor)
    }
}

struct PathVisitor;

impl<'de> Visitor<'de> for PathVisitor {
    type Value = RelPath;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a relative path, as text or as a list of bytes")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<RelPath, E> {
        RelPath::parse(text.as_bytes()).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<RelPath, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = seq.next_element()? {
            bytes.push(byte);
        }
        RelPath::parse(&bytes).map_err(de::Error::custom)
    }
}

/// Whether this can be a component; it holds no slash.
fn is_component(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..") && !name.contains(&0)
}

/// Bytes for people: text as it is; other bytes, and control characters, as `\xE9`.
/// A backslash is doubled, so that nothing is lost.
struct Shown<'a>(&'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    '\\' => f.write_str("\\\\")?,
                    _ if is_hidden(character) => {
                        let mut bytes = [0; 4];
                        escape(f, character.encode_utf8(&mut bytes).as_bytes())?;
                    }
                    _ => f.write_char(character)?,
                }
            }
            escape(f, chunk.invalid())?;
        }
        Ok(())
    }
}

/// Control characters, and those that turn or hide the text around them.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

fn escape(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "\\x{byte:02X}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::parse(text.as_bytes()).unwrap()
    }

    fn names() -> impl Strategy<Value = Vec<Vec<u8>>> {
        // Few letters, with those around the slash, so that prefixes and ties are common.
        let byte = prop::sample::select(b"ab-.0\x01\xFF".to_vec());
        let name =
            prop::collection::vec(byte, 1..4).prop_filter("a name", |name| RelPath::is_name(name));
        prop::collection::vec(name, 0..4)
    }

    fn joined(names: &[Vec<u8>]) -> RelPath {
        names.iter().fold(RelPath::root(), |path, name| path.join(name))
    }

    #[test]
    fn what_leads_out_of_the_source_is_no_path() {
        for bad in ["/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a\0b", "/"] {
            assert_eq!(RelPath::parse(bad.as_bytes()), Err(BadPath(bad.as_bytes().to_vec())));
        }
        assert_eq!(path("..."), RelPath::root().join(b"..."));
    }

    #[test]
    fn the_contents_of_a_folder_follow_it_directly() {
        let mut paths = ["a-b", "a/c/d", "a", "a.txt", "", "a/c", "a/c-"].map(path);
        paths.sort();
        assert_eq!(paths, ["", "a", "a/c", "a/c/d", "a/c-", "a-b", "a.txt"].map(path));
    }

    #[test]
    fn it_is_printed_without_loss_and_without_control_characters() {
        let shown = |bytes: &[u8]| RelPath::parse(bytes).unwrap().to_string();
        assert_eq!(shown("été/日本".as_bytes()), "été/日本");
        assert_eq!(shown(b"caf\xE9"), "caf\\xE9");
        assert_eq!(shown(b"a\x1B[31m\n"), "a\\x1B[31m\\x0A");
        assert_eq!(shown("a\u{202E}b\u{9B}".as_bytes()), "a\\xE2\\x80\\xAEb\\xC2\\x9B");
        assert_eq!(shown(b"a\\xE9"), "a\\\\xE9");
    }

    #[test]
    fn a_sibling_with_the_same_beginning_is_not_below() {
        assert!(!path("ab").starts_with(&path("a")));
        assert_eq!(path("ab").strip_prefix(&path("a")), None);
        assert_eq!(path("a/b/c").strip_prefix(&path("a")), Some(path("b/c")));
        assert_eq!(path("a").strip_prefix(&path("a")), Some(RelPath::root()));
    }

    proptest! {
        #[test]
        fn a_path_is_the_list_of_its_names(names in names()) {
            let path = joined(&names);
            prop_assert_eq!(path.components().map(<[u8]>::to_vec).collect::<Vec<_>>(), names.clone());
            prop_assert_eq!(path.depth(), names.len());
            prop_assert_eq!(RelPath::parse(path.as_bytes()).unwrap(), path.clone());
            match path.parent() {
                Some(parent) => prop_assert_eq!(parent.join(path.name()), path),
                None => prop_assert!(names.is_empty()),
            }
        }

        #[test]
        fn paths_are_ordered_as_lists_of_names(left in names(), right in names()) {
            prop_assert_eq!(joined(&left).cmp(&joined(&right)), left.cmp(&right));
        }

        #[test]
        fn it_lies_below_exactly_where_its_names_begin_alike(left in names(), right in names()) {
            let (left_path, right_path) = (joined(&left), joined(&right));
            prop_assert_eq!(left_path.starts_with(&right_path), left.starts_with(&right));
            if let Some(rest) = left_path.strip_prefix(&right_path) {
                prop_assert_eq!(rest, joined(&left[right.len()..]));
            }
        }

        #[test]
        fn it_survives_json(names in names()) {
            let path = joined(&names);
            let text = serde_json::to_string(&path).unwrap();
            prop_assert_eq!(serde_json::from_str::<RelPath>(&text).unwrap(), path);
        }
    }
}
