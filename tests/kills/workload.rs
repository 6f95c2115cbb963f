//! Random work in the watched folder, the same from the same seed.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use fichier_testkit::crypt;
use fichier_testkit::random::Random;

/// The largest number of files; beyond it more are deleted than made.
const MOST_FILES: usize = 1_200;

pub struct Workload {
    root: PathBuf,
    random: Random,
    files: Vec<PathBuf>,
    folders: Vec<PathBuf>,
    fresh: u64,
    /// Bytes that the work may make necessary to send: each new content as a whole, once, as it is stored.
    pub written: u64,
}

impl Workload {
    pub fn new(root: &Path, seed: u64) -> Workload {
        fs::write(root.join("anchor"), "an emptied source is held").unwrap();
        Workload {
            root: root.to_owned(),
            random: Random::of(seed),
            files: Vec::new(),
            folders: vec![root.to_owned()],
            fresh: seed,
            written: crypt::stored_bytes(25),
        }
    }

    /// Carries out one random change.
    pub fn step(&mut self) {
        let kind = self.random.below(100);
        if self.files.is_empty() || kind < 35 && self.files.len() < MOST_FILES {
            let path = self.new_path();
            let content = self.content();
            self.write(&path, &content);
            self.files.push(path);
            return;
        }
        match kind {
            0..60 => {
                let at = self.random.index(self.files.len());
                let content = self.content();
                self.write(&self.files[at].clone(), &content);
            }
            60..68 => self.append(),
            68..78 => self.rename(),
            78..88 => {
                let at = self.random.index(self.files.len());
                fs::remove_file(self.files.swap_remove(at)).unwrap();
            }
            88..93 => self.make_folder(),
            93..97 => self.rename_folder(),
            97..98 => self.remove_folder(),
            _ => self.rename_onto(),
        }
    }

    fn content(&mut self) -> Vec<u8> {
        self.fresh += 1;
        let times = match self.random.below(100) {
            0 => 20_000,
            1..20 => 400,
            _ => 1 + self.random.below(60),
        };
        format!("{} ", self.fresh).repeat(usize::try_from(times).unwrap()).into_bytes()
    }

    fn write(&mut self, path: &Path, content: &[u8]) {
        fs::write(path, content).unwrap();
        self.written += crypt::stored_bytes(content.len() as u64);
    }

    fn append(&mut self) {
        let at = self.random.index(self.files.len());
        let mut file = File::options().append(true).open(&self.files[at]).unwrap();
        file.write_all(b"and one line more\n").unwrap();
        self.written += crypt::stored_bytes(file.metadata().unwrap().len());
    }

    fn new_path(&mut self) -> PathBuf {
        self.fresh += 1;
        let folder = self.random.index(self.folders.len());
        self.folders[folder].join(format!("file {}", self.fresh))
    }

    fn rename(&mut self) {
        let (at, to) = (self.random.index(self.files.len()), self.new_path());
        fs::rename(&self.files[at], &to).unwrap();
        self.files[at] = to;
    }

    fn rename_onto(&mut self) {
        let (from, onto) =
            (self.random.index(self.files.len()), self.random.index(self.files.len()));
        if from != onto {
            fs::rename(&self.files[from], &self.files[onto]).unwrap();
            self.files.swap_remove(from);
        }
    }

    fn make_folder(&mut self) {
        self.fresh += 1;
        let parent = self.random.index(self.folders.len());
        let path = self.folders[parent].join(format!("folder {}", self.fresh));
        if path.strip_prefix(&self.root).unwrap().components().count() > 4 {
            return;
        }
        fs::create_dir(&path).unwrap();
        let (file, content) = (path.join("first"), self.content());
        self.write(&file, &content);
        self.files.push(file);
        self.folders.push(path);
    }

    /// A folder other than the root.
    fn folder(&mut self) -> Option<PathBuf> {
        let number = self.folders.len() - 1;
        (number > 0).then(|| self.folders[1 + self.random.index(number)].clone())
    }

    fn rename_folder(&mut self) {
        let Some(from) = self.folder() else { return };
        self.fresh += 1;
        let to = from.with_file_name(format!("folder {}", self.fresh));
        fs::rename(&from, &to).unwrap();
        for path in self.files.iter_mut().chain(&mut self.folders) {
            if let Ok(below) = path.strip_prefix(&from) {
                *path = if below.as_os_str().is_empty() { to.clone() } else { to.join(below) };
            }
        }
    }

    fn remove_folder(&mut self) {
        let Some(folder) = self.folder() else { return };
        fs::remove_dir_all(&folder).unwrap();
        self.files.retain(|path| !path.starts_with(&folder));
        self.folders.retain(|path| !path.starts_with(&folder));
    }
}
