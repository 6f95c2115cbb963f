//! Pages instead of JSON: of the service, of a node, of a proxy, of a hotel.
//!
//! The bytes are the page. It is put behind a `<`, as each page has one.

use fichier_api::names::RemoteName;
use fichier_api::untrusted::{Answer, shown};
use fichier_api::{FileUrl, FolderId, UploadResult};

use super::replies::check_shown;

/// The bytes are a page, which comes with each status that pages come with.
pub fn pages(data: &[u8]) {
    let line = shown(&String::from_utf8_lossy(data));
    assert!((1..=200).contains(&line.chars().count()) && !line.chars().any(char::is_control));
    assert!(!line.contains("://") && !line.contains("/?"), "a link is shown: {line}");

    for status in [200, 302, 401, 403, 404, 429, 500, 502, 503] {
        let page = || Answer {
            status,
            content_type: None,
            location: None,
            retry_after: None,
            body: [b"<", data].concat(),
        };
        let url = FileUrl::parse("https://1fichier.com/?abcde12345").expect("a link");
        let names = [(url.clone(), RemoteName::encode(b"a"))];
        let kinds = [
            page().done().err(),
            page().folder_listing(FolderId(1)).err(),
            page().file_listing().err(),
            page().file_info(&url).err(),
            page().account().err(),
            page().new_folder(&RemoteName::encode(b"a")).err(),
            page().moved(std::slice::from_ref(&url)).err(),
            page().removed(std::slice::from_ref(&url)).err(),
            page().renamed(&names).err(),
            page().upload_slot("https://api.1fichier.com/v1").err(),
            page().download_address("https://api.1fichier.com/v1").err(),
        ];
        for kind in kinds {
            check_shown(&kind.expect("no page is a success"));
        }
        match page().upload_result() {
            Ok(UploadResult::BeingScanned | UploadResult::Unclear(_)) => assert_eq!(status, 200),
            Ok(other) => panic!("a page says nothing about files: {other:?}"),
            Err(kind) => check_shown(&kind),
        }
    }
}
