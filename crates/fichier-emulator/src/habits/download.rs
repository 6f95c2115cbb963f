//! The addresses of downloads, and where the download servers lead (docs/api-notes.md, B.1 and D).

/// The address that `get_token` gives ([`crate::Rules::download_address`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DownloadAddress {
    /// `https://a-1.1fichier.com/p…`; the emulator's own address where there is no TLS.
    Usual,
    /// The same with `http`: an option of the account turns TLS off. Where there is TLS, it is
    /// served with TLS all the same.
    Plain,
    /// On port 8443, where there is TLS.
    OtherPort,
    /// Without a scheme.
    Bare,
    /// On a host that is none of the service.
    Foreign,
}

/// Where a download server leads in place of sending the file ([`crate::Rules::download_leads`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DownloadLeads {
    /// Nowhere: it sends the file.
    ToTheFile,
    /// To another download server, this many times, and then it sends the file.
    Around(u32),
    /// To the page for a login on the website.
    ToLogin,
    /// To a host that is none of the service.
    Away,
}
