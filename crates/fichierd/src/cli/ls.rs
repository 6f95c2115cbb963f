//! `fichierd ls`: what a mirror held, now or at an earlier time.

use std::ffi::OsString;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use clap::Args;
use fichier_state::{Metadata, PastContent, RelPath};
use jiff::Timestamp;
use serde::Serialize;

use super::failure::ended;
use super::output;
use super::past::{self, Recorded};
use crate::base::words::path_text;
use crate::base::{Exit, when};
use crate::config::Config;
use crate::restore::tree::is_name;
use crate::restore::{Node, Tree, keyring_of};

#[derive(Args, Debug)]
pub(crate) struct LsArgs {
    /// Name of the mirror
    mirror: String,
    /// A file or folder in it: 2025/05, /2025/05, or its path here [default: the top]
    path: Option<PathBuf>,
    /// As it was then: 2026-11-24, "2026-11-24 10:15", "2 hours ago", yesterday
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// List everything below as well
    #[arg(short = 'R', long)]
    recursive: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    mirror: String,
    at: Timestamp,
    entries: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    path: RelPath,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mtime: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<Target>,
    /// Its name cannot be read, and is shown as it is stored.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stored_name: bool,
}

/// The target of a link: text, or bytes where it is not UTF-8.
#[derive(Serialize)]
struct Target(#[serde(with = "path_text")] PathBuf);

pub(crate) fn run(args: &LsArgs, config: &Config) -> anyhow::Result<Exit> {
    let recorded = Recorded::open(config, &args.mirror)?;
    let moment = recorded.moment(args.at.as_deref())?;
    let top = past::inside(&recorded.mirror, args.path.as_deref())?;
    let keyring = keyring_of(config);
    let tree = Tree::new(&recorded.store, &recorded.mirror, moment).with_keys(&keyring);
    let mut rows = Vec::new();
    let mut printed = Ok(());
    let mut show = |path: RelPath, node: &Node| {
        let row = Row::of(path, node);
        if args.json {
            rows.push(row);
        } else {
            printed = output::line(&row.text());
        }
        if printed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    match tree.at(&top)? {
        None => {
            return Err(ended(Exit::Failed, recorded.held_no(&top)));
        }
        Some(Node::Folder(_)) if args.recursive => {
            tree.walk(&top, |path, node| show(path, &node))?
        }
        Some(Node::Folder(folder)) => {
            for (name, node) in tree.inside(folder.key, folder.device)? {
                if !is_name(&name) {
                    continue;
                }
                if show(top.join(&name), &node).is_break() {
                    break;
                }
            }
        }
        Some(node) => drop(show(top.clone(), &node)),
    }
    printed?;
    if args.json {
        let at_s = recorded.store.time_of(moment)?.unwrap_or_default();
        output::json(&Document {
            schema: "fichierd.ls/1",
            mirror: args.mirror.clone(),
            at: Timestamp::from_second(at_s).unwrap_or(Timestamp::UNIX_EPOCH),
            entries: rows,
        })?;
    }
    Ok(Exit::Done)
}

impl Row {
    fn of(path: RelPath, node: &Node) -> Row {
        let known = |metadata: &Metadata| (metadata.mode != 0).then(|| metadata.clone());
        let (kind, size_bytes, metadata, to) = match node {
            Node::Folder(folder) => ("folder", None, known(&folder.metadata), None),
            Node::Listed(listed) => ("file", Some(listed.size_bytes), None, None),
            Node::Unusable => ("unusable", None, None, None),
            Node::Entry(entry, _) => {
                let metadata = known(&entry.metadata);
                match &entry.content {
                    PastContent::File { size_bytes, .. } => {
                        ("file", Some(*size_bytes), metadata, None)
                    }
                    PastContent::Empty => ("file", Some(0), metadata, None),
                    PastContent::Symlink(to) => {
                        let to = PathBuf::from(OsString::from_vec(to.clone()));
                        ("symlink", None, metadata, Some(Target(to)))
                    }
                }
            }
        };
        let metadata = metadata.as_ref();
        Row {
            path,
            kind,
            size_bytes,
            mode: metadata.map(|metadata| format!("{:04o}", metadata.mode & 0o7777)),
            uid: metadata.map(|metadata| metadata.uid),
            gid: metadata.map(|metadata| metadata.gid),
            mtime: metadata.and_then(|m| Timestamp::from_nanosecond(i128::from(m.mtime_ns)).ok()),
            to,
            stored_name: matches!(node, Node::Listed(listed) if listed.has_stored_name),
        }
    }

    /// The line for people: mode, owner, size, time and name, in columns.
    fn text(&self) -> String {
        let letter = match self.kind {
            "folder" => 'd',
            "symlink" => 'l',
            _ => '-',
        };
        let number = |id: Option<u32>| id.map_or_else(|| "-".to_owned(), |id| id.to_string());
        let owner = format!("{}:{}", number(self.uid), number(self.gid));
        let size = self.size_bytes.map_or_else(|| "-".to_owned(), |size| size.to_string());
        let time = self.mtime.map_or_else(|| "-".to_owned(), |at| when::shown(at.as_second()));
        let mode = self.mode.as_deref().unwrap_or("----");
        let end = match (&self.to, self.kind) {
            (Some(Target(to)), _) => format!(" -> {}", output::shown_path(to)),
            (None, "folder") => "/".to_owned(),
            (None, _) if self.stored_name => {
                "  (as it is stored: its name cannot be read)".to_owned()
            }
            (None, _) => String::new(),
        };
        format!("{letter}{mode} {owner:>11} {size:>14} {time:>19} {}{end}", self.path)
    }
}
