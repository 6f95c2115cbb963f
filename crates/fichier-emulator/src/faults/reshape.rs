//! Other forms of a reply than the documented one (docs/api-notes.md, A.8, H.2).
//!
//! The work is done, and the reply tells of it in another way. A field is named by its path: `url`,
//! `items.size` for that of each row, or of the one object in its place.

/// How a reply differs from the documented one. See [`crate::Action::Reshape`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reshape {
    /// The field is missing.
    LeftOut(String),
    /// The field is null.
    Null(String),
    /// A number as text, a text in a list, a flag as a number, a list as an object.
    OtherType(String),
    /// A list as an object under the names of its rows, or an object as a list of it.
    OtherForm(String),
    /// The key in capitals; the words of `status` in small letters.
    OtherCase(String),
    /// Text before and after the field's own.
    Around {
        /// The field's path.
        field: String,
        /// What stands before it.
        before: String,
        /// What stands after it.
        after: String,
    },
    /// The field has this text.
    Text(String, String),
    /// `{"status":"OK","message":…}` and nothing else. A refusal stays as it is.
    OkAlone,
    /// The words of refusals are French, with other numbers.
    French,
    /// There are further fields, with objects and lists in them.
    MoreFields,
    /// The object is alone in a list.
    InAList,
    /// It is labelled as `text/plain`.
    Plain,
    /// It is labelled as `text/html`.
    LabelledPage,
    /// A byte-order mark stands before it.
    Marked,
    /// It is packed with gzip although nobody asked for that.
    Packed,
}
