//! A plan as text: for `--dry-run`, and for the tests, which compare plans as text.

use std::fmt;

use fichier_api::MAX_LINKS_PER_CALL;
use fichier_state::Version;

use super::{Note, Placement, Plan, Relocation, Step};
use crate::base::Form;
use crate::base::words::{self, bytes, counted};
use crate::plan::decide::BatchLimits;

/// The cost of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Calls to the service, of every kind.
    pub calls: u64,
    /// Bytes of the files to send.
    pub bytes: u64,
    /// Files to send.
    pub files: u64,
}

impl Plan {
    /// Calls, files and bytes, if nothing has to be repeated.
    pub fn cost(&self) -> Cost {
        self.steps.iter().fold(Cost::default(), |mut cost, step| {
            cost.calls += step.calls();
            if let Step::Upload(files) = step {
                cost.files += files.len() as u64;
                cost.bytes += files.iter().map(Placement::size_bytes).sum::<u64>();
            }
            cost
        })
    }
}

impl Plan {
    /// Bytes that are sent of the contents of files, stored in this form.
    pub fn bytes_to_send(&self, form: &Form) -> u64 {
        let mut sent = 0_u64;
        for step in &self.steps {
            if let Step::Upload(files) = step {
                sent += files.iter().map(|file| form.object_bytes(file.size_bytes())).sum::<u64>();
            }
        }
        sent
    }
}

impl Plan {
    /// What it costs to compare files with those on the service, and what to send them instead;
    /// `None` if none is compared.
    pub fn comparison(&self) -> Option<String> {
        let mut alike = Vec::new();
        for step in &self.steps {
            if let Step::Recognise(place, _) = step {
                alike.push(place.clone());
            }
        }
        let count = alike.len() as u64;
        if count == 0 {
            return None;
        }
        let batches = BatchLimits::default().cut(alike);
        let sent = Plan { steps: batches.into_iter().map(Step::Upload).collect(), removals: 0 };
        let Cost { calls, bytes: size, .. } = sent.cost();
        let may_be = if count == 1 { "file may be" } else { "files may be" };
        Some(format!(
            "{} {may_be} on 1fichier already: {} to compare, where sending would take {} and {}",
            words::count(count),
            counted(count, "call"),
            counted(calls, "call"),
            bytes(size),
        ))
    }
}

impl Step {
    /// Calls of an upload besides those that publish its files: node, files, result.
    pub(crate) const UPLOAD_CALLS: usize = 3;

    /// Calls that the step makes when nothing goes wrong.
    pub fn calls(&self) -> u64 {
        match self {
            Step::Note(_) | Step::Adopt(..) => 0,
            Step::MakeFolder(_)
            | Step::Recognise(..)
            | Step::Retire(_)
            | Step::RetireFolder(..) => 1,
            Step::BringBack(files) => bringing_back_calls(files),
            Step::Copy(place, _) => 1 + u64::from(place.replaces.is_some()),
            Step::RemoveFolder(..) => 2,
            Step::Relocate(files) => relocation_calls(files),
            Step::Upload(files) => upload_calls(files),
        }
    }
}

/// One batched rename for all files that change their name, one batched move for each new folder.
fn relocation_calls(files: &[Relocation]) -> u64 {
    let renames = files.iter().any(|file| file.aside || file.from.name() != file.to.path.name());
    let mut folders: Vec<_> = files
        .iter()
        .filter(|file| !file.aside && file.from.parent() != file.to.path.parent())
        .map(|file| file.to.folder())
        .collect();
    folders.sort();
    folders.dedup();
    u64::from(renames) + folders.len() as u64
}

/// A move, a rename for files that have another name among the versions, and the retirement of the
/// files that they replace.
fn bringing_back_calls(files: &[(Placement, Version)]) -> u64 {
    let renames = files.iter().any(|(place, version)| place.path.name() != version.path.name());
    let replaces = files.iter().any(|(place, _)| place.replaces.is_some());
    1 + u64::from(renames) + u64::from(replaces)
}

/// Node, files, result; a rename for names that occur twice; a move for each folder.
fn upload_calls(files: &[Placement]) -> u64 {
    let mut names: Vec<_> = files.iter().map(|file| file.path.name()).collect();
    names.sort();
    let twins = names.windows(2).filter(|pair| pair[0] == pair[1]).count();
    let mut folders: Vec<_> = files.iter().map(Placement::folder).collect();
    folders.sort();
    let moves: usize =
        folders.chunk_by(|a, b| a == b).map(|chunk| chunk.len().div_ceil(MAX_LINKS_PER_CALL)).sum();
    let replaced = files.iter().filter(|file| file.replaces.is_some()).count();
    let batches = |links: usize| links.div_ceil(MAX_LINKS_PER_CALL);
    (Step::UPLOAD_CALLS + batches(twins) + moves + batches(replaced)) as u64
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps.iter().try_for_each(|step| write!(f, "{step}"))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Note(notes) => notes.iter().try_for_each(|note| note.fmt(f)),
            Step::MakeFolder(path) => writeln!(f, "make folder {path}"),
            Step::Adopt(place, _) => writeln!(f, "adopt {}", place.path),
            Step::Relocate(files) => files.iter().try_for_each(|file| {
                let aside = if file.aside { " (steps aside)" } else { "" };
                writeln!(f, "move {} to {}{aside}", file.from, file.to.path)
            }),
            Step::BringBack(files) => {
                files.iter().try_for_each(|(place, _)| writeln!(f, "bring back {}", place.path))
            }
            Step::Copy(place, _) => writeln!(f, "copy on the service to {}", place.path),
            Step::Recognise(place, _) => {
                writeln!(f, "compare {} with what is on 1fichier", place.path)
            }
            Step::Upload(files) => files.iter().try_for_each(|file| {
                let verb = if file.replaces.is_some() { "replace" } else { "send" };
                writeln!(f, "{verb} {} ({})", file.path, bytes(file.size_bytes()))
            }),
            Step::Retire(files) => {
                files.iter().try_for_each(|file| writeln!(f, "retire {}", file.path))
            }
            Step::RetireFolder(path, _) => writeln!(f, "retire folder {path}"),
            Step::RemoveFolder(path, _) => writeln!(f, "remove folder {path} if empty"),
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::Refresh(path, ..) => writeln!(f, "note: {path} has the same content"),
            Note::Unsendable(path, _) => writeln!(f, "note: {path} is kept in the state only"),
            Note::Forget(path, _) => writeln!(f, "note: {path} is gone"),
            Note::ForgetFolder(path, _) => writeln!(f, "note: folder {path} is gone"),
            Note::Manage(path, _, managed) => writeln!(f, "note: {path} is {}", manages(*managed)),
            Note::ManageFolder(path, _, managed) => {
                writeln!(f, "note: folder {path} is {}", manages(*managed))
            }
        }
    }
}

fn manages(managed: bool) -> &'static str {
    if managed { "mirrored again" } else { "excluded now, and stays on 1fichier" }
}
