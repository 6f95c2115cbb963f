//! The hosts that the client may speak to, and which of them may see the key.
//!
//! The service names its upload nodes and download servers in replies (docs/api-notes.md, B.1 and
//! B.2). A reply that was tampered with, or a wrong one, must not lead the files or the key
//! anywhere else: only hosts of the service are accepted, or, where the API itself was set to a
//! loopback address, that same address.
//!
//! Pure: nothing here opens a connection.
//!
//! Invariant: every address given out has the scheme of the API's, and plain `http` only exists
//! on loopback.

use url::{Host, Url};

use crate::error::ErrorKind;
use crate::transport::build_error::BuildError;
use crate::wire::quote;

const SERVICE_DOMAIN: &str = ".1fichier.com";

/// Where the API is, and what follows from it for every other host.
#[derive(Clone, Debug)]
pub(crate) struct ApiAddress {
    url: Url,
    is_loopback: bool,
}

impl ApiAddress {
    /// Reads an address such as `https://api.1fichier.com/v1`.
    ///
    /// # Errors
    ///
    /// When it is no URL, is neither `https` nor `http` on loopback, or carries a user, a query
    /// or a fragment.
    pub(crate) fn parse(text: &str) -> Result<ApiAddress, BuildError> {
        let bad = |problem: &str| BuildError::ApiUrl { problem: problem.to_owned() };
        let mut url = Url::parse(text).map_err(|error| bad(&error.to_string()))?;
        let is_loopback = url.host().is_some_and(is_loopback);
        match url.scheme() {
            "https" => {}
            "http" if is_loopback => {}
            "http" => return Err(bad("plain `http` would show the key to the network")),
            other => return Err(bad(&format!("`{other}` is not `https`"))),
        }
        let has_more = !url.username().is_empty()
            || url.password().is_some()
            || url.query().is_some()
            || url.fragment().is_some();
        if has_more {
            return Err(bad("it may hold no user, query or fragment"));
        }
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Ok(ApiAddress { url, is_loopback })
    }

    /// Whether traffic stays on this machine in the clear, where no proxy has a place.
    pub(crate) fn is_plain(&self) -> bool {
        self.url.scheme() == "http"
    }

    /// The address of one endpoint, such as `file/rm.cgi`.
    pub(crate) fn endpoint(&self, endpoint: &str) -> Url {
        let mut url = self.url.clone();
        let path = format!("{}/{endpoint}", self.url.path().trim_end_matches('/'));
        url.set_path(&path);
        url
    }

