//! The part of a restore that blocks: making, comparing and copying files on the disk, and setting
//! their metadata.
//!
//! An error of one path is noted as its problem; an error that every other path would meet too,
//! such as a full disk, ends the restore.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fichier_state::{Metadata, RelPath};

use super::compare::{Standing, is_content};
use super::dest::{Dest, InTheWay, Part};
use super::metadata::{MetadataSetter, Subject, Unset};
use super::plan::{Content, DestPlace};
use super::report::{Progress, Report};
use super::run::{Overwrite, RestoreError};
use crate::disk::SeenKind;
use crate::disk::holes::punch_holes;

/// The destination and the report, which all downloads share.
pub(super) struct Shared {
    pub(super) writer: Mutex<Writer>,
    pub(super) report: Mutex<Report>,
    pub(super) stopped: AtomicBool,
}

pub(super) struct Writer {
    pub(super) dest: Dest,
    pub(super) setter: MetadataSetter,
}

/// The places of one content, sorted by what they need.
#[derive(Default)]
pub(super) struct Todo {
    /// The file there has the same content: only its metadata is set.
    pub(super) same: Vec<DestPlace>,
    /// The file is written there; the flag says whether it replaces something.
    pub(super) write: Vec<(DestPlace, bool)>,
}

/// The part of a restore that blocks.
pub(super) struct Disk {
    pub(super) shared: Arc<Shared>,
    pub(super) overwrite: Overwrite,
    pub(super) made_top: bool,
    pub(super) in_place: bool,
    pub(super) top: PathBuf,
    pub(super) progress: Arc<Progress>,
}

impl Disk {
    /// Makes the folders, which get their metadata at the end. Tells for each whether a folder is
    /// there now.
    pub(super) fn make_folders(
        &self,
        folders: &[(RelPath, Metadata)],
    ) -> Result<Vec<bool>, RestoreError> {
        let replace = self.overwrite == Overwrite::Always;
        let expected = {
            let has_root = folders.first().is_some_and(|(path, _)| path.is_root());
            let paths = folders.iter().map(|(path, _)| path);
            self.shared.writer().dest.expect(paths, self.made_top && has_root)
        };
        expected.map_err(|source| RestoreError::Disk { path: self.top.clone(), source })?;
        let mut is_there = Vec::with_capacity(folders.len());
        for (path, _) in folders {
            let done = self.shared.writer().dest.make_folder(path, replace);
            self.shared.report().folders += u64::from(matches!(done, Ok(true)));
            is_there.push(self.judged(path, done)?.is_some());
        }
        Ok(is_there)
    }

    pub(super) fn make_links(
        &self,
        links: Vec<(RelPath, Vec<u8>, Metadata)>,
    ) -> Result<(), RestoreError> {
        for (path, target, metadata) in links {
            let found = self.shared.writer().dest.look(&path);
            let Some(found) = self.judged(&path, found)? else { continue };
            let is_same = found
                .as_ref()
                .is_some_and(|found| matches!(&found.kind, SeenKind::Symlink(to) if *to == target));
            if found.is_some() && self.overwrite == Overwrite::Never {
                self.shared.report().stay(&path, is_same);
                continue;
            }
            let is_link =
                found.as_ref().is_some_and(|found| matches!(found.kind, SeenKind::Symlink(_)));
            let replace = self.overwrite == Overwrite::Always || is_link;
            let writer = &mut *self.shared.writer();
            let done = if is_same {
                writer.dest.amend(&path, |subject| writer.setter.set(subject, &metadata, &path))
            } else {
                writer.dest.make_symlink(&target, &path, replace, |subject| {
                    writer.setter.set(subject, &metadata, &path)
                })
            };
            if self.judged(&path, done)?.is_some() && !is_same {
                self.shared.report().links += 1;
            }
        }
        Ok(())
    }

    pub(super) fn make_empties(&self, empties: Vec<DestPlace>) -> Result<(), RestoreError> {
        let mut first_names = Names::default();
        for place in empties {
            let DestPlace { path, metadata, .. } = &place;
            let found = self.shared.writer().dest.look(path);
            let Some(found) = self.judged(path, found)? else { continue };
            let is_same = found.as_ref().is_some_and(|found| {
                matches!(found.kind, SeenKind::File) && found.stamp.size_bytes == 0
            });
            self.progress.are_done(1, 0, 0);
            if found.is_some() && self.overwrite == Overwrite::Never {
                self.shared.report().stay(path, is_same);
                continue;
            }
            let is_file = found.as_ref().is_some_and(|found| matches!(found.kind, SeenKind::File));
            let replace = self.overwrite == Overwrite::Always || is_file;
            let earlier = first_names.earlier(&place).cloned();
            let writer = &mut *self.shared.writer();
            let done = match earlier {
                Some(earlier) => writer.dest.make_link(&earlier, path, replace),
                None if is_same => {
                    writer.dest.amend(path, |subject| writer.setter.set(subject, metadata, path))
                }
                None => writer.dest.make_empty(path, replace, |file| {
                    writer.setter.set(Subject::File(file), metadata, path)
                }),
            };
            if self.judged(path, done)?.is_some() {
                first_names.note(&place);
                self.shared.report().files += u64::from(!is_same);
                self.shared.report().same += u64::from(is_same);
            }
        }
        Ok(())
    }

