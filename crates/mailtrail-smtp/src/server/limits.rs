use std::time::Duration;

/// What one client may cost.
///
/// A session keeps at most `message_bytes`, twice `command_octets` and `recipients` addresses, each no
/// longer than a command, in memory; the server that times `connections`.
///
/// # Example
/// ```
/// use mailtrail_smtp::server::Limits;
///
/// let mut limits = Limits::default();
/// limits.message_bytes = 64 * 1024;
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of a message; announced as `SIZE`. What is longer is read to its end without being kept
    /// and refused with 552 5.3.4. Lines in it may have any length: a bounce quotes what it got.
    pub message_bytes: usize,
    /// Octets of a command with its CR LF. What is longer is skipped and refused with 500 5.5.2.
    pub command_octets: usize,
    /// Octets of a command at which it isn't even skipped: 421 and goodbye.
    pub skipped_octets: usize,
    /// Recipients of a message (RFC 5321 asks for 100 at least); more get 452 4.5.3.
    pub recipients: usize,
    /// Errors, `NOOP`, `RSET` of nothing and the like without a recipient between them; more get
    /// 421 4.7.0 and goodbye.
    pub junk_commands: usize,
    /// Clients at a time; more get 421 4.3.2.
    pub connections: usize,
    /// How long a client may take for a whole command, or to read our replies.
    pub command_timeout: Duration,
    /// How long a client may take for a whole message.
    pub data_timeout: Duration,
    /// How long [`stop`](super::Running::stop) waits for messages that are under way.
    pub stop_grace: Duration,
}

impl Default for Limits {
    /// 25 MiB a message, 1,000 octets a command, 100 recipients, 64 clients, five minutes a command
    /// (RFC 5321 §4.5.3.2), ten minutes a message.
    fn default() -> Self {
        Self {
            message_bytes: 25 * 1024 * 1024,
            command_octets: 1_000,
            skipped_octets: 64 * 1024,
            recipients: 100,
            junk_commands: 100,
            connections: 64,
            command_timeout: Duration::from_secs(5 * 60),
            data_timeout: Duration::from_secs(10 * 60),
            stop_grace: Duration::from_secs(30),
        }
    }
}
