//! The rows of a broadcast, as the store has them.

use std::sync::Arc;

use mailtrail_core::event::Event;
use mailtrail_core::id::Category;
use mailtrail_core::store::{Filter, ReadError};
use mailtrail_core::{BroadcastId, DeliveryId, EmailAddress, Envelope, Position};
use tokio::sync::mpsc;

use super::super::route::NextHop;
use super::super::sender::Sender;

/// Rows of a page, by their next hop.
pub(super) type Page = Result<Vec<(NextHop, DeliveryId)>, ReadError>;

/// Reads the rows of a broadcast that were planned to be sent, in the order of their planning.
pub(super) async fn read(sender: Arc<Sender>, broadcast: BroadcastId, gives: mpsc::Sender<Page>) {
    let filter = Filter::all().category(Category::DELIVERY).event_type("queued");
    let mut next = Some(Position::START);
    while let Some(after) = next {
        let page = match sender.store().read_all(&filter, after, PAGE).await {
            Ok(page) => page,
            Err(error) => {
                gives.send(Err(error)).await.ok();
                return;
            }
        };
        next = page.next;
        let rows = page.events.iter().filter_map(|planned| row(planned, &broadcast));
        let rows: Vec<_> =
            rows.map(|(address, id)| (sender.route().next_hop(&address), id)).collect();
        if !rows.is_empty() && gives.send(Ok(rows)).await.is_err() {
            return;
        }
    }
}

fn row(planned: &Envelope, broadcast: &BroadcastId) -> Option<(EmailAddress, DeliveryId)> {
    let Event::Queued(queued) = planned.fact().ok()?.event else { return None };
    let private = planned.private();
    let address = EmailAddress::parse(private.address.as_deref()?).ok()?;
    (queued.row.broadcast == *broadcast).then_some((address, queued.row.delivery))
}

/// Rows asked for at once.
const PAGE: usize = 256;
