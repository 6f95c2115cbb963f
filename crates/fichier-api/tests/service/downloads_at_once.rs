//! Several downloads through one client, and some whose callers have stopped waiting.

use std::time::Duration;

use fichier_api::{ApiKey, Client, FileUrl, PaceConfig, Pacer, Whirlpool};
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::world::{SCALE, World};

/// Long enough for what happens at once; only a failing test waits for it.
const SOON: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_downloads_at_once_do_not_mix() {
    let world = World::start().await;
    let contents: Vec<Vec<u8>> =
        (1..=4_u8).map(|number| vec![number; 1_000_000 * usize::from(number)]).collect();
    let urls: Vec<_> =
        contents.iter().map(|content| world.file("/", &content[0].to_string(), content)).collect();
    let files = world.emulator.files();
    let downloads = urls.iter().map(|url| {
        let file = files.iter().find(|file| file.link == url.as_str()).unwrap();
        let expect = (file.size, Whirlpool::parse_hex(&file.whirlpool).unwrap());
        let (client, url) = (world.client.clone(), url.clone());
        tokio::spawn(async move {
            let mut sink = Vec::new();
            client.download(&url, Some(expect), &mut sink).await.map(|_| sink)
        })
    });
    for (sink, content) in join_all(downloads).await.into_iter().zip(&contents) {
        assert!(sink.unwrap().unwrap() == *content);
    }
    assert_eq!(world.emulator.calls(), 4);
    world.emulator.assert_no_violations();
}

#[tokio::test]
async fn who_is_given_up_while_waiting_to_start_stops_nobody_else() {
    let world = World::start().await;
    let url = world.file("/", "a", b"Hello world\n");
    let mut sink = Vec::new();
    for dropped_at_call in [1, 3, 5] {
        {
            let given_up = world.client.download(&url, None, &mut sink);
            let asked = async {
                while world.emulator.calls() < dropped_at_call {
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! { biased; () = asked => {} _ = given_up => {} }
        }
        let mut sink = Vec::new();
        let download = world.client.download(&url, None, &mut sink);
        tokio::time::timeout(SOON, download).await.unwrap().unwrap();
        assert_eq!(sink, b"Hello world\n");
    }
    world.emulator.assert_no_violations();
}

#[test]
fn a_download_that_nobody_waits_for_any_more_leaves_nothing_behind() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (under_way, is_under_way) = oneshot::channel();
        let server = tokio::spawn(stalling(listener, under_way));
        let config = PaceConfig { time_scale: SCALE, ..PaceConfig::default() };
        let client = Client::builder(ApiKey::new("key").unwrap(), Pacer::in_memory(config));
        let client = client.api_url(&format!("http://{address}/v1")).build().unwrap();
        let download = tokio::spawn(async move {
            let url = FileUrl::parse("https://1fichier.com/?aaaaaaaaaaaaaaaaaaaa").unwrap();
            client.download(&url, None, &mut Vec::new()).await
        });
        is_under_way.await.unwrap();
        download.abort();
        assert!(download.await.unwrap_err().is_cancelled());
        // The server sees that the connection has ended.
        tokio::time::timeout(SOON, server).await.unwrap().unwrap();
    });
    // In a thread of its own: it would wait for ever for a thread that still hashes.
    let (ended, has_ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        drop(runtime);
        ended.send(())
    });
    has_ended.recv_timeout(SOON).unwrap();
}

/// Gives an address, then half of a file, and then waits for the end of the connection.
async fn stalling(listener: TcpListener, under_way: oneshot::Sender<()>) {
    let own = listener.local_addr().unwrap();
    let (mut socket, _) = listener.accept().await.unwrap();
    let body = format!("{{\"status\":\"OK\",\"url\":\"http://{own}/p1\"}}");
    answer(&mut socket, &format!("Connection: close\r\n\r\n{body}")).await;
    drop(socket);
    let (mut socket, _) = listener.accept().await.unwrap();
    let half = "x".repeat(1_000_000);
    answer(&mut socket, &format!("Content-Length: 2000000\r\n\r\n{half}")).await;
    under_way.send(()).unwrap();
    while !matches!(socket.read(&mut [0; 1024]).await, Ok(0) | Err(_)) {}
}

async fn answer(socket: &mut TcpStream, rest: &str) {
    assert!(socket.read(&mut [0; 4096]).await.unwrap() > 0);
    socket.write_all(format!("HTTP/1.1 200 OK\r\n{rest}").as_bytes()).await.unwrap();
}
