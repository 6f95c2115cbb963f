//! Changes in the watched folder, by paths relative to it.

use std::fs;
use std::path::PathBuf;

use super::Bench;

impl Bench {
    /// Where a path of the watched folder is.
    pub fn path(&self, path: &str) -> PathBuf {
        self.source().join(path)
    }

    /// Writes a file, and makes its folders.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        crate::write(&self.path(path), content);
    }

    /// Writes files that all differ: each has `content of` and its path as its content.
    pub fn write_many(&self, paths: impl IntoIterator<Item = String>) {
        for path in paths {
            self.write(&path, format!("content of {path}"));
        }
    }

    /// Renames a file or folder, and makes the folders of its new path.
    pub fn rename(&self, from: &str, to: &str) {
        fs::create_dir_all(self.path(to).parent().unwrap()).unwrap();
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    /// Removes a file.
    pub fn remove(&self, path: &str) {
        fs::remove_file(self.path(path)).unwrap();
    }

    /// Removes a folder with all that is in it.
    pub fn remove_tree(&self, path: &str) {
        fs::remove_dir_all(self.path(path)).unwrap();
    }
}
