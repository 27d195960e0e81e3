//! Signatures by which others know that a message is from your domain (DKIM, RFC 6376).

mod error;
mod key;

use std::time::Duration;

use chrono::{DateTime, Utc};
use mail_auth::common::crypto::HashAlgorithm;
use mail_auth::common::headers::{Writable, Writer};
use mail_auth::dkim::{Canonicalization, Signature};

pub use error::{DkimError, ParseKeyError, SignError};
pub use key::DkimKey;

use super::fields::{self, Fields, NoField};

/// Signs messages for one domain, with one key or two.
///
/// The signature is the last thing that a message gets: after its tracking, and after
/// [`Headers`](super::Headers). It covers the whole body (relaxed, no `l=`), and of the header what people
/// and programs go by: [`SIGNED`]. What stands [`SEALED`] can't be added a second time either.
/// `List-Unsubscribe` and `List-Unsubscribe-Post` are among them, without which a click in Gmail or Yahoo
/// unsubscribes nobody (RFC 8058 §4).
///
/// # Two keys?
/// Ed25519 is small and fast, but many servers know RSA alone: sign with both ([`and`](Self::and)), each under its
/// own selector (RFC 8463 §3), or with RSA alone.
///
/// # My relay changes fields
/// Amazon SES, for one, sets `Message-ID` and `Date` anew, which would break the signature: leave them
/// [`unsigned`](Self::unsigned), or let the relay sign.
///
/// # Guarantees
/// - The message stays as it is, to the byte: fields come before it.
/// - The same message at the same time gives the same bytes.
///
/// # Example
/// ```
/// use mailtrail_smtp::message::dkim::{Dkim, DkimKey};
/// # let pem = "-----BEGIN PRIVATE KEY-----\n\
/// #     MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
/// let dkim = Dkim::new("school.example", "2026a", DkimKey::from_pem(pem)?)?;
/// assert_eq!(dkim.records().next().unwrap().0, "2026a._domainkey.school.example");
///
/// let message = b"From: office@school.example\r\nSubject: Closed\r\n\r\nStay at home.\r\n";
/// let signed = dkim.sign(message.to_vec(), "2026-01-12T06:30:00Z".parse()?)?;
/// assert!(signed.starts_with(b"DKIM-Signature: v=1; a=ed25519-sha256; s=2026a; d=school.example;"));
/// assert!(signed.ends_with(message));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Dkim {
    domain: String,
    signers: Vec<Signer>,
    signed: Vec<&'static str>,
    expires: Option<Duration>,
}

#[derive(Debug)]
struct Signer {
    selector: String,
    key: DkimKey,
}

impl Dkim {
    /// Signs for this domain, with the key that DNS has under `{selector}._domainkey.{domain}`.
    ///
    /// To count for DMARC, the domain is that of the From address or one above it.
    ///
    /// # Errors
    /// [`DkimError`]
    pub fn new(domain: &str, selector: &str, key: DkimKey) -> Result<Self, DkimError> {
        let domain = name(domain).ok_or(DkimError::Domain)?;
        let this = Self { domain, signers: Vec::new(), signed: SIGNED.to_vec(), expires: None };
        this.and(selector, key)
    }

    /// Signs with this key too.
    ///
    /// # Errors
    /// [`DkimError::Selector`]
    pub fn and(mut self, selector: &str, key: DkimKey) -> Result<Self, DkimError> {
        let selector = name(selector).ok_or(DkimError::Selector)?;
        self.signers.push(Signer { selector, key });
        Ok(self)
    }

    /// With an end to the signatures (`x=`), this long after they are made. Mail may be on its way for
    /// days: a week is not too long.
    pub fn expires_after(mut self, time: Duration) -> Self {
        self.expires = Some(time);
        self
    }

    /// Without this field, which your relay changes. `From` is always signed (RFC 6376 §5.4).
    pub fn unsigned(mut self, field: &str) -> Self {
        self.signed.retain(|name| name == &FROM || !name.eq_ignore_ascii_case(field));
        self
    }

    /// What DNS must have: the names of the TXT records, and their texts.
    pub fn records(&self) -> impl Iterator<Item = (String, String)> {
        let name = |selector| format!("{selector}._domainkey.{}", self.domain);
        self.signers.iter().map(move |signer| (name(&signer.selector), signer.key.record()))
    }

