//! The differences between a mirror's trees at two moments.
//!
//! Both are walked side by side, folder by folder. A file that is gone here and there with the same
//! content elsewhere was renamed; a folder that was renamed is named once, without everything in
//! it.

use std::collections::BTreeMap;

use fichier_state::{Error, FolderKey, PastContent, PastFolder, RelPath};

use super::{Node, Tree, is_name};

/// One difference.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The path, at the later moment if it is there.
    pub path: RelPath,
    /// What happened to it.
    pub what: What,
    /// Whether it is a folder.
    pub is_folder: bool,
}

/// What happened to a path from one moment to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// It was not there before.
    Added,
    /// It is not there any more.
    Removed,
    /// It has other content, or is something else now.
    Changed,
    /// Its mode, owner, times or attributes changed.
    Attributes,
    /// It was there under another path.
    Renamed {
        /// The earlier path.
        from: RelPath,
    },
}

/// The differences from `before` to `after`, by path.
///
/// # Errors
///
/// Those of reading the state.
pub fn differences(before: &Tree<'_>, after: &Tree<'_>) -> Result<Vec<Difference>, Error> {
    let mut found = Found::default();
    let mut open = vec![(RelPath::root(), before.root()?, after.root()?)];
    while let Some((path, was, is)) = open.pop() {
        let was = inside(before, was.as_ref())?;
        let mut is = inside(after, is.as_ref())?;
        for (name, was) in was {
            let is = is.remove(&name);
            if !is_name(&name) {
                continue;
            }
            let here = path.join(&name);
            open.extend(found.compare(here, Some(was), is));
        }
        for (name, is) in is.into_iter().filter(|(name, _)| is_name(name)) {
            open.extend(found.compare(path.join(&name), None, Some(is)));
        }
    }
    Ok(found.finish())
}

type Below = (RelPath, Option<PastFolder>, Option<PastFolder>);

fn inside(tree: &Tree<'_>, folder: Option<&PastFolder>) -> Result<BTreeMap<Vec<u8>, Node>, Error> {
    let Some(folder) = folder else { return Ok(BTreeMap::new()) };
    Ok(tree.inside(folder.key, folder.device)?.into_iter().collect())
}

#[derive(Default)]
struct Found {
    done: Vec<Difference>,
    gone: BTreeMap<RelPath, Node>,
    new: BTreeMap<RelPath, Node>,
}

impl Found {
    /// Compares one path, and returns the folder to compare below it.
    fn compare(&mut self, path: RelPath, was: Option<Node>, is: Option<Node>) -> Option<Below> {
        let below = match (&was, &is) {
            (Some(Node::Folder(was)), Some(Node::Folder(is))) => {
                Some((path.clone(), Some(was.clone()), Some(is.clone())))
            }
            (Some(Node::Folder(was)), _) => Some((path.clone(), Some(was.clone()), None)),
            (_, Some(Node::Folder(is))) => Some((path.clone(), None, Some(is.clone()))),
            _ => None,
        };
        match (was, is) {
            (Some(was), Some(is)) if is_folder(&was) == is_folder(&is) => {
                self.compare_alike(path, &was, &is);
            }
            (was, is) => {
                self.gone.extend(was.map(|was| (path.clone(), was)));
                self.new.extend(is.map(|is| (path, is)));
            }
        }
        below
    }

    fn compare_alike(&mut self, path: RelPath, was: &Node, is: &Node) {
        let what = if content(was) != content(is) {
            What::Changed
        } else if !has_same_attributes(was, is) {
            What::Attributes
        } else {
            return;
        };
        let is_folder = is_folder(is);
        self.done.push(Difference { path, what, is_folder });
    }

    fn finish(mut self) -> Vec<Difference> {
        self.match_folders();
        self.match_files();
        for (nodes, what) in [(self.gone, What::Removed), (self.new, What::Added)] {
            for (path, node) in nodes {
                let (what, is_folder) = (what.clone(), is_folder(&node));
                self.done.push(Difference { path, what, is_folder });
            }
        }
        self.done.sort_by(|one, other| one.path.cmp(&other.path));
        self.done
    }

