//! `fichierd resume`: go on after a pause.

use super::{beside, service};
use crate::config::Config;
use crate::control::Request;
use crate::exit::Exit;

pub(crate) async fn run(config: &Config) -> anyhow::Result<Exit> {
    match service::forward(config, &Request::Resume).await? {
        Some(exit) => Ok(exit),
        None => beside::pause(config, false),
    }
}
