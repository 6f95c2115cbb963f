//! Names as the service can keep them: rclone's table, so that both programs can share an account.
//!
//! The service refuses or changes some characters (docs/api-notes.md, F.1), and local names are
//! bytes that need not be text. [`RemoteName::encode`] replaces what is unsafe by look-alikes and
//! quotes with `‛` what looks like a replacement already (F.2). Nothing is normalised: two local
//! names that differ in a byte differ on the service.
//!
//! Invariants: no two local names have one remote name. For every local name whose encoded form
//! has at most [`MAX_NAME_BYTES`] bytes, `encode(name).decode() == name`. A longer one is cut to a
//! stem and a hash of the whole name; then `decode` gives the cut form, and the caller must
//! remember the name. So is one that looks like a cut one: it could be that of its neighbour.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest name sent to the service. The documented limit is 250 characters for folders and none
/// for files (F.1); bytes are the stricter reading (G.1 row 23).
pub const MAX_NAME_BYTES: usize = 250;
/// An extension longer than this, dot included, is not kept when a name is cut.
const MAX_EXTENSION_BYTES: usize = 17;
/// Hexadecimal digits of the hash in a cut name: 128 bits.
const HASH_DIGITS: usize = 32;
/// A stem may lack this of its room: part of a character, and a quote.
const MOST_LOST_BYTES: usize = 3 + QUOTE.len_utf8();

const QUOTE: char = '‛';
const SPACE: char = '␠';
const DOT: char = '．';

/// The name of a file or folder as the service stores it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RemoteName(String);

impl RemoteName {
    /// The name under which a local file or folder is kept.
    ///
    /// Deterministic. A name whose encoded form has more than [`MAX_NAME_BYTES`] bytes, or looks
    /// like the outcome, is cut to `<stem>~<32 hexadecimal digits><.ext>`; see
    /// [`RemoteName::is_shortened_from`].
    ///
    /// ```
    /// use fichier_api::names::RemoteName;
    ///
    /// let name = RemoteName::encode(b" what's \"new\"?.txt");
    /// assert_eq!(name.as_str(), "␠what＇s ＂new＂?.txt");
    /// assert_eq!(name.decode(), b" what's \"new\"?.txt");
    /// ```
    pub fn encode(local: &[u8]) -> RemoteName {
        let encoded = encode(local);
        if must_be_cut(&encoded) {
            RemoteName(shorten(&encoded, local))
        } else {
            RemoteName(encoded)
        }
    }

    /// A name that the service reported, whatever it is.
    pub fn from_service(name: String) -> RemoteName {
        RemoteName(name)
    }

    /// The name as the service stores it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The local name. Of names that [`RemoteName::encode`] did not make, the closest reading.
    pub fn decode(&self) -> Vec<u8> {
        decode(&self.0)
    }

    /// Whether this is what `local` was cut to, so that [`RemoteName::decode`] cannot restore it.
    pub fn is_shortened_from(&self, local: &[u8]) -> bool {
        let encoded = encode(local);
        must_be_cut(&encoded) && shorten(&encoded, local) == self.0
    }
}

impl fmt::Display for RemoteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for RemoteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn encode(local: &[u8]) -> String {
    // `.` and `..` are replaced, and their replacements quoted, as whole names only.
    match local {
        b"." => return DOT.into(),
        b".." => return [DOT, DOT].iter().collect(),
        _ if local == "．".as_bytes() => return [QUOTE, DOT].iter().collect(),
        _ if local == "．．".as_bytes() => return [QUOTE, DOT, QUOTE, DOT].iter().collect(),
        _ => {}
    }
    let mut encoded = String::with_capacity(local.len() + 8);
    for (chunk, start) in chunks(local) {
        for (offset, c) in chunk.valid().char_indices() {
            let at = start + offset;
            let at_an_end = at == 0 || at + c.len_utf8() == local.len();
            encode_char(c, at_an_end, &mut encoded);
        }
        for byte in chunk.invalid() {
            encoded.push(QUOTE);
            encoded.push_str(&format!("{byte:02X}"));
        }
    }
    encoded
}

