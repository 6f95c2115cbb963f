//! What is known of the service's refusals: the stable part of each text, in the languages it was
//! seen or must be expected in, the numbers that were seen behind it, and what it means.
//!
//! Sources are docs/api-notes.md, E, which were recorded by other clients, whose tags stand in
//! brackets. Where a
//! text is not marked as seen, it is a translation: the account's language decides what comes.
//!
//! A text is believed before a number. A number alone is believed as well, since texts come in any
//! language, but for two meanings: that something is gone, or done already, which leads to changes
//! of the records. They need words, or a number together with the HTTP status that says the same.

/// What a refusal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Too many calls from this address.
    Flood,
    /// Too many calls of this account or key.
    UserFlood,
    /// A lock of the address that lasts up to an hour.
    AddressLocked,
    /// The account is locked, suspended or closed.
    OwnerLocked,
    /// The key is wrong or revoked.
    KeyRefused,
    /// The account has no subscription.
    CustomersOnly,
    /// The address is that of a data centre or VPN.
    AddressRefused,
    /// Another address downloads.
    OneLocation,
    /// There is no such file or folder.
    NotFound,
    /// The file is private, or needs a password.
    NotAllowed,
    /// The names are already as asked for.
    NothingRenamed,
    /// The node cannot store.
    NodeStorage,
    /// The node found no file.
    NoFileInUpload,
    /// Maintenance.
    Maintenance,
    /// A crash page.
    Failing,
}

/// One kind of refusal.
struct Known {
    meaning: Meaning,
    /// Parts of the text, in lower case; one of them is enough.
    says: &'static [&'static str],
    /// The numbers that were seen behind it.
    numbers: &'static [u32],
}

/// Every kind, the more special one before the one whose text it contains.
#[rustfmt::skip]
const KNOWN: &[Known] = &[
    // [JD]: "Flood detected: User Locked #218, #223", "User APK Locked".
    Known { meaning: Meaning::UserFlood, says: &["user locked", "user apk locked", "utilisateur bloqu"], numbers: &[218, 223] },
    // [rclone][JD]: "Flood detected: IP Locked #38, #374, #412, #1032, #79"; the page "Your
    // requests are too fast"; 429 pages in the words of web servers.
    Known {
        meaning: Meaning::Flood,
        says: &[
            "flood detected", "flood détect", "requests are too fast", "too many requests",
            "rate limit", "trop de requ", "requêtes trop rapides", "zu viele anfragen", "demasiadas solicitudes",
        ],
        numbers: &[38, 374, 412, 1032, 79],
    },
    // [JD]: "Owner locked #620, #649": the account of the caller, or for a file that of its owner.
    Known { meaning: Meaning::OwnerLocked, says: &["owner locked", "propriétaire bloqu", "propriétaire verrouill"], numbers: &[620, 649] },
    // [JD]: "IP Locked" without "Flood"; "Your account will be unlock within 1 hour"; #186: the
    // address is blocked, text unknown.
    Known {
        meaning: Meaning::AddressLocked,
        says: &["ip locked", "unlock within 1 hour", "ip bloqu", "ip verrouill", "ip gesperrt"],
        numbers: &[186],
    },
    // [RGS][JD][rclone]: "Not authenticated #247, #48", "No such user #93".
    Known {
        meaning: Meaning::KeyRefused,
        says: &["not authenticated", "no such user", "non authentifi", "pas authentifi", "utilisateur inconnu", "nicht authentifiziert"],
        numbers: &[247, 48, 93],
    },
    // [JD]: "Must be a customer (Premium, Access) #200, #236".
    Known {
        meaning: Meaning::CustomersOnly,
        says: &["must be a customer", "devez être client", "doit être client", "réservé aux clients"],
        numbers: &[200, 236],
    },
    // [pyload#4371][JD]: "… professional equipment …", "… must have CDN credits … #913".
    Known {
        meaning: Meaning::AddressRefused,
        says: &[
            "professional equipment", "cdn credits", "residential private", "crédits cdn",
            "équipement professionnel", "equipement professionnel",
        ],
        numbers: &[913],
    },
    // [JD][Gizmo]: "Only 1 location allowed at a time #887".
    Known {
        meaning: Meaning::OneLocation,
        says: &["allowed at a time", "autorisé à la fois", "autorisée à la fois", "autorisés à la fois"],
        numbers: &[887],
    },
    // [JD][RGS]: "Resource not allowed #631", also behind "Password not provided.", "Invalid
    // password.".
    Known {
        meaning: Meaning::NotAllowed,
        says: &["resource not allowed", "password not provided", "invalid password", "ressource non autoris"],
        numbers: &[631],
    },
    // [JD][RGS]: "Resource not found #469, #606".
    Known { meaning: Meaning::NotFound, says: &["resource not found"], numbers: &[469, 606] },
    // [rclone#7856]: "No file has been renamed #312".
    Known { meaning: Meaning::NothingRenamed, says: &["no file has been renamed"], numbers: &[] },
    // [CSU]: pages of the upload nodes.
    Known { meaning: Meaning::NodeStorage, says: &["ne peut ouvrir le fichier destination"], numbers: &[] },
    Known { meaning: Meaning::NoFileInUpload, says: &["pas de fichier trouv"], numbers: &[] },
    // [JD]: pages of the front end.
    Known { meaning: Meaning::Maintenance, says: &["in maintenance", "under maintenance", "en maintenance"], numbers: &[] },
    Known { meaning: Meaning::Failing, says: &["software error:"], numbers: &[] },
];

