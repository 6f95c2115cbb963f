//! Compares the installed unit with the one that came with this program.
//!
//! A unit is copied once and forgotten, and a later version may need another one. Drop-ins are the
//! administrator's own, and are only named.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::Finding;

/// The unit as shipped with this version.
pub(super) const SHIPPED: &str = include_str!("../../../../../systemd/fichierd.service");

const NAME: &str = "fichierd.service";

/// The installed unit, as systemd reads it.
pub(super) struct Unit {
    path: PathBuf,
    text: String,
    /// The files of `fichierd.service.d`, in order, with their contents.
    drop_ins: Vec<(PathBuf, String)>,
}

impl Unit {
    /// Reads the unit from the first of `folders` that has one, as systemd does.
    pub(super) fn installed(folders: &[PathBuf]) -> Option<Unit> {
        let found = folders.iter().map(|folder| folder.join(NAME));
        let (path, text) =
            found.filter_map(|path| Some((path.clone(), fs::read_to_string(path).ok()?))).next()?;
        let own = folders.iter().map(|folder| folder.join(format!("{NAME}.d")));
        let mut drop_ins: Vec<_> = own.flat_map(|folder| files(&folder)).collect();
        drop_ins.sort();
        Some(Unit { path, text, drop_ins })
    }

    /// The value of a setting; drop-ins override the unit.
    pub(super) fn setting(&self, name: &str) -> Option<&str> {
        let texts = [&self.text].into_iter().chain(self.drop_ins.iter().map(|(_, text)| text));
        let mut settings = texts.flat_map(|text| text.lines());
        settings.by_ref().filter_map(|line| line.strip_prefix(name)?.strip_prefix('=')).next_back()
    }

    pub(super) fn finding(&self) -> Finding {
        const ABOUT: &str = "unit";
        let shown = self.path.display();
        let names: Vec<_> =
            self.drop_ins.iter().map(|(path, _)| path.display().to_string()).collect();
        let with = match names.as_slice() {
            [] => String::new(),
            some => format!(", changed by {}", some.join(", ")),
        };
        let (shipped, there) = (settings(SHIPPED), settings(&self.text));
        // Distributions put the program into other folders.
        let is_other = |line: &&&str| !line.starts_with("ExecStart=");
        let missing: Vec<_> = shipped.difference(&there).filter(is_other).copied().collect();
        let added: Vec<_> = there.difference(&shipped).filter(is_other).copied().collect();
        if missing.is_empty() && added.is_empty() {
            return Finding::good(ABOUT, format!("unit {shown} is the shipped one{with}"));
        }
        let list = |what: &str, lines: &[&str]| match lines {
            [] => String::new(),
            some => format!("; {what} {}", some.join(" ")),
        };
        let what = format!(
            "unit {shown} is not the one of this version{with}{}{}",
            list("it lacks", &missing),
            list("it has in addition", &added)
        );
        let remedy = format!(
            "fichierd check --unit > {shown} && systemctl daemon-reload; your own changes go into: \
             systemctl edit fichierd"
        );
        Finding::warning(ABOUT, what, remedy)
    }
}

/// The lines that are settings, without comments and in any order.
fn settings(text: &str) -> BTreeSet<&str> {
    let lines = text.lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with(['#', ';'])).collect()
}

fn files(folder: &Path) -> Vec<(PathBuf, String)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let paths = paths.filter(|path| path.extension().is_some_and(|ending| ending == "conf"));
    paths.filter_map(|path| Some((path.clone(), fs::read_to_string(path).ok()?))).collect()
}
