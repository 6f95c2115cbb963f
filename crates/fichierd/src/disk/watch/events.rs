//! Takes events from `notify`: each becomes a dirty path, a folder to look at, or nothing.
//!
//! `notify` also reports that files were opened, which our own scanning and hashing do all
//! the time. Such events are dropped here before anything is allocated or locked.
//!
//! Invariant: nothing here waits, and nothing here grows: the dirty set and the todo are bounded.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use fichier_state::RelPath;
use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind, RemoveKind, RenameMode};
use notify::{Event, EventHandler, EventKind};

use super::todo::{Look, Todo};
use crate::disk::dirty::DirtyQueue;
use crate::disk::filter::RULES_FILE;

/// Receives the events of one inotify instance.
#[derive(Clone, Debug)]
pub(super) struct Events {
    pub(super) source: Arc<PathBuf>,
    pub(super) dirty: DirtyQueue,
    pub(super) todo: Arc<Todo>,
    pub(super) overflows: Arc<AtomicU64>,
    /// Dropped when `notify` has closed the instance: see `Instances::close`.
    pub(super) alive: mpsc::Sender<()>,
}

impl EventHandler for Events {
    fn handle_event(&mut self, event: notify::Result<Event>) {
        match event {
            // This event has no path and an unremarkable kind, so it has to be tested for first.
            Ok(event) if event.need_rescan() => self.doubt_everything(),
            Ok(event) => self.admit(&event),
            Err(_) => self.doubt_everything(),
        }
    }
}

impl Events {
    fn doubt_everything(&self) {
        self.overflows.fetch_add(1, Ordering::Relaxed);
        self.dirty.mark_everything();
        self.todo.start_over();
    }

    fn admit(&self, event: &Event) {
        let Some(hint) = hint(event.kind) else { return };
        for path in event.paths.iter().filter_map(|path| below(&self.source, path)) {
            if path.name() == RULES_FILE {
                self.watch_by_new_rules(&path);
            }
            if let Hint::Folder(look) = hint {
                if path.is_root() {
                    self.todo.start_over();
                } else {
                    self.todo.look(path.clone(), look);
                }
            }
            self.dirty.mark(path);
        }
    }
}

impl Events {
    /// The patterns for a folder have changed: folders that they excluded are to be watched.
    fn watch_by_new_rules(&self, rules: &RelPath) {
        match rules.parent() {
            Some(folder) if !folder.is_root() => self.todo.look(folder, Look::Moved),
            Some(_) | None => self.todo.start_over(),
        }
    }
}

/// The consequence of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hint {
    /// The path is marked dirty.
    Changed,
    /// The same, and it may be a folder whose watch must be looked at.
    Folder(Look),
}

fn hint(kind: EventKind) -> Option<Hint> {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Some(Hint::Changed),
        EventKind::Access(_) => None,
        EventKind::Create(CreateKind::Folder) => Some(Hint::Folder(Look::New)),
        EventKind::Remove(RemoveKind::File)
        | EventKind::Create(_)
        | EventKind::Any
        | EventKind::Other => Some(Hint::Changed),
        EventKind::Remove(_) => Some(Hint::Folder(Look::Gone)),
        // Both halves of such a pair have been reported one by one.
        EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => None,
        EventKind::Modify(ModifyKind::Name(_)) => Some(Hint::Folder(Look::Moved)),
        EventKind::Modify(_) => Some(Hint::Changed),
    }
}