    fn match_folders(&mut self) {
        let key = |node: &Node| match node {
            Node::Folder(folder) => Some(folder.key),
            Node::Entry(..) | Node::Listed(_) | Node::Unusable => None,
        };
        let new: BTreeMap<FolderKey, RelPath> =
            self.new.iter().filter_map(|(path, node)| Some((key(node)?, path.clone()))).collect();
        let moved: Vec<(RelPath, RelPath)> = self
            .gone
            .iter()
            .filter_map(|(from, node)| Some((from.clone(), new.get(&key(node)?)?.clone())))
            .collect();
        for (from, to) in &moved {
            // Everything below a renamed folder has come along with it.
            let came_along = moved.iter().any(|(above, there)| {
                above != from
                    && from.strip_prefix(above).is_some_and(|rest| under(there, &rest) == *to)
            });
            self.gone.remove(from);
            self.new.remove(to);
            if !came_along {
                let what = What::Renamed { from: from.clone() };
                self.done.push(Difference { path: to.clone(), what, is_folder: true });
            }
            let below: Vec<RelPath> =
                self.gone.range(from.clone()..).map(|(path, _)| path.clone()).collect();
            for path in below.into_iter().take_while(|path| path.starts_with(from)) {
                let Some(there) = path.strip_prefix(from).map(|rest| under(to, &rest)) else {
                    continue;
                };
                if self.new.get(&there).is_some_and(|is| !is_folder(is))
                    && let (Some(was), Some(is)) =
                        (self.gone.remove(&path), self.new.remove(&there))
                {
                    self.compare_alike(there, &was, &is);
                }
            }
        }
    }

    fn match_files(&mut self) {
        let mut by_content: BTreeMap<Vec<u8>, Vec<RelPath>> = BTreeMap::new();
        for (path, node) in &self.gone {
            if let Some(key) = file_key(node) {
                by_content.entry(key).or_default().push(path.clone());
            }
        }
        let new: Vec<(RelPath, Vec<u8>)> = self
            .new
            .iter()
            .filter_map(|(path, node)| Some((path.clone(), file_key(node)?)))
            .collect();
        for (path, key) in new {
            let Some(from) = by_content.get_mut(&key).and_then(Vec::pop) else { continue };
            self.gone.remove(&from);
            self.new.remove(&path);
            self.done.push(Difference { path, what: What::Renamed { from }, is_folder: false });
        }
    }
}

/// The path of `rest` below `folder`.
fn under(folder: &RelPath, rest: &RelPath) -> RelPath {
    rest.components().fold(folder.clone(), |path, name| path.join(name))
}

fn is_folder(node: &Node) -> bool {
    matches!(node, Node::Folder(_))
}

fn content(node: &Node) -> Option<&PastContent> {
    match node {
        Node::Entry(entry, _) => Some(&entry.content),
        Node::Folder(_) | Node::Listed(_) | Node::Unusable => None,
    }
}

/// The identity of a file's content.
fn file_key(node: &Node) -> Option<Vec<u8>> {
    match content(node)? {
        PastContent::File { size_bytes, fingerprint } => {
            Some([&size_bytes.to_be_bytes()[..], fingerprint.as_bytes()].concat())
        }
        PastContent::Empty | PastContent::Symlink(_) => None,
    }
}

fn has_same_attributes(was: &Node, is: &Node) -> bool {
    match (was, is) {
        // The times of a folder change with its contents, whose differences are reported.
        (Node::Folder(was), Node::Folder(is)) => {
            let (was, is) = (&was.metadata, &is.metadata);
            (was.mode, was.uid, was.gid, &was.xattrs) == (is.mode, is.uid, is.gid, &is.xattrs)
        }
        (Node::Entry(was, _), Node::Entry(is, _)) => was.metadata == is.metadata,
        _ => true,
    }
}
