//! mbox files: every mail within the bound, and a mail behind whatever it is comes out whole.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mailtrail_smtp::intake::{Mbox, MboxMail};

const MOST: usize = 1000;

fuzz_target!(|bytes: &[u8]| {
    let mail = b"Subject: last\n\nSorry.\n";
    let file = [bytes, b"\n\nFrom mx Mon Nov  2 10:00:00 2026\n", mail].concat();
    let mails: Vec<MboxMail> = Mbox::new(&file[..], MOST).map(Result::unwrap).collect();
    assert_eq!(mails.last(), Some(&MboxMail::Whole(mail.to_vec())));
    for mail in mails {
        assert!(!matches!(mail, MboxMail::Whole(bytes) if bytes.len() > MOST));
    }
});
