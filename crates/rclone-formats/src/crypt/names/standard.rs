//! The form of names that rclone enciphers: its "standard" one.
//!
//! rclone does not encipher the bytes of a name on disk. Control characters are replaced by the
//! symbols for them (`␊` for a line feed), and such a symbol that is really in the name has `‛`
//! before it. Everything else is as on disk, also bytes that are not UTF-8, `．`, `／` and spaces.
//! A name that is enciphered in another form is a different name to rclone.
//!
//! The two functions are exact opposites for names that come from a disk. In one case rclone itself
//! does not get that far: on a disk it takes `‛` for a quote of its own. Most names with a `‛` it
//! cannot copy from there at all, and `‛‛` it takes for the name with one `‛`. Here both are written
//! as what they are, `‛‛` and `‛‛‛‛`, and come back exactly; rclone restores them with twice as many
//! (see [`Caveat::OtherNameForRclone`](crate::crypt::names::Caveat::OtherNameForRclone)).

/// Stands before a character that looks like a replacement and is none.
const QUOTE: char = '‛';

/// The standard form of a name on a disk.
///
/// ```
/// use rclone_formats::crypt::names::standard::from_disk;
///
/// assert_eq!(from_disk(b"nl\nx"), "nl␊x".as_bytes());
/// assert_eq!(from_disk("␊y".as_bytes()), "‛␊y".as_bytes());
/// assert_eq!(from_disk(b"latin1-\xe9"), b"latin1-\xe9");
/// ```
pub fn from_disk(name: &[u8]) -> Vec<u8> {
    let mut form = Vec::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        let mut rest = chunk.valid().chars();
        while let Some(c) = rest.next() {
            let next = rest.clone().next();
            match symbol_of(c) {
                Some(symbol) => push(symbol, &mut form),
                None if control_of(c).is_some() => push_both(QUOTE, c, &mut form),
                // Quoted already: rclone finds the same.
                None if c == QUOTE && next.is_some_and(is_quoted_on_disk) => push(c, &mut form),
                None if c == QUOTE => push_both(QUOTE, QUOTE, &mut form),
                None => push(c, &mut form),
            }
        }
        form.extend_from_slice(chunk.invalid());
    }
    form
}

/// The name on a disk of a standard form.
pub fn to_disk(form: &[u8]) -> Vec<u8> {
    let mut name = Vec::with_capacity(form.len());
    for chunk in form.utf8_chunks() {
        let mut rest = chunk.valid().chars();
        while let Some(c) = rest.next() {
            let next = rest.clone().next();
            match (c, next) {
                (QUOTE, Some(quoted)) if quoted == QUOTE || control_of(quoted).is_some() => {
                    push(quoted, &mut name);
                    rest.next();
                }
                _ => push(control_of(c).unwrap_or(c), &mut name),
            }
        }
        name.extend_from_slice(chunk.invalid());
    }
    name
}

/// The characters that rclone's reader of disks takes a `‛` for a quote of.
fn is_quoted_on_disk(c: char) -> bool {
    ['␀', '／'].contains(&c)
}

/// Whether rclone, reading a disk, finds the same standard form.
pub(crate) fn is_the_same_for_rclone(name: &[u8]) -> bool {
    let has_quote = |chunk: std::str::Utf8Chunk<'_>| {
        let text = chunk.valid();
        text.match_indices(QUOTE).any(|(at, quote)| {
            let next = text[at + quote.len()..].chars().next();
            !next.is_some_and(is_quoted_on_disk)
        })
    };
    !name.utf8_chunks().any(has_quote)
}

/// The symbol that stands for a control character.
fn symbol_of(c: char) -> Option<char> {
    match c {
        '\x01'..='\x1F' => char::from_u32(u32::from(c) + 0x2400),
        '\x7F' => Some('␡'),
        _ => None,
    }
}

/// The control character that a symbol stands for.
fn control_of(c: char) -> Option<char> {
    match c {
        '\u{2401}'..='\u{241F}' => char::from_u32(u32::from(c) - 0x2400),
        '␡' => Some('\x7F'),
        _ => None,
    }
}

fn push(c: char, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

fn push_both(first: char, second: char, bytes: &mut Vec<u8>) {
    push(first, bytes);
    push(second, bytes);
}
