//! Who else may vouch for a subscriber's host.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use ureq::tls::{Certificate, RootCerts};

/// Certificates of authorities that are trusted beside the system's own: that of a private network.
///
/// ```
/// use mailtrail::outbound::{Authorities, AuthoritiesError};
/// let nothing = Authorities::from_pem(b"a key, or nothing");
/// assert!(matches!(nothing, Err(AuthoritiesError::Empty)));
/// ```
#[derive(Debug, Clone)]
pub struct Authorities(Vec<CertificateDer<'static>>);

impl Authorities {
    /// All certificates of a PEM file.
    ///
    /// # Errors
    /// [`AuthoritiesError`].
    pub fn from_pem(text: &[u8]) -> Result<Self, AuthoritiesError> {
        let certificates = CertificateDer::pem_slice_iter(text).collect::<Result<Vec<_>, _>>()?;
        if certificates.is_empty() {
            return Err(AuthoritiesError::Empty);
        }
        let mut store = RootCertStore::empty();
        certificates.iter().try_for_each(|certificate| store.add(certificate.clone()))?;
        Ok(Self(certificates))
    }

    /// With the certificates of others.
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// These, and the system's.
    pub(super) fn roots(&self) -> RootCerts {
        // What the system has and can't be read is not trusted; that it lacks some is no reason to trust none.
        let systems = rustls_native_certs::load_native_certs().certs;
        let all = systems.iter().chain(&self.0);
        all.map(|certificate| Certificate::from_der(certificate).to_owned()).into()
    }
}

/// Why a file says nothing of whom to trust.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthoritiesError {
    /// There is no certificate in it.
    #[error("there is no certificate in it: write the authority's in PEM")]
    Empty,
    /// It is not PEM.
    #[error("it is not PEM")]
    NotPem(#[from] pem::Error),
    /// One is none that can vouch for others.
    #[error("a certificate in it can't be used")]
    Unusable(#[from] rustls::Error),
}
