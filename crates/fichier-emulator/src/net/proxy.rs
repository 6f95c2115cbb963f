//! An HTTP CONNECT proxy that leads the service's host names to the emulator.
//!
//! Clients that we did not write know the service by name; with this as their proxy and the
//! emulator's authority trusted, they need no change. A host that is not the service's is
//! refused, and a violation: no key may travel there.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::habits::ProxyHabit;
use crate::world::{Places, World};

/// Bytes in the request line and headers of a CONNECT; a longer one is not answered.
const MAX_HEAD: usize = 8 * 1024;

const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";
const PORTAL: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n\
    <html><body>Welcome to our network. Please log in.</body></html>\n";

/// Serves every connection until the runtime ends.
pub(crate) async fn run(listener: TcpListener, places: Places, world: Arc<World>) {
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            if let Err(error) = tunnel(socket, places, &world).await {
                tracing::debug!("a tunnel ended: {error}");
            }
        });
    }
}

async fn tunnel(mut client: TcpStream, places: Places, world: &World) -> io::Result<()> {
    let head = read_head(&mut client).await?;
    let line = head.lines().next().unwrap_or_default();
    let Some(target) = line.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()) else {
        return client.write_all(b"HTTP/1.1 405 Method Not Allowed\r\n\r\n").await;
    };
    let Some(address) = route(target, places) else {
        world.lock().record.violation("proxy", &format!("a connection to `{target}`"));
        return client.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").await;
    };
    let habit = world.lock().rules.proxy;
    let answer: &[u8] = match habit {
        ProxyHabit::Tunnel => ESTABLISHED,
        ProxyHabit::Authenticate => {
            b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"office\"\r\n\
              Content-Length: 0\r\n\r\n"
        }
        ProxyHabit::Portal => {
            client.write_all(ESTABLISHED).await?;
            PORTAL
        }
        ProxyHabit::Redirect => {
            b"HTTP/1.1 302 Found\r\nLocation: http://portal.invalid/\r\nContent-Length: 0\r\n\r\n"
        }
        ProxyHabit::NoSuchHost => b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
        ProxyHabit::Silence => {
            // Reads until the client closes.
            let mut rest = [0; 1024];
            while client.read(&mut rest).await? > 0 {}
            return Ok(());
        }
    };
    client.write_all(answer).await?;
    if habit != ProxyHabit::Tunnel {
        return Ok(());
    }
    let mut server = TcpStream::connect(address).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

/// The address of a `host:port` at the front that the proxy belongs to; `None` for other hosts.
fn route(target: &str, places: Places) -> Option<SocketAddr> {
    if let Ok(address) = target.parse::<SocketAddr>() {
        return [places.api, places.node, places.download].into_iter().find(|own| *own == address);
    }
    let host = target.rsplit_once(':').map_or(target, |(host, _)| host);
    match host.strip_suffix("1fichier.com")?.strip_suffix('.') {
        Some("api") => Some(places.api),
        Some(node) if node.starts_with("up") => Some(places.node),
        Some(_) => Some(places.download),
        None => (host == "1fichier.com").then_some(places.download),
    }
}

async fn read_head(client: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= MAX_HEAD {
            return Err(io::ErrorKind::InvalidData.into());
        }
        head.push(client.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}
