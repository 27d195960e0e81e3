//! What holds for every log.

use mailtrail_maillog::{MOST_BYTES, MOST_LINE_BYTES, Mta};
use proptest::prelude::*;

use crate::golden::{lines, logs};
use crate::support::{ids, namespace, now, read, with_reader, with_tokens};

fn mta() -> impl Strategy<Value = Mta> {
    prop_oneof![Just(Mta::Postfix), Just(Mta::Exim), Just(Mta::OpenSmtpd)]
}

/// The lines of one message of its own, by number.
fn message(mta: Mta, number: u8, fates: &[u8]) -> Vec<String> {
    let token = with_tokens(&format!("{{{}}}", number % 9 + 1));
    let id = match mta {
        Mta::Postfix => format!("4D0{number:03}"),
        _ => format!("1abc{number:02x}-0001gH-Xx"),
    };
    let mut lines = match mta {
        Mta::Postfix => vec![
            format!("Nov 26 11:00:00 relay postfix/smtpd[1]: {id}: client=c[192.0.2.7]"),
            format!(
                "Nov 26 11:00:00 relay postfix/cleanup[1]: {id}: message-id=<m{number}@x.example>"
            ),
            format!(
                "Nov 26 11:00:01 relay postfix/qmgr[1]: {id}: from=<b+{token}@b.example>, size=1, nrcpt=1 (queue active)"
            ),
        ],
        _ => vec![format!(
            "2026-11-26 11:00:00 {id} <= b+{token}@b.example P=esmtp S=1 id=m{number}@x.example"
        )],
    };
    for (at, fate) in fates.iter().enumerate() {
        let to = format!("r{at}@x.example");
        lines.push(match (mta, fate % 4) {
            (Mta::Postfix, 0) => format!("Nov 26 11:00:02 relay postfix/smtp[1]: {id}: to=<{to}>, relay=mx.x.example[192.0.2.1]:25, delay=1, dsn=2.0.0, status=sent (250 ok)"),
            (Mta::Postfix, 1) => format!("Nov 26 11:00:03 relay postfix/smtp[1]: {id}: to=<{to}>, relay=none, delay=1, dsn=4.4.1, status=deferred (connect to x.example[192.0.2.1]:25: Connection refused)"),
            (Mta::Postfix, 2) => format!("Nov 26 11:00:04 relay postfix/qmgr[1]: {id}: from=<b+{token}@b.example>, status=expired, returned to sender"),
            (Mta::Postfix, _) => format!("Nov 26 11:00:05 relay postfix/qmgr[1]: {id}: removed"),
            (_, 0) => format!("2026-11-26 11:00:02 {id} => {to} R=dnslookup T=remote_smtp H=mx.x.example [192.0.2.1]"),
            (_, 1) => format!("2026-11-26 11:00:03 {id} == {to} R=dnslookup T=remote_smtp defer (111): Connection refused"),
            (_, 2) => format!("2026-11-26 11:00:04 {id} ** {to}: retry timeout exceeded"),
            (_, _) => format!("2026-11-26 11:00:05 {id} Completed"),
        });
    }
    lines
}

