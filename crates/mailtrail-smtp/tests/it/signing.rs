//! DKIM: what is signed, verified by a verifier (mail-auth's) that asks a DNS in memory.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use mail_auth::common::parse::TxtRecordParser as _;
use mail_auth::common::verify::DomainKey;
use mail_auth::hickory_resolver::config::{ResolverConfig, ResolverOpts};
use mail_auth::{
    AuthenticatedMessage, DkimResult, MessageAuthenticator, Parameters, ResolverCache, Txt,
};
use mailtrail_smtp::message::dkim::{
    Dkim, DkimError, DkimKey, ParseKeyError, SEALED, SIGNED, SignError,
};
use proptest::prelude::*;

const PKCS1: &str = include_str!("../keys/rsa-pkcs1.pem");
const PKCS8: &str = include_str!("../keys/rsa-pkcs8.pem");
/// RFC 8463 §A.2.
const ED25519: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
    -----END PRIVATE KEY-----\n";
/// RFC 8463 §A.2, the records of the keys.
const RFC_RECORDS: [(&str, &str); 2] = [
    (
        "brisbane._domainkey.football.example.com",
        "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    ),
    (
        "test._domainkey.football.example.com",
        "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWR\
         iGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutAC\
         DfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3\
         Ip3G+2kryOTIKT+l/K4w3QIDAQAB",
    ),
];
/// RFC 8463 §A.3.
const RFC_SIGNATURES: &str = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n \
    d=football.example.com; i=@football.example.com;\r\n \
    q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n \
    subject : date : message-id : from : subject : date;\r\n \
    bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n \
    b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n \
    Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\n\
    DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n \
    d=football.example.com; i=@football.example.com;\r\n \
    q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n \
    date : message-id : from : subject : date;\r\n \
    bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n \
    b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r\n \
    DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r\n \
    dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\r\n";
const RFC_MESSAGE: &str = "From: Joe SixPack <joe@football.example.com>\r\n\
    To: Suzie Q <suzie@shopping.example.net>\r\n\
    Subject: Is dinner ready?\r\n\
    Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n\
    Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n\
    \r\n\
    Hi.\r\n\
    \r\n\
    We lost the game.  Are you hungry yet?\r\n\
    \r\n\
    Joe.\r\n";

/// A DNS with these TXT records, and no network behind it.
struct Records(HashMap<Box<str>, Txt>);

impl Records {
    fn new(records: impl IntoIterator<Item = (String, String)>) -> Self {
        let read = |(name, text): (String, String)| {
            (format!("{name}.").into(), DomainKey::parse(text.as_bytes()).into())
        };
        Self(records.into_iter().map(read).collect())
    }
}

impl ResolverCache<Box<str>, Txt> for Records {
    fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
    {
        self.0.get(key).cloned()
    }

    fn remove<Q: Hash + Eq + ?Sized>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
    {
        None
    }

    fn insert(&self, _: Box<str>, _: Txt, _: Instant) {}
}

/// The algorithms of the signatures that hold.
fn holding(message: &[u8], records: &Records) -> Vec<&'static str> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let verifier =
            MessageAuthenticator::new(ResolverConfig::default(), ResolverOpts::default()).unwrap();
        let message = AuthenticatedMessage::parse(message).unwrap();
        let answer = verifier.verify_dkim(Parameters::new(&message).with_txt_cache(records)).await;
        let holds = answer.iter().filter(|output| *output.result() == DkimResult::Pass);
        holds.filter_map(|output| output.signature()).map(|signature| signature.a.name()).collect()
    })
}

fn both() -> Dkim {
    let (ed25519, rsa) = (DkimKey::from_pem(ED25519).unwrap(), DkimKey::from_pem(PKCS8).unwrap());
    Dkim::new("Football.example.com", "brisbane", ed25519).unwrap().and("test", rsa).unwrap()
}

fn now() -> DateTime<Utc> {
    "2026-01-12T06:30:00Z".parse().unwrap()
}

#[test]
fn both_signatures_hold_and_the_message_is_as_it_was() {
    let (dkim, message) = (both(), RFC_MESSAGE.as_bytes().to_vec());
    let signed = dkim.sign(message.clone(), now()).unwrap();
    assert!(signed.ends_with(&message));
    assert_eq!(signed, dkim.sign(message, now()).unwrap());
    let records = Records::new(dkim.records());
    assert_eq!(holding(&signed, &records), ["ed25519-sha256", "rsa-sha256"]);
}

