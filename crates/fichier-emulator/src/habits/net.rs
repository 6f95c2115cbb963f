//! What stands between a client and the servers: certificates and the proxy.

/// Whose certificate the servers show ([`crate::Emulator::set_certificate`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Certificate {
    /// A good certificate of the emulator's authority.
    #[default]
    Good,
    /// One that is its own authority.
    SelfSigned,
    /// One of the emulator's authority that expired in 2001.
    Expired,
    /// One of the emulator's authority for another host.
    OtherHost,
}

/// What the proxy does with a client that asks for the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHabit {
    /// Connects the client to the service.
    Tunnel,
    /// 407: it wants a name and a password.
    Authenticate,
    /// Says that it connects, and shows the page of a captive portal instead.
    Portal,
    /// 302 to the page of a captive portal.
    Redirect,
    /// 502: it cannot resolve the name.
    NoSuchHost,
    /// Accepts the connection and says nothing, as long as the client waits.
    Silence,
}

/// How the service answers a flood of calls (docs/api-notes.md, A.5 and E).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloodAnswer {
    /// 403 with KO and `Flood detected: IP Locked`.
    Ko,
    /// A page with 429.
    Page429,
    /// A page with 200: "Your requests are too fast".
    Page200,
    /// 403 with KO and words in a language and of a kind that no client knows.
    Unknown,
}
