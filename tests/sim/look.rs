//! The invariants that must hold after each request, and when the mirror has settled.
//!
//! The numbers are those of docs/architecture.md, and T1 to T10 of the fault catalogue.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fichier_emulator::{Emulator, NameTaken, StoredFile};
use fichier_state::RelPath;
use fichier_testkit::crypt;

use crate::disk::{Disk, Looked, Owned};
use crate::script::{Script, Setting};
use crate::tolerance::Tolerance;
use crate::world::TARGET;

/// An error tells which invariant is broken.
pub type Outcome = Result<(), String>;

/// The folders of our own in a target.
const OWN: [&str; 2] = ["/.fichierd", "/_fichierd"];

/// The witness.
pub struct Look {
    emulator: Arc<Emulator>,
    setting: Setting,
    tolerance: Tolerance,
    /// The path of the target on the service.
    base: String,
    /// Where the configuration says that it is.
    wanted: String,
    /// Files that were live, with the file on disk that they were the copy of, and their content.
    live: BTreeMap<String, (u64, Vec<u8>)>,
    /// All contents that each file on disk has had.
    had: BTreeMap<u64, BTreeSet<Vec<u8>>>,
    /// Every content that was ever live.
    shown: BTreeSet<Vec<u8>>,
    /// Every content that is on the service, in its place or kept as a version.
    stored: BTreeSet<Vec<u8>>,
    /// Paths that had more than one file when the records were lost.
    twins: BTreeSet<String>,
    /// Links of files that others put there, with their names.
    foreign: BTreeMap<String, String>,
    /// What the last look at everything found.
    looked: Looked,
    /// What was changed since.
    touched: BTreeSet<RelPath>,
}

impl Look {
    pub fn new(emulator: Arc<Emulator>, script: &Script) -> Look {
        Look {
            emulator,
            setting: script.setting.clone(),
            tolerance: Tolerance::of(script),
            base: TARGET.to_owned(),
            wanted: TARGET.to_owned(),
            live: BTreeMap::new(),
            had: BTreeMap::new(),
            shown: BTreeSet::new(),
            stored: BTreeSet::new(),
            twins: BTreeSet::new(),
            foreign: BTreeMap::new(),
            looked: Looked::default(),
            touched: BTreeSet::new(),
        }
    }

    /// Puts a file of another user into the target.
    pub fn add_there(&mut self, name: u8) {
        let name = format!("of somebody else {name}");
        let link = self.emulator.add_file(&self.base, &name, name.as_bytes());
        self.foreign.insert(link, name);
    }

    /// The records are lost. An old copy that was to be retired is somebody else's from now on: it
    /// stays beside the one that is adopted, as any file that was there before.
    pub fn lose_records(&mut self) {
        let (mut seen, mut twins) = (BTreeSet::new(), BTreeSet::new());
        for path in self.emulator.files().iter().filter_map(|file| self.live_path(file)) {
            if !seen.insert(path.clone()) {
                twins.insert(path);
            }
        }
        self.twins.append(&mut twins);
    }

    /// The target is to be moved there, if that is approved.
    pub fn want(&mut self, target: &str) {
        target.clone_into(&mut self.wanted);
    }

    /// Whether old copies may stay where they were, and in the way.
    pub fn may_leave(&self) -> bool {
        self.tolerance.leaves
    }

    /// Whether files that were sent may never be shown.
    pub fn never_appear(&self) -> bool {
        self.tolerance.never_appear
    }

    /// Whether nodes refuse large batches.
    pub fn refuses_batches(&self) -> bool {
        self.tolerance.refuses_batches
    }

    /// Where the target is.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Takes note of what the program has looked at by now.
    pub fn follow(&mut self, disk: &Disk) {
        if let Some(looked) = disk.take_look() {
            self.looked = looked;
            self.touched.clear();
        }
    }

    /// Whether a file is as the last look at everything found it.
    fn is_as_looked(&self, path: &RelPath, file: &Owned) -> bool {
        let is_touched = self.touched.iter().any(|touched| path.starts_with(touched));
        !is_touched && self.looked.files.get(path) == Some(file)
    }

    /// A path has changed. What is empty or gone there needs no live copy, and what is written there
    /// before the next request is new.
    pub fn touch(&mut self, path: &RelPath, disk: &Disk) {
        let files = disk.files();
        let is_there = |at: &String| files.keys().any(|path| encoded(path) == *at);
        if !files.contains_key(path) {
            self.live.retain(|at, _| is_there(at));
        }
        self.touched.insert(path.clone());
    }

