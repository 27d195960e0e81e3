use crate::server::{Reply, ReplyError};

/// What the sink does at each attempt to reach an address: one step an attempt, the last one again
/// and again. An attempt begins with `RCPT`, also if no message follows.
///
/// # Example
/// ```
/// use mailtrail_smtp::sink::Script;
///
/// // Full twice, then there is room.
/// let full = "452 4.2.2 mailbox full";
/// Script::refuse(full)?.then_refuse(full)?.then_accept();
/// // The content filter looks at the message first.
/// Script::refuse_message("554 5.7.1 looks like spam")?;
/// // Nobody knows what became of it.
/// Script::hang_up().then_accept();
/// # Ok::<(), mailtrail_smtp::server::ReplyError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Script {
    first: Step,
    rest: Vec<Step>,
}

/// What happens at one attempt.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Accept,
    /// Reply to `RCPT`.
    Recipient(Reply),
    /// Reply to the message, which other recipients of it share.
    Message(Reply),
    /// Take the message, say nothing and close the connection.
    HangUp,
}

impl Script {
    /// Takes the message.
    pub fn accept() -> Self {
        Self::of(Step::Accept)
    }

    /// Answers `RCPT` so, with a reply as on the wire.
    ///
    /// # Errors
    /// If this is no reply.
    pub fn refuse(reply: &str) -> Result<Self, ReplyError> {
        Ok(Self::of(Step::Recipient(reply.parse()?)))
    }

    /// Answers the message so, which counts for all its recipients.
    ///
    /// # Errors
    /// If this is no reply.
    pub fn refuse_message(reply: &str) -> Result<Self, ReplyError> {
        Ok(Self::of(Step::Message(reply.parse()?)))
    }

    /// Receives the message and closes the connection without a word.
    pub fn hang_up() -> Self {
        Self::of(Step::HangUp)
    }

    /// At the next attempt as [`accept`](Self::accept).
    pub fn then_accept(self) -> Self {
        self.then(Step::Accept)
    }

    /// At the next attempt as [`refuse`](Self::refuse).
    ///
    /// # Errors
    /// If this is no reply.
    pub fn then_refuse(self, reply: &str) -> Result<Self, ReplyError> {
        Ok(self.then(Step::Recipient(reply.parse()?)))
    }

    /// At the next attempt as [`refuse_message`](Self::refuse_message).
    ///
    /// # Errors
    /// If this is no reply.
    pub fn then_refuse_message(self, reply: &str) -> Result<Self, ReplyError> {
        Ok(self.then(Step::Message(reply.parse()?)))
    }

    /// At the next attempt as [`hang_up`](Self::hang_up).
    pub fn then_hang_up(self) -> Self {
        self.then(Step::HangUp)
    }

    /// The step of an attempt, counted from 0.
    pub(super) fn step(&self, attempt: usize) -> &Step {
        let later = attempt.checked_sub(1);
        later.and_then(|at| self.rest.get(at).or(self.rest.last())).unwrap_or(&self.first)
    }

    fn of(first: Step) -> Self {
        Self { first, rest: Vec::new() }
    }

    fn then(mut self, step: Step) -> Self {
        self.rest.push(step);
        self
    }
}

/// Whether an address fits a pattern, in which `*` stands for any text.
pub(super) fn fits(pattern: &str, address: &str) -> bool {
    let pattern = pattern.to_lowercase();
    let address = address.to_lowercase();
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == address;
    };
    let (middle, end) = rest.rsplit_once('*').map_or((None, rest), |(m, e)| (Some(m), e));
    let Some(mut text) = address.strip_prefix(start).and_then(|text| text.strip_suffix(end)) else {
        return false;
    };
    for part in middle.unwrap_or_default().split('*') {
        match text.split_once(part) {
            Some((_, after)) => text = after,
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_whole_addresses() {
        for (pattern, address) in [
            ("a@x.example", "A@X.example"),
            ("*", ""),
            ("*@x.example", "a@x.example"),
            ("grey-*@*", "grey-1@x.example"),
            ("*b*c*", "abxcd"),
        ] {
            assert!(fits(pattern, address), "{pattern} {address}");
        }
        for (pattern, address) in
            [("a@x.example", "ba@x.example"), ("a*a", "a"), ("*b*c*", "acb"), ("a*", "ba")]
        {
            assert!(!fits(pattern, address), "{pattern} {address}");
        }
    }

    #[test]
    fn the_last_step_repeats() {
        let script = Script::hang_up().then_refuse("450 4.7.1 later").unwrap().then_accept();
        assert!(matches!(script.step(0), Step::HangUp));
        assert!(matches!(script.step(1), Step::Recipient(_)));
        assert!(matches!(script.step(2), Step::Accept));
        assert!(matches!(script.step(99), Step::Accept));
        assert!(matches!(Script::hang_up().step(5), Step::HangUp));
    }
}
