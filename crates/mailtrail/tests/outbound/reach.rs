//! Where messages go, and where they never do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mailtrail::outbound::{Authorities, Wanted};
use mailtrail::serve::{Server, Tls};
use mailtrail::webhook::outbound::{Failed, Guard};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::receiver::{Receiver, Reply};
use crate::world::{World, loopback, poster, subscriber, to, tries, until};

#[test]
fn private_addresses_are_refused_also_where_a_name_means_them() {
    let world = World::new();
    let receiver = Receiver::start(|_| Reply::Status(200));
    let ann = world.plan("snow-day", &["ann"])[0];
    world.delivered(ann);
    let port = receiver.address.port();
    for host in ["localhost", "127.0.0.1", "[::ffff:127.0.0.1]", "2130706433", "0.0.0.0"] {
        let refused = poster(&format!("http://{host}:{port}/hooks"), Guard::default());
        let outbound = world.start(subscriber(refused).schedule(tries([0])));
        let paused = until(|| outbound.standing().paused);
        assert_eq!(&*paused.cause, Failed::Refused.to_string(), "{host}");
        drop(outbound);
        std::fs::remove_dir_all(world.folder.path().join("crm")).unwrap();
    }
    assert!(receiver.came().is_empty());
    // The same name, where its network is allowed.
    let allowed = poster(&format!("http://localhost:{port}/hooks"), loopback());
    world.through(&world.start(subscriber(allowed)));
    assert_eq!(receiver.taken().len(), 1);
}

#[test]
fn no_redirect_is_followed() {
    let world = World::new();
    let receiver = Receiver::start(|_| Reply::Redirect);
    let ann = world.plan("snow-day", &["ann"])[0];
    world.delivered(ann);
    let outbound = world.start(to(&receiver));
    assert_eq!(&*until(|| outbound.standing().paused).cause, "answered 302");
    assert!(receiver.came().iter().all(|came| came.path == "/hooks"));
    assert_eq!(receiver.came().len(), 3);
}

#[test]
fn an_answer_that_never_comes_is_none_and_the_sender_stops_in_time() {
    let world = World::new();
    let receiver = Receiver::start(|_| Reply::TakeAndHang);
    let ann = world.plan("snow-day", &["ann"])[0];
    world.delivered(ann);
    let outbound = world.start(subscriber(poster(&receiver.url(), loopback())));
    until(|| (receiver.open() == 1).then_some(()));
    let began = std::time::Instant::now();
    drop(outbound);
    assert!(began.elapsed() < std::time::Duration::from_secs(6));
    let kept = world.folder_of("crm").kept().unwrap().unwrap();
    assert_eq!((kept.waiting.len(), kept.taken), (1, 0), "it comes again");
}

#[test]
fn what_identifies_a_person_is_left_out_unless_asked_for() {
    let world = World::new();
    let receiver = Receiver::start(|_| Reply::Status(200));
    world.plan("snow-day", &["ann"]);
    let every: Wanted = ["*"].into_iter().collect();
    for (wanted, is_shown) in [(every.clone(), false), (every.with_private(), true)] {
        let before = receiver.taken().len();
        world.through(&world.start(to(&receiver).wanted(wanted)));
        let taken = receiver.taken().split_off(before);
        assert_eq!(taken.len(), world.events().len());
        let text: String = taken.iter().map(|came| came.body.to_string()).collect();
        assert_eq!(text.contains("ann@a.example"), is_shown, "{text}");
        std::fs::remove_dir_all(world.folder.path().join("crm")).unwrap();
    }
}

/// A host of a private network, whose certificate is of that network's own authority.
#[test]
fn an_authority_that_is_named_vouches_for_a_host_and_nobody_else_does() {
    let world = World::new();
    let ann = world.plan("snow-day", &["ann"])[0];
    world.delivered(ann);
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let (authority, other) = (Authority::new(), Authority::new());
    let own = KeyPair::generate().unwrap();
    let host = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let issued = host.signed_by(&own, &authority.issuer).unwrap();
    std::fs::write(&certificate, issued.pem()).unwrap();
    std::fs::write(&key, own.serialize_pem()).unwrap();

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let taken = Arc::new(AtomicUsize::new(0));
    let take = {
        let taken = taken.clone();
        move || {
            taken.fetch_add(1, Ordering::SeqCst);
            async { "" }
        }
    };
    let app = axum::Router::new().fallback(take);
    let tls = Tls::from_files(&certificate, &key).unwrap();
    let running = runtime.block_on(async {
        Server::new(app).tls(Some(tls)).bind(([127, 0, 0, 1], 0).into()).unwrap()
    });
    let url = format!("https://localhost:{}/hooks", running.local_addr().port());

    let trusting = |authority: Option<&Authority>| {
        let poster = poster(&url, loopback());
        match authority.map(|authority| Authorities::from_pem(authority.pem.as_bytes()).unwrap()) {
            Some(authorities) => poster.trust(&authorities),
            None => poster,
        }
    };
    for nobody in [None, Some(&other)] {
        let outbound = world.start(subscriber(trusting(nobody)).schedule(tries([0])));
        let cause = until(|| outbound.standing().paused).cause;
        assert!(cause.to_lowercase().contains("certificate"), "{cause}");
        drop(outbound);
        std::fs::remove_dir_all(world.folder.path().join("crm")).unwrap();
    }
    assert_eq!(taken.load(Ordering::SeqCst), 0);
    world.through(&world.start(subscriber(trusting(Some(&authority)))));
    assert_eq!(taken.load(Ordering::SeqCst), 1);
}

/// An authority of its own.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let (mut of, key) = (CertificateParams::default(), KeyPair::generate().unwrap());
        of.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = of.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(of, key) }
    }
}
