//! Sends a file into a folder and checks what was stored:
//! `cargo run --example upload -- FILE FOLDER_ID`

#![expect(clippy::print_stdout, reason = "an example's output")]

mod common;

use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use fichier_api::names::RemoteName;
use fichier_api::{UploadFile, UploadResult, match_uploaded};

const USAGE: &str = "upload FILE FOLDER_ID";
/// While the antivirus is at work (docs/api-notes.md, C.4).
const BETWEEN_POLLS: Duration = Duration::from_secs(30);
const MAX_POLLS: usize = 20;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let path = PathBuf::from(common::argument(1, USAGE)?);
    let folder = common::folder(&common::argument(2, USAGE)?)?;
    let client = common::client()?;

    let name = path.file_name().context("not a file")?;
    let (name, size_bytes) = (RemoteName::encode(name.as_bytes()), path.metadata()?.len());
    let file = UploadFile::new(name, size_bytes, move || File::open(path));
    let slot = client.open_upload().await?;
    let sent = client.send_files(&slot, folder, vec![file], Arc::default()).await?;

    for _ in 0..MAX_POLLS {
        match client.upload_result(&slot, Some(&sent.xid)).await? {
            UploadResult::Ready(stored) => {
                let url = match_uploaded(&sent.files, &stored).urls.remove(0);
                let url = url.context("what was stored is not what was sent")?;
                println!("{}", url.as_str());
                return Ok(());
            }
            UploadResult::BeingScanned => println!("being scanned …"),
            UploadResult::Nothing => println!("not stored yet …"),
            UploadResult::Unclear(words) => println!("the node says: {words}"),
        }
        tokio::time::sleep(BETWEEN_POLLS).await;
    }
    bail!("the service does not tell what became of the file; list the folder")
}
