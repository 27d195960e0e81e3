//! How a connection is encrypted, and whose certificates are believed.

use std::fmt;
use std::sync::Arc;

use mailtrail_core::event::Encryption;
use mailtrail_core::store::BoxError;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    self, ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

/// How the connection is encrypted.
///
/// | | without STARTTLS | with a certificate that isn't good for the host | from the first byte |
/// |---|---|---|---|
/// | `None` | in clear | in clear | no |
/// | `Opportunistic` | in clear | encrypted | no |
/// | `Encrypted` | not sent | encrypted | no |
/// | `StartTls` | not sent | not sent | no |
/// | `Implicit` | – | not sent | yes |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Tls {
    /// Not at all, the password included: for a server on this machine.
    #[default]
    None,
    /// After STARTTLS where it is offered and works, whoever is at the other end; else in clear (RFC 7435).
    /// Who listens only learns nothing; who also changes what is sent can take STARTTLS away.
    Opportunistic,
    /// After STARTTLS, whoever is at the other end; without it nothing is sent.
    Encrypted,
    /// After STARTTLS (RFC 3207), with a certificate for the host; without it nothing is sent.
    StartTls,
    /// From the first byte (RFC 8314), with a certificate for the host.
    Implicit,
}

impl Tls {
    /// Whether nobody but the host itself may be at the other end.
    fn is_strict(self) -> bool {
        matches!(self, Self::StartTls | Self::Implicit)
    }
}

/// Authorities whose certificates are believed, and no others: for a server whose certificate comes
/// from an authority that the operating system doesn't know.
///
/// ```
/// use mailtrail_smtp::send::Authorities;
/// assert!(Authorities::from_pem(b"no certificate").is_err());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Authorities(Vec<CertificateDer<'static>>);

impl Authorities {
    /// The certificates of a PEM file. What else is in it, such as a key, is left out.
    ///
    /// # Errors
    /// [`ParseAuthoritiesError`]: there is none, or one can't be read.
    pub fn from_pem(pem: &[u8]) -> Result<Self, ParseAuthoritiesError> {
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .map_err(|cause| ParseAuthoritiesError::Unreadable(cause.into()))?;
        if certificates.is_empty() {
            return Err(ParseAuthoritiesError::Empty);
        }
        let authorities = Self(certificates);
        authorities.roots().map_err(ParseAuthoritiesError::Unreadable)?;
        Ok(authorities)
    }

    fn roots(&self) -> Result<RootCertStore, BoxError> {
        let mut roots = RootCertStore::empty();
        for certificate in &self.0 {
            roots.add(certificate.clone())?;
        }
        Ok(roots)
    }
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authorities({})", self.0.len())
    }
}

/// A text holds no authorities.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParseAuthoritiesError {
    /// It holds no certificate.
    #[error("there is no certificate in it: give the authority's certificate in PEM form")]
    Empty,
    /// A certificate can't be read.
    #[error("a certificate in it can't be read: give the authority's certificate in PEM form")]
    Unreadable(#[source] BoxError),
}

/// What encrypts, and says whether the other end is who it should be.
#[derive(Clone)]
pub(super) struct Encrypter {
    connector: TlsConnector,
    verifier: Arc<dyn ServerCertVerifier>,
}

impl fmt::Debug for Encrypter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Encrypter")
    }
}

impl Encrypter {
    /// With its provider named: rustls panics where two are compiled in and none is chosen.
    pub(super) fn new(tls: Tls, authorities: Option<&Authorities>) -> Result<Self, BoxError> {
        let provider = Arc::new(ring::default_provider());
        let verifier = verifier(authorities, &provider)?;
        let asked: Arc<dyn ServerCertVerifier> = if tls.is_strict() {
            Arc::clone(&verifier)
        } else {
            Arc::new(Anyone(Arc::clone(&verifier)))
        };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(asked)
            .with_no_client_auth();
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), verifier })
    }

    pub(super) fn connector(&self) -> &TlsConnector {
        &self.connector
    }

    /// How a connection to a host turned out.
    pub(super) fn describe(&self, connection: &ClientConnection, host: &str) -> Encryption {
        let mut encryption = Encryption::default();
        let version = connection.protocol_version().and_then(|version| version.as_str());
        encryption.version = version.unwrap_or("TLS").replace('_', ".").into();
        encryption.verified = self.is_good(connection, host);
        encryption
    }

    fn is_good(&self, connection: &ClientConnection, host: &str) -> bool {
        let Some([leaf, chain @ ..]) = connection.peer_certificates() else { return false };
        let Ok(host) = ServerName::try_from(host) else { return false };
        self.verifier.verify_server_cert(leaf, chain, &host, &[], UnixTime::now()).is_ok()
    }
}

fn verifier(
    authorities: Option<&Authorities>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, BoxError> {
    let provider = Arc::clone(provider);
    Ok(match authorities {
        Some(authorities) => {
            let roots = Arc::new(authorities.roots()?);
            WebPkiServerVerifier::builder_with_provider(roots, provider).build()?
        }
        None => Arc::new(rustls_platform_verifier::Verifier::new(provider)?),
    })
}

/// Believes that anyone is the host, but not that a handshake is theirs who didn't sign it.
#[derive(Debug)]
struct Anyone(Arc<dyn ServerCertVerifier>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