    /// Whether a file of the right size is at one of the places of a content.
    pub(super) fn may_be_there(&self, content: &Content) -> bool {
        let writer = self.shared.writer();
        content.places.iter().any(|place| {
            let found = writer.dest.look(&place.path).ok().flatten();
            found.is_some_and(|it| {
                it.kind == SeenKind::File && it.stamp.size_bytes == content.size_bytes
            })
        })
    }

    /// Looks at each place of a content and sorts it by what stands there.
    pub(super) fn sort_places(&self, content: &Content) -> Result<Todo, RestoreError> {
        let mut todo = Todo::default();
        for place in &content.places {
            let standing = self.standing(&place.path, content);
            let Some(standing) = self.judged(&place.path, standing)? else { continue };
            match (standing, self.overwrite) {
                (Standing::Same, Overwrite::Never) => {
                    self.shared.report().stay(&place.path, true);
                }
                (Standing::Same, Overwrite::Changed | Overwrite::Always) => {
                    todo.same.push(place.clone());
                }
                (Standing::Absent, _) => todo.write.push((place.clone(), false)),
                (Standing::OtherFile | Standing::OtherKind, Overwrite::Never) => {
                    self.shared.report().stay(&place.path, false);
                }
                (Standing::OtherFile, _) => todo.write.push((place.clone(), true)),
                (Standing::OtherKind, Overwrite::Always) => todo.write.push((place.clone(), true)),
                (Standing::OtherKind, Overwrite::Changed) => {
                    let hint = "--overwrite always replaces it";
                    self.shared.report().problem(
                        &place.path,
                        "something other than a file is in its place",
                        hint,
                    );
                }
            }
        }
        Ok(todo)
    }

    /// Looks at a place, and reads the file if its size is right.
    fn standing(&self, path: &RelPath, content: &Content) -> io::Result<Standing> {
        let file = {
            let writer = self.shared.writer();
            match writer.dest.look(path)? {
                None => return Ok(Standing::Absent),
                Some(found) if found.kind != SeenKind::File => return Ok(Standing::OtherKind),
                Some(found) if found.stamp.size_bytes != content.size_bytes => {
                    return Ok(Standing::OtherFile);
                }
                Some(_) => writer.dest.open_file(path)?,
            }
        };
        let is_same = is_content(&file, content)?;
        Ok(if is_same { Standing::Same } else { Standing::OtherFile })
    }

    pub(super) fn part(&self, key: &str) -> Result<Part, RestoreError> {
        let part = self.shared.writer().dest.part(key);
        part.map_err(|source| RestoreError::Disk { path: self.top.clone(), source })
    }

    pub(super) fn discard(&self, part: Part) -> Result<(), RestoreError> {
        let gone = self.shared.writer().dest.discard(part);
        gone.map_err(|source| RestoreError::Disk { path: self.top.clone(), source })
    }

    pub(super) fn place_all(
        &self,
        part: Part,
        content: &Content,
        first: DestPlace,
        replace: bool,
        rest: Vec<(DestPlace, bool)>,
        came: u64,
    ) -> Result<(), RestoreError> {
        let placed = {
            let writer = &mut *self.shared.writer();
            let setter = &mut writer.setter;
            writer.dest.place(part, &first.path, replace, |file| complete(setter, file, &first))
        };
        {
            let mut report = self.shared.report();
            report.downloads += 1;
            report.downloaded_bytes += came;
        }
        if self.judged(&first.path, placed)?.is_none() {
            let mut report = self.shared.report();
            for (place, _) in rest {
                let what = "the file with the same content could not be put in its place";
                report.problem(&place.path, what, "run the restore again");
            }
            return Ok(());
        }
        self.count_file(content);
        let left = self.copy_all(content, &first, rest)?;
        let mut report = self.shared.report();
        for (place, _) in left {
            let what = "the first file of the same content changed meanwhile";
            report.problem(&place.path, what, "run the restore again");
        }
        Ok(())
    }

    /// Copies, or links, the file at `source` to other places. Returns the places that did not get
    /// it because the file no longer has that content.
    pub(super) fn copy_all(
        &self,
        content: &Content,
        source: &DestPlace,
        places: Vec<(DestPlace, bool)>,
    ) -> Result<Vec<(DestPlace, bool)>, RestoreError> {
        let mut first_names = Names::default();
        first_names.note(source);
        let mut left = Vec::new();
        for (place, replace) in places {
            let linked = first_names.earlier(&place).cloned().is_some_and(|earlier| {
                self.shared.writer().dest.make_link(&earlier, &place.path, replace).is_ok()
            });
            if linked {
                self.count_file(content);
                continue;
            }
            let mut is_other = false;
            let writer = &mut *self.shared.writer();
            let setter = &mut writer.setter;
            let copied = writer.dest.place_copy(&source.path, &place.path, replace, |file| {
                if !is_content(file, content)? {
                    is_other = true;
                    return Err(io::Error::other("the file changed while it was copied"));
                }
                complete(setter, file, &place)
            });
            if is_other {
                left.push((place, replace));
            } else if self.judged(&place.path, copied)?.is_some() {
                first_names.note(&place);
                self.count_file(content);
            }
        }
        Ok(left)
    }

