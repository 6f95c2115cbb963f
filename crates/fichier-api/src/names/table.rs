//! The table of replacements: which characters are written as which, and back (F.2).

/// Stands before a character that looks like a replacement and is none.
pub(crate) const QUOTE: char = '‛';
/// Stands for a space at an end of a name.
const SPACE: char = '␠';
/// Stands for each dot of the names `.` and `..`.
const DOT: char = '．';

pub(crate) fn encode(local: &[u8]) -> String {
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

pub(crate) fn decode(encoded: &str) -> Vec<u8> {
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
pub(crate) fn replacement(c: char) -> Option<char> {
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