    /// The host of an upload node, and its port if that is not the usual one, however the service
    /// writes it: bare, with a scheme, a slash or a path, in capitals (H.2).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::UnexpectedReply`] that names the host if that is none of the service.
    pub(crate) fn node_host(&self, written: &str) -> Result<String, ErrorKind> {
        let foreign = |host: &str| {
            let host = quote(host.as_bytes());
            ErrorKind::unexpected(format!("the upload node `{host}` is not a host of the service"))
        };
        let text = written.trim();
        let rest = text.split_once("://").map_or(text, |(_, rest)| rest).trim_start_matches('/');
        let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        let scheme = self.url.scheme();
        if authority.contains(['@', '\\']) {
            return Err(foreign("with a user"));
        }
        // The port of the other scheme says nothing about this one.
        let other = if scheme == "https" { ":80" } else { ":443" };
        let authority = authority.strip_suffix(other).unwrap_or(authority);
        let url =
            Url::parse(&format!("{scheme}://{authority}/")).map_err(|_| foreign(authority))?;
        if !self.allows_node(&url) {
            return Err(foreign(url.host_str().unwrap_or_default()));
        }
        let host = url.host_str().unwrap_or_default();
        Ok(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
    }

    /// The address of `path` on the upload node `host`, which may be shown the key.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::UnexpectedReply`] if that is no host of the service.
    pub(crate) fn node(&self, host: &str, path: &str) -> Result<Url, ErrorKind> {
        let foreign = || ErrorKind::unexpected("the upload node is not a host of the service");
        let bare =
            Url::parse(&format!("{}://{host}/", self.url.scheme())).map_err(|_| foreign())?;
        let is_bare = bare.path() == "/"
            && bare.query().is_none()
            && bare.fragment().is_none()
            && !host.contains(['/', '\\', '?', '#', '@']);
        if !is_bare || !self.allows_node(&bare) {
            return Err(foreign());
        }
        bare.join(path).map_err(|_| foreign())
    }

    /// Reads the address of a download, which is never shown the key: plain `http` becomes `https`,
    /// and a scheme that is missing is added (H.2).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::UnexpectedReply`], which names the host, if that is none of the service.
    pub(crate) fn download(&self, text: &str) -> Result<Url, ErrorKind> {
        let unreadable = || ErrorKind::unexpected("the download address cannot be read");
        let text = text.trim();
        let rest = text.strip_prefix("//").unwrap_or(text);
        let with_scheme = if rest.contains("://") {
            rest.to_owned()
        } else {
            format!("{}://{rest}", self.url.scheme())
        };
        let mut url = Url::parse(&with_scheme).map_err(|_| unreadable())?;
        let has_user = !url.username().is_empty() || url.password().is_some();
        if has_user || !matches!(url.scheme(), "http" | "https") {
            return Err(unreadable());
        }
        let is_local = self.is_loopback && self.url.host() == url.host();
        let scheme = if is_local { self.url.scheme() } else { "https" };
        if url.scheme() != scheme {
            url.set_scheme(scheme).map_err(|()| unreadable())?;
        }
        // A service in the clear, which is an emulated one on loopback, leads nowhere else.
        if is_local || !self.is_plain() && is_of_service(&url) {
            return Ok(url);
        }
        let host: String = url.host_str().unwrap_or_default().chars().take(100).collect();
        Err(ErrorKind::unexpected(format!(
            "`{host}`, which is to send the file, is no host of 1fichier"
        )))
    }

    /// Whether the host is one of the service, on any port, or the loopback host of the API.
    fn allows_node(&self, url: &Url) -> bool {
        let mut bare = url.clone();
        let is_https = url.scheme() == "https";
        self.allows(url) || is_https && bare.set_port(None).is_ok() && self.allows(&bare)
    }

    /// Whether the host is one of the service, or the loopback host of the API.
    fn allows(&self, url: &Url) -> bool {
        match url.host() {
            // Not in the clear, also where the API itself is plain on loopback.
            Some(Host::Domain(name)) if name.ends_with(SERVICE_DOMAIN) => {
                url.scheme() == "https" && url.port().is_none()
            }
            Some(host) => self.is_loopback && self.url.host() == Some(host),
            None => false,
        }
    }
}

/// Whether the host is below the domain of the service, on any port.
fn is_of_service(url: &Url) -> bool {
    matches!(url.host(), Some(Host::Domain(name)) if name.ends_with(SERVICE_DOMAIN))
}

fn is_loopback(host: Host<&str>) -> bool {
    match host {
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
        Host::Domain(name) => name == "localhost",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service() -> ApiAddress {
        ApiAddress::parse("https://api.1fichier.com/v1").unwrap()
    }

    fn emulator() -> ApiAddress {
        ApiAddress::parse("http://127.0.0.1:4000/v1/").unwrap()
    }

    #[test]
    fn an_endpoint_stands_below_the_api_with_or_without_a_final_slash() {
        let address = service().endpoint("file/rm.cgi");
        assert_eq!(address.as_str(), "https://api.1fichier.com/v1/file/rm.cgi");
        let address = emulator().endpoint("ftp/users/ls.cgi");
        assert_eq!(address.as_str(), "http://127.0.0.1:4000/v1/ftp/users/ls.cgi");
    }

    #[test]
    fn the_key_is_not_sent_in_the_clear_beyond_this_machine() {
        for bad in [
            "http://api.1fichier.com/v1",
            "ftp://api.1fichier.com/v1",
            "https://user:secret@api.1fichier.com/v1",
            "https://api.1fichier.com/v1?x=1",
            "api.1fichier.com/v1",
        ] {
            let refused = ApiAddress::parse(bad);
            assert!(matches!(refused, Err(BuildError::ApiUrl { .. })), "{bad}: {refused:?}");
        }
        for good in ["http://localhost:1/v1", "http://[::1]:1/v1", "https://proxy.example/v1"] {
            ApiAddress::parse(good).unwrap();
        }
    }

    #[test]
    fn a_node_is_a_host_of_the_service_over_the_scheme_of_the_api() {
        let upload = service().node("up2.1fichier.com", "/upload.cgi?id=9kGjlUU2CV").unwrap();
        assert_eq!(upload.as_str(), "https://up2.1fichier.com/upload.cgi?id=9kGjlUU2CV");
        let upload = emulator().node("127.0.0.1:5000", "/end.pl?xid=a").unwrap();
        assert_eq!(upload.as_str(), "http://127.0.0.1:5000/end.pl?xid=a");
    }

    #[test]
    fn no_other_node_gets_the_key() {
        for bad in [
            "evil.example",
            "evil1fichier.com",
            "up2.1fichier.com.evil.example",
            "up2.1fichier.com@evil.example",
            "evil.example/.1fichier.com",
            "evil.example?.1fichier.com",
            "evil.example#.1fichier.com",
            "evil.example\\.1fichier.com",
            "127.0.0.1",
            "",
        ] {
            let refused = service().node(bad, "/upload.cgi");
            assert!(matches!(refused, Err(ErrorKind::UnexpectedReply { .. })), "{bad}");
        }
        let other_loopback = emulator().node("127.0.0.2:5000", "/upload.cgi");
        assert!(matches!(other_loopback, Err(ErrorKind::UnexpectedReply { .. })));
    }

    #[test]
    fn y14_a_node_is_read_however_its_address_is_written() {
        for (written, host) in [
            ("up7.1fichier.com", "up7.1fichier.com"),
            (" up7.1fichier.com/\n", "up7.1fichier.com"),
            ("https://up7.1fichier.com", "up7.1fichier.com"),
            ("http://up7.1fichier.com/", "up7.1fichier.com"),
            ("HTTPS://UP7.1Fichier.COM:443/upload.cgi?id=x", "up7.1fichier.com"),
            ("http://up7.1fichier.com:80", "up7.1fichier.com"),
            ("//up7.1fichier.com", "up7.1fichier.com"),
            ("up7.1fichier.com:8443", "up7.1fichier.com:8443"),
        ] {
            assert_eq!(service().node_host(written).unwrap(), host, "{written}");
            service().node(host, "/upload.cgi").unwrap();
        }
        let local = "127.0.0.1:5000";
        for written in [local, "https://127.0.0.1:5000/", "http://127.0.0.1:5000"] {
            assert_eq!(emulator().node_host(written).unwrap(), local, "{written}");
        }
        for written in
            ["https://evil.example", "up2.1fichier.com@evil.example", "", "http://", "up 2", "\\"]
        {
            let refused = service().node_host(written);
            assert!(matches!(refused, Err(ErrorKind::UnexpectedReply { .. })), "{written}");
        }
        let named = service().node_host("https://evil.example/x").unwrap_err();
        assert!(named.to_string().contains("`evil.example`"), "{named}");
    }

    #[test]
    fn z70_the_address_of_a_download_is_read_in_every_form_and_other_hosts_are_named() {
        for (written, read) in [
            ("https://a-4.1fichier.com/p1058755667", "https://a-4.1fichier.com/p1058755667"),
            ("http://a-12.1fichier.com/p123", "https://a-12.1fichier.com/p123"),
            ("http://a-12.1fichier.com:80/p123", "https://a-12.1fichier.com/p123"),
            ("HTTPS://O-3.1Fichier.com/p1?inline", "https://o-3.1fichier.com/p1?inline"),
            (" https://cdn-1.1fichier.com:8443/p1\n", "https://cdn-1.1fichier.com:8443/p1"),
            ("//s12.1fichier.com/p1", "https://s12.1fichier.com/p1"),
            ("a-1.1fichier.com/p1", "https://a-1.1fichier.com/p1"),
        ] {
            assert_eq!(service().download(written).unwrap().as_str(), read, "{written}");
        }
        for written in
            ["http://127.0.0.1:6000/p1", "https://127.0.0.1:6000/p1", "127.0.0.1:6000/p1"]
        {
            let read = emulator().download(written).unwrap();
            assert_eq!(read.as_str(), "http://127.0.0.1:6000/p1", "{written}");
        }
        for bad in [
            "https://evil.example/p1",
            "https://1fichier.com.evil.example/p1",
            "https://evil1fichier.com/p1",
            "https://127.0.0.1/p1",
            "https://a:b@a-1.1fichier.com/p1",
            "file:///etc/passwd",
            "",
        ] {
            let refused = service().download(bad);
            assert!(matches!(refused, Err(ErrorKind::UnexpectedReply { .. })), "{bad}");
        }
        let named = service().download("https://evil.example/p1?x").unwrap_err().to_string();
        assert!(named.contains("`evil.example`") && !named.contains("p1"), "{named}");
    }

    #[test]
    fn a_plain_api_on_loopback_leads_nobody_into_the_clear() {
        let refused = emulator().node("up2.1fichier.com", "/upload.cgi?id=9kGjlUU2CV");
        assert!(matches!(refused, Err(ErrorKind::UnexpectedReply { .. })), "{refused:?}");
    }
}