    /// Sets the metadata of files whose content is right already.
    pub(super) fn refresh(&self, same: &[DestPlace]) -> Result<(), RestoreError> {
        let mut first_names = Names::default();
        for place in same {
            let writer = &mut *self.shared.writer();
            let earlier = first_names.earlier(place).cloned();
            let done = match earlier {
                // Does nothing if it has this name already.
                Some(earlier) => writer.dest.make_link(&earlier, &place.path, true),
                None if place.metadata.mode == 0 => Ok(()),
                None => writer.dest.amend(&place.path, |subject| {
                    writer.setter.set(subject, &place.metadata, &place.path)
                }),
            };
            if self.judged(&place.path, done)?.is_some() {
                first_names.note(place);
                self.shared.report().same += 1;
            }
        }
        Ok(())
    }

    /// Gives the folders their metadata, children first, and waits for the disk. A folder that was
    /// there before gets it if files may be overwritten; the destination itself, if it was made or
    /// is restored in its place.
    pub(super) fn end(
        &self,
        folders: &[(RelPath, Metadata)],
        is_there: &[bool],
    ) -> Result<(), RestoreError> {
        for ((path, metadata), is_there) in folders.iter().zip(is_there).rev() {
            let writer = &mut *self.shared.writer();
            let may = if path.is_root() {
                self.in_place || writer.dest.is_unfinished(path)
            } else {
                self.overwrite != Overwrite::Never || writer.dest.is_unfinished(path)
            };
            // What stands in the place of a folder keeps all that it has.
            if !may || !is_there {
                continue;
            }
            let done = if metadata.mode == 0 {
                Ok(())
            } else {
                writer.dest.amend(path, |subject| writer.setter.set(subject, metadata, path))
            };
            if done.is_ok() {
                writer.dest.mark_finished(path);
            }
            self.judged(path, done)?;
        }
        let mut writer = self.shared.writer();
        let finished = writer.dest.finish().map(|()| writer.dest.unfinished_folders());
        drop(writer);
        let waiting =
            finished.map_err(|source| RestoreError::Disk { path: self.top.clone(), source })?;
        self.shared.report().unfinished_folders = waiting;
        Ok(())
    }

    fn count_file(&self, content: &Content) {
        let mut report = self.shared.report();
        report.files += 1;
        report.bytes += content.size_bytes;
    }

    /// The result; `None` for an error of one path, which is noted; an error if it ends the
    /// restore.
    fn judged<T>(&self, path: &RelPath, done: io::Result<T>) -> Result<Option<T>, RestoreError> {
        match done {
            Ok(done) => Ok(Some(done)),
            Err(source) if ends_it_all(&source) => {
                Err(RestoreError::Disk { path: self.top.join(path.as_path()), source })
            }
            Err(error) => {
                let in_the_way = error.get_ref().is_some_and(|inner| inner.is::<InTheWay>());
                let hint =
                    if in_the_way { "move it away, or restore into another folder" } else { "" };
                self.shared.report().problem(path, error.to_string(), hint);
                Ok(None)
            }
        }
    }
}

/// Makes the holes and sets the metadata of a file that has all its bytes.
fn complete(setter: &mut MetadataSetter, file: &File, place: &DestPlace) -> io::Result<()> {
    if place.metadata.mode == 0 {
        // No metadata is known: it becomes a plain file of ours.
        let mode = rustix::fs::Mode::from_raw_mode(0o644);
        return Ok(rustix::fs::fchmod(file, mode)?);
    }
    punch_holes(file, &place.metadata.holes)?;
    setter.set(Subject::File(file), &place.metadata, &place.path)
}

/// Errors after which nothing else can be written either.
fn ends_it_all(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::ResourceBusy
    ) || error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}

/// The first names of inodes that had several.
#[derive(Default)]
struct Names(HashMap<(u64, u64), RelPath>);

impl Names {
    fn earlier(&self, place: &DestPlace) -> Option<&RelPath> {
        self.0.get(&place.inode?)
    }

    fn note(&mut self, place: &DestPlace) {
        if let Some(inode) = place.inode {
            self.0.entry(inode).or_insert_with(|| place.path.clone());
        }
    }
}

impl Shared {
    /// The metadata that could not be set until now.
    pub(super) fn unset(&self) -> Unset {
        self.writer().setter.unset().clone()
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn report(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
