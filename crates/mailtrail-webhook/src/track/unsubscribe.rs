//! Unsubscribing: by the mailbox's button (RFC 8058), or on our page.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use mailtrail_core::correlation::Correlation;
use mailtrail_core::event::{Source, Unsubscribed, UnsubscribedHow};
use mailtrail_core::id::Identity;
use mailtrail_core::token::{Keys, Purpose, SeenIn, TokenError};
use mailtrail_core::{DeliveryId, EventId, Feedback};

use super::counters::HitCounters;
use super::hit::who;
use super::hits::Unsubscribe;
use super::limit::{Admission, HitLimiter};
use super::visit::Visit;
use crate::form::Form;

/// How a POST to the unsubscribe URL unsubscribes; `None` if it is neither the mailbox's nor our page's.
///
/// The body may be form-urlencoded or `multipart/form-data` (RFC 8058 §3.2).
///
/// ```
/// use mailtrail_core::event::UnsubscribedHow;
/// use mailtrail_webhook::track::how_unsubscribed;
/// let form = Some("application/x-www-form-urlencoded");
/// let one_click = how_unsubscribed(form, b"List-Unsubscribe=One-Click");
/// assert_eq!(one_click, Some(UnsubscribedHow::OneClick));
/// assert_eq!(how_unsubscribed(form, b"unsubscribe=page"), Some(UnsubscribedHow::Page));
/// assert_eq!(how_unsubscribed(form, b""), None);
/// ```
pub fn how_unsubscribed(content_type: Option<&str>, body: &[u8]) -> Option<UnsubscribedHow> {
    let form = Form::read(content_type, body.trim_ascii());
    let has = |field: &str, word: &str| {
        let mut fields = form.pairs();
        fields.any(|(name, value)| {
            name.eq_ignore_ascii_case(field) && value.trim().eq_ignore_ascii_case(word)
        })
    };
    if has("List-Unsubscribe", "One-Click") {
        Some(UnsubscribedHow::OneClick)
    } else {
        has("unsubscribe", "page").then_some(UnsubscribedHow::Page)
    }
}

/// Whose delivery it is, and the fact.
pub(super) fn unsubscribed(
    keys: &Keys,
    token: &str,
    how: UnsubscribedHow,
    visit: Visit<'_>,
    observed: EventId,
    now: DateTime<Utc>,
) -> Result<(DeliveryId, Feedback), TokenError> {
    let token = keys.verify(Purpose::Unsubscribe, token)?;
    let (delivery, key_id) = (token.delivery, token.key_id);
    let correlation = Correlation::Token { delivery, key_id, seen_in: SeenIn::Url };
    let mut fact = Unsubscribed::default();
    fact.how = how;
    let ip = visit.ip.map(|ip| ip.to_string());
    let feedback = Feedback::new(correlation, fact.into(), Identity::Observed(observed), SOURCE)
        .private(who(ip.as_deref(), visit.user_agent))
        .claimed_at(Some(now), now);
    Ok((delivery, feedback))
}

/// Who has been heard lately, so that a button pressed often is no flood of events.
#[derive(Debug, Default)]
pub(super) struct Unsubscribing {
    heard: HitLimiter,
    /// Whose events are not durable yet: nobody may be told that they are.
    under_way: HashSet<(DeliveryId, &'static str)>,
}

/// One that is asked for. Given up before it is heard, it is forgotten: asked again it is recorded.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    place: &'a Mutex<Unsubscribing>,
    delivery: DeliveryId,
    how: &'static str,
    counters: &'a HitCounters,
    heard: bool,
}

impl Unsubscribing {
    /// Asks for a place; or says what to answer without one.
    pub(super) fn ask<'a>(
        place: &'a Mutex<Self>,
        counters: &'a HitCounters,
        delivery: DeliveryId,
        how: UnsubscribedHow,
        now: DateTime<Utc>,
    ) -> Result<Asked<'a>, Unsubscribe> {
        let how = if how == UnsubscribedHow::Page { "page" } else { "one_click" };
        let mut all = place.lock().unwrap_or_else(PoisonError::into_inner);
        if all.under_way.contains(&(delivery, how)) || all.under_way.len() >= MOST_UNDER_WAY {
            return Err(Unsubscribe::Later);
        }
        if all.heard.admit(delivery, Some(how), None, now) != Admission::Keep {
            return Err(Unsubscribe::Done);
        }
        all.under_way.insert((delivery, how));
        drop(all);
        Ok(Asked { place, delivery, how, counters, heard: false })
    }
}

impl Asked<'_> {
    /// It is durable.
    pub(super) fn heard(mut self) {
        self.heard = true;
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let mut all = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        all.under_way.remove(&(self.delivery, self.how));
        if self.heard {
            self.counters.unsubscribed.one_more();
        } else {
            self.counters.unsubscribe_failed.one_more();
            all.heard.forget(self.delivery, Some(self.how), None);
        }
    }
}

const SOURCE: Source = Source::known("unsubscribe");
/// How many wait for the store at once; whoever is one too many asks again.
const MOST_UNDER_WAY: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_forms_of_the_rfc_are_read() {
        let boundary = "multipart/form-data; charset=utf-8; boundary=\"b1\"";
        let body = |end: &str| {
            format!(
                "--b1{end}Content-Disposition: form-data; name=\"List-Unsubscribe\"{end}{end}One-Click{end}--b1--{end}"
            )
        };
        for (media, body) in [
            (Some("application/x-www-form-urlencoded"), "List-Unsubscribe=One-Click".to_owned()),
            (
                Some("application/x-www-form-urlencoded; charset=UTF-8"),
                "a=1&List-Unsubscribe=One-Click\r\n".into(),
            ),
            (None, "List-Unsubscribe=One-Click".into()),
            (Some(boundary), body("\r\n")),
            (Some(boundary), body("\n")),
        ] {
            let how = how_unsubscribed(media, body.as_bytes());
            assert_eq!(how, Some(UnsubscribedHow::OneClick), "{media:?} {body}");
        }
        for (media, body) in [
            (None, "List-Unsubscribe=Maybe"),
            (Some("multipart/form-data"), "--b1\n\nOne-Click"),
            (
                Some(boundary),
                "--b1\nContent-Disposition: form-data; name=\"other\"\n\nOne-Click\n--b1--",
            ),
        ] {
            assert_eq!(how_unsubscribed(media, body.as_bytes()), None, "{media:?} {body}");
        }
    }

    proptest! {
        #[test]
        fn reading_is_total(media in "(multipart/form-data; ?boundary=)?\\PC{0,12}", body: Vec<u8>) {
            how_unsubscribed(Some(&media), &body);
        }
    }
}
