//! Reading the head of a request to a node.

use hyper::Request;
use hyper::header::HeaderName;

/// The value of a query field.
pub(crate) fn query<'a, B>(request: &'a Request<B>, name: &str) -> Option<&'a str> {
    let fields = request.uri().query()?.split('&');
    fields.filter_map(|field| field.split_once('=')).find(|(key, _)| *key == name).map(|(_, v)| v)
}

/// The value of a header, if it is text.
pub(crate) fn header<B>(request: &Request<B>, name: impl Into<HeaderName>) -> Option<&str> {
    request.headers().get(name.into()).and_then(|value| value.to_str().ok())
}
