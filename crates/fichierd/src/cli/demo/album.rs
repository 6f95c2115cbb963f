//! The folder that the demonstration plays with: made-up photographs in folders by year and place.
//!
//! What is done to it depends on nothing but its size, so that two runs make the same calls.
//! Contents are noise: no two files are equal unless one is a copy, and nothing compresses.
//!
//! This is the one place in the program that changes a watched folder. It plays the user, in a
//! folder that the demonstration has made itself.

#![expect(clippy::disallowed_methods, reason = "the user is played here, in a folder made for it")]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const PLACES: [&str; 6] = ["Lisboa", "Été à Nîmes", "Køge", "At home", "Zürich", "Naoshima"];
const YEARS: [&str; 6] = ["2019", "2020", "2021", "2022", "2023", "2024"];
/// The year that is deleted in the end.
const DELETED_YEAR: &str = "2019";
/// Above the size from which a copy on the service is cheaper than sending it again (4 MiB).
const FILM_BYTES: usize = 5 << 20;
const FILM: &str = "film.mov";

/// The folder, and what is remembered about its past.
pub(super) struct Album {
    root: PathBuf,
    /// How many files it began with; everything else follows from it.
    size: usize,
    photographs: u64,
    /// Hashes of contents that were replaced or deleted.
    pub(super) earlier: Vec<blake3::Hash>,
}

/// What was done in one go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Deed {
    /// Files that it was done to.
    pub(super) files: u64,
    /// Folders that are new, renamed or gone.
    pub(super) folders: u64,
}

impl Album {
    /// An album to be filled with `size` files, at least 12.
    pub(super) fn new(root: PathBuf, size: usize) -> Album {
        Album { root, size: size.max(12), photographs: 0, earlier: Vec::new() }
    }

    /// Makes the folders, the photographs, and one film.
    pub(super) fn fill(&mut self) -> io::Result<Deed> {
        let leaves = (self.size / 9).clamp(YEARS.len(), YEARS.len() * PLACES.len());
        let folders: Vec<PathBuf> = (0..leaves)
            .map(|leaf| Path::new(YEARS[leaf % YEARS.len()]).join(PLACES[leaf / YEARS.len()]))
            .collect();
        for folder in &folders {
            fs::create_dir_all(self.root.join(folder))?;
        }
        for at in 0..self.size - 1 {
            self.photograph(&folders[at % leaves])?;
        }
        fs::write(self.root.join(&folders[2]).join(FILM), noise(0, FILM_BYTES))?;
        Ok(Deed { files: self.size as u64, folders: count_folders(&self.root)? })
    }

    /// Other bytes in the same number, in place.
    pub(super) fn edit(&mut self) -> io::Result<Deed> {
        let chosen = self.choose(self.share(25), |_| true)?;
        for path in &chosen {
            let old = fs::read(path)?;
            self.earlier.push(blake3::hash(&old));
            fs::write(path, noise(u64::MAX - self.earlier.len() as u64, old.len()))?;
        }
        Ok(Deed { files: chosen.len() as u64, folders: 0 })
    }

    /// New files in folders that are there.
    pub(super) fn add(&mut self) -> io::Result<Deed> {
        let folders = self.choose(self.share(16), |_| true)?;
        for beside in &folders {
            self.photograph(folder_of(beside))?;
        }
        Ok(Deed { files: folders.len() as u64, folders: 0 })
    }

    /// New names in the same folders.
    pub(super) fn rename(&mut self) -> io::Result<Deed> {
        let chosen = self.choose(self.share(32), |path| !path.starts_with(DELETED_YEAR))?;
        for path in &chosen {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            fs::rename(path, path.with_file_name(format!("{stem} – the best.jpg")))?;
        }
        Ok(Deed { files: chosen.len() as u64, folders: 0 })
    }

