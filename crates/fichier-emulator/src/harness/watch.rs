//! Watching the service: the requests that came, the bytes that went through it, and the rules that
//! were broken.

use std::sync::atomic::Ordering;

use super::emulator::Emulator;
use crate::world::Request;

impl Emulator {
    /// All requests to the API and the nodes, in order of arrival.
    pub fn requests(&self) -> Vec<Request> {
        self.world.lock().record.requests().to_vec()
    }

    /// All requests to the download servers, in order of arrival.
    pub fn downloads(&self) -> Vec<Request> {
        self.world.lock().record.downloads().to_vec()
    }

    /// How many requests count towards the service's limits: all but downloads. The same as the
    /// number of [`Emulator::requests`].
    pub fn calls(&self) -> usize {
        self.world.lock().record.requests().len()
    }

    /// The endpoints asked since [`Emulator::calls`] was `mark`, in order of arrival.
    pub fn calls_since(&self, mark: usize) -> Vec<String> {
        let state = self.world.lock();
        state.record.requests().iter().skip(mark).map(|request| request.endpoint.clone()).collect()
    }

    /// File bytes that the nodes have read, also of uploads that were cut short.
    pub fn bytes_received(&self) -> u64 {
        self.world.traffic.received.load(Ordering::Relaxed)
    }

    /// File bytes that the download servers have sent, also of downloads that were cut short.
    pub fn bytes_sent(&self) -> u64 {
        self.world.traffic.sent.load(Ordering::Relaxed)
    }

    /// How often the bytes of a file were asked for. GETs that got a page or nothing count too.
    pub fn download_gets(&self) -> usize {
        let state = self.world.lock();
        state.record.downloads().iter().filter(|request| request.method == "GET").count()
    }

    /// The most files that were ever being sent at one time.
    pub fn most_downloads_at_once(&self) -> usize {
        self.world.traffic.most_downloads()
    }

    /// Rules of the service that were broken, for people.
    pub fn violations(&self) -> Vec<String> {
        self.world.lock().record.violations().to_vec()
    }

    /// Fails the test if any rule was broken.
    ///
    /// # Panics
    ///
    /// When a rule was broken, with the list of all.
    #[track_caller]
    pub fn assert_no_violations(&self) {
        let violations = self.violations();
        assert!(violations.is_empty(), "rules of the service were broken: {violations:#?}");
    }
}