    /// The program says that the mirror is complete: what was there when everything was looked at,
    /// and is still the same, is on the service.
    pub fn complete(&self, disk: &Disk) -> Outcome {
        let now = disk.files();
        let mut live = BTreeMap::<_, BTreeSet<_>>::new();
        let mut contents = BTreeSet::new();
        for file in self.emulator.files() {
            if let Some(path) = self.live_path(&file) {
                let content = self.content(&file);
                contents.insert(content.clone());
                live.entry(path).or_default().insert(content);
            }
        }
        for (path, file) in &now {
            if !self.is_as_looked(path, file) {
                continue;
            }
            let is_there = if self.tolerance.other_names {
                contents.contains(&file.bytes)
            } else {
                live.get(&encoded(path)).is_some_and(|live| live.contains(&file.bytes))
            };
            if !is_there {
                return Err(format!("it says that it is complete, and `{path}` is not there"));
            }
        }
        Ok(())
    }

    /// The target may have been moved: it is where our own folder is.
    fn find_base(&mut self) {
        if !self.tolerance.moves {
            return;
        }
        let folders = self.emulator.folders();
        let above = |path: &String| {
            let own = OWN.iter().find_map(|own| path.strip_suffix(own));
            own.map(str::to_owned)
        };
        let bases: Vec<String> = folders.iter().filter_map(above).collect();
        if bases.contains(&self.wanted) {
            self.base.clone_from(&self.wanted);
        } else if !bases.contains(&self.base)
            && let Some(base) = bases.into_iter().next()
        {
            self.base = base;
        }
    }

    /// No content that the user has, and that was on the service, is gone from there.
    fn nothing_good_is_gone(&mut self, disk: &Disk, files: &[StoredFile]) -> Outcome {
        // What lies in staging is no copy yet: it may have changed while it was read, and is removed
        // and sent again then.
        let in_place = files.iter().filter(|file| !self.is_staged(&file.path));
        let stored: BTreeSet<Vec<u8>> = in_place.map(|file| self.content(file)).collect();
        let before = std::mem::replace(&mut self.stored, stored);
        if self.setting.name_taken == NameTaken::Overwrite {
            return Ok(());
        }
        // Where nothing is kept, a copy goes with its file: what a look cannot find elsewhere, in a
        // folder that cannot be read or at a path that changed since, counts as removed.
        let is_lost = |path: &RelPath, file: &Owned| {
            let is_gone = before.contains(&file.bytes) && !self.stored.contains(&file.bytes);
            let is_known = || self.is_as_looked(path, file) && !self.looked.unread.contains(path);
            is_gone && (self.setting.keep_versions || is_known())
        };
        let gone = disk.files().into_iter().find(|(path, file)| is_lost(path, file));
        gone.map_or(Ok(()), |(path, _)| Err(format!("the only copy of `{path}` was removed")))
    }

    /// T4: no path loses its copy because of a replacement. T5: foreign files stay.
    pub fn after_request(&mut self, disk: &Disk) -> Outcome {
        self.follow(disk);
        self.find_base();
        let files = self.emulator.files();
        self.nothing_good_is_gone(disk, &files)?;
        let links: BTreeSet<&str> = files.iter().map(|file| file.link.as_str()).collect();
        for (link, name) in &self.foreign {
            if !links.contains(link.as_str()) {
                return Err(format!("T5: `{name}`, which is not ours, was removed"));
            }
        }
        let (mut on_disk, mut bytes) = (BTreeMap::new(), BTreeMap::new());
        for (path, file) in disk.files() {
            let path = encoded(&path);
            on_disk.insert(path.clone(), file.birth);
            self.had.entry(file.birth).or_default().insert(file.bytes.clone());
            bytes.insert(path, file.bytes);
        }
        let (mut live, mut showing, mut unnamed) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
        for file in &files {
            let Some(path) = self.live_path(file) else { continue };
            if self.foreign.contains_key(&file.link) {
                continue;
            }
            let content = self.content(file);
            if self.setting.keep_versions {
                self.shown.insert(content.clone());
            }
            showing.insert(content.clone());
            if file.name.starts_with("fichierd-") {
                unnamed.push((path.rsplit_once('/').map(|at| at.0.to_owned()), content.clone()));
            }
            if let Some(birth) = on_disk.get(&path) {
                live.insert(path, (*birth, content));
            }
        }
        // If a name cannot be taken twice, the old copy goes first, to the versions. And a copy may
        // have become that of another path, which has this content now (a rotated log), or the
        // content that belongs here is live elsewhere and on its way, or here under another name.
        let is_strict =
            self.setting.name_taken == NameTaken::Duplicate && !self.tolerance.other_names;
        if is_strict {
            for (path, (birth, content)) in &self.live {
                let is_there = on_disk.get(path) == Some(birth);
                let moves = showing.contains(content)
                    || bytes.get(path).is_some_and(|bytes| showing.contains(bytes));
                let folder = path.rsplit_once('/').map(|at| at.0.to_owned());
                let is_to_be_named = || {
                    unnamed.iter().any(|(at, has)| *at == folder && self.had[birth].contains(has))
                };
                if is_there && !live.contains_key(path) && !moves && !is_to_be_named() {
                    let there: Vec<String> =
                        files.iter().map(|file| format!("{}/{}", file.path, file.name)).collect();
                    return Err(format!("T4: `{path}` has no live copy any more: {there:#?}"));
                }
            }
        }
        self.live = live;
        Ok(())
    }

