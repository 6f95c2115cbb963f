//! The version stamp that rclone leaves readable in the names of files.
//!
//! rclone's `--backup-dir`-like versions have a stamp at the end of the name, before the extension:
//! `photo-v2001-02-03-040506-123.jpg`. It is cut out before a file's name is enciphered, and
//! appended to the ciphertext, so that versions can be told without the password. Folders are
//! enciphered whole.

/// Bytes of a stamp: `-vYYYY-MM-DD-hhmmss-mmm`.
pub(crate) const STAMP_BYTES: usize = 23;
/// Its form; each `0` is a digit.
const FORM: &[u8; STAMP_BYTES] = b"-v0000-00-00-000000-000";

/// A name without its stamp, and the stamp.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stamped<'a> {
    pub(crate) name: Vec<u8>,
    pub(crate) stamp: &'a [u8],
}

/// Cuts the stamp out of a name, if it has one.
pub(crate) fn split(name: &[u8]) -> Option<Stamped<'_>> {
    let (base, extension) = name.split_at(base_bytes(name));
    let (kept, stamp) = base.split_at_checked(base.len().checked_sub(STAMP_BYTES)?)?;
    is_stamp(stamp).then(|| Stamped { name: [kept, extension].concat(), stamp })
}

/// Puts a stamp into a name, before its extension.
pub(crate) fn join(name: &[u8], stamp: &[u8]) -> Vec<u8> {
    let (base, extension) = name.split_at(base_bytes(name));
    [base, stamp, extension].concat()
}

/// Bytes before the extension, which begins at the last dot. A dot at the very beginning begins
/// none.
fn base_bytes(name: &[u8]) -> usize {
    let dot = name.iter().rposition(|byte| *byte == b'.');
    dot.filter(|at| *at > 0).unwrap_or(name.len())
}

fn is_stamp(text: &[u8]) -> bool {
    let has_form = text.len() == STAMP_BYTES
        && text.iter().zip(FORM).all(|(byte, form)| match form {
            b'0' => byte.is_ascii_digit(),
            other => byte == other,
        });
    has_form && is_time(text)
}

/// Whether there is such a day and time.
fn is_time(stamp: &[u8]) -> bool {
    let number = |at: std::ops::Range<usize>| {
        stamp[at].iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0'))
    };
    let (year, month, day) = (number(2..6), number(7..9), number(10..12));
    let (hour, minute, second) = (number(13..15), number(15..17), number(17..19));
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day) && hour < 24 && minute < 60 && second < 60
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_a_time_that_there_was_or_will_be() {
        let real = [
            "-v2001-02-03-040506-123",
            "-v0000-01-01-000000-000",
            "-v9999-12-31-235959-999",
            "-v2000-02-29-120000-000",
            "-v2024-02-29-120000-000",
            "-v1900-02-28-120000-000",
            "-v2023-04-30-120000-000",
        ];
        let other = [
            "-v2001-02-29-040506-123",
            "-v1900-02-29-040506-123",
            "-v2001-00-03-040506-123",
            "-v2001-13-03-040506-123",
            "-v2001-02-00-040506-123",
            "-v2001-04-31-040506-123",
            "-v2001-12-32-040506-123",
            "-v2001-02-03-240506-123",
            "-v2001-02-03-046006-123",
            "-v2001-02-03-040560-123",
            "-v2001-02-03-040506.123",
            "-V2001-02-03-040506-123",
            "-v2001-02-03-0405o6-123",
            "-v2001-02-03-040506-12",
            "v2001-02-03-040506-1234",
        ];
        for (stamps, is_one) in [(&real[..], true), (&other[..], false)] {
            for stamp in stamps {
                assert_eq!(split(stamp.as_bytes()).is_some(), is_one, "{stamp}");
                let name = format!("a{stamp}.b");
                let found = split(name.as_bytes());
                assert_eq!(found.map(|found| found.name), is_one.then(|| b"a.b".to_vec()));
            }
        }
    }
}
