//! The subscriptions that the service sells.

/// The subscription of the account (docs/api-notes.md, A.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// Registered, without a subscription.
    None,
    /// Premium.
    Premium,
    /// Access.
    Access,
    /// Premium GOLD.
    Gold,
}

impl Offer {
    /// The number in `user/info.cgi`.
    pub(crate) fn number(self) -> u8 {
        match self {
            Offer::None => 0,
            Offer::Premium => 1,
            Offer::Access => 2,
            Offer::Gold => 3,
        }
    }
}
