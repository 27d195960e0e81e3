//! Row by row.

use mailtrail::core::Status::{
    Blocked, Bounced, Delivered, Duplicate, Failed, NoEmailSelected, Sent, SoftBounced, Unsent,
};
use mailtrail::core::evidence::OnDoubt;
use mailtrail::core::plan::{Broadcast, Contact, ContactAddress, PlanError};
use mailtrail::core::suppression::Scope;
use mailtrail::{FollowUp, FollowUpError};

use super::world::{Fate, World, id, person, to};

fn queued(addresses: &[&str]) -> Vec<(String, String)> {
    addresses.iter().map(|address| ("queued".to_owned(), (*address).to_owned())).collect()
}

#[tokio::test]
async fn a_row_is_taken_over_as_it_was_planned() {
    let ann = person("c1", "Ann@a.example")
        .name("Ann Lee")
        .time_zone("Europe/Berlin")
        .label("school", "North");
    let world = World::planned([ann, person("c2", "bob@a.example")]).await;
    world.happens_to("old", "bob@a.example", Fate::Arrived).await;
    let report = world.plan(&to(&[Unsent])).await;
    assert_eq!((report.plan.queued, report.plan.added(), report.still_waiting), (1, 1, 1));
    let rows = world.rows("new").await;
    let (row, private) = (rows[0].0.row().unwrap(), &rows[0].1);
    assert_eq!((row.contact.as_str(), row.kind.as_str()), ("c1", "general"));
    assert_eq!(row.time_zone.as_deref(), Some("Europe/Berlin"));
    assert_eq!(row.from.as_deref(), Some("office@school.example"));
    assert_eq!(private.address.as_deref(), Some("Ann@a.example"));
    assert_eq!(private.name.as_deref(), Some("Ann Lee"));
    assert_eq!(private.labels["school"], "North");
    assert_eq!(private.subject.as_deref(), Some("Closed today"));
    let created = world.created("new").await;
    assert_eq!(created.followed(), Some(&id("old")));
    assert_eq!(created.subject_line(), Some("Closed today"));
}

#[tokio::test]
async fn kind_from_and_subject_may_be_others() {
    let world = World::planned([person("c1", "ann@a.example")]).await;
    let follow_up = to(&[Unsent])
        .kind("emergency".parse().unwrap())
        .from_address("head@school.example")
        .subject("Still closed");
    world.plan(&follow_up).await;
    let (rows, created) = (world.rows("new").await, world.created("new").await);
    assert_eq!(rows[0].0.row().unwrap().kind.as_str(), "emergency");
    assert_eq!(rows[0].0.row().unwrap().from.as_deref(), Some("head@school.example"));
    assert_eq!(rows[0].1.subject.as_deref(), Some("Still closed"));
    assert_eq!(created.kind().as_str(), "emergency");
}

#[tokio::test]
async fn the_blocked_list_is_asked_anew() {
    let world = World::new();
    let (tracker, scope) = (&world.tracker, Scope::AllKinds);
    let (ann, bob) = ("ann@a.example".parse().unwrap(), "bob@a.example".parse().unwrap());
    tracker.block(&ann, scope.clone(), "office", None).await.unwrap();
    let old = Broadcast::new(id("old"), "general".parse().unwrap());
    let people = [person("c1", "ann@a.example"), person("c2", "bob@a.example")];
    tracker.plan(old, people).await.unwrap();
    tracker.unblock(&ann, scope.clone(), "office", None).await.unwrap();
    tracker.block(&bob, scope, "office", None).await.unwrap();
    let report = world.plan(&to(&[Blocked, Unsent])).await;
    assert_eq!((report.plan.queued, report.plan.blocked), (1, 1));
    let rows = world.planned_as("new").await;
    assert_eq!(rows[0], ("queued".into(), "ann@a.example".into()));
    assert_eq!(rows[1], ("suppressed".into(), "bob@a.example".into()));
}