/// Messages whose lines stay in order, in a random interleaving.
fn interleaved(messages: &[Vec<String>], order: &[u16]) -> Vec<String> {
    let mut rest: Vec<_> = messages.iter().map(|lines| lines.iter()).collect();
    let mut all = Vec::new();
    for choice in order.iter().cycle().take(2_000) {
        let open: Vec<usize> = (0..rest.len()).filter(|at| rest[*at].len() > 0).collect();
        let Some(at) = open.get(usize::from(*choice) % open.len().max(1)) else { break };
        all.extend(rest[*at].next().cloned());
    }
    all
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(mta in mta(), bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        with_reader(mta, |mut reader| reader.read(&bytes, now()));
    }

    #[test]
    fn a_spoilt_line_makes_at_most_facts_that_can_be_stored(
        which: prop::sample::Index, line: prop::sample::Index, at: prop::sample::Index, with in "\\PC{0,3}", cut: bool,
    ) {
        let logs = logs();
        let (mta, _, log) = &logs[which.index(logs.len())];
        let mut all: Vec<String> = lines(log).map(str::to_owned).collect();
        let line = line.index(all.len());
        let spoilt = &mut all[line];
        let place = (0..=at.index(spoilt.len().max(1))).rev().find(|at| spoilt.is_char_boundary(*at)).unwrap();
        if cut { spoilt.truncate(place) } else { spoilt.insert_str(place, &with) }
        let feedback = with_reader(*mta, |mut reader| read(&mut reader, all.iter().map(String::as_str)));
        for feedback in feedback {
            feedback.into_event(&namespace()).unwrap();
        }
    }

    #[test]
    fn the_order_of_different_messages_changes_nothing(
        mta in prop_oneof![Just(Mta::Postfix), Just(Mta::Exim)],
        fates in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5), 1..6),
        order in prop::collection::vec(any::<u16>(), 1..40),
    ) {
        let messages: Vec<_> = (0..).zip(&fates).map(|(number, fates)| message(mta, number, fates)).collect();
        let in_order: Vec<String> = messages.iter().flatten().cloned().collect();
        let mixed = interleaved(&messages, &order);
        prop_assert_eq!(mixed.len(), in_order.len());
        let sorted = |log: &[String]| {
            let feedback = with_reader(mta, |mut reader| read(&mut reader, log.iter().map(String::as_str)));
            let mut events: Vec<_> = feedback.into_iter().map(|f| format!("{:?} {f:?}", f.event_id(&namespace()))).collect();
            events.sort();
            events
        };
        prop_assert_eq!(sorted(&mixed), sorted(&in_order));
    }

    #[test]
    fn twice_is_nothing_new_wherever_the_first_reading_ended(
        which: prop::sample::Index, end: prop::sample::Index,
    ) {
        let logs = logs();
        let (mta, _, log) = &logs[which.index(logs.len())];
        let all: Vec<&str> = lines(log).collect();
        let end = end.index(all.len());
        with_reader(*mta, |mut reader| {
            let whole = ids(&with_reader(*mta, |mut reader| read(&mut reader, all.iter().copied())));
            let part = ids(&read(&mut reader, all[..end].iter().copied()));
            assert!(part.iter().all(|id| whole.contains(id)));
            // The same reader goes on with the same file from its beginning, as after a rotation by copy.
            let again = ids(&read(&mut reader, all.iter().copied()));
            assert!(again.iter().all(|id| whole.contains(id)));
        });
    }

    #[test]
    fn no_more_is_followed_than_the_bound(most in 1usize..20, count in 1u16..200, length in 0usize..2_000) {
        with_reader(Mta::Postfix, |reader| {
            let mut reader = reader.most_messages(most);
            for number in 0..count {
                let sender = "s".repeat(length);
                let line = format!("Nov 26 11:00:01 relay postfix/qmgr[1]: 4D{number:05}: from=<{sender}@x.example>, size=1, nrcpt=1 (queue active)");
                assert!(read(&mut reader, [line.as_str()]).is_empty());
                assert!(reader.followed() <= most);
            }
            let forgotten = u64::from(count).saturating_sub(u64::try_from(most).unwrap());
            assert_eq!(reader.counts().forgotten, forgotten);
        });
    }
}

#[test]
fn one_message_with_endless_recipients_is_forgotten_rather_than_kept() {
    with_reader(Mta::Postfix, |mut reader| {
        let from = "Nov 26 11:00:01 relay postfix/qmgr[1]: 4D0001: from=<s@x.example>, size=1, nrcpt=1 (queue active)";
        read(&mut reader, [from]);
        let said = "x".repeat(MOST_LINE_BYTES - 300);
        for number in 0..3_000 {
            let line = format!(
                "Nov 26 11:00:03 relay postfix/smtp[1]: 4D0001: to=<r{number}@x.example>, relay=none, delay=1, dsn=4.4.1, status=deferred ({said})"
            );
            read(&mut reader, [line.as_str()]);
            assert!(reader.followed_bytes() <= MOST_BYTES);
        }
        assert_eq!((reader.followed(), reader.counts().forgotten), (0, 1));
    });
}

#[test]
fn a_line_beyond_the_bound_is_counted_and_not_read() {
    with_reader(Mta::Postfix, |mut reader| {
        let line = vec![b'x'; MOST_LINE_BYTES + 1];
        assert!(reader.read(&line, now()).is_empty());
        assert_eq!(reader.counts().too_long, 1);
    });
}

#[test]
fn what_lacks_the_required_token_is_refused() {
    let (mta, _, log) =
        logs().into_iter().find(|(_, path, _)| path.ends_with("by-message-id.log")).unwrap();
    with_reader(mta, |reader| {
        let mut reader = reader.require_token();
        assert!(read(&mut reader, lines(&log)).is_empty());
        assert_eq!((reader.counts().refused, reader.counts().feedback), (6, 0));
    });
}
