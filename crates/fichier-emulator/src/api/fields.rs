//! JSON as the service reads it: requests may give numbers as strings, and `null` for a field that
//! they leave out (docs/api-notes.md, A.2).

use serde_json::{Map, Value};

/// The fields of a request.
#[derive(Debug, Default)]
pub(crate) struct Fields(pub(crate) Map<String, Value>);

impl Fields {
    /// Reads a body. An empty one is an empty object (A.2).
    ///
    /// # Errors
    ///
    /// A text for people, when the body is not a JSON object.
    pub(crate) fn parse(body: &[u8]) -> Result<Fields, String> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Fields::default());
        }
        match serde_json::from_slice(body) {
            Ok(Value::Object(map)) => Ok(Fields(map)),
            Ok(other) => Err(format!("not an object: {other}")),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Whether the field is there and not null.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| !value.is_null())
    }

    /// A number, or a string of digits.
    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        match self.0.get(name)? {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.parse().ok(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.number(name).unwrap_or(0) != 0
    }

    /// The elements of an array; none if it is missing or something else.
    pub(crate) fn list(&self, name: &str) -> &[Value] {
        self.0.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_may_be_strings_and_null_is_absent() {
        let fields = Fields::parse(br#"{"a":"12","b":7,"c":null,"d":"x"}"#).unwrap();
        assert_eq!((fields.number("a"), fields.number("b")), (Some(12), Some(7)));
        assert_eq!((fields.number("c"), fields.number("d")), (None, None));
        assert!(!fields.has("c") && fields.has("d"));
    }

    #[test]
    fn an_empty_body_has_no_fields_and_an_array_is_refused() {
        assert!(Fields::parse(b" \n").unwrap().0.is_empty());
        assert_eq!(Fields::parse(b"[]").unwrap_err(), "not an object: []");
    }
}
