//! Where a fault may strike: shared by the model test and the simulation.

/// Requests that a fault may hit.
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
