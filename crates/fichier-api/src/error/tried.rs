//! What each call tries to do, in words for people.
//!
//! An endpoint's name helps who reads the code or asks the service about a call; it stands in logs
//! at `debug` and in `Debug` output. Everything that a person reads says what was tried instead.
//!
//! The words are the subject of a sentence: "listing a folder failed".

/// How many endpoints there are.
pub(crate) const ENDPOINTS: usize = 29;

/// Each endpoint, and what a call to it tries.
const TRIED: [(&str, &str); ENDPOINTS] = [
    ("download", "downloading a file"),
    ("download/get_token.cgi", "asking for the address of a download"),
    ("end.pl", "asking for the result of an upload"),
    ("file/chattr.cgi", "changing the attributes of files"),
    ("file/cp.cgi", "copying files"),
    ("file/info.cgi", "asking about a file"),
    ("file/ls.cgi", "listing the files of a folder"),
    ("file/mv.cgi", "moving files"),
    ("file/rename.cgi", "renaming files"),
    ("file/rm.cgi", "removing files"),
    ("file/scan.cgi", "asking for the virus scan of a file"),
    ("folder/ls.cgi", "listing a folder"),
    ("folder/mkdir.cgi", "making a folder"),
    ("folder/mv.cgi", "moving a folder"),
    ("folder/rm.cgi", "removing a folder"),
    ("folder/share.cgi", "sharing a folder"),
    ("ftp/process.cgi", "starting the processing of FTP uploads"),
    ("ftp/users/add.cgi", "adding an FTP user"),
    ("ftp/users/ls.cgi", "listing the FTP users"),
    ("ftp/users/rm.cgi", "removing an FTP user"),
    ("remote/info.cgi", "asking about a remote upload"),
    ("remote/ls.cgi", "listing the remote uploads"),
    ("remote/request.cgi", "requesting a remote upload"),
    ("upload.cgi", "uploading files"),
    ("upload/get_upload_server.cgi", "asking for an upload server"),
    ("user/info.cgi", "asking about the account"),
    ("vouchers/check.cgi", "checking a voucher"),
    ("vouchers/ls.cgi", "listing the vouchers"),
    ("vouchers/use.cgi", "using a voucher"),
];

/// What a call to `endpoint` tries.
pub(crate) fn tried(endpoint: &str) -> &'static str {
    let known = TRIED.iter().find(|(name, _)| *name == endpoint);
    known.map_or("a call to the service", |(_, words)| words)
}

/// The number of an endpoint in the list; `None` if it is not in it.
pub(crate) fn endpoint_number(endpoint: &str) -> Option<usize> {
    TRIED.iter().position(|(name, _)| *name == endpoint)
}

/// The endpoint of this number; nothing beyond the end of the list.
pub(crate) fn endpoint_at(number: usize) -> &'static str {
    TRIED.get(number).map_or("", |(name, _)| name)
}
