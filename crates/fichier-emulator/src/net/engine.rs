//! The threads that a service on sockets runs on.

use std::io;
use std::net::TcpListener as StdListener;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::{self, Runtime};

/// How long open connections may go on after the service was stopped.
const SHUTDOWN: Duration = Duration::from_secs(2);

/// The runtime that the service runs on.
#[derive(Debug)]
pub(crate) struct Engine(Option<Runtime>);

impl Engine {
    /// No runtime, for a service without sockets: it runs on the caller's threads.
    pub(crate) fn none() -> Engine {
        Engine(None)
    }

    /// A runtime with threads of its own.
    pub(crate) fn start() -> io::Result<Engine> {
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("emulator")
            .enable_all()
            .build()?;
        Ok(Engine(Some(runtime)))
    }

    /// Serves a socket until the runtime ends; without a runtime, nothing is served.
    pub(crate) fn listen<F>(
        &self,
        listener: StdListener,
        serve: impl FnOnce(TcpListener) -> F,
    ) -> io::Result<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Some(runtime) = &self.0 else { return Ok(()) };
        let _entered = runtime.enter();
        let serving = serve(TcpListener::from_std(listener)?);
        runtime.spawn(serving);
        Ok(())
    }

    /// Does some work until the runtime ends; without a runtime, nothing is done.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.0 {
            runtime.spawn(work);
        }
    }

    /// Ends all servers, and returns when the ports are free.
    pub(crate) async fn stop(&mut self) {
        if let Some(runtime) = self.0.take() {
            let ended = tokio::task::spawn_blocking(move || {
                runtime.shutdown_timeout(SHUTDOWN);
            });
            if let Err(error) = ended.await {
                tracing::warn!("the emulator did not end well: {error}");
            }
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // The drop may happen inside another runtime, where waiting for this one is forbidden.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
