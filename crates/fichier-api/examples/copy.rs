//! Copies files into a folder without sending them again:
//! `cargo run --example copy -- FOLDER_ID LINK...`

#![expect(clippy::print_stdout, reason = "an example's output")]

mod common;

use fichier_api::FileUrl;

const USAGE: &str = "copy FOLDER_ID LINK...";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let into = common::folder(&common::argument(1, USAGE)?)?;
    let links: Result<Vec<_>, _> = std::env::args().skip(2).map(|l| FileUrl::parse(&l)).collect();
    for copied in common::client()?.copy_files(&links?, into, None).await? {
        println!("{} is a copy of {}", copied.to.as_str(), copied.from.as_str());
    }
    Ok(())
}
