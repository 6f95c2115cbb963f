//! `fichierd versions`: the contents of a path over time, and which of them can be restored.

use std::path::PathBuf;

use clap::Args;
use fichier_state::{PastContent, PastEntry, PathVersion, RelPath, Store};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::failure::ended;
use super::output;
use super::past::Recorded;
use crate::base::words::{bytes, shell_word};
use crate::base::{Exit, when};
use crate::config::Config;

#[derive(Args, Debug)]
pub(crate) struct VersionsArgs {
    /// A file on this machine; need not exist any more
    path: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    mirror: String,
    path: RelPath,
    versions: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    from: Timestamp,
    until: Option<Timestamp>,
    kind: &'static str,
    size_bytes: u64,
    mode: String,
    mtime: Timestamp,
    /// Whether the service has the content of this version.
    restorable: bool,
    blake3: Option<String>,
}

pub(crate) fn run(args: &VersionsArgs, config: &Config) -> anyhow::Result<Exit> {
    let (recorded, path) = Recorded::of_path(config, &args.path)?;
    let versions = recorded.store.path_versions(recorded.mirror.id, &path)?;
    if versions.is_empty() {
        let message = format!("nothing is recorded of {}", output::shown_path(&args.path));
        return Err(ended(Exit::Failed, message));
    }
    let versions = merged(versions);
    let rows: Vec<Row> = versions
        .iter()
        .map(|version| Row::of(&recorded.store, version))
        .collect::<Result<_, _>>()?;
    let newest = newest_to_restore(&recorded.store, &versions, &rows)?;
    if args.json {
        output::json(&Document {
            schema: "fichierd.versions/1",
            mirror: recorded.mirror.name.clone(),
            path,
            versions: rows,
        })?;
        return Ok(Exit::Done);
    }
    output::line(&format!("{path} in `{}`, newest first:", recorded.mirror.name))?;
    for row in &rows {
        output::line(&row.text())?;
    }
    if let Some(row) = newest {
        let command = restore_command(&recorded.mirror.name, row.from, &path);
        let which = if row.until.is_none() { "current" } else { "newest earlier" };
        output::line(&format!("the {which} version is put into ./restored by:\n  {command}"))?;
    }
    Ok(Exit::Done)
}

/// The versions, with neighbours in time joined that a person cannot tell apart: a second look at a
/// file whose time proved nothing makes a new row.
fn merged(versions: Vec<PathVersion>) -> Vec<PathVersion> {
    let mut merged: Vec<PathVersion> = Vec::new();
    // The newest comes first, so each one ends where the one before it begins.
    for version in versions {
        match merged.last_mut() {
            Some(newer)
                if version.last == Some(newer.first)
                    && facts(&version.entry) == facts(&newer.entry) =>
            {
                newer.first = version.first;
            }
            _ => merged.push(version),
        }
    }
    merged
}

/// What is shown of a version.
fn facts(entry: &PastEntry) -> (&PastContent, u32, i64) {
    (&entry.content, entry.metadata.mode, entry.metadata.mtime_ns)
}

/// The newest version before the current one that can be restored, else the current one. A version
/// that lasted less than a second cannot be named by a time.
fn newest_to_restore<'a>(
    store: &Store,
    versions: &[PathVersion],
    rows: &'a [Row],
) -> Result<Option<&'a Row>, fichier_state::Error> {
    let mut current = None;
    for (version, row) in versions.iter().zip(rows).filter(|(_, row)| row.restorable) {
        let named = store.moment_at(row.from.as_second())?;
        if !named.is_some_and(|named| {
            named >= version.first && version.last.is_none_or(|last| named < last)
        }) {
            continue;
        }
        if row.until.is_some() {
            return Ok(Some(row));
        }
        current = Some(row);
    }
    Ok(current)
}

/// A command that can be given as it is printed, whatever the path holds.
fn restore_command(mirror: &str, from: Timestamp, path: &RelPath) -> String {
    let at =
        from.to_zoned_datetime(TimeZone::system()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
    // A path that begins as an option does is no option.
    let dot: &[u8] = if path.as_bytes().starts_with(b"-") { b"./" } else { b"" };
    let file = shell_word(&[dot, path.as_bytes()].concat());
    format!("fichierd restore {} ./restored --at {at} --file {file}", shell_word(mirror.as_bytes()))
}

impl Row {
    fn of(store: &Store, version: &PathVersion) -> Result<Row, fichier_state::Error> {
        let time = |moment| -> Result<Timestamp, fichier_state::Error> {
            let at_s = store.time_of(moment)?.unwrap_or_default();
            Ok(Timestamp::from_second(at_s).unwrap_or(Timestamp::UNIX_EPOCH))
        };
        let entry = &version.entry;
        let (kind, size_bytes, fingerprint) = match &entry.content {
            PastContent::File { size_bytes, fingerprint } => {
                ("file", *size_bytes, Some(fingerprint))
            }
            PastContent::Empty => ("file", 0, None),
            PastContent::Symlink(_) => ("symlink", 0, None),
        };
        let restorable = match fingerprint {
            Some(fingerprint) => !store.copies_of(size_bytes, fingerprint, 1)?.is_empty(),
            None => true,
        };
        let mtime = Timestamp::from_nanosecond(i128::from(entry.metadata.mtime_ns));
        Ok(Row {
            from: time(version.first)?,
            until: version.last.map(time).transpose()?,
            kind,
            size_bytes,
            mode: format!("{:04o}", entry.metadata.mode & 0o7777),
            mtime: mtime.unwrap_or(Timestamp::UNIX_EPOCH),
            restorable,
            blake3: fingerprint.map(fichier_api::Fingerprint::to_hex),
        })
    }

    fn text(&self) -> String {
        let until = match self.until {
            Some(until) => when::shown(until.as_second()),
            None => "now".to_owned(),
        };
        let size = if self.kind == "file" { bytes(self.size_bytes) } else { self.kind.to_owned() };
        let lost = if self.restorable { "" } else { ", no longer kept" };
        let from = when::shown(self.from.as_second());
        let of = when::shown(self.mtime.as_second());
        format!("  {from} to {until:<19}  {size:>10}  mode {}  of {of}{lost}", self.mode)
    }
}
