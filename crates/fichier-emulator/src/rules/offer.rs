//! The subscriptions that the service sells.

/// The subscription of the account (docs/api-notes.md, A.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// Registered, without a subscription.
    None,
    /// The subscription "Premium".
    Premium,
    /// The subscription "Access".
    Access,
    /// The subscription "Premium GOLD".
    Gold,
}

impl Offer {
    /// The number that `user/info.cgi` tells for it.
    pub(crate) fn number(self) -> u8 {
        match self {
            Offer::None => 0,
            Offer::Premium => 1,
            Offer::Access => 2,
            Offer::Gold => 3,
        }
    }
}
