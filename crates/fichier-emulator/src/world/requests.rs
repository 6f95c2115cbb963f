//! The requests that came to the service, and the rules that they broke.
//!
//! Tests assert on the number of requests ("a rename costs one call") and on the absence of
//! violations. Bodies and keys are never kept.

use std::time::Instant;

use crate::base::instant;

/// One request as the service received it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Milliseconds since the emulator started.
    pub at_ms: u64,
    /// The path below the API root (`file/rm.cgi`, `upload/get_upload_server.cgi`), or
    /// `upload.cgi` and `end.pl` of a node, or `download`.
    pub endpoint: String,
    /// The HTTP method.
    pub method: String,
    /// How many links, or uploaded files, the request was about; 0 if none.
    pub links: usize,
    /// The status of the reply; 0 if there was none.
    pub status: u16,
    /// The folder that the request was about: `folder_id`, `destination_folder_id` or `did`.
    pub folder_id: Option<i64>,
    /// Bytes of the body of the request.
    pub bytes: u64,
    /// The body of a call, or the names of the files of an upload.
    pub text: String,
}

/// The place of a request in the record, to add facts that become known later.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    download: bool,
    index: usize,
}

/// Requests and violations, in order.
#[derive(Debug)]
pub(crate) struct Record {
    started: Instant,
    requests: Vec<Request>,
    downloads: Vec<Request>,
    violations: Vec<String>,
}

impl Record {
    pub(crate) fn new() -> Record {
        Record {
            started: instant(),
            requests: Vec::new(),
            downloads: Vec::new(),
            violations: Vec::new(),
        }
    }

    /// A request to the API or to a node.
    pub(crate) fn request(&mut self, endpoint: &str, method: &str) -> Ticket {
        let request = self.begin(endpoint, method);
        self.requests.push(request);
        Ticket { download: false, index: self.requests.len() - 1 }
    }

    /// A request that does not count as a call: the body of a download.
    pub(crate) fn download(&mut self, endpoint: &str, method: &str) -> Ticket {
        let request = self.begin(endpoint, method);
        self.downloads.push(request);
        Ticket { download: true, index: self.downloads.len() - 1 }
    }

    pub(crate) fn note(&mut self, ticket: Ticket) -> Option<&mut Request> {
        if ticket.download { &mut self.downloads } else { &mut self.requests }.get_mut(ticket.index)
    }

    /// Records a broken rule, with the endpoint that it was broken at.
    pub(crate) fn violation(&mut self, endpoint: &str, broken: &str) {
        let at = self.started.elapsed().as_millis();
        self.violations.push(format!("{endpoint} at {at} ms: {broken}"));
    }

    pub(crate) fn requests(&self) -> &[Request] {
        &self.requests
    }

    pub(crate) fn downloads(&self) -> &[Request] {
        &self.downloads
    }

    pub(crate) fn violations(&self) -> &[String] {
        &self.violations
    }

    fn begin(&self, endpoint: &str, method: &str) -> Request {
        Request {
            at_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            endpoint: endpoint.to_owned(),
            method: method.to_owned(),
            links: 0,
            status: 0,
            folder_id: None,
            bytes: 0,
            text: String::new(),
        }
    }
}