/// Words for an account, and for its end, in the languages of the service and of its neighbours.
const ACCOUNT: &[&str] = &[
    "account",
    "compte ",
    "konto",
    "cuenta",
    "sua conta",
    "il conto",
    "owner",
    "user",
    "utilisateur",
];
const ENDED: &[&str] = &[
    "locked",
    "banned",
    "banni",
    "closed",
    "fermé",
    "clôtur",
    "clos ",
    "disabled",
    "désactiv",
    "desactiv",
    "deactivated",
    "verrouill",
    "bloqu",
    "bloque",
    "blocked",
    "gesperrt",
    "terminated",
    "révoqu",
];

/// The meaning of a text by its words.
pub(super) fn by_text(text: &str) -> Option<Meaning> {
    let text = text.to_lowercase();
    let known = KNOWN.iter().find(|known| known.says.iter().any(|part| text.contains(part)))?;
    // Words such as "user locked" stand in other texts too, and are a flood's only behind its name.
    let is_unclear = known.meaning == Meaning::UserFlood && !text.contains("flood");
    (!is_unclear).then_some(known.meaning)
}

/// Whether the words say that the account is suspended, locked, closed or banned.
pub(super) fn is_suspended(text: &str) -> bool {
    let text = format!("{} ", text.to_lowercase());
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    text.contains("suspend") || text.contains("sospes") || (has(ACCOUNT) && has(ENDED))
}

/// The meaning of a text by the number at its end.
pub(super) fn by_number(status: u16, text: &str) -> Option<Meaning> {
    let number = number(text)?;
    let known = KNOWN.iter().find(|known| known.numbers.contains(&number))?;
    let is_said_by_status = matches!(status, 404 | 410);
    (known.meaning != Meaning::NotFound || is_said_by_status).then_some(known.meaning)
}

/// The meaning of a page by a number in it. A page has numbers of its own, so only those count that
/// are known in any language.
pub(super) fn by_number_on_a_page(words: &str) -> Option<Meaning> {
    let has = |number| words.split_whitespace().any(|word| word.trim_end_matches('.') == number);
    if has("#913") {
        Some(Meaning::AddressRefused)
    } else if has("#887") {
        Some(Meaning::OneLocation)
    } else {
        None
    }
}

/// The number at the end of a message: `… #374`.
fn number(text: &str) -> Option<u32> {
    let (_, behind) = text.rsplit_once('#')?;
    behind.trim_end_matches(|c: char| c.is_whitespace() || c.is_ascii_punctuation()).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_up_to_five_digits_is_read_at_the_end() {
        let read = ["Bloqué #1032", "x #79.", "#5 x", "x #", "x 374", "a #1 b #412 "].map(number);
        assert_eq!(read, [Some(1032), Some(79), None, None, None, Some(412)]);
    }

    #[test]
    fn no_text_is_in_two_rows_and_no_number_in_two() {
        let numbers: Vec<u32> = KNOWN.iter().flat_map(|known| known.numbers).copied().collect();
        let mut once = numbers.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), numbers.len());
        for known in KNOWN {
            for text in known.says {
                assert_eq!(*text, text.to_lowercase(), "{text}");
            }
        }
    }

    #[test]
    fn a_suspended_account_is_recognised_in_several_languages() {
        for text in [
            "Compte suspendu, contactez le support",
            "Account suspended",
            "Your account has been locked",
            "Votre compte a été fermé",
            "Compte clos",
            "User banned #12",
            "Ihr Konto wurde gesperrt",
            "Cuenta bloqueada",
            "Conto sospeso",
            "Accès suspendu",
        ] {
            assert!(is_suspended(text), "{text}");
        }
        for text in
            ["403 Forbidden nginx", "Just a moment...", "Accès refusé", "File locked", "blocked"]
        {
            assert!(!is_suspended(text), "{text}");
        }
    }
}
