//! Generated addresses, contacts, broadcasts, facts and whole histories.

mod fact;
mod history;

pub use fact::{event, fact, time};
pub use history::{History, Shape, history};

use mailtrail_core::plan::{Broadcast, Contact, ContactAddress};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// Texts that are addresses, of few enough domains and people that they meet again: in lower and
/// upper case, with tags and dots, quoted, of an internationalised domain as such and encoded.
///
/// ```
/// use mailtrail_core::EmailAddress;
/// use mailtrail_testkit::proptest::prelude::*;
/// use mailtrail_testkit::strategy::address;
/// # let config = ProptestConfig { failure_persistence: None, ..Default::default() };
/// proptest!(config, |(text in address())| {
///     prop_assert!(EmailAddress::parse(&text).is_ok(), "{text}");
/// });
/// ```
pub fn address() -> impl Strategy<Value = String> {
    let local = prop_oneof![
        4 => "[a-e]{1,2}",
        2 => "[A-E][a-e]",
        2 => "[a-c]\\+[x-z]",
        2 => "[a-c]\\.[a-c]",
        1 => "\"[a-b] [a-b]\"",
    ];
    let domain = prop_oneof![
        3 => Just("a.example"),
        2 => Just("B.example"),
        1 => Just("bücher.example"),
        1 => Just("xn--bcher-kva.example"),
    ];
    (local, domain).prop_map(|(local, domain)| format!("{local}@{domain}"))
}

/// Texts that people enter where an address is asked for: most are addresses.
pub fn address_text() -> impl Strategy<Value = String> {
    let slips = vec!["ann@", "@a.example", "ann@@a.example", "ann a.example", "ann@a..example", ""];
    prop_oneof![8 => address(), 1 => "[a-z ]{0,8}", 1 => select(slips).prop_map(str::to_owned)]
}

/// Contacts with none to four addresses, some for some kinds only, with labels.
///
/// ```
/// use mailtrail_testkit::proptest::prelude::*;
/// use mailtrail_testkit::strategy::contacts;
/// # let config = ProptestConfig { cases: 16, failure_persistence: None, ..Default::default() };
/// proptest!(config, |(people in contacts(0..=3))| {
///     prop_assert!(people.len() <= 3);
///     prop_assert!(people.iter().all(|contact| contact.addresses.len() <= 4));
/// });
/// ```
pub fn contacts(
    count: impl Into<proptest::collection::SizeRange>,
) -> impl Strategy<Value = Vec<Contact>> {
    let kinds = option::of(vec(prop_oneof![Just("emergency"), Just("general")], 0..=2));
    let addresses = vec((address_text(), kinds), 0..=4);
    let labels = btree_map("(school|language)", "[A-C]", 0..=2);
    vec((option::of("[A-Z][a-z]{1,6}"), addresses, labels), count).prop_map(|people| {
        let numbered = people.into_iter().enumerate();
        numbered
            .filter_map(|(n, (name, addresses, labels))| {
                let mut contact = Contact::new(format!("c{n:04}").parse().ok()?);
                contact.name = name.map(Into::into);
                contact.labels = labels;
                for (text, kinds) in addresses {
                    let mut address = ContactAddress::new(text);
                    address.kinds =
                        kinds.map(|kinds| kinds.iter().filter_map(|k| k.parse().ok()).collect());
                    contact = contact.address(address);
                }
                Some(contact)
            })
            .collect()
    })
}

/// Broadcasts of the kinds `emergency` and `general`.
///
/// ```
/// use mailtrail_core::plan::Planner;
/// use mailtrail_testkit::VirtualClock;
/// use mailtrail_testkit::proptest::prelude::*;
/// use mailtrail_testkit::strategy::{broadcast, contacts};
/// # let config = ProptestConfig { cases: 16, failure_persistence: None, ..Default::default() };
/// proptest!(config, |(broadcast in broadcast(), people in contacts(1..=5))| {
///     let (store, clock, contacts) = (mailtrail_memory::MemoryStore::new(), VirtualClock::default(), people.len());
///     let report = futures_executor::block_on(async {
///         let mut planner = Planner::open(&store, broadcast, &clock).await?;
///         for contact in people {
///             planner.add(contact).await?;
///         }
///         planner.finish().await
///     });
///     prop_assert!(report?.added() >= contacts as u64, "every contact has a row");
/// });
/// ```
pub fn broadcast() -> impl Strategy<Value = Broadcast> {
    let kind = prop_oneof![Just("emergency"), Just("general")];
    ("[a-z]{3,8}", kind, "[A-Z][a-z ]{0,12}").prop_filter_map(
        "a valid id",
        |(id, kind, subject)| {
            let broadcast = Broadcast::new(id.parse().ok()?, kind.parse().ok()?);
            Some(broadcast.from_address("office@school.example").subject(subject))
        },
    )
}
