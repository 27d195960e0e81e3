//! One letter for many: a template, tried on every row, then composed, instrumented and signed for each.
//!
//! `cargo run -p mailtrail --features dkim,template --example template_dkim`
#![expect(clippy::print_stdout, reason = "it shows what is sent")]

use std::error::Error as _;

use mailtrail::Outgoing;
use mailtrail::core::event::{Private, Row};
use mailtrail::core::store::BoxError;
use mailtrail::core::token::{Key, Keys};
use mailtrail::core::{DeliveryId, EmailAddress};
use mailtrail::smtp::message::dkim::{Dkim, DkimKey};
use mailtrail::smtp::message::template::Template;
use mailtrail::smtp::message::{Compose, Headers, Letter, message_id};
use mailtrail::webhook::instrument::InstrumentOptions;

/// For the example alone: yours is a file that only you can read, from `openssl genpkey -algorithm ed25519`.
const KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
    -----END PRIVATE KEY-----\n";

const TEXT: &str = "Dear {{ name or 'parents' }},

the school stays closed on {{ date | dateformat('%d.%m.%Y') }}.
{% if labels.bus %}
Bus {{ labels.bus }} does not run.
{% endif %}
https://school.example/snow
";

fn main() -> Result<(), BoxError> {
    let template = Template::new("office@school.example", "No lessons: {{ labels.class }}", TEXT)?;
    let headers = Headers::new().list_id("school.example").bulk();
    let dkim = Dkim::new("school.example", "2026a", DkimKey::from_pem(KEY)?)?;
    for (name, record) in dkim.records() {
        println!("{name} TXT {record}");
    }

    let keys = Keys::new(Key::new(1, [7; 32]));
    let tracking = InstrumentOptions::new("https://mail.school.example")?;
    let now = "2026-01-12T06:30:00Z".parse()?;
    let people = [
        person("Ann Lee", "ann@a.example", &[("class", "4b"), ("bus", "7")])?,
        person("Bo", "bo@b.example", &[("class", "2a")])?,
        person("Cy", "cy@c.example", &[])?,
    ];
    let ids = people.each_ref().map(|(row, ..)| message_id(&keys, row.delivery, "school.example"));
    let letters = people
        .iter()
        .zip(&ids)
        .map(|((row, private, address), id)| Letter::new(row, private, address, id, now));

    // Cy has no class, and is found before anybody is written to.
    let errors: Vec<_> = template.check(letters.clone()).collect();
    assert_eq!(errors.len(), 1);
    println!("{}: {:?}", errors[0], errors[0].source().map(ToString::to_string));

    let outgoing = Outgoing::new(template).headers(headers).tracked(keys, tracking).signed(dkim);
    for letter in letters.take(2) {
        println!("\n{}", String::from_utf8(outgoing.compose(&letter)?)?);
    }
    Ok(())
}

fn person(
    name: &str,
    address: &str,
    labels: &[(&str, &str)],
) -> Result<(Row, Private, EmailAddress), BoxError> {
    let delivery = DeliveryId::from_bytes([u8::try_from(name.len())?; 16]);
    let row = Row::new(delivery, "snow-day".parse()?, name.parse()?, "emergency".parse()?);
    let mut private = Private::default();
    private.name = Some(name.into());
    private.labels = labels.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    Ok((row, private, address.parse()?))
}
