//! The network between client and service, on loopback: a relay whose connections break when a test
//! wants it, and addresses that accept connections and never answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A relay to the service that closes each connection when a second request comes over it: the
/// service has ended an idle connection, and the client did not know yet.
pub struct OneRequestEach {
    pub address: SocketAddr,
    /// The number of requests that were cut off, unseen by the service.
    pub cut: Arc<AtomicUsize>,
    relay: JoinHandle<()>,
}

impl OneRequestEach {
    /// Relays to the host and port of an address such as `http://127.0.0.1:4000/v1`.
    pub async fn before(api_url: &str) -> OneRequestEach {
        let to = api_url.trim_start_matches("http://").trim_end_matches("/v1").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let cut = Arc::new(AtomicUsize::new(0));
        let counting = Arc::clone(&cut);
        let relay = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay_one(client, to.clone(), Arc::clone(&counting)));
            }
        });
        OneRequestEach { address, cut, relay }
    }
}

impl Drop for OneRequestEach {
    fn drop(&mut self) {
        self.relay.abort();
    }
}

async fn relay_one(mut client: TcpStream, to: String, cut: Arc<AtomicUsize>) {
    let Ok(mut server) = TcpStream::connect(to).await else { return };
    let (mut asked, mut told) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    let mut answered = false;
    loop {
        tokio::select! {
            read = client.read(&mut asked) => match read {
                Ok(bytes) if bytes > 0 && !answered => {
                    if server.write_all(&asked[..bytes]).await.is_err() {
                        return;
                    }
                }
                Ok(bytes) => {
                    cut.fetch_add(usize::from(bytes > 0), Ordering::Relaxed);
                    return;
                }
                Err(_) => return,
            },
            read = server.read(&mut told) => match read {
                Ok(bytes) if bytes > 0 => {
                    answered = true;
                    if client.write_all(&told[..bytes]).await.is_err() {
                        return;
                    }
                }
                Ok(_) | Err(_) => return,
            },
        }
    }
}

/// An address that counts the connections and never answers one.
pub struct Elsewhere {
    pub address: SocketAddr,
    pub visitors: Arc<AtomicUsize>,
    door: JoinHandle<()>,
}

impl Elsewhere {
    /// Listens on this address of the machine.
    pub async fn at(host: &str) -> Elsewhere {
        let listener = TcpListener::bind((host, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let visitors = Arc::new(AtomicUsize::new(0));
        let counting = Arc::clone(&visitors);
        let door = tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                counting.fetch_add(1, Ordering::Relaxed);
            }
        });
        Elsewhere { address, visitors, door }
    }

    /// The number of connections that came.
    pub fn visitors(&self) -> usize {
        self.visitors.load(Ordering::Relaxed)
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        self.door.abort();
    }
}

/// An address that takes no connection and refuses none: its queue is full, so that the first
/// packet of each further connection is dropped.
pub struct BlackHole {
    pub address: SocketAddr,
    _listener: std::os::fd::OwnedFd,
    _waiting: Vec<std::net::TcpStream>,
}

impl BlackHole {
    pub fn new() -> BlackHole {
        use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};
        let listener = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&listener, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        listen(&listener, 0).unwrap();
        let address = SocketAddr::try_from(getsockname(&listener).unwrap()).unwrap();
        let short = std::time::Duration::from_millis(200);
        let mut waiting = Vec::new();
        while let Ok(stream) = std::net::TcpStream::connect_timeout(&address, short) {
            waiting.push(stream);
            assert!(waiting.len() < 100, "the queue never fills");
        }
        BlackHole { address, _listener: listener, _waiting: waiting }
    }
}