#[tokio::test]
async fn rows_in_doubt_are_left_out_unless_they_are_to_be_sent_again() {
    let world = World::planned([
        person("c1", "waits@a.example"),
        person("c2", "doubt@a.example"),
        person("c3", "later@a.example"),
        person("c4", "told@a.example"),
    ])
    .await;
    world.happens_to("old", "doubt@a.example", Fate::InDoubt).await;
    world.happens_to("old", "later@a.example", Fate::DeferredThenInDoubt).await;
    world.happens_to("old", "told@a.example", Fate::BouncedAfterDoubt).await;
    let follow_up = to(&[Unsent, SoftBounced, Bounced]);
    let report = world.plan(&follow_up).await;
    assert_eq!((report.plan.queued, report.in_doubt), (2, 2));
    assert_eq!(world.planned_as("new").await, queued(&["waits@a.example", "told@a.example"]));

    let report = world.plan(&follow_up.on_doubt(OnDoubt::Resend)).await;
    assert_eq!((report.plan.queued, report.plan.unchanged, report.in_doubt), (2, 2, 0));
    assert_eq!(report.still_waiting, 3, "all but the one that has bounced");
}

#[tokio::test]
async fn an_invalid_address_is_tried_again_only_if_that_is_said() {
    let world = World::planned([
        person("c1", "full@a.example"),
        person("c2", "gone@a.example"),
        person("c3", "nowhere"),
    ])
    .await;
    world.happens_to("old", "full@a.example", Fate::Bounced).await;
    world.happens_to("old", "gone@a.example", Fate::Failed).await;
    world.plan(&to(&[Unsent, SoftBounced, Blocked, Bounced])).await;
    assert_eq!(world.planned_as("new").await, queued(&["full@a.example"]));
    let report = world.plan(&to(&[Failed])).await;
    assert_eq!((report.plan.queued, report.plan.malformed), (1, 1));
    assert_eq!(
        world.planned_as("new").await[1..],
        [
            ("queued".to_owned(), "gone@a.example".to_owned()),
            ("malformed".to_owned(), "nowhere".to_owned()),
        ]
    );
}

#[tokio::test]
async fn an_erased_contact_is_left_out_and_counted() {
    let world =
        World::planned([person("c1", "ann@a.example"), person("c2", "bob@a.example")]).await;
    world.erase("c1").await;
    let report = world.plan(&to(&[Unsent])).await;
    assert_eq!((report.plan.added(), report.erased), (1, 1));
    assert_eq!(world.planned_as("new").await, queued(&["bob@a.example"]));
    let report = world.plan(&to(&[Sent])).await;
    assert_eq!(report.erased, 0, "it has another status");
}

#[tokio::test]
async fn a_duplicate_counts_as_the_row_that_has_its_address() {
    let shared = ["full@a.example", "read@a.example"];
    let people = shared
        .iter()
        .enumerate()
        .flat_map(|(n, address)| ["a", "b"].map(|who| person(&format!("{who}{n}"), address)));
    let world = World::planned(people).await;
    world.happens_to("old", "full@a.example", Fate::Bounced).await;
    world.happens_to("old", "read@a.example", Fate::Arrived).await;
    let report = world.plan(&to(&[Bounced, Unsent])).await;
    assert_eq!((report.plan.queued, report.plan.duplicate, report.plan.added()), (1, 1, 2));
    let asked = world.tracker.plan_follow_up(&to(&[Duplicate]), &mut |_| ()).await;
    assert!(matches!(asked, Err(FollowUpError::Duplicate)));
}

#[tokio::test]
async fn whoever_shares_the_address_of_an_erased_contact_is_still_reached() {
    let world =
        World::planned([person("c1", "both@a.example"), person("c2", "both@a.example")]).await;
    world.happens_to("old", "both@a.example", Fate::Bounced).await;
    world.erase("c1").await;
    let report = world.plan(&to(&[Bounced])).await;
    assert_eq!((report.plan.queued, report.erased), (1, 1));
    assert_eq!(world.rows("new").await[0].0.row().unwrap().contact.as_str(), "c2");
}

#[tokio::test]
async fn a_contact_without_an_address_of_the_kind_stays_one() {
    let address = ContactAddress::new("kim@a.example").only_for(["emergency".parse().unwrap()]);
    let world = World::planned([Contact::new("c1".parse().unwrap()).address(address)]).await;
    let report = world.plan(&to(&[NoEmailSelected])).await;
    assert_eq!(report.plan.not_selected, 1);
    let (old, new) = (world.rows("old").await, world.rows("new").await);
    assert_eq!(new[0].1.other_addresses, old[0].1.other_addresses);
    assert_eq!(&*new[0].1.other_addresses[0], "kim@a.example");
}