/// The valid and invalid runs of `local`, each with its offset.
fn chunks(local: &[u8]) -> impl Iterator<Item = (std::str::Utf8Chunk<'_>, usize)> {
    local.utf8_chunks().scan(0, |offset, chunk| {
        let start = *offset;
        *offset += chunk.valid().len() + chunk.invalid().len();
        Some((chunk, start))
    })
}

fn encode_char(c: char, at_an_end: bool, encoded: &mut String) {
    match c {
        ' ' if at_an_end => encoded.push(SPACE),
        SPACE if at_an_end => encoded.extend([QUOTE, SPACE]),
        QUOTE => encoded.extend([QUOTE, QUOTE]),
        _ => match replacement(c) {
            Some(replaced) => encoded.push(replaced),
            None if original(c).is_some() => encoded.extend([QUOTE, c]),
            None => encoded.push(c),
        },
    }
}

fn decode(encoded: &str) -> Vec<u8> {
    match encoded {
        "．" => return b".".to_vec(),
        "．．" => return b"..".to_vec(),
        "‛．" => return "．".into(),
        "‛．‛．" => return "．．".into(),
        _ => {}
    }
    let mut local = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some(c) = rest.chars().next() {
        let at_start = rest.len() == encoded.len();
        rest = &rest[c.len_utf8()..];
        let at_an_end = at_start || rest.is_empty();
        if c == QUOTE {
            rest = decode_quoted(rest, at_start, &mut local);
        } else if c == SPACE && at_an_end {
            local.push(b' ');
        } else {
            push(original(c).unwrap_or(c), &mut local);
        }
    }
    local
}

/// Reads what follows a quote; a quote that quotes nothing stands for itself.
fn decode_quoted<'a>(rest: &'a str, at_start: bool, local: &mut Vec<u8>) -> &'a str {
    let Some(c) = rest.chars().next() else {
        push(QUOTE, local);
        return rest;
    };
    let after = &rest[c.len_utf8()..];
    let quoted_space = c == SPACE && (at_start || after.is_empty());
    if c == QUOTE || quoted_space || original(c).is_some() {
        push(c, local);
        return after;
    }
    match rest.get(..2).and_then(byte_from_hex) {
        Some(byte) => {
            local.push(byte);
            &rest[2..]
        }
        None => {
            push(QUOTE, local);
            rest
        }
    }
}

fn byte_from_hex(digits: &str) -> Option<u8> {
    let upper_case = digits.bytes().all(|d| matches!(d, b'0'..=b'9' | b'A'..=b'F'));
    upper_case.then(|| u8::from_str_radix(digits, 16).ok()).flatten()
}

