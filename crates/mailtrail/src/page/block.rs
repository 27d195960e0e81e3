//! Changes of the Blocked Email list.

use std::sync::Arc;

use axum::extract::{Extension, Request, State};
use axum::response::Redirect;
use mailtrail_core::event::Source;
use mailtrail_core::suppression::Scope;
use mailtrail_core::{DeliveryId, EmailAddress};

use super::fault::Fault;
use super::login::fields;
use super::session::Viewer;
use super::shared::Shared;
use crate::Tracker;

pub(super) async fn block(
    State(shared): State<Arc<Shared>>,
    Extension(viewer): Extension<Viewer>,
    request: Request,
) -> Result<Redirect, Fault> {
    let (change, tracker) = (Change::read(request).await?, by_page(&shared));
    let (scope, note) = (change.scope.clone(), change.note.as_deref());
    tracker.block(&change.address, scope, &viewer.name, note).await?;
    Ok(change.back())
}

pub(super) async fn unblock(
    State(shared): State<Arc<Shared>>,
    Extension(viewer): Extension<Viewer>,
    request: Request,
) -> Result<Redirect, Fault> {
    let (change, tracker) = (Change::read(request).await?, by_page(&shared));
    let (scope, note) = (change.scope.clone(), change.note.as_deref());
    tracker.unblock(&change.address, scope, &viewer.name, note).await?;
    Ok(change.back())
}

/// Writes down that the page brought it.
fn by_page(shared: &Shared) -> Tracker {
    shared.tracker.clone().named(Source::known("page"))
}

struct Change {
    address: EmailAddress,
    scope: Scope,
    note: Option<String>,
    delivery: Option<DeliveryId>,
}

impl Change {
    async fn read(request: Request) -> Result<Self, Fault> {
        let fields = fields(request).await?;
        let field = |name: &str| {
            let field = fields.iter().find(|(given, _)| given == name);
            field.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
        };
        let address = EmailAddress::parse(field("address").unwrap_or_default())
            .map_err(|error| Fault::malformed("the address", &error))?;
        let scope = match field("type") {
            None => Scope::AllKinds,
            Some(kind) => {
                Scope::Kind(kind.parse().map_err(|error| Fault::malformed("the type", &error))?)
            }
        };
        let delivery = field("delivery").and_then(|id| id.parse().ok());
        Ok(Self { address, scope, note: field("note").map(str::to_owned), delivery })
    }

    /// Where it was asked for.
    fn back(&self) -> Redirect {
        let back = self.delivery.map_or_else(|| "/".to_owned(), |id| format!("/delivery/{id}"));
        Redirect::to(&back)
    }
}
