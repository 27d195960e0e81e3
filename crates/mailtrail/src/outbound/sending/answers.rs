//! What an answer leads to.

use std::mem;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use mailtrail_webhook::outbound::{Answer, Failed, MessageId, Verdict};
use tokio::time::sleep;

use super::{Happened, LONGEST, Sending, TRY_AGAIN};
use crate::outbound::folder::Pause;
use crate::outbound::lanes::Ticket;
use crate::projection::chain;

impl Sending {
    pub(super) fn answered(&mut self, ticket: Ticket, answer: Result<Answer, Failed>) {
        self.posting = self.posting.saturating_sub(1);
        let (verdict, failed) = match answer {
            Ok(answer) => (answer.verdict(), Failed::Status(answer.code)),
            Err(failed) => (Verdict::Again { after: None }, failed),
        };
        let Some(out) = self.lanes.get_mut(ticket) else { return };
        out.is_posting = false;
        self.is_changed = true;
        if verdict == Verdict::Done {
            let letter = out.is_letter.then(|| out.message.id.clone());
            self.kept.taken = self.kept.taken.saturating_add(1);
            {
                let mut standing = self.shared.standing();
                (standing.taken, standing.error) = (standing.taken.saturating_add(1), None);
            }
            if let Some(message) = letter {
                self.unbury(&message);
            }
            self.done(ticket);
        } else {
            out.attempts = out.attempts.saturating_add(1);
            {
                let mut standing = self.shared.standing();
                standing.failed = standing.failed.saturating_add(1);
                standing.error = Some(failed.to_string());
            }
            self.failed(ticket, verdict, &failed);
        }
        self.tell();
    }

    /// Tries again, pauses, or gives it up.
    fn failed(&mut self, ticket: Ticket, verdict: Verdict, failed: &Failed) {
        let Some(out) = self.lanes.get_mut(ticket) else { return };
        let (attempts, taken_before) = (out.attempts, out.taken_before);
        let after = match verdict {
            Verdict::Again { after } => after.unwrap_or_default(),
            Verdict::Gone | Verdict::Done => return self.pause(ticket, failed),
        };
        if !after.is_zero() {
            // Whoever asks for rest means all messages.
            self.rests_until = Instant::now().checked_add(after).max(self.rests_until);
        }
        // Without randomness those that failed together come together.
        let random = getrandom::u64().unwrap_or_default();
        match self.subscriber.schedule.before(attempts, random) {
            Some(wait) => {
                let wait = wait.max(after).min(LONGEST);
                let later = TimeDelta::from_std(wait).unwrap_or_default();
                out.due_at = self.clock.now().checked_add_signed(later);
                self.try_later(ticket, attempts, wait);
            }
            None if self.kept.taken > taken_before => self.bury(ticket, failed),
            None => self.pause(ticket, failed),
        }
    }

    pub(super) fn try_later(&mut self, ticket: Ticket, attempts: u32, wait: Duration) {
        self.under_way.push(Box::pin(async move {
            sleep(wait).await;
            Happened::Due(ticket, attempts)
        }));
    }

    fn bury(&mut self, ticket: Ticket, failed: &Failed) {
        let since = self.clock.now();
        let Some(out) = self.lanes.get_mut(ticket) else { return };
        let (attempts, was_letter) = (out.attempts, mem::replace(&mut out.is_letter, true));
        let buried = self.folder.bury(&out.letter(failed, since));
        match buried {
            Ok(()) => {
                let more = usize::from(!was_letter);
                let mut standing = self.shared.standing();
                standing.dead_letters = standing.dead_letters.saturating_add(more);
                drop(standing);
                self.done(ticket);
            }
            Err(error) => {
                out.is_letter = was_letter;
                self.shared.standing().error = Some(chain(&error));
                self.try_later(ticket, attempts, TRY_AGAIN);
            }
        }
    }

    pub(super) fn unbury(&mut self, message: &MessageId) {
        match self.folder.unbury(message) {
            Ok(()) => {
                let mut standing = self.shared.standing();
                standing.dead_letters = standing.dead_letters.saturating_sub(1);
            }
            // It stays a dead letter, which may be sent once more.
            Err(error) => self.shared.standing().error = Some(chain(&error)),
        }
    }

    /// Lets those go that waited for this one.
    fn done(&mut self, ticket: Ticket) {
        self.due.remove(&ticket);
        self.fresh.remove(&ticket);
        let next = self.lanes.remove(ticket);
        self.may_go(next);
    }

    fn pause(&mut self, ticket: Ticket, failed: &Failed) {
        let since = self.clock.now();
        let Some(out) = self.lanes.get_mut(ticket) else { return };
        if self.kept.paused.is_none() {
            let cause = failed.to_string().into();
            self.kept.paused = Some(Pause { since, position: out.position, cause });
        }
        self.keep();
    }

    /// Ends the pause, and tries at once what waits, as if it were for the first time.
    pub(super) fn resume(&mut self) {
        (self.kept.paused, self.rests_until) = (None, None);
        self.due.clear();
        let waiting: Vec<_> = self.lanes.iter().map(|(ticket, _)| ticket).collect();
        for ticket in &waiting {
            if let Some(out) = self.lanes.get_mut(*ticket)
                && !out.is_posting
            {
                out.attempts = 0;
            }
        }
        for (waiting, _) in self.again.iter_mut().flat_map(|again| again.waiting.values_mut()) {
            waiting.attempts = 0;
        }
        self.may_go(waiting);
        self.is_changed = true;
    }
}
