use mailtrail_core::token::Key;
use proptest::prelude::*;

use super::*;

const DOMAIN: &str = "bounces.school.example";

fn path() -> ReturnPath {
    ReturnPath::new(DOMAIN)
}

fn keys() -> Keys {
    Keys::new(Key::new(1, [1; 32]))
}

fn delivery() -> DeliveryId {
    DeliveryId::from_bytes([1; 16])
}

/// Made from `docs/format.md` by another program (Python's `hmac`, `hashlib`, `base64`).
#[test]
fn addresses_are_those_of_the_golden_file() {
    let golden = include_str!("../../tests/golden/format/1/return_path.txt");
    let mut read = 0;
    for line in golden.lines() {
        let [id, secret, delivery, address, reply] =
            line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let hex = |text: &str| data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap();
        let key = Key::new(id.parse().unwrap(), hex(secret).try_into().unwrap());
        let (keys, delivery) =
            (Keys::new(key), DeliveryId::from_bytes(hex(delivery).try_into().unwrap()));
        assert_eq!(path().address(&keys, delivery), address);
        assert_eq!(path().reply_address(&keys, delivery), reply);
        assert_eq!(path().read(&keys, address).unwrap().delivery, delivery);
        assert_eq!(path().read_reply(&keys, reply).unwrap().delivery, delivery);
        read += 1;
    }
    assert_eq!(read, 3);
}

/// What mail servers make of an address, which still names its delivery.
fn rewritten(address: &str) -> Vec<String> {
    let (local, domain) = address.split_once('@').unwrap();
    vec![
        address.to_owned(),
        address.to_uppercase(),
        address.replace('+', "="),
        address.replace('+', "-"),
        format!("<{address}>"),
        format!("{address}."),
        format!("\"{local}\"@{domain}"),
        format!("\"{}\"@{domain}", local.replace('+', "\\+")),
        format!("prvs=0123456789={local}@{domain}"),
        format!("SRS0=HHHH=TT={domain}={local}@forwarder.example"),
        format!("srs0+HHHH=TT={domain}={local}@forwarder.example"),
        format!("SRS1=HHHH=first.example==HHHH=TT={domain}={local}@second.example"),
        format!("SRS0=b=TT={domain}={}@forwarder.example", local.replace('+', "=")),
        format!("list-owner+{local}={domain}@lists.example"),
    ]
}

#[test]
fn rewritten_paths_are_read() {
    let (bounce, reply) =
        (path().address(&keys(), delivery()), path().reply_address(&keys(), delivery()));
    for text in rewritten(&bounce) {
        assert_eq!(path().read(&keys(), &text).unwrap().delivery, delivery(), "{text}");
        assert_eq!(path().read_reply(&keys(), &text), Err(ReturnPathError::NotOurs), "{text}");
    }
    for text in rewritten(&reply) {
        assert_eq!(path().read_reply(&keys(), &text).unwrap().delivery, delivery(), "{text}");
    }
}

#[test]
fn what_does_not_name_our_domain_is_foreign() {
    let local = path().address(&keys(), delivery()).split_once('@').unwrap().0.to_owned();
    for text in [
        format!("{local}@c.example"),
        format!("{local}@bounces.school.example.evil.example"),
        format!("SRS0=HHHH=TT=other.example={local}@forwarder.example"),
        format!("x{local}@{DOMAIN}"),
        format!("{}@{DOMAIN}", local.replace('+', ".")),
        format!("postmaster@{DOMAIN}"),
        local.clone(),
        String::new(),
        "@".into(),
        "\"@".into(),
    ] {
        assert_eq!(path().read(&keys(), &text), Err(ReturnPathError::NotOurs), "{text}");
    }
    let nowhere = ReturnPath::new("");
    assert_eq!(nowhere.read(&keys(), &format!("{local}@")), Err(ReturnPathError::NotOurs));
}

#[test]
fn a_rotated_key_verifies_until_it_is_retired() {
    let (old, new) = (Key::new(1, [1; 32]), Key::new(2, [2; 32]));
    let [bounce, reply] =
        [ReturnPath::address, ReturnPath::reply_address].map(|of| of(&path(), &keys(), delivery()));
    let rotated = Keys::new(new.clone()).and(old.clone());
    assert_eq!(path().read(&rotated, &bounce).unwrap().key_id, 1);
    assert_eq!(path().read_reply(&rotated, &reply).unwrap().key_id, 1);
    let by_new = path().address(&rotated, delivery());
    assert_eq!(path().read(&rotated, &by_new).unwrap().key_id, 2);

    let retired = Keys::new(new.clone()).and(old.retired());
    let error = ReturnPathError::Token(TokenError::RetiredKey { key_id: 1 });
    assert_eq!(path().read(&retired, &bounce), Err(error));
    assert_eq!(path().read_reply(&retired, &reply), Err(error));
    let removed = ReturnPathError::Token(TokenError::UnknownKey { key_id: 1 });
    assert_eq!(path().read(&Keys::new(new), &bounce), Err(removed));
}

proptest! {
    #[test]
    fn reading_is_total_and_forgery_is_refused(local in "\\PC{0,60}", secret: [u8; 32]) {
        let keys = Keys::new(Key::new(1, secret));
        let made_up = format!("{local}@{DOMAIN}");
        prop_assert!(path().read(&keys, &made_up).is_err());
        let forged = path().address(&Keys::new(Key::new(1, [0; 32])), delivery());
        prop_assume!(secret != [0; 32]);
        let error = ReturnPathError::Token(TokenError::Forged);
        prop_assert_eq!(path().read(&keys, &forged), Err(error));
    }

    /// Changed, taken away or put in: no other token than the signed one is valid, however it is wrapped.
    #[test]
    fn a_token_with_any_character_changed_is_refused(
        secret: [u8; 32],
        id: [u8; 16],
        at in 2_usize..50,
        by in prop_oneof![Just(String::new()), "[a-z0-9A-Z+=@.é-]{1,2}"],
        form in 0_usize..14,
    ) {
        let keys = Keys::new(Key::new(1, secret));
        let address = path().address(&keys, DeliveryId::from_bytes(id));
        let mut changed = address.clone();
        changed.replace_range(at..=at, &by);
        prop_assume!(!changed.eq_ignore_ascii_case(&address));
        prop_assume!(changed.matches('@').count() == 1);
        let text = rewritten(&changed).swap_remove(form);
        prop_assert!(path().read(&keys, &text).is_err(), "{}", text);
    }
}
