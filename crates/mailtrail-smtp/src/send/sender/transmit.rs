//! A message that may go, and what is answered to it.

use super::super::client::seed;
use super::super::error::SendError;
use super::super::route::{NextHop, Unreachable};
use super::super::session::{Conversation, Heard, Session, Transmission, Transmitted};
use super::line::Line;
use super::trail::{Attempt, Trail};
use super::{Sender, Tried, Unrecorded};
use crate::message::on_the_wire;

/// A message of which it is durable that it may be sent.
#[derive(Debug)]
pub(in crate::send) struct Ready {
    pub(super) trail: Trail,
    pub(super) attempt: Attempt,
    pub(super) next_hop: NextHop,
    pub(super) session: Session,
    pub(super) message: Vec<u8>,
}

impl Sender {
    /// Hands it over, and says what it came to; the line has what is to be recorded of that. A connection that was used before may
    /// have ended meanwhile: that costs the recipient nothing.
    pub(in crate::send) async fn transmit(
        &self,
        ready: Ready,
        line: &mut Line,
    ) -> Result<Tried, SendError> {
        let Ready { trail, attempt, next_hop, mut session, message } = ready;
        let used = session.is_used();
        let mut said = self.transmit_once(&trail, &mut session, &message).await;
        if used && matches!(said.transmitted, Transmitted::Broken(_)) {
            session = match self.client.open(&next_hop, seed(trail.row.delivery)).await {
                Ok(session) => session,
                Err(Unreachable::Ours(error)) => {
                    return Err(self.shut_out(&trail, attempt, error).await);
                }
                Err(Unreachable::Theirs(failure)) => {
                    let (outcome, event) = self.failed(&trail, attempt, &failure)?;
                    line.unrecorded = Some(Unrecorded { delivery: trail.row.delivery, event });
                    return Ok(Tried { outcome: Some(outcome), failure: Some(failure) });
                }
            };
            said = self.transmit_once(&trail, &mut session, &message).await;
        }
        line.keep(next_hop, session);
        let (outcome, unrecorded) = self.conclude(&trail, attempt, said).await?;
        line.unrecorded = unrecorded;
        Ok(outcome.into())
    }

    async fn transmit_once(
        &self,
        trail: &Trail,
        session: &mut Session,
        message: &[u8],
    ) -> Conversation {
        let recipient = on_the_wire(&trail.address);
        let mail_from = self.return_path.address(&self.keys, trail.row.delivery);
        let what = Transmission {
            mail_from: &mail_from,
            recipient: &recipient,
            envelope_id: Some(trail.row.delivery),
            message,
        };
        session.converse(&what, Heard::by(&*self.clock)).await
    }
}