#[tokio::test]
async fn a_follow_up_may_be_followed() {
    let world =
        World::planned([person("c1", "ann@a.example"), person("c2", "bob@a.example")]).await;
    for address in ["ann@a.example", "bob@a.example"] {
        world.happens_to("old", address, Fate::Bounced).await;
    }
    world.plan(&to(&[Bounced])).await;
    world.happens_to("new", "ann@a.example", Fate::Arrived).await;
    world.happens_to("new", "bob@a.example", Fate::Bounced).await;
    let third = FollowUp::new(id("third"), id("new")).status(Bounced);
    assert_eq!(world.plan(&third).await.plan.added(), 1);
    assert_eq!(world.planned_as("third").await, queued(&["bob@a.example"]));
    assert_eq!(world.created("third").await.subject_line(), Some("Closed today"));
}

#[tokio::test]
async fn corrected_contacts_are_planned_into_the_same_broadcast() {
    let world = World::planned([person("c1", "ann@old.example"), person("c2", "full@a.example")]);
    let world = world.await;
    world.happens_to("old", "ann@old.example", Fate::Failed).await;
    world.happens_to("old", "full@a.example", Fate::Bounced).await;
    let broadcast = || Broadcast::new(id("new"), "general".parse().unwrap()).follows(id("old"));
    let corrected = [person("c1", "ann@new.example"), person("c2", "full@a.example")];
    world.tracker.plan(broadcast(), corrected).await.unwrap();
    let report = world.plan(&to(&[Bounced])).await;
    assert_eq!((report.plan.queued, report.plan.unchanged), (0, 1));
    assert_eq!(world.planned_as("new").await, queued(&["ann@new.example", "full@a.example"]));
}

#[tokio::test]
async fn planning_it_again_adds_what_has_come_to_the_status_since() {
    let world =
        World::planned([person("c1", "ann@a.example"), person("c2", "bob@a.example")]).await;
    world.happens_to("old", "ann@a.example", Fate::Bounced).await;
    world.plan(&to(&[Bounced])).await;
    // A late proof of delivery takes nothing back.
    world.happens_to("old", "ann@a.example", Fate::Arrived).await;
    world.happens_to("old", "bob@a.example", Fate::Bounced).await;
    let report = world.plan(&to(&[Bounced])).await;
    assert_eq!((report.plan.added(), report.plan.unchanged), (1, 0));
    assert_eq!(world.planned_as("new").await, queued(&["ann@a.example", "bob@a.example"]));
    assert_eq!(world.plan(&to(&[Delivered])).await.plan.unchanged, 1);
}

#[tokio::test]
async fn a_follow_up_of_many_pages_is_planned_whole_and_tells_how_far_it_is() {
    const ROWS: u64 = 700;
    let people = (0..ROWS).map(|n| person(&format!("c{n}"), &format!("p{n}@a.example")));
    let world = World::planned(people).await;
    let mut seen = 0;
    let mut progress = |_| seen += 1;
    let report = world.tracker.plan_follow_up(&to(&[Unsent]), &mut progress).await.unwrap();
    assert_eq!((report.plan.queued, report.still_waiting, seen), (ROWS, ROWS, ROWS));
}

#[tokio::test]
async fn what_can_be_no_follow_up_is_refused_and_creates_nothing() {
    let world = World::planned([person("c1", "ann@a.example")]).await;
    let other = Broadcast::new(id("other"), "general".parse().unwrap());
    world.tracker.plan(other, []).await.unwrap();
    let before = world.tracker.store().head().await.unwrap();
    let plan = async |new, old| {
        let follow_up = FollowUp::new(id(new), id(old)).status(Unsent);
        world.tracker.plan_follow_up(&follow_up, &mut |_| ()).await.unwrap_err()
    };
    assert!(matches!(plan("new", "typo").await, FollowUpError::Unknown { .. }));
    assert!(matches!(plan("old", "old").await, FollowUpError::Itself));
    let unrelated = plan("other", "old").await;
    assert!(
        matches!(unrelated, FollowUpError::Plan(PlanError::FollowsAnother { .. })),
        "{unrelated:?}"
    );
    assert_eq!(world.tracker.store().head().await.unwrap(), before);
}