    /// T2 and I1 to I12, as far as they show in a settled mirror.
    pub fn at_rest(&mut self, disk: &Disk) -> Outcome {
        let mut violations = self.emulator.violations();
        violations.retain(|broken| !self.tolerance.tolerates(broken));
        if !violations.is_empty() {
            return Err(format!("rules were broken: {violations:#?}"));
        }
        self.after_request(disk)?;
        let (mut live, mut kept) = (Vec::new(), BTreeSet::new());
        for file in self.emulator.files() {
            // Files that nodes took without an account are in no folder of it.
            if file.anonymous || self.foreign.contains_key(&file.link) {
                continue;
            }
            let content = self.content(&file);
            kept.insert(content.clone());
            if let Some(path) = self.live_path(&file) {
                live.push((path, content));
            } else if !self.is_kept(&file.path)
                && !self.is_staged(&file.path)
                && !self.tolerance.lost_state
                && !self.tolerance.leaves
            {
                return Err(format!("`{}` lies in {}", file.name, file.path));
            }
        }
        if self.tolerance.other_names {
            live.iter_mut().for_each(|(path, _)| path.clear());
        }
        live.sort();
        let mut disk: Vec<(String, Vec<u8>)> =
            disk.files().into_iter().map(|(path, file)| (encoded(&path), file.bytes)).collect();
        if self.tolerance.other_names {
            disk.iter_mut().for_each(|(path, _)| path.clear());
        }
        disk.sort();
        let is_equal = if self.tolerance.lost_state || self.tolerance.leaves {
            // What is there and not on disk was taken for somebody else's; a path that is on disk
            // is there once, unless listings hid what was there.
            let mut rest = live.clone();
            let all = disk.iter().all(|file| {
                let at = rest.iter().position(|other| other == file);
                at.map(|at| rest.swap_remove(at)).is_some()
            });
            let is_twice = |(path, _): &(String, Vec<u8>)| {
                disk.iter().any(|(at, _)| at == path) && !self.twins.contains(path)
            };
            let may_be_twice = self.tolerance.leaves || self.tolerance.other_names;
            all && (may_be_twice || !rest.iter().any(is_twice))
        } else {
            live == disk
        };
        if !is_equal {
            let only = |these: &[(String, Vec<u8>)], those: &[(String, Vec<u8>)]| {
                let mut only = these.to_vec();
                only.retain(|file| !those.contains(file));
                only.into_iter()
                    .map(|(path, bytes)| format!("{path}: {}", String::from_utf8_lossy(&bytes)))
                    .collect::<Vec<_>>()
            };
            let (here, there) = (only(&disk, &live), only(&live, &disk));
            return Err(format!("T2: only here {here:#?}\nonly or again there {there:#?}"));
        }
        if self.setting.keep_versions && self.setting.name_taken != NameTaken::Overwrite {
            let lost: Vec<_> = self.shown.difference(&kept).collect();
            if !lost.is_empty() {
                let lost: Vec<_> = lost.iter().map(|b| String::from_utf8_lossy(b)).collect();
                return Err(format!("contents were lost: {lost:?}"));
            }
        }
        Ok(())
    }

    /// The path of a file in the target, unless it is in our own folder there.
    fn live_path(&self, file: &StoredFile) -> Option<String> {
        let folder = file.path.strip_prefix(&self.base)?;
        let is_below = folder.is_empty() || folder.starts_with('/');
        if !is_below || OWN.iter().any(|own| folder.starts_with(own)) {
            return None;
        }
        let folder = crypt::plain_folder(folder);
        let name = crypt::plain_file(&file.name);
        Some(format!("{folder}/{name}").trim_start_matches('/').to_owned())
    }

    /// The contents of a file, as they are on disk. One that was cut on its way stays as it is.
    fn content(&self, file: &StoredFile) -> Vec<u8> {
        crypt::plain_content_if_whole(self.emulator.content(&file.link).unwrap_or_default())
    }

    /// Whether a file lies in staging, where it should not stay.
    pub fn has_staged(&self) -> bool {
        // What no listing shows cannot be found.
        let is_staged = |file: &StoredFile| !file.hidden && self.is_staged(&file.path);
        !self.tolerance.lost_state && self.emulator.files().iter().any(is_staged)
    }

    fn is_staged(&self, folder: &str) -> bool {
        let own = folder.strip_prefix(&self.base).unwrap_or_default();
        OWN.iter().any(|name| own.starts_with(&format!("{name}/incoming")))
    }

    fn is_kept(&self, folder: &str) -> bool {
        let own = folder.strip_prefix(&self.base).unwrap_or_default();
        OWN.iter().any(|name| own.starts_with(&format!("{name}/versions")))
    }
}

fn encoded(path: &RelPath) -> String {
    let depth = path.depth();
    let shown = path.components().enumerate().map(|(above, name)| {
        if above + 1 == depth { crypt::shown_file(name) } else { crypt::shown_folder(name) }
    });
    shown.collect::<Vec<_>>().join("/")
}
