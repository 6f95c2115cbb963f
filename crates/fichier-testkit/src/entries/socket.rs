//! Questions to the control socket.
//!
//! The bytes come in on one connection, HTTP or not. A user who may open the socket may do
//! everything; but no bytes may end the service or be taken for another question.

use std::cell::OnceCell;
use std::path::PathBuf;
use std::time::Duration;

use fichierd::daemon::control::{Call, Identity, Reply, Request, listen, serve};
use fichierd::restore::proof::MOST_BROKEN;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

/// A service whose loop answers each request with its own text.
struct Service {
    runtime: Runtime,
    socket: PathBuf,
    _dir: TempDir,
}

thread_local! {
    static SERVICE: OnceCell<Service> = const { OnceCell::new() };
}

/// The bytes are all that one connection to the control socket sends.
pub fn control_requests(data: &[u8]) {
    SERVICE.with(|service| {
        let service = service.get_or_init(Service::start);
        let answer = service.runtime.block_on(service.say(data));
        let is_other = data.starts_with(b"PRI * HTTP/2.0");
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.") || is_other, "{answer:?}");
        // It still answers.
        let status = b"GET /v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let answer = service.runtime.block_on(service.say(status));
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("Status"), "{answer}");
    });
}

impl Service {
    fn start() -> Service {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let dir = TempDir::new().expect("a folder");
        let socket = dir.path().join("control.sock");
        let entered = runtime.enter();
        let listener = listen(&socket).expect("a socket");
        let (calls, mut asked) = mpsc::channel::<Call>(4);
        let identity = Identity {
            process: 1,
            version: "1".to_owned(),
            config: socket.clone(),
            state_dir: dir.path().to_owned(),
            pace_file: std::path::PathBuf::default(),
        };
        runtime.spawn(serve(listener, identity, calls));
        runtime.spawn(async move {
            while let Some(call) = asked.recv().await {
                check(&call.request);
                let message = format!("{:?}", call.request);
                // The other end may have hung up.
                drop(call.reply.send(Reply::Done { message }));
            }
        });
        drop(entered);
        Service { runtime, socket, _dir: dir }
    }

    /// Sends the bytes, hangs up, and reads what comes back to its end.
    async fn say(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = UnixStream::connect(&self.socket).await.expect("it listens");
        // It may hang up first.
        drop(stream.write_all(bytes).await);
        drop(stream.shutdown().await);
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        let read = tokio::time::timeout(Duration::from_secs(20), read).await;
        drop(read.expect("a connection that was hung up on is left alone for ever"));
        answer
    }
}

/// Panics unless the request that arrives can be written again.
fn check(request: &Request) {
    let written = serde_json::to_value(request).expect("a question can be written");
    assert_eq!(serde_json::from_value::<Request>(written).ok().as_ref(), Some(request));
    if let Request::Proved(proved) = request {
        assert!(proved.broken.len() <= 64 * 1024 / 2, "bounded by the body; {MOST_BROKEN} count");
    }
}
