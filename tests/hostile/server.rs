//! A server in place of the service: it sends the client elsewhere, and it never stops sending.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use fichier_api::names::RemoteName;
use fichier_api::{Client, Error, ErrorKind, FolderId, PaceConfig, Pacer, UploadSlot};
use fichier_testkit::loopback;

const KEY: &str = "0123456789abcdefghijABCDEFGHIJ_-";
/// The largest part of a reply that the client reads (docs/architecture.md, `transport`).
const MOST: u64 = 16 << 20;
/// The bytes that the sockets on both sides may hold besides.
const IN_SOCKETS: u64 = 16 << 20;

/// Answers each connection with the same bytes, and then, if told to, with more for ever.
struct Server {
    address: String,
    connections: Arc<AtomicUsize>,
    sent: Arc<AtomicU64>,
    asked: Arc<Mutex<String>>,
}

impl Server {
    /// The thread ends with the process: it waits for connections.
    fn start(reply: Vec<u8>, for_ever: Option<Vec<u8>>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Server {
            address: listener.local_addr().unwrap().to_string(),
            connections: Arc::default(),
            sent: Arc::default(),
            asked: Arc::default(),
        };
        let (connections, sent) = (Arc::clone(&server.connections), Arc::clone(&server.sent));
        let asked = Arc::clone(&server.asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                connections.fetch_add(1, Ordering::SeqCst);
                asked.lock().unwrap().push_str(&answer(stream, &reply, for_ever.as_deref(), &sent));
            }
        });
        server
    }

    fn client(&self) -> Client {
        let pace = PaceConfig { calls_per_second: 3.0, time_scale: 10_000 };
        let api_url = format!("http://{}/v1", self.address);
        loopback::client(KEY, Pacer::in_memory(pace), &api_url).build().unwrap()
    }

    /// A call that is not repeated, whatever its outcome.
    async fn make_folder(&self) -> Error {
        self.client().make_folder(FolderId(1), &RemoteName::encode(b"a")).await.unwrap_err()
    }
}

/// Reads the head of the request, which is enough, and returns it.
fn answer(mut stream: TcpStream, reply: &[u8], more: Option<&[u8]>, sent: &AtomicU64) -> String {
    let mut asked = vec![0; 64 * 1024];
    let length = stream.read(&mut asked).unwrap_or_default();
    let mut write = |bytes: &[u8]| {
        let written = stream.write_all(bytes);
        sent.fetch_add(bytes.len() as u64, Ordering::SeqCst);
        written.is_ok()
    };
    let mut is_open = write(reply);
    while let Some(more) = more.filter(|_| is_open) {
        is_open = write(more);
    }
    String::from_utf8_lossy(&asked[..length]).into_owned()
}

fn head(lines: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{lines}\r\n\r\n").into_bytes()
}

fn is_too_large(error: &Error) -> bool {
    matches!(&error.kind, ErrorKind::UnexpectedReply { detail } if detail.contains("larger than"))
}

/// Zeros, packed a thousandfold: DEFLATE with its fixed codes, a literal 0 and then "258 times
/// what was last", over and over.
fn bomb(bytes: u64) -> Vec<u8> {
    let mut packed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    let (mut open, mut count) = (0_u8, 0);
    let mut push = |bits: &str| {
        for bit in bits.bytes() {
            open |= u8::from(bit == b'1') << count;
            count += 1;
            if count == 8 {
                packed.push(open);
                (open, count) = (0, 0);
            }
        }
    };
    // The last block, of fixed codes; a 0; and code 285 with distance 1.
    push("110");
    push("00110000");
    for _ in 0..bytes / 258 {
        push("1100010100000");
    }
    packed
}

#[tokio::test]
async fn h13_a_small_reply_that_unpacks_to_a_large_one_is_cut_off() {
    let packed = bomb(256 << 20);
    assert!(packed.len() < 2 << 20);
    let length = packed.len();
    let head = head(&format!("Content-Encoding: gzip\r\nContent-Length: {length}"));
    let server = Server::start([head, packed].concat(), None);
    let error = server.make_folder().await;
    assert!(is_too_large(&error), "{error:?}");
    assert!(error.outcome_unknown());
}

#[tokio::test]
async fn h13_a_reply_without_an_end_is_hung_up_on() {
    let block = vec![b' '; 64 * 1024];
    let chunk = [format!("{:x}\r\n", block.len()).as_bytes(), &block, b"\r\n"].concat();
    let endless = Server::start(head("Transfer-Encoding: chunked"), Some(chunk));
    let error = endless.make_folder().await;
    assert!(is_too_large(&error) && error.outcome_unknown(), "{error:?}");
    // So is a head that never ends.
    let heads = b"HTTP/1.1 200 OK\r\n".to_vec();
    let endless_head = Server::start(heads, Some(b"X-More: and more\r\n".repeat(1_000)));
    let error = endless_head.make_folder().await;
    assert!(matches!(error.kind, ErrorKind::Unreachable(_)), "{error:?}");
    assert!(error.outcome_unknown());
    for server in [endless, endless_head] {
        assert!(server.sent.load(Ordering::SeqCst) < MOST + IN_SOCKETS);
    }
}

#[tokio::test]
async fn h12_no_redirect_is_followed_and_the_key_stays_with_the_service() {
    let elsewhere = Server::start(head("Content-Length: 15"), None);
    for status in [301, 302, 303, 307, 308] {
        for path in ["/v1/folder/mkdir.cgi", "/end.pl?xid=AbC4567890"] {
            let reply = format!(
                "HTTP/1.1 {status} Moved\r\nLocation: http://{}{path}\r\nContent-Length: 0\r\n\
                 Connection: close\r\n\r\n",
                elsewhere.address
            );
            let server = Server::start(reply.into_bytes(), None);
            let error = server.make_folder().await;
            assert!(matches!(error.kind, ErrorKind::UnknownRefusal { .. }), "{error:?}");
            assert!(error.outcome_unknown());
            let id = "9kGjlUU2CV".to_owned();
            let slot = UploadSlot { id, node: server.address.clone() };
            let error = server.client().upload_result(&slot, None).await.unwrap_err();
            assert!(matches!(error.kind, ErrorKind::UnexpectedReply { .. }), "{error:?}");
            assert!(server.asked.lock().unwrap().contains(KEY), "the service itself gets the key");
        }
    }
    assert_eq!(elsewhere.connections.load(Ordering::SeqCst), 0);
}
