//! Shows the account: `cargo run --example account`

#![expect(clippy::print_stdout, reason = "an example's output")]

mod common;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let account = common::client()?.account().await?;
    println!("{} ({:?})", account.email.as_deref().unwrap_or("?"), account.offer);
    if let Some(end) = account.subscription_end {
        println!("subscription until {end}");
    }
    if let Some(used) = account.cold_storage_bytes {
        println!("{used} bytes of cold storage used");
    }
    if account.upload_forbidden {
        println!("uploads are refused at the moment");
    }
    Ok(())
}