    /// The message with its signatures, made at this time.
    ///
    /// # Errors
    /// [`SignError`]
    pub fn sign(&self, message: Vec<u8>, now: DateTime<Utc>) -> Result<Vec<u8>, SignError> {
        let fields = Fields::read(&message).map_err(|NoField(line)| SignError::NoField { line })?;
        if !fields.has(&message, FROM) {
            return Err(SignError::NoFrom);
        }
        if has_bare_cr(&message) {
            return Err(SignError::BareCr);
        }
        let covered = self.covered(&message, &fields);
        let template = self.template(&message, &fields, &covered, now);
        let mut signed = Vec::new();
        for signer in &self.signers {
            signer.sign(template.clone(), &covered.values)?.write(&mut signed, true);
        }
        let mut signed = fields::with_line_end(signed, fields::line_end(&message));
        signed.extend(message);
        Ok(signed)
    }

    /// The fields that are signed, from the last to the first of each name (RFC 6376 §5.4.2).
    fn covered<'m>(&self, message: &'m [u8], fields: &Fields) -> Covered<'m> {
        let mut covered = Covered::default();
        for name in &self.signed {
            for field in fields.named(message, name).rev() {
                covered.names.push((*name).to_owned());
                covered.values.push((field.name(message), field.value(message)));
            }
            // Named once more than it is there: one that is added later breaks the signature.
            if SEALED.contains(name) {
                covered.names.push((*name).to_owned());
            }
        }
        covered
    }

    /// What all the signatures have in common.
    fn template(
        &self,
        message: &[u8],
        fields: &Fields,
        covered: &Covered<'_>,
        now: DateTime<Utc>,
    ) -> Signature {
        // Blanks and empty lines at the end do not count (RFC 6376 §3.4.4). They are taken off here because
        // mail-auth 0.13.3 counts lines there that hold blanks alone, and other verifiers do not.
        let body = message.get(fields.body..).unwrap_or_default();
        let is_blank = |byte: &u8| b" \t\r\n".contains(byte);
        let end =
            body.iter().rposition(|byte| !is_blank(byte)).map_or(0, |at| at.saturating_add(1));
        let body = body.get(..end).unwrap_or_default();
        let hash = HashAlgorithm::Sha256.hash(Canonicalization::Relaxed.canonical_body(body, 0));
        let now = u64::try_from(now.timestamp()).unwrap_or_default();
        Signature {
            v: 1,
            d: self.domain.clone(),
            bh: hash.as_ref().to_vec(),
            h: covered.names.clone(),
            t: now,
            x: self.expires.map_or(0, |time| now.saturating_add(time.as_secs())),
            ..Signature::default()
        }
    }
}

/// What of a header is signed.
#[derive(Default)]
struct Covered<'m> {
    names: Vec<String>,
    values: Vec<(&'m [u8], &'m [u8])>,
}

impl Signer {
    fn sign(&self, template: Signature, values: &[(&[u8], &[u8])]) -> Result<Signature, SignError> {
        let mut signature = template;
        signature.a = self.key.algorithm();
        signature.s.clone_from(&self.selector);
        let failed = |cause: mail_auth::Error| SignError::Key {
            selector: self.selector.clone(),
            cause: cause.into(),
        };
        signature.b = self.key.sign(Input { values, signature: &signature }).map_err(failed)?;
        Ok(signature)
    }
}

/// What is signed of the header: the fields, then the signature's own field, yet without `b` (RFC 6376 §3.7).
struct Input<'a> {
    values: &'a [(&'a [u8], &'a [u8])],
    signature: &'a Signature,
}

impl Writable for Input<'_> {
    fn write(self, writer: &mut impl Writer) {
        Canonicalization::Relaxed.canonicalize_headers(self.values.iter().copied(), writer);
        self.signature.write(writer, false);
    }
}

fn has_bare_cr(message: &[u8]) -> bool {
    let next = |at: usize| message.get(at.saturating_add(1));
    memchr::memchr_iter(b'\r', message).any(|at| next(at) != Some(&b'\n'))
}

/// A domain or selector in ASCII, lower case.
fn name(text: &str) -> Option<String> {
    let ascii = idna::domain_to_ascii(text.trim_end_matches('.')).ok()?;
    let is_label = |label: &str| {
        let mut bytes = label.bytes();
        (1..=63).contains(&label.len())
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    (ascii.len() <= 253 && ascii.split('.').all(is_label)).then_some(ascii)
}

/// The fields that are signed where a message has them.
pub const SIGNED: [&str; 22] = [
    FROM,
    "Reply-To",
    "Sender",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "List-Id",
    "List-Help",
    "List-Post",
    "List-Subscribe",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "List-Archive",
    "Feedback-ID",
    "Auto-Submitted",
];
/// Those of them that nobody can add later, not even where a message has none.
pub const SEALED: [&str; 10] = [
    FROM,
    "Reply-To",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
];
const FROM: &str = "From";