#[test]
fn the_vectors_of_rfc_8463_hold() {
    let own = |(name, text): (&str, &str)| (name.to_owned(), text.to_owned());
    let records = Records::new(RFC_RECORDS.map(own));
    let signed = format!("{RFC_SIGNATURES}{RFC_MESSAGE}");
    assert_eq!(holding(signed.as_bytes(), &records), ["ed25519-sha256", "rsa-sha256"]);

    let (name, record) = both().records().next().unwrap();
    assert_eq!((name.as_str(), record.as_str()), RFC_RECORDS[0]);
    let ours = both().sign(RFC_MESSAGE.into(), now()).unwrap();
    let ours = String::from_utf8(ours).unwrap().replace(['\r', '\n', '\t', ' '], "");
    assert!(ours.contains("bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;"), "{ours}");
    assert_eq!(
        holding(&both().sign(RFC_MESSAGE.into(), now()).unwrap(), &records),
        ["ed25519-sha256"]
    );
}

#[test]
fn a_signature_is_written_as_it_was_on_the_first_day() {
    let key = DkimKey::from_pem(ED25519).unwrap();
    let dkim = Dkim::new("football.example.com", "brisbane", key).unwrap();
    let signed = dkim.sign(RFC_MESSAGE.into(), now()).unwrap();
    let signature = signed.strip_suffix(RFC_MESSAGE.as_bytes()).unwrap();
    assert_eq!(str::from_utf8(signature).unwrap(), GOLDEN);
}

/// By dkimpy 1.1; mail-auth 0.13.3 by itself gives the hash of one more empty line for each.
#[test]
fn lines_of_blanks_at_the_end_do_not_count() {
    for (body, hash) in [
        ("a\r\n\r\n \r\n\t\r\n", "bh=jkYhN5eG70Kk/sFVzVJcKR3X2zwf3jR4Ui9PYcA/0b0=;"),
        ("\t\r\n", "bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;"),
        ("", "bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;"),
    ] {
        let message = format!("From: a@a.example\r\n\r\n{body}");
        let signed = String::from_utf8(both().sign(message.into(), now()).unwrap()).unwrap();
        assert!(signed.replace("\r\n\t", "").contains(hash), "{body:?}");
    }
}

#[test]
fn what_people_go_by_can_not_be_added() {
    let dkim = both();
    let records = Records::new(dkim.records());
    let unsubscribe = "List-Unsubscribe: <https://m.example/u/1>\r\n\
        List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n";
    let signed = dkim.sign(format!("{unsubscribe}{RFC_MESSAGE}").into(), now()).unwrap();
    let signed = String::from_utf8(signed).unwrap();
    assert_eq!(holding(signed.as_bytes(), &records).len(), 2);
    for name in SEALED {
        let forged = format!("{name}: forged\r\n{signed}");
        assert!(holding(forged.as_bytes(), &records).is_empty(), "{name}");
    }
    for changed in [signed.replace("/u/1", "/u/2"), signed.replace("One-Click", "Two-Click")] {
        assert!(holding(changed.as_bytes(), &records).is_empty());
    }
    assert!(SEALED.iter().all(|name| SIGNED.contains(name)));
}

#[test]
fn what_the_relay_changes_can_be_left_out() {
    let dkim = both().unsigned("message-id").unsigned("DATE").unsigned("From");
    let records = Records::new(dkim.records());
    let signed = String::from_utf8(dkim.sign(RFC_MESSAGE.into(), now()).unwrap()).unwrap();
    let changed =
        signed.replace("Message-ID: <2003", "Message-ID: <2026").replace("Fri, 11", "Fri, 12");
    assert_eq!(holding(changed.as_bytes(), &records).len(), 2);
    let forged = signed.replace("From: Joe", "From: Jim");
    assert!(holding(forged.as_bytes(), &records).is_empty());
}

#[test]
fn a_signature_can_end() {
    let dkim = both().expires_after(Duration::from_secs(60));
    let records = Records::new(dkim.records());
    let signed = dkim.sign(RFC_MESSAGE.into(), "2100-01-01T00:00:00Z".parse().unwrap()).unwrap();
    assert!(String::from_utf8_lossy(&signed).contains("t=4102444800; x=4102444860"));
    assert_eq!(holding(&signed, &records).len(), 2);
    let signed = dkim.sign(RFC_MESSAGE.into(), "2000-01-01T00:00:00Z".parse().unwrap()).unwrap();
    assert!(holding(&signed, &records).is_empty());
}

