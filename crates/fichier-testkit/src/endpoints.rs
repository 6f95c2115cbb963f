//! The requests that a fault may hit, for the model test and the simulation.

/// The endpoints that a mirror calls, those that change something first; `*` is any of them.
pub const ENDPOINTS: [&str; 13] = [
    "file/mv.cgi",
    "upload.cgi",
    "end.pl",
    "file/rename.cgi",
    "folder/mv.cgi",
    "folder/mkdir.cgi",
    "file/cp.cgi",
    "file/rm.cgi",
    "folder/ls.cgi",
    "folder/rm.cgi",
    "upload/get_upload_server.cgi",
    "file/info.cgi",
    "*",
];