fn push(c: char, local: &mut Vec<u8>) {
    local.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// The look-alike that stands for `c` anywhere in a name (F.2).
fn replacement(c: char) -> Option<char> {
    match c {
        '/' | '\\' | '<' | '>' | '"' | '\'' | '`' | '$' => char::from_u32(u32::from(c) + 0xFEE0),
        '\0'..='\x1F' => char::from_u32(u32::from(c) + 0x2400),
        '\x7F' => Some('␡'),
        _ => None,
    }
}

/// The character that `c` is a [`replacement`] of.
fn original(c: char) -> Option<char> {
    match c {
        '／' | '＼' | '＜' | '＞' | '＂' | '＇' | '｀' | '＄' => {
            char::from_u32(u32::from(c) - 0xFEE0)
        }
        '\u{2400}'..='\u{241F}' => char::from_u32(u32::from(c) - 0x2400),
        '␡' => Some('\x7F'),
        _ => None,
    }
}

/// Whether a name is too long, or could be what another one was cut to.
fn must_be_cut(encoded: &str) -> bool {
    if encoded.len() > MAX_NAME_BYTES {
        return true;
    }
    let Some(whole) = encoded.strip_suffix(extension(encoded)) else { return false };
    let Some((stem, hash)) = whole.rsplit_once('~') else { return false };
    let is_hash = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let looks_cut = hash.len() == HASH_DIGITS && hash.bytes().all(is_hash);
    looks_cut && stem.len() + MOST_LOST_BYTES >= room(encoded)
}

/// `<stem>~<hash of the whole local name><.ext>`, at most [`MAX_NAME_BYTES`] bytes.
fn shorten(encoded: &str, local: &[u8]) -> String {
    let hash = blake3::hash(local).to_hex();
    let extension = extension(encoded);
    let cut = (0..=room(encoded)).rev().find(|at| encoded.is_char_boundary(*at)).unwrap_or(0);
    let mut stem = &encoded[..cut];
    // Cutting behind a quote would leave one that quotes the `~`; two are one that is quoted.
    if stem.chars().rev().take_while(|c| *c == QUOTE).count() % 2 == 1 {
        stem = stem.strip_suffix(QUOTE).unwrap_or(stem);
    }
    format!("{stem}~{}{extension}", &hash[..HASH_DIGITS])
}

/// The end of a name that stays when it is cut: from its last dot, if that is not far.
fn extension(encoded: &str) -> &str {
    match encoded.rfind('.') {
        Some(dot) if encoded.len() - dot <= MAX_EXTENSION_BYTES => &encoded[dot..],
        _ => "",
    }
}

/// Bytes of the stem of a cut name.
fn room(encoded: &str) -> usize {
    MAX_NAME_BYTES - 1 - HASH_DIGITS - extension(encoded).len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(local: &[u8], expected: &str) {
        let name = RemoteName::encode(local);
        assert_eq!(name.as_str(), expected);
        assert_eq!(name.decode(), local);
    }

    #[test]
    fn reserved_characters_become_their_look_alikes() {
        check(b"a.txt", "a.txt");
        check("été 日本".as_bytes(), "été 日本");
        check(br#"\<>'"$`/"#, "＼＜＞＇＂＄｀／");
        check(b"\0\x01\n\x1f\x7f", "␀␁␊␟␡");
    }

    #[test]
    fn spaces_are_replaced_at_the_ends_only() {
        check(b" a b ", "␠a b␠");
        check(b" ", "␠");
        check(b"  ", "␠␠");
        check("a␠b".as_bytes(), "a␠b");
        check("␠ ".as_bytes(), "‛␠␠");
        check("‛ ".as_bytes(), "‛‛␠");
    }

    #[test]
    fn dots_are_replaced_as_whole_names_only() {
        check(b".", "．");
        check(b"..", "．．");
        check(b"...", "...");
        check("．".as_bytes(), "‛．");
        check("．．".as_bytes(), "‛．‛．");
        check("a．b".as_bytes(), "a．b");
    }

    #[test]
    fn look_alikes_and_the_quote_itself_are_quoted() {
        check("／␀‛".as_bytes(), "‛／‛␀‛‛");
        check("‛41".as_bytes(), "‛‛41");
    }

    #[test]
    fn bytes_that_are_not_text_are_written_as_digits() {
        check(b"a\xFF\xE2\x80", "a‛FF‛E2‛80");
        check("\u{FFFD}".as_bytes(), "\u{FFFD}");
    }

    #[test]
    fn composed_and_decomposed_accents_stay_two_names() {
        assert_ne!(RemoteName::encode("é".as_bytes()), RemoteName::encode("e\u{301}".as_bytes()));
    }

    #[test]
    fn a_name_at_the_limit_is_kept_and_a_longer_one_cut_with_its_extension() {
        let longest = "x".repeat(246) + ".jpg";
        check(longest.as_bytes(), &longest);
        let longer = "x".repeat(247) + ".jpg";
        let name = RemoteName::encode(longer.as_bytes());
        assert_eq!(name.as_str().len(), 250);
        assert!(name.as_str().ends_with(".jpg"), "{name}");
        assert!(name.is_shortened_from(longer.as_bytes()));
        assert!(!name.is_shortened_from(longest.as_bytes()));
        assert!(!RemoteName::encode(b"other").is_shortened_from(longer.as_bytes()));
        assert!(!RemoteName::encode(longest.as_bytes()).is_shortened_from(longest.as_bytes()));
    }

    #[test]
    fn an_extension_of_at_most_seventeen_bytes_survives_a_cut() {
        let end = |extension: &str| {
            let name = RemoteName::encode(("x".repeat(300) + extension).as_bytes());
            name.as_str().rsplit_once('~').unwrap().1.get(32..).unwrap().to_owned()
        };
        assert_eq!(end(".tar.gz"), ".gz");
        assert_eq!(end(".sixteen-letters_"), ".sixteen-letters_");
        assert_eq!(end(".seventeen-letters"), "");
    }

    #[test]
    fn a_name_is_printed_as_it_is() {
        let name = RemoteName::encode(b"a b");
        assert_eq!(format!("{name} {name:?}"), "a b \"a b\"");
    }

    #[test]
    fn n05_a_name_that_looks_like_a_cut_one_is_cut_too() {
        for long in ["x".repeat(300), "é".repeat(150) + ".jpg", "‛".repeat(90), "\0".repeat(100)]
        {
            let cut = RemoteName::encode(long.as_bytes());
            let other = RemoteName::encode(cut.as_str().as_bytes());
            assert_ne!(cut, other, "two names of one folder would be one on the service");
            assert!(other.is_shortened_from(cut.as_str().as_bytes()));
            let third = RemoteName::encode(other.as_str().as_bytes());
            assert!(third != other && third != cut, "{third}");
        }
        let hash = "0123456789abcdef".repeat(2);
        // No cut name is as short as this, and a hash is what it looks like.
        for kept in [
            format!("x~{hash}"),
            "x".repeat(210) + "~" + &hash,
            "x".repeat(217) + "~" + &hash.to_uppercase(),
        ] {
            check(kept.as_bytes(), &kept);
        }
    }

    #[test]
    fn a_cut_behind_a_quote_leaves_none_that_quotes_the_hash() {
        // Each is written as two, of three bytes each; 217 bytes are left for the stem.
        for before in 0..12 {
            let local = "x".repeat(before) + &"‛".repeat(60);
            let name = RemoteName::encode(local.as_bytes());
            let stem = name.as_str().split('~').next().unwrap();
            let left = stem.chars().rev().take_while(|c| *c == QUOTE).count();
            assert!(left % 2 == 0 && stem.len() >= 217 - 2 - 3, "{stem}");
        }
    }

    #[test]
    fn long_names_that_differ_in_the_cut_part_stay_different() {
        let (one, two) = ("é".repeat(200) + "1", "é".repeat(200) + "2");
        assert_ne!(RemoteName::encode(one.as_bytes()), RemoteName::encode(two.as_bytes()));
    }

    /// Names of the characters and bytes that the table treats in some way.
    fn awkward_names() -> impl Strategy<Value = Vec<u8>> {
        let special = "/\\<>\"'`$\0\n\x7f .～␠␀␊␡．‛＜＼Aé4F";
        let chars: Vec<Vec<u8>> = special.chars().map(|c| c.to_string().into_bytes()).collect();
        let piece = prop_oneof![
            4 => proptest::sample::select(chars),
            1 => any::<u8>().prop_map(|byte| vec![byte]),
        ];
        proptest::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn every_short_name_survives_the_way_there_and_back(local in awkward_names()) {
            let encoded = encode(&local);
            prop_assert_eq!(decode(&encoded), local.clone());
            let unsafe_char = encoded.chars().find(|c| replacement(*c).is_some());
            prop_assert_eq!(unsafe_char, None);
            prop_assert!(!encoded.starts_with(' ') && !encoded.ends_with(' '));
        }

        #[test]
        fn every_long_name_is_cut_to_something_safe(
            local in proptest::collection::vec(awkward_names(), 8..20).prop_map(|n| n.concat()),
        ) {
            let name = RemoteName::encode(&local);
            prop_assert!(name.as_str().len() <= MAX_NAME_BYTES);
            prop_assert!(name.decode() == local || name.is_shortened_from(&local));
            prop_assert!(!name.as_str().starts_with(' ') && !name.as_str().ends_with(' '));
        }
    }
}
