//! JSON as the service writes and reads it.
//!
//! Replies come with their keys in another order each time (docs/api-notes.md, A.1), so a client
//! that depends on the order fails here too. Requests may give numbers as strings and `null` for
//! what is optional (A.2).

use serde_json::{Map, Value};

use crate::base::numbers::Numbers;

/// Writes `value` with the keys of every object shuffled.
pub(crate) fn write(value: &Value, numbers: &mut Numbers, pretty: bool) -> String {
    let mut text = String::new();
    write_value(&mut text, value, numbers, pretty.then_some(0));
    text
}

/// The fields of a request.
#[derive(Debug, Default)]
pub(crate) struct Fields(pub(crate) Map<String, Value>);

impl Fields {
    /// An empty body is an empty object (A.2); anything else than an object is an error.
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

fn write_value(text: &mut String, value: &Value, numbers: &mut Numbers, indent: Option<usize>) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            numbers.shuffle(&mut entries);
            text.push('{');
            for (i, (key, value)) in entries.iter().enumerate() {
                separate(text, i, indent.map(|depth| depth + 1));
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push_str(if indent.is_some() { " : " } else { ":" });
                write_value(text, value, numbers, indent.map(|depth| depth + 1));
            }
            finish(text, entries.len(), indent);
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (i, item) in items.iter().enumerate() {
                separate(text, i, indent.map(|depth| depth + 1));
                write_value(text, item, numbers, indent.map(|depth| depth + 1));
            }
            finish(text, items.len(), indent);
            text.push(']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            text.push_str(&value.to_string());
        }
    }
}

fn separate(text: &mut String, position: usize, indent: Option<usize>) {
    if position > 0 {
        text.push(',');
    }
    if let Some(depth) = indent {
        text.push('\n');
        text.push_str(&"   ".repeat(depth));
    }
}

fn finish(text: &mut String, count: usize, indent: Option<usize>) {
    if let Some(depth) = indent
        && count > 0
    {
        text.push('\n');
        text.push_str(&"   ".repeat(depth));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_order_of_keys_changes_and_the_content_does_not() {
        let value = json!({"status": "OK", "count": 1, "items": [{"a": null, "b": "\"é\\"}]});
        let mut numbers = Numbers::seeded(1);
        let texts: Vec<String> = (0..20).map(|_| write(&value, &mut numbers, false)).collect();
        for text in &texts {
            assert_eq!(serde_json::from_str::<Value>(text).unwrap(), value);
        }
        assert!(texts.iter().any(|text| *text != texts[0]), "all alike: {}", texts[0]);
    }

    #[test]
    fn an_indented_reply_says_the_same() {
        let value = json!({"items": [1, {"x": {}}], "n": []});
        let text = write(&value, &mut Numbers::seeded(1), true);
        assert!(text.lines().count() > 5, "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }

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
