//! JSON as the service writes it: with the keys of each object in another order each time
//! (docs/api-notes.md, A.1), so that a client that depends on the order fails here too.

use serde_json::Value;

use crate::base::Numbers;

/// Writes `value` with the keys of every object shuffled.
pub(crate) fn write(value: &Value, numbers: &mut Numbers, pretty: bool) -> String {
    let mut text = String::new();
    write_value(&mut text, value, numbers, pretty.then_some(0));
    text
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
}
