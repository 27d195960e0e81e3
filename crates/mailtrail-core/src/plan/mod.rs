//! Planning: contacts × kind of broadcast × blocked list → rows.

mod broadcast;
mod chunk;
mod planner;
mod unasked;

pub use broadcast::{Broadcast, Contact, ContactAddress};
pub use planner::{PlanError, PlanReport, Planner};
pub use unasked::unasked;
