//! `fichierd versions`: the contents of a path over time, and which of them can be restored.

use std::path::PathBuf;

use clap::Args;
use fichier_state::{PastContent, PathVersion, RelPath, Store};
use jiff::Timestamp;
use serde::Serialize;

use super::failure::ended;
use super::output;
use super::past::Recorded;
use crate::base::words::bytes;
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
        let message = format!("nothing is recorded of {}", args.path.display());
        return Err(ended(Exit::Failed, message));
    }
    let rows: Vec<Row> = versions
        .iter()
        .map(|version| Row::of(&recorded.store, version))
        .collect::<Result<_, _>>()?;
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
    output::line(&format!(
        "restore one with: fichierd restore {} FOLDER --at 'TIME' --path '/{path}'",
        recorded.mirror.name
    ))?;
    Ok(Exit::Done)
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
        format!("  {from} to {until:<19}  {size:>10}  mode {}{lost}", self.mode)
    }
}
