//! Tracking in messages: any bytes are taken, doing it twice is doing it once, and what is switched off is
//! not done.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mailtrail_core::DeliveryId;
use mailtrail_core::token::{Key, Keys};
use mailtrail_webhook::instrument::{InstrumentError, InstrumentOptions, instrument};

fuzz_target!(|bytes: &[u8]| {
    let Some((switches, message)) = bytes.split_first() else { return };
    let is_on = |bit: u8| switches & (1 << bit) == 0;
    let base = if is_on(7) { "https://m.example" } else { "http://m.example/t" };
    let Ok(options) = InstrumentOptions::new(base) else { return };
    let options = options
        .links(is_on(0))
        .text_links(is_on(1))
        .pixel(is_on(2))
        .trap(is_on(3))
        .unsubscribe(is_on(4))
        .correlation(is_on(5));
    let keys = Keys::new(Key::new(1, [7; 32]));
    let delivery = DeliveryId::from_bytes([2; 16]);
    let once = match instrument(message, delivery, &keys, &options) {
        Ok(once) => once.message,
        Err(InstrumentError::NotAMessage) => {
            let message = [b"Content-Type: text/html\n\n", message].concat();
            match instrument(&message, delivery, &keys, &options) {
                Ok(once) => once.message,
                Err(_) => return,
            }
        }
        Err(_) => return,
    };
    assert!(once.len() >= message.len() / 4, "most of it is gone");
    let twice = instrument(&once, delivery, &keys, &options).map(|twice| twice.message);
    assert!(twice.as_deref() == Ok(&once[..]), "twice is not once");
    let off = options.links(false).pixel(false).trap(false).unsubscribe(false).correlation(false);
    let same = instrument(message, delivery, &keys, &off).map(|done| done.message);
    assert!(same.is_err() || same.as_deref() == Ok(message), "something is done all the same");
});
