//! The HTTP server over real connections: who a request is from, TLS, limits, and the end.
#![cfg(test)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use mailtrail::core::EventStore;
use mailtrail::memory::MemoryStore;
use mailtrail::serve::{
    Limits, Running, ServeError, Server, Tls, TlsError, TrustedProxies, health,
};
use mailtrail_testkit::{Chaos, ChaosStore};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const LOOPBACK: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

fn app() -> Router {
    let who = |ConnectInfo(from): ConnectInfo<SocketAddr>| async move { from.ip().to_string() };
    let slow = || async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        "done"
    };
    Router::new().route("/who", get(who)).route("/slow", get(slow))
}

async fn ask<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, path: &str, fields: &str) -> String {
    let head =
        format!("GET {path} HTTP/1.1\r\nHost: mail.example\r\nConnection: close\r\n{fields}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn get_from(running: &Running, path: &str, fields: &str) -> String {
    ask(TcpStream::connect(running.local_addr()).await.unwrap(), path, fields).await
}

#[tokio::test]
async fn a_client_is_known_behind_trusted_proxies_only() {
    let said = "X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-For: 192.0.2.9\r\n";
    for (proxies, client) in
        [("", "127.0.0.1"), ("10.0.0.0/8", "127.0.0.1"), ("127.0.0.0/8", "192.0.2.9")]
    {
        let proxies: TrustedProxies = proxies.parse().unwrap();
        let running = Server::new(app()).trusted_proxies(proxies).bind(LOOPBACK).unwrap();
        let answer = get_from(&running, "/who", said).await;
        assert!(answer.ends_with(&format!("\r\n\r\n{client}")), "{answer}");
    }
}

#[tokio::test]
async fn what_is_too_much_or_too_slow_is_told_so() {
    let limits = Limits::default()
        .requests(1)
        .request_within(Duration::from_millis(200))
        .head_within(Duration::from_millis(200));
    let running = Server::new(app()).limits(limits).bind(LOOPBACK).unwrap();
    let slow = get_from(&running, "/slow", "");
    let second = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        get_from(&running, "/who", "").await
    };
    let (slow, second) = tokio::join!(slow, second);
    assert!(slow.starts_with("HTTP/1.1 408"), "{slow}");
    assert!(second.starts_with("HTTP/1.1 429"), "{second}");
    assert!(second.to_lowercase().contains("retry-after: 1"), "{second}");
    // A head that never ends.
    let mut stream = TcpStream::connect(running.local_addr()).await.unwrap();
    stream.write_all(b"GET /who HTTP/1.1\r\nHost").await.unwrap();
    let (began, mut rest) = (Instant::now(), Vec::new());
    stream.read_to_end(&mut rest).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_stop_has_let_go_of_what_was_served() {
    for (within, answered) in [(5_000, true), (50, false)] {
        let store = Arc::new(MemoryStore::new());
        let held = Arc::clone(&store);
        let slow = move || {
            let held = Arc::clone(&held);
            async move {
                tokio::time::sleep(Duration::from_millis(400)).await;
                held.head().await.map_or("unknown", |_| "done")
            }
        };
        let app = Router::new().route("/slow", get(slow));
        let running = Server::new(app).bind(LOOPBACK).unwrap();
        let asking: Vec<_> = (0..8)
            .map(|_| {
                let address = running.local_addr();
                tokio::spawn(async move {
                    let stream = TcpStream::connect(address).await.unwrap();
                    ask(stream, "/slow", "").await
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(running.stop(Duration::from_millis(within)).await, answered);
        assert_eq!(Arc::strong_count(&store), 1, "a store could be opened again");
        asking.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

#[tokio::test]
async fn a_stop_answers_what_has_begun_and_takes_nothing_new() {
    let running = Server::new(app()).bind(LOOPBACK).unwrap();
    let address = running.local_addr();
    let stream = TcpStream::connect(address).await.unwrap();
    let slow = tokio::spawn(async move { ask(stream, "/slow", "").await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(running.stop(Duration::from_secs(5)).await);
    assert!(slow.await.unwrap().ends_with("done"));
    assert!(TcpStream::connect(address).await.is_err());

    let running = Server::new(app()).bind(LOOPBACK).unwrap();
    let stream = TcpStream::connect(running.local_addr()).await.unwrap();
    let slow = tokio::spawn(async move { ask(stream, "/slow", "").await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!running.stop(Duration::from_millis(50)).await);
    assert!(!slow.await.is_ok_and(|answer| answer.ends_with("done")));
}

#[tokio::test]
async fn tls_speaks_to_who_trusts_the_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["mail.example".to_owned()]).unwrap();
    std::fs::write(&certificate, cert.pem()).unwrap();
    std::fs::write(&key, signing_key.serialize_pem()).unwrap();

    let tls = Tls::from_files(&certificate, &key).unwrap();
    let running = Server::new(app()).tls(Some(tls)).bind(LOOPBACK).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    let stream = TcpStream::connect(running.local_addr()).await.unwrap();
    let name = ServerName::try_from("mail.example").unwrap();
    let answer = ask(connector.connect(name, stream).await.unwrap(), "/who", "").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("127.0.0.1"), "{answer}");

    let missing = folder.path().join("missing.pem");
    assert!(matches!(Tls::from_files(&missing, &key), Err(TlsError::Read { .. })));
    assert!(matches!(Tls::from_files(&key, &key), Err(TlsError::NoCertificate { .. })));
    assert!(matches!(Tls::from_files(&certificate, &certificate), Err(TlsError::NoKey { .. })));
    let other = generate_simple_self_signed(["other.example".to_owned()]).unwrap();
    std::fs::write(&key, other.signing_key.serialize_pem()).unwrap();
    assert!(matches!(Tls::from_files(&certificate, &key), Err(TlsError::Unusable(_))));
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error_that_names_it() {
    let running = Server::new(app()).bind(LOOPBACK).unwrap();
    let ServeError::Bind { address, .. } =
        Server::new(app()).bind(running.local_addr()).unwrap_err()
    else {
        panic!()
    };
    assert_eq!(address, running.local_addr());
}

#[tokio::test]
async fn health_is_whether_the_store_takes_events() {
    let store: Arc<dyn EventStore> = Arc::new(MemoryStore::new());
    let shut = ChaosStore::new(Arc::clone(&store), Chaos::seeded(1).unavailable(1.0));
    for (store, status) in [(store, "200"), (Arc::new(shut), "503")] {
        let running = Server::new(health(store)).bind(LOOPBACK).unwrap();
        let answer = get_from(&running, "/health", "").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
}
