//! Which recipients bounced: by the machine-readable report, by the notice, by both.

use std::borrow::Cow;

use mailtrail_classify::{Classifier, Reply};
use mailtrail_core::diagnosis::{EnhancedCode, ReplyCode};

use crate::address;
use crate::fields::Fields;
use crate::head::Head;
use crate::mail::Mail;
use crate::notice::{Entry, Notice, host};
use crate::original::Original;
use crate::phrases::{Phrases, Says};
use crate::recipient::{Action, Recipient};
use crate::status::{self, bounded};

/// The recipients of the machine-readable reports in a mail.
pub(crate) fn reported(parts: &[Cow<'_, str>]) -> Vec<Recipient> {
    parts.iter().flat_map(|text| status::recipients(text)).collect()
}

/// Whether a report says all about a recipient that a notice could add.
pub(crate) fn is_complete(recipient: &Recipient) -> bool {
    recipient.diagnostic.is_some() && status::specific(recipient.enhanced_code).is_some()
}

/// The same with what the notice beside the report says where the report is vague; those of the
/// fields in the notice where there is no report and a mail system wrote it.
pub(crate) fn with_notice(
    mut recipients: Vec<Recipient>,
    notice: &Notice<'_>,
    by_system: impl FnOnce() -> bool,
) -> Vec<Recipient> {
    if recipients.is_empty() && by_system() {
        recipients = notice.status().map(|text| status::recipients(&text)).unwrap_or_default();
    }
    let alone = recipients.len() == 1;
    for recipient in recipients.iter_mut().filter(|recipient| !is_complete(recipient)) {
        let text = match notice.entries.iter().find(|entry| is_same(recipient, entry)) {
            Some(entry) if !entry.text.is_empty() => entry.text.as_str(),
            // What a notice says to everybody is no reason where nothing has failed.
            _ if alone && !is_taken(recipient) => notice.shared.as_str(),
            _ => "",
        };
        complete(recipient, text);
    }
    recipients.extend(forgotten(&recipients, notice));
    recipients
}

/// Recipients that the notice refuses and the report beside it leaves out; only if the notice names
/// all of the report's, so that both are known to mean the same by a recipient.
fn forgotten(reported: &[Recipient], notice: &Notice<'_>) -> Vec<Recipient> {
    let named =
        |recipient: &Recipient| notice.entries.iter().any(|entry| is_same(recipient, entry));
    if reported.is_empty() || !reported.iter().all(named) {
        return Vec::new();
    }
    let is_forgotten = |entry: &&Entry| {
        entry.is_negative() && !reported.iter().any(|recipient| is_same(recipient, entry))
    };
    let forgotten = notice.entries.iter().filter(is_forgotten);
    forgotten
        .map(|entry| of_reply(entry.address.clone(), Action::Failed, &Reply::parse(&entry.text)))
        .collect()
}

/// Whether a report and a notice name the same recipient.
fn is_same(recipient: &Recipient, entry: &Entry) -> bool {
    let named = [&recipient.recipient, &recipient.final_recipient];
    named.iter().any(|own| own.as_ref().is_some_and(|own| address::same(own, &entry.address)))
}

/// A report without a diagnostic text, or with a code that says nothing, takes those of the notice.
fn complete(recipient: &mut Recipient, text: &str) {
    if text.is_empty() {
        return;
    }
    recipient.action = meant(recipient, text);
    let reply = Reply::parse(text);
    // OpenSMTPD tells of the last attempt that failed, also when a later one did not.
    if is_taken(recipient) && !reply.reply_code.is_some_and(ReplyCode::is_positive) {
        return;
    }
    if recipient.diagnostic.is_none() {
        recipient.diagnostic = Some(bounded(text));
        recipient.reply_code = recipient.reply_code.or(reply.reply_code);
    }
    let of_class =
        |code: &EnhancedCode| recipient.enhanced_code.is_none_or(|own| own.class() == code.class());
    let said = status::specific(reply.enhanced_code).filter(of_class);
    recipient.enhanced_code =
        status::specific(recipient.enhanced_code).or(said).or(recipient.enhanced_code);
}

/// Whether someone has taken the message.
fn is_taken(recipient: &Recipient) -> bool {
    matches!(recipient.action, Action::Delivered | Action::Relayed | Action::Expanded)
}

/// What was done, where the notice shows that the report calls it by another name.
fn meant(recipient: &Recipient, text: &str) -> Action {
    let is_expired =
        recipient.enhanced_code.is_some_and(|code| (code.subject(), code.detail()) == (4, 7));
    match recipient.action {
        // OpenSMTPD: 4.4.7, and nobody tries any more. Others use that code while they try.
        Action::Delayed if is_expired && text.eq_ignore_ascii_case("envelope expired") => {
            Action::Failed
        }
        // Exim has this word for all that it has no more to do with.
        Action::Delivered if text.starts_with("(relayed to non-DSN-aware mailer") => {
            Action::Relayed
        }
        action => action,
    }
}

/// The recipients of a notice that is no delivery report; none if the mail is no such notice.
///
/// It needs both: that a mail system wrote it, and that it speaks of a delivery.
pub(crate) fn free_form(
    head: &Head<'_>,
    notice: &Notice<'_>,
    returned: &Fields,
    classifier: &Classifier,
    phrases: &Phrases,
) -> Vec<Recipient> {
    let failed = failed_recipients(head.mail);
    let by_hand = head.by_hand();
    let of_subject = !by_hand && (head.says(Says::Failed) || head.says(Says::Delayed));
    let judged = |text: &str| {
        let reply = Reply::parse(text);
        let is_known = reply.reply_code.is_some_and(|code| !code.is_positive())
            || reply.enhanced_code.is_some_and(|code| code.class() != 2)
            || classifier.classify(&reply).reason.is_known();
        (reply, is_known)
    };
    let of_delivery =
        notice.is_of_delivery() || notice.entries.iter().any(|entry| judged(&entry.text).1);
    // In a language that nobody here knows: a mail system returns a message, and names someone.
    let returns = head.by_mailer && head.from_nobody && !by_hand && !notice.entries.is_empty();
    let about_a_message = of_subject || (of_delivery && !returned.is_empty());
    let by_system = head.by_mailer || !failed.is_empty() || (about_a_message && head.from_nobody);
    let speaks =
        !failed.is_empty() || of_subject || of_delivery || (returns && !returned.is_empty());
    if !(by_system && speaks) {
        return Vec::new();
    }
    let by_subject = || match () {
        () if by_hand => None,
        () if head.says(Says::Delayed) => Some(Action::Delayed),
        () if head.says(Says::Failed) || !failed.is_empty() => Some(Action::Failed),
        () => None,
    };
    let overall = notice.action().or_else(by_subject);
    let reporting_host = host::reporting(&notice.shared).or_else(|| {
        let from = head.from.filter(|_| head.by_mailer)?;
        from.rsplit_once('@').map(|(_, host)| host.to_ascii_lowercase())
    });
    let entries = entries(head.mail, notice, &failed, returned, phrases);
    let recipients = entries.into_iter().map(|entry| {
        let (mut reply, is_known) = judged(&entry.text);
        // Where no word is known that says so, only a final reply proves that it was given up.
        let by_evidence = match reply.reply_code {
            Some(code) if code.is_positive() => Action::Relayed,
            _ if is_known && !reply.is_transient() => Action::Failed,
            _ => Action::Delayed,
        };
        if !is_known {
            reply.text.push(' ');
            reply.text.push_str(&notice.shared);
            reply = Reply::parse(reply.text.trim());
        }
        let action = entry.action.or(overall).unwrap_or(by_evidence);
        let mut recipient = of_reply(entry.address, action, &reply);
        recipient.reporting_host.clone_from(&reporting_host);
        recipient
    });
    recipients.collect()
}

/// Where the best of these is: addresses that head their lines, those that the header names, those
/// that are named in passing, those that the message was sent to.
fn entries(
    mail: &Mail<'_>,
    notice: &Notice<'_>,
    failed: &[String],
    returned: &Fields,
    phrases: &Phrases,
) -> Vec<Entry> {
    let is_failed = |entry: &Entry| failed.iter().any(|own| address::same(own, &entry.address));
    // A list that rewrote addresses names others than the text: what the text says is about its own.
    let contradicted =
        notice.entries.iter().any(Entry::is_negative) && !notice.entries.iter().any(is_failed);
    if !failed.is_empty() && !contradicted {
        let of_address = |address: &String| {
            let known = notice.entries.iter().find(|entry| address::same(&entry.address, address));
            known.cloned().unwrap_or_else(|| Entry::listed(address))
        };
        return failed.iter().map(of_address).collect();
    }
    if !notice.entries.is_empty() {
        return notice.entries.clone();
    }
    let sender = mail.to();
    let mentioned = notice.mentioned(phrases, &sender);
    let original = Original::of(returned).recipients;
    let is_original = |address: &str| original.iter().any(|own| address::same(own, address));
    let known = mentioned.iter().any(|(address, _)| is_original(address));
    let named: Vec<_> =
        mentioned.into_iter().filter(|(address, _)| !known || is_original(address)).collect();
    match named.as_slice() {
        [] => original.iter().map(|address| Entry::listed(address)).collect(),
        [(address, _)] => vec![Entry::listed(address)],
        // Of several each has its own line.
        several => {
            several.iter().map(|(address, line)| Entry::said(address, line.trim())).collect()
        }
    }
}

fn of_reply(address: String, action: Action, reply: &Reply) -> Recipient {
    Recipient {
        recipient: Some(address),
        action,
        reply_code: reply.reply_code,
        enhanced_code: reply.enhanced_code,
        remote_host: host::remote(&reply.text),
        diagnostic: Some(bounded(&reply.text)).filter(|text| !text.is_empty()),
        rule: "text",
        ..Recipient::default()
    }
}

/// Exim and Google name the recipients in the header.
fn failed_recipients(mail: &Mail<'_>) -> Vec<String> {
    let mut failed: Vec<String> = Vec::new();
    for value in mail.headers("X-Failed-Recipients") {
        for found in address::found(value) {
            if !failed.iter().any(|own| address::same(own, found.address)) {
                failed.push(found.address.to_owned());
            }
        }
    }
    failed
}
