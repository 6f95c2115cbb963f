//! Makes an address to download a file from, good for five minutes:
//! `cargo run --example link -- LINK`

#![expect(clippy::print_stdout, reason = "an example's output")]

mod common;

use fichier_api::{DownloadOptions, FileUrl};

const USAGE: &str = "link LINK";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let url = FileUrl::parse(&common::argument(1, USAGE)?)?;
    let address = common::client()?.download_url(&url, &DownloadOptions::default()).await?;
    println!("{}", address.as_str());
    Ok(())
}
