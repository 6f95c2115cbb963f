//! A node's front end, which knows two addresses: `upload.cgi` and `end.pl`.

use std::io;
use std::sync::Arc;

use hyper::{Request, Response};

use super::receive::Arriving;
use super::{results, upload};
use crate::reply::{Body, Delivery, Reply};
use crate::world::World;

/// Answers one request to a node.
///
/// # Errors
///
/// When the body cannot be read or a fault wants it: the caller closes the connection.
pub(crate) async fn serve<B: Arriving>(
    world: Arc<World>,
    request: Request<B>,
) -> io::Result<Response<Body>> {
    let endpoint = request.uri().path().trim_start_matches('/').to_owned();
    let ticket = world.lock().record.request(&endpoint, request.method().as_str());
    match endpoint.as_str() {
        "upload.cgi" => upload::take(&world, request, ticket).await,
        "end.pl" => results::tell(&world, &request, ticket).await,
        _ => {
            let answer = {
                let mut state = world.lock();
                state.record.violation(&endpoint, "a node does not know this");
                Reply::html(404, "Not Found").write(&mut state, false, Delivery::Send)
            };
            answer.deliver().await
        }
    }
}
