//! The text of an upload's multipart form, and its exact length.
//!
//! The nodes read a form with a positional parser (docs/api-notes.md, C.3): the first line of a
//! file part must be its `Content-Disposition`, names stand there as raw UTF-8, nothing is escaped
//! or undone, the boundary is not quoted, and the length is known beforehand. A general multipart
//! library gets several of these wrong, so the few lines are written here.
//!
//! Pure: the contents of the files, which stand between the texts, come from `reader`.
//!
//! Invariant: `content_length` is the length of all openings, all contents and the closing.

use crate::names::RemoteName;
use crate::types::FolderId;

/// The form of one upload: where it goes and the names and sizes of its files.
#[derive(Debug)]
pub(crate) struct Form {
    boundary: String,
    openings: Vec<String>,
    contents_bytes: u64,
}

impl Form {
    /// A form for files of these names and sizes, to `folder`.
    ///
    /// `boundary` must not occur in any file; see [`random_boundary`].
    ///
    /// # Errors
    ///
    /// The index of the first file whose name the form cannot carry ([`can_carry`]).
    pub(crate) fn new<'a>(
        boundary: String,
        folder: FolderId,
        files: impl Iterator<Item = (&'a RemoteName, u64)>,
    ) -> Result<Form, usize> {
        let mut openings = Vec::new();
        let mut contents_bytes = 0;
        for (index, (name, size_bytes)) in files.enumerate() {
            if !can_carry(name.as_str()) {
                return Err(index);
            }
            let mut text = String::new();
            if index == 0 {
                text += &format!(
                    "--{boundary}\r\nContent-Disposition: form-data; name=\"did\"\r\n\r\n{folder}"
                );
            }
            text += &format!(
                "\r\n--{boundary}\r\nContent-Disposition: form-data; name=\"file[]\"; \
                 filename=\"{}\"\r\nContent-Type: application/octet-stream\r\n\r\n",
                name.as_str()
            );
            openings.push(text);
            contents_bytes += size_bytes;
        }
        Ok(Form { boundary, openings, contents_bytes })
    }

    /// The value of the request's `Content-Type`.
    pub(crate) fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    /// Bytes in the whole body.
    pub(crate) fn content_length(&self) -> u64 {
        let texts: usize = self.openings.iter().map(String::len).sum();
        (texts + self.closing().len()) as u64 + self.contents_bytes
    }

    /// The text before the content of the file at `index`.
    pub(crate) fn opening(&self, index: usize) -> &str {
        self.openings.get(index).map_or("", String::as_str)
    }

    /// The text after the last content.
    pub(crate) fn closing(&self) -> String {
        format!("\r\n--{}--\r\n", self.boundary)
    }
}

/// A boundary that no file contains, but for a chance of 2⁻¹²⁸.
///
/// # Errors
///
/// When the system has no randomness to give.
pub(crate) fn random_boundary() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().fold("fichier-".to_owned(), |text, byte| text + &format!("{byte:02x}")))
}

/// Whether a name survives between the quotes of a `filename` (docs/api-notes.md, C.3 rule 3).
fn can_carry(name: &str) -> bool {
    !name.is_empty() && !name.contains(['"', '\\', '\r', '\n', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> RemoteName {
        RemoteName::from_service(text.to_owned())
    }

    fn form(files: &[(&str, &str)]) -> Result<(Form, String), usize> {
        let names: Vec<_> = files.iter().map(|(n, c)| (name(n), c.len() as u64)).collect();
        let parts = names.iter().map(|(name, size)| (name, *size));
        let form = Form::new("bnd7MA4YWxk".to_owned(), FolderId(3_361_075), parts)?;
        let mut body = String::new();
        for (index, (_, content)) in files.iter().enumerate() {
            body += form.opening(index);
            body += content;
        }
        body += &form.closing();
        Ok((form, body))
    }

    #[test]
    fn the_body_is_that_of_the_sample() {
        let (form, body) = form(&[("test.txt", "Hello world\n")]).unwrap();
        assert_eq!(
            body,
            "--bnd7MA4YWxk\r\nContent-Disposition: form-data; name=\"did\"\r\n\r\n3361075\r\n\
             --bnd7MA4YWxk\r\nContent-Disposition: form-data; name=\"file[]\"; \
             filename=\"test.txt\"\r\nContent-Type: application/octet-stream\r\n\r\n\
             Hello world\n\r\n--bnd7MA4YWxk--\r\n"
        );
        assert_eq!(form.content_type(), "multipart/form-data; boundary=bnd7MA4YWxk");
    }

    #[test]
    fn the_length_counts_every_byte_of_many_files_and_of_names_beyond_ascii() {
        let (form, body) = form(&[("été.txt", "1"), ("日本語", "22"), ("c", "333")]).unwrap();
        assert_eq!(form.content_length(), body.len() as u64);
        assert!(body.contains("filename=\"été.txt\""), "{body}");
    }

    #[test]
    fn a_name_that_would_break_the_header_is_refused_by_its_index() {
        for bad in ["a\"b", "a\\b", "a\r\nb", "a\nb", ""] {
            assert_eq!(form(&[("good", ""), (bad, "")]).unwrap_err(), 1, "{bad:?}");
        }
    }

    #[test]
    fn two_boundaries_differ() {
        let (one, two) = (random_boundary().unwrap(), random_boundary().unwrap());
        assert_eq!(one.len(), "fichier-".len() + 32);
        assert_ne!(one, two);
    }
}
