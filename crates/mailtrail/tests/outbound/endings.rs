//! How messages end: taken, given up, or kept while nobody takes them.

use std::time::Duration;

use mailtrail::webhook::outbound::MessageId;

use crate::receiver::{Receiver, Reply};
use crate::world::{World, change, to, tries, until};

#[test]
fn a_dead_endpoint_pauses_and_after_resuming_it_gets_everything_in_order() {
    let world = World::new();
    let receiver = Receiver::start(|_| Reply::Status(500));
    let [ann, bob] = world.plan("snow-day", &["ann", "bob"])[..] else { panic!() };
    for delivery in [ann, bob] {
        world.bounced(delivery);
        world.delivered(delivery);
    }
    let outbound = world.start(to(&receiver));
    let paused = until(|| outbound.standing().paused);
    assert_eq!(&*paused.cause, "answered 500");
    drop(outbound);
    let tried = receiver.came().len();
    // The pause is kept, also where it is started again.
    let outbound = world.start(to(&receiver));
    assert_eq!(outbound.standing().paused.as_ref(), Some(&paused));
    receiver.replies(|_| Reply::Status(200));
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(receiver.came().len(), tried, "nothing is sent while it is paused");
    assert!(world.folder_of("crm").dead_letters().unwrap().is_empty());

    world.folder_of("crm").ask_to_resume().unwrap();
    until(|| outbound.standing().paused.is_none().then_some(()));
    world.through(&outbound);
    for delivery in [ann, bob] {
        let of = |body: &serde_json::Value| body["data"]["delivery"] == delivery.to_string();
        let taken = receiver.taken().into_iter().filter(|came| of(&came.body));
        let told: Vec<_> = taken.map(|came| change(&came.body)).collect();
        let to = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        assert_eq!(told, [to("unsent", "bounced"), to("bounced", "delivered")]);
    }
    let kept = world.folder_of("crm").kept().unwrap();
    drop(outbound);
    assert_eq!(world.folder_of("crm").kept().unwrap().unwrap().waiting, []);
    assert!(kept.is_some());
}

#[test]
fn an_endpoint_that_is_gone_pauses_at_once() {
    let world = World::new();
    let receiver = Receiver::start(|_| Reply::Status(410));
    let ann = world.plan("snow-day", &["ann"])[0];
    world.delivered(ann);
    let outbound = world.start(to(&receiver));
    assert_eq!(&*until(|| outbound.standing().paused).cause, "answered 410");
    assert_eq!(receiver.came().len(), 1);
    drop(outbound);
    assert_eq!(world.folder_of("crm").kept().unwrap().unwrap().waiting.len(), 1);
}

#[test]
fn what_fails_where_others_are_taken_is_a_dead_letter_which_can_be_sent_again() {
    let world = World::new();
    let [ann, bob] = world.plan("snow-day", &["ann", "bob"])[..] else { panic!() };
    let poison = ann.to_string();
    let refuse = move |body: &serde_json::Value| {
        let is_poison = body["data"]["delivery"] == *poison && body["data"]["to"] == "bounced";
        Reply::Status(if is_poison { 400 } else { 200 })
    };
    let receiver = Receiver::start(refuse);
    let outbound = world.start(to(&receiver).schedule(tries([0, 300, 300])));
    world.bounced(ann);
    world.delivered(ann);
    until(|| (!receiver.came().is_empty()).then_some(()));
    // While it is tried again, others are taken.
    world.delivered(bob);
    let standing = world.through(&outbound);
    assert_eq!((standing.taken, standing.failed, standing.dead_letters), (2, 3, 1));
    let taken: Vec<_> = receiver.taken().iter().map(|came| change(&came.body).1).collect();
    assert_eq!(taken, ["delivered", "delivered"], "the delivery goes on behind it");
    let letters = world.folder_of("crm").dead_letters().unwrap();
    let [letter] = &letters[..] else { panic!("{letters:?}") };
    assert_eq!((&*letter.cause, letter.attempts), ("answered 400", 3));
    let text = serde_json::to_string(letter).unwrap();
    assert!(!text.contains("bounced") && !text.contains(&ann.to_string()), "ids only: {text}");
    // It is one after a crash, too, and not sent by itself.
    drop(outbound);
    let outbound = world.start(to(&receiver));
    assert_eq!(outbound.standing().dead_letters, 1);

    receiver.replies(|_| Reply::Status(200));
    let folder = world.folder_of("crm");
    folder.ask_to_replay(&[MessageId::from("msg_of_nobody".to_owned())]).unwrap();
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(receiver.taken().len(), 2);
    folder.ask_to_replay(&[]).unwrap();
    until(|| (outbound.standing().dead_letters == 0).then_some(()));
    let last = receiver.taken().pop().unwrap();
    assert_eq!(
        (last.id.as_str(), change(&last.body).1.as_str()),
        (letter.message.as_str(), "bounced")
    );
    assert!(folder.dead_letters().unwrap().is_empty());
}

#[test]
fn nothing_at_all_is_sent_before_the_time_that_retry_after_asks_for() {
    let world = World::new();
    let mut first = true;
    let receiver = Receiver::start(move |_| {
        let busy = std::mem::take(&mut first);
        if busy { Reply::RetryAfter(429, 1) } else { Reply::Status(200) }
    });
    let deliveries = world.plan("snow-day", &["ann", "bob", "eve"]);
    let outbound = world.start(to(&receiver).at_once(1));
    for delivery in &deliveries {
        world.delivered(*delivery);
    }
    world.through(&outbound);
    let came = receiver.came();
    assert_eq!(came.len(), 4);
    assert!(came[1].at - came[0].at >= Duration::from_millis(990));
}

/// One process after the other: what the last one held is tried no sooner, and no more often.
#[test]
fn attempts_are_counted_across_restarts() {
    let world = World::new();
    let receiver = Receiver::start(|_| Reply::Status(500));
    let ann = world.plan("snow-day", &["ann"])[0];
    world.delivered(ann);
    let slowly = || to(&receiver).schedule(tries([0, 700, 60_000]));
    let outbound = world.start(slowly());
    until(|| (outbound.standing().failed == 1).then_some(()));
    drop(outbound);
    let outbound = world.start(slowly());
    until(|| (outbound.standing().failed == 1).then_some(()));
    let came = receiver.came();
    assert!(came[1].at - came[0].at >= Duration::from_millis(690));
    drop(outbound);
    let waiting = world.folder_of("crm").kept().unwrap().unwrap().waiting;
    assert_eq!(waiting[0].attempts, 2);
}

#[test]
fn a_new_subscriber_begins_at_the_beginning_or_now() {
    let world = World::new();
    let deliveries = world.plan("snow-day", &["ann", "bob"]);
    world.delivered(deliveries[0]);
    let receiver = Receiver::start(|_| Reply::Status(200));
    let outbound = world.start(to(&receiver).from_now());
    world.delivered(deliveries[1]);
    world.through(&outbound);
    assert_eq!(receiver.taken().len(), 1);
    assert_eq!(receiver.taken()[0].body["data"]["delivery"], deliveries[1].to_string());
}
