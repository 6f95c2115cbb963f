//! How fast one large download is. Not a test but a measurement, of a release build:
//! `cargo test --release -p fichier-api --test service -- --ignored --nocapture speed`.

#![expect(clippy::print_stdout, clippy::cast_possible_truncation, reason = "a measurement")]

use std::time::Instant;

use fichier_api::{Client, FileUrl, Whirlpool};
use fichier_emulator::{Emulator, Rules};

use crate::world::{SCALE, builder};

const SIZE_BYTES: u64 = 512 << 20;

/// Over TLS, as the service has it.
async fn measure(tls: bool) {
    let emulator = Emulator::builder().rules(Rules::scaled(SCALE)).tls(tls).start().await.unwrap();
    let mut client = builder(&emulator, emulator.api_key());
    if let (Some(pem), Some(proxy)) = (emulator.ca_pem(), emulator.proxy_url()) {
        let to_service = client.api_url("https://api.1fichier.com/v1").proxy(&proxy);
        client = to_service.extra_root_pem(pem.into());
    }
    let client = client.build().unwrap();
    let content: Vec<u8> = (0..=250).cycle().take(SIZE_BYTES as usize).collect();
    let url = FileUrl::parse(&emulator.add_file("/", "a", &content)).unwrap();
    let whirlpool = Whirlpool::parse_hex(&emulator.files()[0].whirlpool).unwrap();
    drop(content);
    for _ in 0..3 {
        let seconds = download(&client, &url, whirlpool).await;
        println!("TLS {tls}: {:.0} MiB/s ({seconds:.2} s)", 512.0 / seconds);
    }
}

/// Seconds that it takes to bring the file to the disk, compared.
async fn download(client: &Client, url: &FileUrl, whirlpool: Whirlpool) -> f64 {
    let file = tempfile::tempfile().unwrap();
    let mut sink = tokio::fs::File::from_std(file);
    let begun = Instant::now();
    let expect = Some((SIZE_BYTES, whirlpool));
    client.download(url, expect, &mut sink).await.unwrap();
    begun.elapsed().as_secs_f64()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn speed_of_one_large_download() {
    measure(false).await;
    measure(true).await;
}
