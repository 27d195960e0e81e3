//! How a connection is encrypted, and whose certificates are believed.

use std::fmt;
use std::sync::Arc;

use mailtrail_core::store::BoxError;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// How the connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Tls {
    /// Not at all, the password included: for a server on this machine.
    #[default]
    None,
    /// After STARTTLS (RFC 3207); without it nothing is sent.
    StartTls,
    /// From the first byte (RFC 8314).
    Implicit,
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

/// What encrypts, with its provider named: rustls panics where two are compiled in and none is chosen.
/// Without encryption nobody is believed, and the operating system's authorities are not asked for.
pub(super) fn connector(
    tls: Tls,
    authorities: Option<&Authorities>,
) -> Result<TlsConnector, BoxError> {
    let provider = Arc::new(ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = match (tls, authorities) {
        (Tls::None, _) => builder.with_root_certificates(RootCertStore::empty()),
        (_, Some(authorities)) => builder.with_root_certificates(authorities.roots()?),
        (_, None) => builder.with_platform_verifier()?,
    };
    Ok(TlsConnector::from(Arc::new(builder.with_no_client_auth())))
}
