use std::time::Duration;

use tokio::time::Instant;

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
    /// Refused recipients of a session; after these the client gets 421 4.7.0 and goodbye. Who guesses
    /// addresses has to come anew.
    pub refused_recipients: usize,
    /// Clients at a time; more get 421 4.3.2.
    pub connections: usize,
    /// Clients of one address at a time (of IPv6 of one network of 64 bits); more get 421 4.7.0.
    pub connections_per_peer: usize,
    /// How long a client may take for a whole command, or to read our replies.
    pub command_timeout: Duration,
    /// How long a client may take for a whole message.
    pub data_timeout: Duration,
    /// Bytes of a message that a client must send in a second, on average since `DATA`, once
    /// [`data_grace`](Self::data_grace) has passed; slower ones get 421 4.4.2. 0 asks for nothing.
    pub least_data_rate: usize,
    /// How long a message may take before its rate counts.
    pub data_grace: Duration,
    /// How long a session may last. It gets 421 4.4.2 then, but a message that is under way first gets its
    /// reply.
    pub session_timeout: Duration,
    /// How long [`stop`](super::Running::stop) waits for messages that are under way.
    pub stop_grace: Duration,
}

impl Limits {
    /// Until when more of a message must come that began then, of which so many bytes are here.
    pub(super) fn data_deadline(&self, began: Instant, bytes: usize) -> Option<Instant> {
        let end = began.checked_add(self.data_timeout);
        let paid = bytes.checked_div(self.least_data_rate).map(u64::try_from).and_then(Result::ok);
        let paid = paid.map(Duration::from_secs).and_then(|paid| self.data_grace.checked_add(paid));
        let slowest = paid.and_then(|paid| began.checked_add(paid));
        end.into_iter().chain(slowest).min()
    }
}

impl Default for Limits {
    /// 25 MiB a message, 1,000 octets a command, 100 recipients, 64 clients, five minutes a command
    /// (RFC 5321 §4.5.3.2), ten minutes a message, a day a session; no more of one peer than of all, and
    /// no bound for refused recipients. That is for a mail server in front;
    /// [`SmtpIntake::limits`](crate::intake::SmtpIntake::limits) are for everybody.
    fn default() -> Self {
        Self {
            message_bytes: 25 * 1024 * 1024,
            command_octets: 1_000,
            skipped_octets: 64 * 1024,
            recipients: 100,
            junk_commands: 100,
            refused_recipients: usize::MAX,
            connections: 64,
            connections_per_peer: usize::MAX,
            command_timeout: Duration::from_secs(5 * 60),
            data_timeout: Duration::from_secs(10 * 60),
            least_data_rate: 0,
            data_grace: Duration::from_secs(60),
            session_timeout: Duration::from_secs(24 * 60 * 60),
            stop_grace: Duration::from_secs(30),
        }
    }
}
