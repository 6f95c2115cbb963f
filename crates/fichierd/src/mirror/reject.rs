//! What `reject` does with removals that are held: the remote copies are kept, as unmanaged.

use crate::plan::{Note, Plan, Step};

/// Turns the removals of a plan into notes that keep the remote copies, for `reject`.
pub fn keep_instead(plan: Plan) -> Vec<Note> {
    let mut notes = Vec::new();
    for step in plan.steps {
        match step {
            Step::Retire(files) => {
                notes.extend(files.into_iter().map(|file| Note::Manage(file.path, file.was, false)))
            }
            Step::RetireFolder(path, folder) | Step::RemoveFolder(path, folder) => {
                notes.push(Note::ManageFolder(path, folder, false));
            }
            Step::Note(_)
            | Step::MakeFolder(_)
            | Step::Adopt(..)
            | Step::Relocate(_)
            | Step::BringBack(_)
            | Step::Copy(..)
            | Step::Recognise(..)
            | Step::Upload(_) => {}
        }
    }
    notes
}
