//! Reads the text of a configuration, and finds every key that does not fit at once.
//!
//! The parser ends at the first wrong type, unknown key or missing key. Here the part with the
//! mistake is taken out of the parsed text, and the rest is read again, until nothing is wrong with
//! it. So a file with three mistakes can be corrected in one go.

use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeArray, DeString, DeTable, DeValue, Deserializer};

use super::file::ConfigFile;
use super::message::{Complaint, missing_key};

/// Reads the text as typed.
///
/// # Errors
///
/// All keys that do not fit, or the first place where the text is no TOML.
pub(super) fn typed(text: &str) -> Result<ConfigFile, Vec<Complaint>> {
    let mut table = DeTable::parse(text).map_err(|error| vec![Complaint::from(&error)])?;
    let mut complaints: Vec<Complaint> = Vec::new();
    let mut taken_out: Vec<String> = Vec::new();
    loop {
        let error = match ConfigFile::deserialize(Deserializer::from(table.clone())) {
            Ok(file) if complaints.is_empty() => return Ok(file),
            Ok(_) => return Err(complaints),
            Err(error) => error,
        };
        // A key that was taken out is not missing: the complaint about it is there already.
        let is_known = missing_key(&error).is_some_and(|key| taken_out.iter().any(|it| it == key));
        if !is_known {
            complaints.push(Complaint::from(&error));
        }
        let taken = error.span().and_then(|span| take_out(table.get_mut(), &span));
        match taken {
            Some(key) => taken_out.push(key),
            None => return Err(complaints),
        }
    }
}

/// Takes out the key that stands at `span` or whose value does, and returns its name; or the whole
/// table that stands there. Returns `None` if nothing does.
#[expect(clippy::wildcard_enum_match_arm, reason = "the other values are scalars")]
fn take_out(table: &mut DeTable<'_>, span: &Range<usize>) -> Option<String> {
    let is_it = |(key, value): &(&Spanned<DeString<'_>>, &Spanned<DeValue<'_>>)| {
        key.span() == *span || is_at(value, span)
    };
    if let Some(key) = table.iter().find(is_it).map(|(key, _)| key.get_ref().to_string()) {
        table.remove(key.as_str());
        return Some(key);
    }
    table.iter_mut().find_map(|(_, value)| match value.get_mut() {
        DeValue::Table(table) => take_out(table, span),
        DeValue::Array(array) => take_out_of_array(array, span),
        _scalar => None,
    })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the other values are scalars")]
fn take_out_of_array(array: &mut DeArray<'_>, span: &Range<usize>) -> Option<String> {
    if array.iter().any(|table| table.span() == *span) {
        let rest = array.iter().filter(|table| table.span() != *span).cloned();
        *array = rest.fold(DeArray::new(), |mut rest, table| {
            rest.push(table);
            rest
        });
        return Some(String::new());
    }
    array.iter_mut().find_map(|value| match value.get_mut() {
        DeValue::Table(table) => take_out(table, span),
        _scalar => None,
    })
}

/// Whether the value stands at `span`, or is a list with a wrong element there.
#[expect(clippy::wildcard_enum_match_arm, reason = "the other values are scalars")]
fn is_at(value: &Spanned<DeValue<'_>>, span: &Range<usize>) -> bool {
    let has_wrong = |list: &DeArray<'_>| {
        list.iter().any(|element| !element.get_ref().is_table() && element.span() == *span)
    };
    match value.get_ref() {
        DeValue::Array(list) if list.iter().any(|element| element.get_ref().is_table()) => false,
        DeValue::Array(list) => value.span() == *span || has_wrong(list),
        _other => value.span() == *span,
    }
}
