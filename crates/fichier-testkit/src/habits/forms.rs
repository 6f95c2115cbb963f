//! Replies in other forms, refusals in other words, and nodes that do other things: the habits that
//! the emulator shows by a fault that does not end.

use fichier_emulator::{Action, Reshape};

/// One endpoint, and the fields of its reply that may have another form.
type Row = (&'static str, &'static [&'static str]);

const ROWS: [Row; 10] = [
    (
        "folder/ls.cgi",
        &[
            "status",
            "folder_id",
            "name",
            "files",
            "size",
            "sub_folders",
            "sub_folders.id",
            "sub_folders.name",
            "items",
            "items.url",
            "items.filename",
            "items.size",
            "items.date",
            "items.checksum",
        ],
    ),
    ("folder/mkdir.cgi", &["status", "folder_id", "name"]),
    ("folder/mv.cgi", &["status", "old_name", "new_name"]),
    ("folder/rm.cgi", &["status"]),
    ("file/mv.cgi", &["status", "moved", "urls"]),
    ("file/rename.cgi", &["status", "renamed", "urls", "urls.url", "urls.new_filename"]),
    ("file/cp.cgi", &["status", "copied", "urls", "urls.from_url", "urls.to_url"]),
    ("file/rm.cgi", &["status", "removed"]),
    ("file/info.cgi", &["url", "filename", "size", "folder_id", "path", "checksum", "date"]),
    ("upload/get_upload_server.cgi", &["url", "id"]),
];

/// The result of an upload has its own fields.
const RESULT: Row = (
    "end.pl",
    &["incoming", "links", "links.download", "links.filename", "links.size", "links.whirlpool"],
);

/// Every reply that is a habit, by its endpoint.
pub(super) fn replies() -> Vec<(&'static str, Action)> {
    let mut all = Vec::new();
    for (on, fields) in ROWS.iter().chain([&RESULT]) {
        for field in *fields {
            all.extend(forms(field).map(|form| (*on, Action::Reshape(form))));
        }
        all.extend(wholes().into_iter().map(|whole| (*on, whole)));
    }
    for (before, after) in [("https://", ""), ("http://", "/"), ("", "/upload.cgi"), (" ", "\n")] {
        let around = Reshape::Around {
            field: "url".to_owned(),
            before: before.to_owned(),
            after: after.to_owned(),
        };
        all.push(("upload/get_upload_server.cgi", Action::Reshape(around)));
    }
    all.extend(refusals());
    all.extend(oddities());
    all
}

/// Whether the service says that something is not there, and it is, or puts it elsewhere. A listing
/// that is cut without a word says so too: what it hides may be sent again beside it.
pub(super) fn denies(action: &Action) -> bool {
    matches!(
        action,
        Action::Denied
            | Action::EmptyListing
            | Action::PartialListing(_)
            | Action::Partial(_)
            | Action::IntoRoot
    )
}

fn forms(field: &str) -> [Reshape; 5] {
    let field = || field.to_owned();
    [
        Reshape::LeftOut(field()),
        Reshape::Null(field()),
        Reshape::OtherType(field()),
        Reshape::OtherForm(field()),
        Reshape::OtherCase(field()),
    ]
}

fn wholes() -> Vec<Action> {
    let shapes = [
        Reshape::OkAlone,
        Reshape::French,
        Reshape::MoreFields,
        Reshape::InAList,
        Reshape::Plain,
        Reshape::LabelledPage,
        Reshape::Marked,
        Reshape::Packed,
    ];
    let mut wholes: Vec<Action> = shapes.into_iter().map(Action::Reshape).collect();
    wholes.extend([
        Action::DoItThenStatus(200),
        Action::DoItThenStatus(502),
        Action::DoItThenReset,
        Action::Truncated,
        Action::Empty,
    ]);
    wholes
}

fn page(status: u16, text: &str) -> Action {
    Action::Html(status, format!("<html><title>{text}</title></html>"))
}

fn ko(status: u16, message: &str) -> Action {
    Action::Json(status, format!(r#"{{"status":"KO","message":"{message}"}}"#))
}

/// Refusals of all calls and of single ones.
fn refusals() -> Vec<(&'static str, Action)> {
    let of_all = [
        Action::Flood,
        page(429, "Too Many Requests"),
        page(200, "Your requests are too fast"),
        Action::HardLock,
        Action::OwnerLocked,
        ko(403, "Compte suspendu, contactez le support"),
        ko(200, "Account suspended"),
        Action::KeyRefused,
        ko(401, "Non authentifié"),
        page(403, "403 Forbidden nginx"),
        page(404, "Not Found"),
        page(503, "Just a moment..."),
        page(200, "Just a moment..."),
        Action::RedirectTo("https://1fichier.com/login".to_owned()),
        page(502, "Bad Gateway"),
        Action::Status(500, String::new()),
        ko(403, "Erreur interne inattendue #7777"),
        ko(410, "Gone"),
        ko(400, "Mauvaise requête"),
        ko(404, "Introuvable"),
        ko(200, "Erreur"),
        Action::Json(200, r#"{"status":"KO"}"#.to_owned()),
        Action::Reset,
        Action::RetryAfter("120".to_owned()),
    ];
    let mut all: Vec<_> = of_all.into_iter().map(|action| ("*", action)).collect();
    let single = [
        "file/mv.cgi",
        "file/rename.cgi",
        "file/cp.cgi",
        "file/rm.cgi",
        "file/info.cgi",
        "folder/mkdir.cgi",
        "folder/mv.cgi",
        "folder/rm.cgi",
        "folder/ls.cgi",
        "upload/get_upload_server.cgi",
        "end.pl",
    ];
    for on in single {
        let of_one = [
            ko(410, "Gone"),
            ko(403, "Non"),
            ko(200, "Erreur"),
            page(403, "Forbidden"),
            page(200, "Accueil"),
            Action::Denied,
            Action::Status(500, String::new()),
            Action::Reset,
        ];
        all.extend(of_one.map(|action| (on, action)));
    }
    all
}

/// What nodes and listings may do besides.
fn oddities() -> Vec<(&'static str, Action)> {
    vec![
        ("upload.cgi", Action::Anonymous),
        ("upload.cgi", Action::IntoRoot),
        ("upload.cgi", Action::ResetAfter(100)),
        ("upload.cgi", Action::Reset),
        ("upload.cgi", Action::NodeStorage),
        ("upload.cgi", Action::Quota),
        ("upload.cgi", Action::XidDiffers),
        ("upload.cgi", Action::DoItThenReset),
        ("upload.cgi", Action::DoItThenStatus(502)),
        ("upload.cgi", Action::Status(500, String::new())),
        ("upload.cgi", Action::KeyRefused),
        ("upload.cgi", Action::Scanning(3)),
        ("upload.cgi", Action::EmptyLinks(3)),
        ("end.pl", Action::ExtraLinks),
        ("end.pl", Action::ReorderedLinks),
        ("end.pl", Action::WrongSize),
        ("end.pl", Action::WrongWhirlpool),
        ("end.pl", Action::DropLink("a".to_owned())),
        ("folder/mkdir.cgi", Action::NoFolderId),
        ("folder/ls.cgi", Action::EmptyListing),
        ("folder/ls.cgi", Action::PartialListing(1)),
        ("folder/ls.cgi", Action::PartialListing(3)),
        ("file/mv.cgi", Action::Partial(0)),
        ("file/mv.cgi", Action::Partial(1)),
        ("upload/get_upload_server.cgi", Action::ForeignNode("evil.example".to_owned())),
        ("upload/get_upload_server.cgi", Action::BadUploadId("x".to_owned())),
    ]
}
