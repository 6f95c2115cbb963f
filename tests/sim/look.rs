//! The invariants that must hold after each request, and when the mirror has settled.
//!
//! The numbers are those of docs/architecture.md, and T1 to T10 of the fault catalogue.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fichier_api::names::RemoteName;
use fichier_emulator::{Emulator, NameTaken};
use fichier_state::RelPath;

use crate::disk::Disk;
use crate::script::Setting;
use crate::world::TARGET;

/// An error tells which invariant is broken.
pub type Outcome = Result<(), String>;

/// The witness.
pub struct Look {
    emulator: Arc<Emulator>,
    setting: Setting,
    /// Files that were live, with the file on disk that they were the copy of, and their content.
    live: BTreeMap<String, (u64, Vec<u8>)>,
    /// All contents that each file on disk has had.
    had: BTreeMap<u64, BTreeSet<Vec<u8>>>,
    /// Every content that was ever live.
    shown: BTreeSet<Vec<u8>>,
    /// Links of files that others put there, with their names.
    foreign: BTreeMap<String, String>,
}

impl Look {
    pub fn new(emulator: Arc<Emulator>, setting: Setting) -> Look {
        Look {
            emulator,
            setting,
            live: BTreeMap::new(),
            had: BTreeMap::new(),
            shown: BTreeSet::new(),
            foreign: BTreeMap::new(),
        }
    }

    /// Puts a file of another user into the target.
    pub fn add_there(&mut self, name: u8) {
        let name = format!("of somebody else {name}");
        let link = self.emulator.add_file(TARGET, &name, name.as_bytes());
        self.foreign.insert(link, name);
    }

    /// T4: no path loses its copy because of a replacement. T5: foreign files stay.
    pub fn after_request(&mut self, disk: &Disk) -> Outcome {
        let files = self.emulator.files();
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
            let Some(path) = live_path(&file.path, &file.name) else { continue };
            if self.foreign.contains_key(&file.link) {
                continue;
            }
            let content = self.emulator.content(&file.link).unwrap_or_default();
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
        if self.setting.name_taken == NameTaken::Duplicate {
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
        let violations = self.emulator.violations();
        if !violations.is_empty() {
            return Err(format!("rules were broken: {violations:#?}"));
        }
        self.after_request(disk)?;
        let (mut live, mut kept) = (Vec::new(), BTreeSet::new());
        for file in self.emulator.files() {
            if self.foreign.contains_key(&file.link) {
                continue;
            }
            let content = self.emulator.content(&file.link).unwrap_or_default();
            kept.insert(content.clone());
            if let Some(path) = live_path(&file.path, &file.name) {
                live.push((path, content));
            } else if !file.path.starts_with(&format!("{TARGET}/.fichierd/versions")) {
                return Err(format!("`{}` lies in {}", file.name, file.path));
            }
        }
        live.sort();
        let mut disk: Vec<(String, Vec<u8>)> =
            disk.files().into_iter().map(|(path, file)| (encoded(&path), file.bytes)).collect();
        disk.sort();
        if live != disk {
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
}

/// The path of a file in the target, unless it is in our own folder there.
fn live_path(folder: &str, name: &str) -> Option<String> {
    let folder = folder.strip_prefix(TARGET)?;
    if folder.starts_with("/.fichierd") {
        return None;
    }
    Some(format!("{folder}/{name}").trim_start_matches('/').to_owned())
}

fn encoded(path: &RelPath) -> String {
    let names: Vec<String> =
        path.components().map(|name| RemoteName::encode(name).as_str().to_owned()).collect();
    names.join("/")
}
