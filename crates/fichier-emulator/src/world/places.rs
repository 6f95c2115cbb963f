//! Where the servers of a front are, and who asks them.

use std::net::{IpAddr, SocketAddr};

use crate::habits::DownloadAddress;

/// Who asks, and the servers of the front that this caller came to: it is sent to no others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    pub(crate) address: IpAddr,
    pub(crate) places: Places,
}

/// The addresses of the three servers of one front.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places {
    pub(crate) api: SocketAddr,
    pub(crate) node: SocketAddr,
    pub(crate) download: SocketAddr,
    pub(crate) tls: bool,
}

impl Places {
    /// The bare host that `get_upload_server` names.
    pub(crate) fn node_host(&self) -> String {
        if self.tls { "up1.1fichier.com".to_owned() } else { self.node.to_string() }
    }

    /// The address that a download token is appended to.
    pub(crate) fn download_base(&self, habit: DownloadAddress) -> String {
        let host = if self.tls { "a-1.1fichier.com".to_owned() } else { self.download.to_string() };
        let scheme = if self.tls { "https" } else { "http" };
        match habit {
            DownloadAddress::Usual => format!("{scheme}://{host}"),
            DownloadAddress::Plain => format!("http://{host}"),
            DownloadAddress::OtherPort if self.tls => format!("https://{host}:8443"),
            DownloadAddress::OtherPort => format!("{scheme}://{host}"),
            DownloadAddress::Bare => host,
            DownloadAddress::Foreign => "https://a-1.downloads.example".to_owned(),
        }
    }

    /// Another download server than the one above.
    pub(crate) fn other_download_base(&self) -> String {
        if self.tls {
            "https://o-3.1fichier.com".to_owned()
        } else {
            format!("http://{}", self.download)
        }
    }
}