/// `path` relative to `source`; `None` for one that is not below it.
pub(super) fn below(source: &Path, path: &Path) -> Option<RelPath> {
    let rest = path.as_os_str().as_bytes().strip_prefix(source.as_os_str().as_bytes())?;
    match rest.strip_prefix(b"/") {
        Some(rest) => RelPath::parse(rest).ok(),
        None if rest.is_empty() => Some(RelPath::root()),
        // A source of "/" ends with the slash already.
        None if source == Path::new(OsStr::new("/")) => RelPath::parse(rest).ok(),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use notify::event::{DataChange, Flag, MetadataKind};

    use super::super::todo::Work;
    use super::*;

    const SOURCE: &str = "/srv/photos";

    fn events() -> Events {
        Events {
            source: Arc::new(PathBuf::from(SOURCE)),
            dirty: DirtyQueue::default(),
            todo: Arc::new(Todo::default()),
            overflows: Arc::default(),
            alive: mpsc::channel().0,
        }
    }

    /// Compares the consequences of one event of `kind` at `path`, as text: the mark and the look.
    fn check(kind: EventKind, path: &str, expected: &str) {
        let mut events = events();
        events.handle_event(Ok(Event::new(kind).add_path(PathBuf::from(path))));
        let due = events.dirty.take_settled(Duration::ZERO, Duration::ZERO);
        let mut said: Vec<_> = due.paths.iter().map(|path| format!("mark {path}")).collect();
        said.extend(due.everything.then(|| "mark everything".to_owned()));
        let work = events.todo.wait(Some(Instant::now())).unwrap();
        said.extend(work.looks.iter().map(|(path, look)| format!("look {path} {look:?}")));
        said.extend(work.start_over.then(|| "start over".to_owned()));
        assert_eq!(said.join(", "), expected, "{kind:?} at {path}");
    }

    #[test]
    fn events_of_files_only_mark() {
        for kind in [
            EventKind::Create(CreateKind::File),
            EventKind::Remove(RemoveKind::File),
            EventKind::Modify(ModifyKind::Data(DataChange::Any)),
            EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any)),
            EventKind::Access(AccessKind::Close(AccessMode::Write)),
        ] {
            check(kind, "/srv/photos/a/b", "mark a/b");
        }
    }

    #[test]
    fn events_that_may_be_of_folders_are_looked_at_too() {
        let name = |mode| EventKind::Modify(ModifyKind::Name(mode));
        let at = "/srv/photos/a";
        check(EventKind::Create(CreateKind::Folder), at, "mark a, look a New");
        check(EventKind::Remove(RemoveKind::Folder), at, "mark a, look a Gone");
        check(EventKind::Remove(RemoveKind::Other), at, "mark a, look a Gone");
        check(name(RenameMode::From), at, "mark a, look a Moved");
        check(name(RenameMode::To), at, "mark a, look a Moved");
        check(name(RenameMode::Both), at, "");
    }

    #[test]
    fn new_patterns_make_it_look_for_folders_that_are_no_longer_excluded() {
        let written = EventKind::Access(AccessKind::Close(AccessMode::Write));
        let at = "/srv/photos/a/.fichierignore";
        check(written, at, "mark a/.fichierignore, look a Moved");
        let gone = EventKind::Remove(RemoveKind::File);
        check(gone, "/srv/photos/.fichierignore", "mark .fichierignore, start over");
    }

    #[test]
    fn own_reads_are_dropped() {
        check(EventKind::Access(AccessKind::Open(AccessMode::Any)), "/srv/photos/a", "");
        check(EventKind::Access(AccessKind::Close(AccessMode::Read)), "/srv/photos/a", "");
    }

    #[test]
    fn a_root_that_moves_or_goes_away_makes_it_start_over() {
        let moved = EventKind::Modify(ModifyKind::Name(RenameMode::From));
        check(moved, SOURCE, "mark everything, start over");
        check(EventKind::Remove(RemoveKind::Folder), SOURCE, "mark everything, start over");
    }

    #[test]
    fn paths_outside_the_source_are_ignored() {
        check(EventKind::Create(CreateKind::Folder), "/srv/photos-2/a", "");
        check(EventKind::Create(CreateKind::Folder), "/srv", "");
    }

    #[test]
    fn a_source_at_the_root_of_the_system_has_paths_too() {
        let path = below(Path::new("/"), Path::new("/srv/a")).unwrap();
        assert_eq!(path.as_bytes(), b"srv/a");
    }

    #[test]
    fn w01_lost_events_and_errors_mark_everything_and_are_counted() {
        let rescan = Event::new(EventKind::Other).set_flag(Flag::Rescan);
        for lost in [Ok(rescan), Err(notify::Error::generic("cannot read events"))] {
            let mut events = events();
            events.handle_event(lost);
            assert!(events.dirty.take_settled(Duration::ZERO, Duration::ZERO).everything);
            let work = Work { start_over: true, ..Work::default() };
            assert_eq!(events.todo.wait(Some(Instant::now())), Some(work));
            assert_eq!(events.overflows.load(Ordering::Relaxed), 1);
        }
    }
}
