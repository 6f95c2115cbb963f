//! The upload nodes' reader of `multipart/form-data`: positional, and less than the standard.
//!
//! It behaves like the service's Perl (docs/api-notes.md, C.3 rules 1 to 7): a part must begin
//! with `Content-Disposition`, `name` and `filename` must be quoted, nothing in a name is
//! unescaped, `filename*` is unknown, and a directory in a file name is dropped.
//!
//! It works on a stream: whole chunks are searched for the boundary and handed on without being
//! copied; at most the length of a boundary is held back between chunks. So memory follows the
//! size of a chunk and not that of the body.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memmem::Finder;

/// Bytes in the headers of one part; longer ones are no multipart body. The service's own limit is
/// not known.
const MAX_HEADERS: usize = 16 * 1024;

/// The next piece of a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A part begins.
    Part(Part),
    /// Some bytes of the part's body.
    Data(Bytes),
    /// The part is complete.
    End,
    /// The closing boundary: the body is complete.
    Closed,
}

/// The headers of a part, as far as the service understands them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Part {
    /// Empty if there was no quoted `name`.
    pub(crate) name: String,
    /// The quoted `filename` without directories.
    pub(crate) file_name: Option<String>,
    /// Departures from the rules, for people.
    pub(crate) broken: Vec<String>,
}

/// Takes a body in chunks and gives events.
pub(crate) struct Reader {
    /// `\r\n--<boundary>`.
    boundary: Finder<'static>,
    held: Bytes,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Preamble,
    AfterBoundary,
    Headers,
    Body,
    Closed,
}

impl Reader {
    pub(crate) fn new(boundary: &str) -> Reader {
        Reader {
            boundary: Finder::new(format!("\r\n--{boundary}").as_bytes()).into_owned(),
            // The first boundary has no line end before it.
            held: Bytes::from_static(b"\r\n"),
            state: State::Preamble,
        }
    }

    /// Adds a chunk. The caller has taken all events of the chunk before.
    pub(crate) fn push(&mut self, chunk: Bytes) {
        if self.held.is_empty() {
            self.held = chunk;
            return;
        }
        let mut joined = BytesMut::with_capacity(self.held.len() + chunk.len());
        joined.extend_from_slice(&self.held);
        joined.extend_from_slice(&chunk);
        self.held = joined.freeze();
    }

    /// The next event; `None` when another chunk is needed.
    ///
    /// # Errors
    ///
    /// A text for people, when the body is not multipart at all.
    pub(crate) fn next(&mut self) -> Result<Option<Event>, String> {
        loop {
            match self.state {
                State::Preamble => {
                    let Some(at) = self.boundary.find(&self.held) else {
                        self.held = self.held.split_off(self.split_point());
                        return Ok(None);
                    };
                    self.skip(at + self.boundary.needle().len());
                    self.state = State::AfterBoundary;
                }
                State::AfterBoundary if self.held.len() < 2 => return Ok(None),
                State::AfterBoundary => {
                    let mark = self.held.split_to(2);
                    match &mark[..] {
                        b"--" => {
                            self.state = State::Closed;
                            return Ok(Some(Event::Closed));
                        }
                        b"\r\n" => self.state = State::Headers,
                        other => return Err(format!("{other:?} after a boundary")),
                    }
                }
                State::Headers => return self.headers(),
                State::Body => return Ok(self.body()),
                State::Closed => {
                    self.held.clear();
                    return Ok(None);
                }
            }
        }
    }

    /// Whether the closing boundary has been seen.
    pub(crate) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    fn headers(&mut self) -> Result<Option<Event>, String> {
        // A part without headers begins with its empty line at once.
        let (lines, skip) = if self.held.starts_with(b"\r\n") {
            (Bytes::new(), 2)
        } else if let Some(at) = memchr::memmem::find(&self.held, b"\r\n\r\n") {
            (self.held.slice(..at), at + 4)
        } else if self.held.len() > MAX_HEADERS {
            return Err("the headers of a part do not end".to_owned());
        } else {
            return Ok(None);
        };
        self.skip(skip);
        self.state = State::Body;
        let part = parse_part(&String::from_utf8_lossy(&lines));
        Ok(Some(Event::Part(part)))
    }

    fn body(&mut self) -> Option<Event> {
        if let Some(at) = self.boundary.find(&self.held) {
            if at > 0 {
                return Some(Event::Data(self.held.split_to(at)));
            }
            self.skip(self.boundary.needle().len());
            self.state = State::AfterBoundary;
            return Some(Event::End);
        }
        let at = self.split_point();
        (at > 0).then(|| Event::Data(self.held.split_to(at)))
    }

    /// How many of the held bytes cannot be the beginning of a boundary.
    fn split_point(&self) -> usize {
        let needle = self.boundary.needle();
        let from = self.held.len().saturating_sub(needle.len() - 1);
        (from..self.held.len())
            .find(|&at| needle.starts_with(&self.held[at..]))
            .unwrap_or(self.held.len())
    }

    fn skip(&mut self, count: usize) {
        self.held.advance(count);
    }
}

