//! Lists a folder: `cargo run --example list -- FOLDER_ID`, where 0 is the root

#![expect(clippy::print_stdout, reason = "an example's output")]

mod common;

const USAGE: &str = "list FOLDER_ID";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let folder = common::folder(&common::argument(1, USAGE)?)?;
    let listing = common::client()?.list_folder(folder).await?;
    for folder in &listing.folders {
        println!("{:>15}  {}/", folder.id, String::from_utf8_lossy(&folder.name.decode()));
    }
    for file in &listing.files {
        println!("{:>15}  {}", file.size_bytes, String::from_utf8_lossy(&file.name.decode()));
        println!("{:>15}  {}", "", file.url.as_str());
    }
    if !listing.complete {
        println!("and there may be more: this listing is not complete");
    }
    Ok(())
}
