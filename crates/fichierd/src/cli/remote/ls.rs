//! `fichierd remote ls`: the contents of a folder.

use clap::Args;
use fichier_api::{FolderListing, RemoteFile};
use jiff::Timestamp;
use serde::Serialize;

use super::Remote;
use super::place::{RemotePath, local};
use crate::base::words::{bytes, counted};
use crate::base::{Exit, when};
use crate::cli::output;

#[derive(Args, Debug)]
pub(super) struct LsArgs {
    /// The folder, such as /backups
    #[arg(default_value = "/")]
    path: RemotePath,
    /// Show the links as well; anybody who has a link can download the file
    #[arg(long)]
    links: bool,
}

#[derive(Serialize)]
struct ListingDocument {
    schema: &'static str,
    path: String,
    complete: bool,
    folders: Vec<FolderLine>,
    files: Vec<FileLine>,
}

#[derive(Serialize)]
struct FolderLine {
    name: String,
    id: i64,
}

/// One file, as `ls` and `info` describe it.
#[derive(Serialize)]
pub(super) struct FileLine {
    name: String,
    remote_name: String,
    size_bytes: u64,
    whirlpool: Option<String>,
    sent_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

impl FileLine {
    pub(super) fn of(file: &RemoteFile, links: bool) -> Self {
        FileLine {
            name: local(&file.name),
            remote_name: file.name.as_str().to_owned(),
            size_bytes: file.size_bytes,
            whirlpool: file.whirlpool.map(|hash| hash.to_hex()),
            sent_at: file.sent_at,
            url: links.then(|| file.url.as_str().to_owned()),
        }
    }

    /// All that is known, one line for each fact.
    pub(super) fn details(&self) -> String {
        let mut lines = vec![
            "kind:      file".to_owned(),
            format!("name:      {}", output::harmless(&self.name)),
            format!("size:      {} ({})", bytes(self.size_bytes), counted(self.size_bytes, "byte")),
        ];
        lines.extend(self.sent_at.map(|at| format!("sent:      {}", when::told(at.as_second()))));
        lines.extend(self.whirlpool.iter().map(|hash| format!("whirlpool: {hash}")));
        lines.join("\n")
    }
}

/// Lists a folder. Costs one listing for each folder of the path.
pub(super) async fn run(args: LsArgs, remote: &mut Remote<'_>) -> anyhow::Result<Exit> {
    let id = remote.tree.folder(&args.path).await?;
    let listing = remote.tree.list(id).await?;
    let document = document(&args, listing);
    if remote.json {
        output::json(&document)?;
    } else {
        output::line(&text(&document))?;
    }
    Ok(Exit::Done)
}

fn document(args: &LsArgs, listing: &FolderListing) -> ListingDocument {
    let mut folders: Vec<_> = listing
        .folders
        .iter()
        .map(|folder| FolderLine { name: local(&folder.name), id: folder.id.0 })
        .collect();
    let mut files: Vec<_> =
        listing.files.iter().map(|file| FileLine::of(file, args.links)).collect();
    folders.sort_by(|a, b| a.name.cmp(&b.name));
    files.sort_by(|a, b| a.name.cmp(&b.name));
    ListingDocument {
        schema: "fichierd.remote-listing/1",
        path: args.path.to_string(),
        complete: listing.complete,
        folders,
        files,
    }
}

fn text(listing: &ListingDocument) -> String {
    let folders = listing.folders.iter().map(|folder| {
        format!("{:>10}  {:19}  {}/\n", "folder", "", output::harmless(&folder.name))
    });
    let files = listing.files.iter().map(|file| {
        let sent = file.sent_at.map(|at| when::shown(at.as_second()));
        let link = file.url.as_ref().map(|url| format!("  {url}")).unwrap_or_default();
        format!(
            "{:>10}  {:19}  {}{link}\n",
            bytes(file.size_bytes),
            sent.unwrap_or_default(),
            output::harmless(&file.name)
        )
    });
    let mut text: String = folders.chain(files).collect();
    if !listing.complete {
        text.push_str("(the service did not list everything)\n");
    }
    if text.is_empty() { "(empty)".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use fichier_api::names::RemoteName;
    use fichier_api::{FileUrl, FolderId, RemoteFolder};

    use super::*;

    fn listing() -> FolderListing {
        FolderListing {
            id: FolderId(7),
            name: "backups".to_owned(),
            folders: vec![RemoteFolder { id: FolderId(8), name: RemoteName::encode(b"it's") }],
            files: vec![RemoteFile {
                url: FileUrl::parse("https://1fichier.com/?2zk52quqlm0cbjr93ri5").unwrap(),
                name: RemoteName::encode(b"a\x1bb"),
                size_bytes: 1_536,
                whirlpool: None,
                sent_at: Some("2026-05-04T12:30:00Z".parse().unwrap()),
            }],
            complete: false,
        }
    }

    #[test]
    fn a_listing_shows_local_names_and_hides_links() {
        let args = LsArgs { path: "/backups".parse().unwrap(), links: false };
        let document = document(&args, &listing());
        // The time is that of the machine's zone.
        let local = when::shown(listing().files[0].sent_at.unwrap().as_second());
        expect![[r#"
                folder                       it's/
              1.50 KiB  SENT                 a\u{1b}b
            (the service did not list everything)
        "#]]
        .assert_eq(&text(&document).replace(&local, &format!("{:19}", "SENT")));
        assert!(!serde_json::to_string(&document).unwrap().contains("2zk52"));
    }

    #[test]
    fn links_are_shown_on_request() {
        let args = LsArgs { path: "/backups".parse().unwrap(), links: true };
        let json = serde_json::to_value(document(&args, &listing())).unwrap();
        assert_eq!(json["files"][0]["url"], "https://1fichier.com/?2zk52quqlm0cbjr93ri5");
        assert_eq!(json["schema"], "fichierd.remote-listing/1");
    }
}
