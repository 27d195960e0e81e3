//! Requests that prove an endpoint ours, before any event comes to it.

/// What a provider asks of an endpoint, in a request that verified.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Handshake {
    /// To be answered with this JSON.
    Echo(String),
    /// To be answered with this origin in `WebHook-Allowed-Origin` (`CloudEvents`, HTTP 1.1 Web Hooks
    /// for Event Delivery §4).
    Allow(String),
    /// To fetch this URL, on a host of the provider's.
    Visit(String),
}