fn parse_part(lines: &str) -> Part {
    let mut part = Part::default();
    let mut lines = lines.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let Some(disposition) = header(first, "content-disposition") else {
        part.broken.push(format!("the first header of a part is `{first}`"));
        return part;
    };
    part.name = quoted(disposition, "name").unwrap_or_default();
    part.file_name = quoted(disposition, "filename").map(|name| {
        let bare = name.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
        if bare != name {
            part.broken.push(format!("a directory in the file name `{name}`"));
        }
        bare
    });
    if disposition.contains("filename*=") {
        part.broken.push("`filename*` is not understood".to_owned());
    }
    if part.file_name.is_none() && lines.any(|line| header(line, "content-type").is_some()) {
        part.broken.push(format!("the text part `{}` has a Content-Type", part.name));
    }
    part
}

fn header<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (key, value) = line.split_once(':')?;
    key.eq_ignore_ascii_case(name).then_some(value)
}

/// The text between the quotes of `key="…"`; quotes inside are not escaped in any way.
fn quoted(disposition: &str, key: &str) -> Option<String> {
    let start = [" ", ";"].iter().find_map(|before| {
        let pattern = format!("{before}{key}=\"");
        disposition.find(&pattern).map(|at| at + pattern.len())
    })?;
    disposition[start..].split_once('"').map(|(value, _)| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "--b\r\nContent-Disposition: form-data; name=\"did\"\r\n\r\n3361075\r\n\
        --b\r\nContent-Disposition: form-data; name=\"file[]\"; filename=\"test.txt\"\r\n\
        Content-Type: application/octet-stream\r\n\r\nHello\r\n--bworld\n\r\n--b--\r\n";

    /// The parts of a body that arrives `step` bytes at a time, and whether it was closed.
    fn parts(body: &[u8], boundary: &str, step: usize) -> (Vec<(Part, Vec<u8>)>, bool) {
        let mut reader = Reader::new(boundary);
        let mut parts = Vec::new();
        for chunk in body.chunks(step) {
            reader.push(Bytes::copy_from_slice(chunk));
            while let Some(event) = reader.next().unwrap() {
                match event {
                    Event::Part(part) => parts.push((part, Vec::new())),
                    Event::Data(data) => parts.last_mut().unwrap().1.extend_from_slice(&data),
                    Event::End | Event::Closed => {}
                }
            }
        }
        (parts, reader.is_closed())
    }

    #[test]
    fn a_body_reads_the_same_however_it_is_cut() {
        let body = BODY.replace("--b", "--bnd7MA").replace("\r\n--bnd7MAworld", "\r\n--bnd7world");
        for step in 1..body.len() {
            let (parts, closed) = parts(body.as_bytes(), "bnd7MA", step);
            assert!(closed, "step {step}");
            assert_eq!(parts.len(), 2, "step {step}");
            assert_eq!((parts[0].0.name.as_str(), &parts[0].1[..]), ("did", &b"3361075"[..]));
            assert_eq!(parts[1].0.file_name.as_deref(), Some("test.txt"));
            assert_eq!(parts[1].1, b"Hello\r\n--bnd7world\n", "step {step}");
        }
    }

    #[test]
    fn a_body_that_is_cut_short_is_not_closed() {
        let whole = BODY.replace("--bworld", "world");
        let (_, closed) = parts(whole.strip_suffix("--b--\r\n").unwrap().as_bytes(), "b", 7);
        assert!(!closed);
    }

    #[test]
    fn an_empty_file_is_a_part_without_data() {
        let body = "--b\r\nContent-Disposition: form-data; name=\"file[]\"; filename=\"e\"\r\n\r\n\
                    \r\n--b--\r\n";
        let (parts, closed) = parts(body.as_bytes(), "b", 3);
        assert!(closed);
        assert_eq!(parts.len(), 1);
        assert_eq!(parts[0].1, b"");
    }

    #[test]
    fn a_file_part_that_begins_with_its_type_is_not_recognised() {
        let part = parse_part(
            "Content-Type: text/plain\r\nContent-Disposition: form-data; name=\"file[]\"; filename=\"a\"",
        );
        assert_eq!((part.name.as_str(), part.file_name), ("", None));
        assert_eq!(part.broken, ["the first header of a part is `Content-Type: text/plain`"]);
    }

    #[test]
    fn names_must_be_quoted_and_are_taken_as_they_are() {
        let name = |disposition: &str| {
            parse_part(&format!("Content-Disposition: form-data; name=\"file[]\"; {disposition}"))
                .file_name
        };
        assert_eq!(name("filename=a.txt"), None);
        assert_eq!(name("filename*=UTF-8''a.txt"), None);
        assert_eq!(name("filename=\"caf%C3%A9\"").as_deref(), Some("caf%C3%A9"));
        assert_eq!(name("filename=\"日本 é.txt\"").as_deref(), Some("日本 é.txt"));
        assert_eq!(name("filename=\"a/b/c.txt\"").as_deref(), Some("c.txt"));
        assert_eq!(name("filename=\"a\\\"b\"").as_deref(), Some(""));
    }
}
