//! Over messages of every shape.

use mail_parser::PartType;
use mailtrail_webhook::instrument::InstrumentOptions;
use proptest::prelude::*;

use super::{BASE, bodies, done, given, options, parsed, undone};

fn some_options() -> impl Strategy<Value = InstrumentOptions> {
    any::<[bool; 6]>().prop_map(|[links, text_links, pixel, trap, unsubscribe, correlation]| {
        options()
            .links(links)
            .text_links(text_links)
            .pixel(pixel)
            .trap(trap)
            .unsubscribe(unsubscribe)
            .correlation(correlation)
    })
}

proptest! {
    #[test]
    fn every_link_is_recovered_and_nothing_else_changes(given in given::message()) {
        let done = done(&given.bytes, &options()).unwrap();
        let (before, after) = (parsed(&given.bytes), parsed(&done.message));
        let mut found = Vec::new();
        prop_assert_eq!(before.parts.len(), after.parts.len());
        for (was, is) in before.parts.iter().zip(&after.parts) {
            match (&was.body, &is.body) {
                (PartType::Html(was), PartType::Html(is)) => {
                    let (text, links) = undone(is, true);
                    prop_assert_eq!(&text, was);
                    found.extend(links);
                }
                (PartType::Text(was), PartType::Text(is)) => {
                    let (text, links) = undone(is, false);
                    prop_assert_eq!(&text, was);
                    found.extend(links);
                }
                (was, is) => prop_assert_eq!(
                    std::mem::discriminant(was), std::mem::discriminant(is)
                ),
            }
        }
        prop_assert_eq!(done.links, found.len());
        prop_assert_eq!(found, given.links);
        let has_html = bodies(&after).iter().any(|body| body.windows(8).any(|w| w == b"/o/aeaqe"));
        prop_assert_eq!(done.pixel, has_html);
    }

    #[test]
    fn no_line_of_the_header_changes(given in given::message()) {
        let done = done(&given.bytes, &options()).unwrap();
        let (was, is) = (String::from_utf8_lossy(&given.bytes), String::from_utf8_lossy(&done.message));
        let head = |text: &str| text.replace("\r\n", "\n").split_once("\n\n").unwrap().0.to_owned();
        let (was, is) = (head(&was), head(&is));
        let kept: Vec<&str> = is
            .lines()
            .filter(|line| !line.starts_with("X-MT-") && !line.starts_with("List-") && !line.starts_with(" <http"))
            .collect();
        let encoding = |line: &&str| !line.starts_with("Content-Transfer-Encoding:");
        prop_assert_eq!(
            kept.into_iter().filter(encoding).collect::<Vec<_>>(),
            was.lines().filter(encoding).collect::<Vec<_>>()
        );
    }

    #[test]
    fn twice_is_once(given in given::message(), options in some_options()) {
        let once = done(&given.bytes, &options).unwrap();
        let twice = done(&once.message, &options).unwrap();
        prop_assert_eq!(twice.links, 0);
        prop_assert_eq!(
            String::from_utf8_lossy(&twice.message),
            String::from_utf8_lossy(&once.message)
        );
    }

    #[test]
    fn what_is_switched_off_is_not_done(given in given::message()) {
        let off = options().links(false).pixel(false).unsubscribe(false).correlation(false);
        prop_assert_eq!(&done(&given.bytes, &off).unwrap().message, &given.bytes);
        let untracked = done(&given.bytes, &InstrumentOptions::untracked()).unwrap().message;
        prop_assert!(!String::from_utf8_lossy(&untracked).replace("/t/ours", "").contains(BASE));
    }

    #[test]
    fn lines_stay_as_short_as_mail_allows(given in given::message()) {
        let longest = |bytes: &[u8]| bytes.split(|b| *b == b'\n').map(<[u8]>::len).max().unwrap();
        let is_binary = given.bytes.windows(6).any(|word| word == b"binary");
        if is_binary || longest(&given.bytes) > 998 {
            return Ok(());
        }
        prop_assert!(longest(&done(&given.bytes, &options()).unwrap().message) <= 999);
    }

    #[test]
    fn any_bytes_are_taken(bytes in prop::collection::vec(any::<u8>(), 0..300), options in some_options()) {
        done(&bytes, &options).ok();
        done(&[&b"Content-Type: text/html\n\n"[..], &bytes].concat(), &options).unwrap();
    }

    #[test]
    fn damaged_messages_are_taken(
        given in given::message(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..9),
        options in some_options(),
    ) {
        let mut bytes = given.bytes;
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(once) = done(&bytes, &options) {
            let twice = done(&once.message, &options).unwrap().message;
            prop_assert!(
                twice == once.message,
                "{}\n\n{}",
                String::from_utf8_lossy(&once.message),
                String::from_utf8_lossy(&twice)
            );
        }
    }
}