    /// A new name for a folder with all that is in it.
    pub(super) fn rename_folder(&mut self) -> io::Result<Deed> {
        let folder = self.root.join(YEARS[1]).join(PLACES[0]);
        let files = files(&folder)?.len() as u64;
        fs::rename(&folder, folder.with_file_name("Lisboa in spring"))?;
        Ok(Deed { files, folders: 1 })
    }

    /// From several folders into one.
    pub(super) fn relocate(&mut self) -> io::Result<Deed> {
        let from = |path: &Path| path.starts_with(YEARS[3]) || path.starts_with(YEARS[4]);
        let chosen = self.choose(self.share(32), from)?;
        let into = self.root.join(YEARS[5]).join(PLACES[0]);
        for path in &chosen {
            fs::rename(path, into.join(path.file_name().unwrap_or_default()))?;
        }
        Ok(Deed { files: chosen.len() as u64, folders: 0 })
    }

    /// The film once more, and some photographs.
    pub(super) fn copy(&mut self) -> io::Result<Deed> {
        let into = self.root.join(YEARS[5]).join(PLACES[0]);
        let film = self.root.join(YEARS[2]).join(PLACES[0]).join(FILM);
        fs::copy(film, into.join("copy of film.mov"))?;
        let chosen = self.choose(self.share(40), |path| path.starts_with(YEARS[2]))?;
        for path in &chosen {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            fs::copy(path, into.join(format!("copy of {name}")))?;
        }
        Ok(Deed { files: chosen.len() as u64 + 1, folders: 0 })
    }

    /// A whole year, and single files elsewhere.
    pub(super) fn delete(&mut self) -> io::Result<Deed> {
        let year = self.root.join(DELETED_YEAR);
        let folders = count_folders(&year)? + 1;
        let mut gone = files(&year)?;
        let single = self.choose(self.share(40), |path| !path.starts_with(DELETED_YEAR))?;
        gone.extend(single.iter().cloned());
        for path in &gone {
            self.earlier.push(blake3::hash(&fs::read(path)?));
        }
        for path in single {
            fs::remove_file(path)?;
        }
        fs::remove_dir_all(year)?;
        Ok(Deed { files: gone.len() as u64, folders })
    }

    /// One file in `parts`, at least two.
    fn share(&self, parts: usize) -> usize {
        (self.size / parts).max(2)
    }

    /// Photographs spread over those whose path, below the root, is `wanted`.
    fn choose(&self, count: usize, wanted: impl Fn(&Path) -> bool) -> io::Result<Vec<PathBuf>> {
        let below = |path: &PathBuf| path.strip_prefix(&self.root).is_ok_and(&wanted);
        let is_photograph = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "jpg");
        let mut all = files(&self.root)?;
        all.retain(|path| is_photograph(path) && below(path));
        let step = (all.len() / count.max(1)).max(1);
        Ok(all.into_iter().skip(step / 2).step_by(step).take(count).collect())
    }

    /// Takes a picture of 2 to 66 KiB; `folder` is whole or below the root.
    fn photograph(&mut self, folder: &Path) -> io::Result<()> {
        self.photographs += 1;
        let number = self.photographs;
        let size = fastrand::Rng::with_seed(number).usize(2 << 10..66 << 10);
        let name = format!("IMG_{number:04}.jpg");
        fs::write(self.root.join(folder).join(name), noise(number, size))
    }
}

/// All files below `folder`, in path order.
pub(super) fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let (mut found, mut waiting) = (Vec::new(), vec![folder.to_path_buf()]);
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let into = if entry.file_type()?.is_dir() { &mut waiting } else { &mut found };
            into.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// All folders below `folder`, in path order.
pub(super) fn folders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let (mut found, mut waiting) = (Vec::new(), vec![folder.to_path_buf()]);
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                found.push(entry.path());
                waiting.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

fn count_folders(folder: &Path) -> io::Result<u64> {
    Ok(folders(folder)?.len() as u64)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// Bytes without any order, the same for the same seed.
fn noise(seed: u64, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    fastrand::Rng::with_seed(seed).fill(&mut bytes);
    bytes
}
