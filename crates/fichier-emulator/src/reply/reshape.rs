//! Gives a reply another form than the documented one; see [`Reshape`].

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Map, Value, json};

use super::answer::{HTML, JSON};
use super::words::{Payload, Reply};
use crate::faults::Reshape;

const PLAIN: &str = "text/plain; charset=utf-8";

/// The refusals of section E, and what the service might say in their place.
const FRENCH: [(&str, &str); 6] = [
    ("Resource not found", "Ressource introuvable"),
    ("No file has been renamed", "Aucun fichier n'a été renommé"),
    ("A folder with that name exists", "Un dossier porte déjà ce nom"),
    ("Invalid folder name", "Nom de dossier invalide"),
    ("Folder is not empty", "Le dossier n'est pas vide"),
    ("Resource not allowed", "Accès refusé"),
];

impl Reply {
    /// The reply in another form. One that is no JSON stays as it is.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other forms change the value")]
    pub(crate) fn reshaped(self, how: &Reshape) -> Reply {
        let Payload::Json(value) = self.payload else { return self };
        let payload = match how {
            Reshape::Plain => Payload::Text(PLAIN, value.to_string()),
            Reshape::LabelledPage => Payload::Text(HTML, value.to_string()),
            Reshape::Marked => Payload::Text(JSON, format!("\u{feff}{value}")),
            Reshape::Packed => Payload::Gzip(packed(&value.to_string()).into()),
            _ => Payload::Json(changed(value, how)),
        };
        Reply { payload, ..self }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the other forms change no value")]
fn changed(mut value: Value, how: &Reshape) -> Value {
    match how {
        Reshape::LeftOut(path) => at(&mut value, path, &|map, key| {
            map.remove(key);
        }),
        Reshape::Null(path) => at(&mut value, path, &|map, key| {
            map.insert(key.to_owned(), Value::Null);
        }),
        Reshape::OtherType(path) => at(&mut value, path, &|map, key| replace(map, key, other_type)),
        Reshape::OtherForm(path) => at(&mut value, path, &|map, key| replace(map, key, other_form)),
        Reshape::OtherCase(path) => at(&mut value, path, &|map, key| {
            if let Some(mut inner) = map.remove(key) {
                if key == "status"
                    && let Some(word) = inner.as_str()
                {
                    inner = word.to_lowercase().into();
                }
                map.insert(key.to_uppercase(), inner);
            }
        }),
        Reshape::Around { field, before, after } => at(&mut value, field, &|map, key| {
            replace(map, key, |inner| match inner {
                Value::String(text) => format!("{before}{text}{after}").into(),
                other => other,
            });
        }),
        Reshape::Text(path, text) => at(&mut value, path, &|map, key| {
            replace(map, key, |_| text.as_str().into());
        }),
        Reshape::OkAlone if value["status"] != "KO" => {
            value = json!({"status": "OK", "message": "Done"});
        }
        Reshape::French => {
            let said = value["message"].as_str().unwrap_or_default();
            let french = FRENCH.iter().find(|(english, _)| said.starts_with(english));
            if let Some((_, french)) = french {
                value["message"] = format!("{french} #7741").into();
            }
        }
        Reshape::MoreFields => {
            value["news"] = json!({"title": "x", "read": [1, {"a": null}]});
            value["warnings"] = json!([]);
        }
        Reshape::InAList => value = json!([value]),
        _ => {}
    }
    value
}

/// Changes the field at a path, in each row of the lists on the way.
fn at(value: &mut Value, path: &str, change: &dyn Fn(&mut Map<String, Value>, &str)) {
    if let Value::Array(rows) = value {
        return rows.iter_mut().for_each(|row| at(row, path, change));
    }
    let Value::Object(map) = value else { return };
    match path.split_once('.') {
        Some((head, rest)) => {
            if let Some(inner) = map.get_mut(head) {
                at(inner, rest, change);
            }
        }
        None => change(map, path),
    }
}

fn replace(map: &mut Map<String, Value>, key: &str, change: impl Fn(Value) -> Value) {
    if let Some(inner) = map.remove(key) {
        map.insert(key.to_owned(), change(inner));
    }
}

fn other_type(value: Value) -> Value {
    match value {
        Value::Number(number) => number.to_string().into(),
        Value::String(text) => match text.parse::<i64>() {
            Ok(number) => number.into(),
            Err(_) => json!([text]),
        },
        Value::Bool(flag) => u8::from(flag).into(),
        Value::Array(_) | Value::Object(_) => other_form(value),
        Value::Null => "".into(),
    }
}

fn other_form(value: Value) -> Value {
    let Value::Array(rows) = value else { return json!([value]) };
    let named = rows.into_iter().enumerate().map(|(at, row)| (at.to_string(), row));
    Value::Object(named.collect())
}

fn packed(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let written = encoder.write_all(text.as_bytes());
    debug_assert!(written.is_ok(), "a write into memory failed");
    encoder.finish().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: Value, how: &Reshape, expected: Value) {
        assert_eq!(changed(value, how), expected, "{how:?}");
    }

    #[test]
    fn each_form_changes_its_field_and_no_other() {
        let field = |name: &str| name.to_owned();
        let reply = || json!({"status": "OK", "n": 7, "rows": [{"a": "x"}, {"a": "8"}]});
        let rows = |rows: Value| json!({"status": "OK", "n": 7, "rows": rows});
        check(reply(), &Reshape::LeftOut(field("rows.a")), rows(json!([{}, {}])));
        check(reply(), &Reshape::Null(field("rows")), rows(Value::Null));
        check(reply(), &Reshape::OtherType(field("rows.a")), rows(json!([{"a": ["x"]}, {"a": 8}])));
        let object = json!({"0": {"a": "x"}, "1": {"a": "8"}});
        check(reply(), &Reshape::OtherForm(field("rows")), rows(object));
        check(
            json!({"status": "OK", "n": 7}),
            &Reshape::OtherCase(field("status")),
            json!({"STATUS": "ok", "n": 7}),
        );
        check(reply(), &Reshape::InAList, json!([reply()]));
        check(reply(), &Reshape::OkAlone, json!({"status": "OK", "message": "Done"}));
        let refusal = json!({"status": "KO", "message": "Resource not found #469"});
        check(refusal.clone(), &Reshape::OkAlone, refusal.clone());
        let french = json!({"status": "KO", "message": "Ressource introuvable #7741"});
        check(refusal, &Reshape::French, french);
    }
}
