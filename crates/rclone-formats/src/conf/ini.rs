//! The text of `rclone.conf`: sections of keys and values.

use std::fmt;

use zeroize::Zeroizing;

/// What the first line of an encrypted configuration says.
const ENCRYPTED: &str = "RCLONE_ENCRYPT_V0:";

/// A configuration of rclone. `Debug` shows names and no values, since those may be secrets; they
/// are overwritten when it is dropped.
#[derive(Debug, Default)]
pub struct Conf {
    sections: Vec<Section>,
}

/// A section: one remote.
pub struct Section {
    name: String,
    options: Vec<(String, Zeroizing<String>)>,
}

/// The text is not a configuration that can be read. Shows nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfError {
    /// It was encrypted with a password of its own.
    #[error(
        "this rclone configuration is encrypted; read the output of `rclone config show` instead, \
         or take the password off with `rclone config encryption remove`"
    )]
    Encrypted,
    /// A line is neither a section, nor a comment, nor a key with its value.
    #[error("line {line} of the rclone configuration has neither `=` nor `:`")]
    NoValue {
        /// The number of the line, from 1.
        line: usize,
    },
    /// A line begins with a bracket and does not end with one.
    #[error("line {line} of the rclone configuration begins with `[` and does not end with `]`")]
    OpenSection {
        /// The number of the line, from 1.
        line: usize,
    },
    /// A key comes before the first section.
    #[error("line {line} of the rclone configuration is before the first section")]
    NoSection {
        /// The number of the line, from 1.
        line: usize,
    },
}

impl Conf {
    /// Reads a configuration as rclone does: comments are lines of their own, quotes are kept, a
    /// pair of back quotes is taken off, a second section of a name continues the first, and the
    /// last value of a key counts.
    ///
    /// # Errors
    ///
    /// [`ConfError`]
    pub fn parse(text: &str) -> Result<Conf, ConfError> {
        let mut conf = Conf::default();
        let mut current = None;
        let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
        let lines = text.lines().map(str::trim).zip(1..);
        let has_meaning = |line: &str| !line.is_empty() && !line.starts_with(['#', ';']);
        for (line, number) in lines.filter(|(line, _)| has_meaning(line)) {
            if line == ENCRYPTED && current.is_none() {
                return Err(ConfError::Encrypted);
            }
            if let Some(rest) = line.strip_prefix('[') {
                let name = rest.strip_suffix(']').ok_or(ConfError::OpenSection { line: number })?;
                current = Some(conf.section_number(name.trim()));
                continue;
            }
            let at = line.find(['=', ':']).ok_or(ConfError::NoValue { line: number })?;
            let section = current.and_then(|current: usize| conf.sections.get_mut(current));
            let section = section.ok_or(ConfError::NoSection { line: number })?;
            section.set(line[..at].trim(), without_back_quotes(line[at + 1..].trim()));
        }
        Ok(conf)
    }

    /// The sections, in their order.
    pub fn sections(&self) -> impl Iterator<Item = &Section> {
        self.sections.iter()
    }

    /// The section of this name.
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// Where the section of this name is; it is made if there is none.
    fn section_number(&mut self, name: &str) -> usize {
        let found = self.sections.iter().position(|section| section.name == name);
        found.unwrap_or_else(|| {
            self.sections.push(Section { name: name.to_owned(), options: Vec::new() });
            self.sections.len() - 1
        })
    }
}

impl Section {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value of a key. Keys of another case are other keys.
    pub fn get(&self, key: &str) -> Option<&str> {
        let option = self.options.iter().find(|(name, _)| name == key);
        option.map(|(_, value)| value.as_str())
    }

    /// The keys and their values, in the order of the first mention.
    pub fn options(&self) -> impl Iterator<Item = (&str, &str)> {
        self.options.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    fn set(&mut self, key: &str, value: &str) {
        let value = Zeroizing::new(value.to_owned());
        match self.options.iter_mut().find(|(name, _)| name == key) {
            Some((_, old)) => *old = value,
            None => self.options.push((key.to_owned(), value)),
        }
    }
}

impl fmt::Debug for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&str> = self.options.iter().map(|(key, _)| key.as_str()).collect();
        f.debug_struct("Section").field("name", &self.name).field("keys", &keys).finish()
    }
}

fn without_back_quotes(value: &str) -> &str {
    let inner = value.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'));
    inner.unwrap_or(value)
}