#[test]
fn a_key_is_read_in_both_forms_and_never_shown() {
    let (pkcs1, pkcs8) = (DkimKey::from_pem(PKCS1).unwrap(), DkimKey::from_pem(PKCS8).unwrap());
    assert_eq!(pkcs1.record(), pkcs8.record());
    // As `openssl rsa -in rsa-pkcs1.pem -pubout` writes it.
    assert!(pkcs1.record().starts_with(
        "v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAtTai+VXoeqHSR6TLkaH8"
    ));
    assert!(!format!("{pkcs1:?} {:?}", both()).contains("MII"));
}

#[test]
fn what_is_no_key_is_told_apart() {
    let read = |pem: &str| DkimKey::from_pem(pem).unwrap_err();
    assert!(matches!(read(""), ParseKeyError::NoKey));
    assert!(matches!(read("-----BEGIN PRIVATE KEY-----\n!\n"), ParseKeyError::NoKey));
    assert!(matches!(read(include_str!("../keys/rsa-encrypted.pem")), ParseKeyError::Encrypted));
    for pem in [include_str!("../keys/rsa-1024.pem"), include_str!("../keys/ec.pem")] {
        assert!(matches!(read(pem), ParseKeyError::Unusable { .. }));
    }
}

#[test]
fn names_are_checked() {
    let new = |domain, selector| Dkim::new(domain, selector, DkimKey::from_pem(ED25519).unwrap());
    let long = "a".repeat(64);
    for domain in ["", "a..example", "a b.example", "a;d=b.example", "a\r\n.example", long.as_str()]
    {
        assert_eq!(new(domain, "s").unwrap_err(), DkimError::Domain, "{domain:?}");
    }
    assert_eq!(new("a.example", "s t").unwrap_err(), DkimError::Selector);
    let (name, _) = new("bücher.example", "2026.a").unwrap().records().next().unwrap();
    assert_eq!(name, "2026.a._domainkey.xn--bcher-kva.example");
}

#[test]
fn what_can_not_be_signed_is_told() {
    let sign = |message: &str| both().sign(message.into(), now()).unwrap_err();
    assert!(matches!(sign("Subject: x\r\n\r\nx\r\n"), SignError::NoFrom));
    assert!(matches!(sign("From: a@a.example\r\nno field\r\n"), SignError::NoField { line: 2 }));
    assert!(matches!(sign("From: a@a.example\r\n\r\na\rb\r\n"), SignError::BareCr));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Blanks and empty lines are what canonicalization is about; LF alone goes out as CR LF.
    #[test]
    fn any_message_is_signed_so_that_it_holds(
        values in prop::collection::vec("[ -~äß\t]{0,30}(\r\n [!-~]{1,9}[ \t]{0,3}){0,2}", 1..6),
        body in "([ -~\t]{0,9}(\r\n){0,3}){0,9}",
        bare in any::<bool>(),
    ) {
        let names = ["From", "Subject", "X-Other", "To", "List-Unsubscribe", "Subject"];
        let fields = names.iter().zip(values).map(|(name, value)| format!("{name}:{value}\r\n"));
        let message = format!("{}\r\n{body}.\r\n", fields.collect::<String>());
        let given = if bare { message.replace("\r\n", "\n") } else { message };
        let dkim = both();
        let signed = String::from_utf8(dkim.sign(given.into(), now()).unwrap()).unwrap();
        prop_assert_eq!(signed.contains('\r'), !bare);
        let sent = if bare { signed.replace('\n', "\r\n") } else { signed };
        prop_assert!(sent.lines().take_while(|line| !line.is_empty()).all(|line| line.len() <= 998));
        prop_assert_eq!(holding(sent.as_bytes(), &Records::new(dkim.records())).len(), 2);
    }
}

const GOLDEN: &str = "DKIM-Signature: v=1; a=ed25519-sha256; s=brisbane; d=football.example.com; c=relaxed/relaxed;\r\n\
    \th=From:From:Reply-To:To:To:Cc:Subject:Subject:Date:Date:Message-ID\r\n\
    \t:Message-ID:MIME-Version:Content-Type:Content-Transfer-Encoding;\r\n\
    \tt=1768199400; bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=; b=PRBh2ywlm2\r\n\
    \truQLx4ozT1iNYcyQkTTR03yd2ekFfN6P/vd8i7B+Dlg5y30BN0SNngkR1bLkmY3Y0zzL9LHpGzB\r\n\
    \tQ==;\r\n";
