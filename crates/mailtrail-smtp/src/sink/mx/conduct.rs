use std::time::Duration;

/// What an [`Mx`](super::Mx) does with one attempt, where it isn't polite: what it does at which stage.
///
/// # Example
/// ```
/// use std::time::Duration;
/// use mailtrail_smtp::sink::{Act, Conduct, Stage};
///
/// // Nobody knows what became of the message.
/// Conduct::polite().at(Stage::Message, Act::hang_up());
/// // It keeps spammers waiting, and says its reply in two packets.
/// let slow = Act::say("250 2.1.5 fine").after(Duration::from_secs(2)).in_packets(2);
/// Conduct::polite().at(Stage::Recipient, slow);
/// // It shuts down in the middle of a session.
/// Conduct::polite().at(Stage::Data, Act::say("421 4.3.2 closing").then_hang_up());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Conduct {
    acts: Vec<(Stage, Act)>,
    offers: Vec<String>,
}

impl Conduct {
    /// Takes the message.
    pub fn polite() -> Self {
        Self::default()
    }

    /// Does this at a stage; the first of several counts.
    pub fn at(mut self, stage: Stage, act: Act) -> Self {
        self.acts.push((stage, act));
        self
    }

    /// Offers this to `EHLO`, such as `DSN`.
    pub fn offers(mut self, keyword: impl Into<String>) -> Self {
        self.offers.push(keyword.into());
        self
    }

    pub(super) fn act(&self, stage: Stage) -> Option<&Act> {
        self.acts.iter().find(|(own, _)| *own == stage).map(|(_, act)| act)
    }

    pub(super) fn offered(&self) -> &[String] {
        &self.offers
    }
}

/// Where in a session something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// The client has connected; a greeting is due.
    Connect,
    /// `EHLO`.
    Ehlo,
    /// `HELO`, to which clients fall back.
    Helo,
    /// `MAIL`.
    Mail,
    /// `RCPT`.
    Recipient,
    /// `DATA`.
    Data,
    /// The first line of the message has come.
    Line,
    /// The final dot has come.
    Message,
}

/// What is said at a stage, how, and whether the connection ends there.
#[derive(Clone, Debug, Default)]
pub struct Act {
    pub(super) says: Vec<u8>,
    pub(super) after: Duration,
    pub(super) packets: usize,
    pub(super) hangs_up: bool,
}

impl Act {
    /// Says these bytes, whatever they are, and CR LF.
    pub fn say(reply: impl Into<Vec<u8>>) -> Self {
        let mut says = reply.into();
        says.extend_from_slice(b"\r\n");
        Self { says, ..Self::default() }
    }

    /// Closes the connection without a word.
    pub fn hang_up() -> Self {
        Self { hangs_up: true, ..Self::default() }
    }

    /// Waits before.
    pub fn after(mut self, pause: Duration) -> Self {
        self.after = pause;
        self
    }

    /// Says it in so many packets.
    pub fn in_packets(mut self, packets: usize) -> Self {
        self.packets = packets;
        self
    }

    /// Closes the connection behind it.
    pub fn then_hang_up(mut self) -> Self {
        self.hangs_up = true;
        self
    }
}
