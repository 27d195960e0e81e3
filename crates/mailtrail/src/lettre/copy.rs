//! The copy of a message that goes to one recipient.

use lettre::Address;
use lettre::address::Envelope;
use mailtrail_core::id::{ContactId, Destination, IdError};
use mailtrail_core::plan::{Contact, ContactAddress};
use mailtrail_core::store::BoxError;
use mailtrail_core::{DeliveryId, EmailAddress, Namespace};
use mailtrail_smtp::message::message_id;
use mailtrail_smtp::return_path::ReturnPath;
use mailtrail_webhook::instrument::instrument;

use super::error::TrackedError;
use super::headers::Told;
use super::recorder::Recorder;

/// Whom a message goes to, and as which delivery.
#[derive(Debug)]
pub(super) struct Recipient {
    pub(super) to: Address,
    pub(super) delivery: DeliveryId,
    /// `None` if our rules for addresses are stricter than lettre's.
    pub(super) address: Option<EmailAddress>,
    contact: ContactId,
}

/// What goes to the transport.
#[derive(Debug)]
pub(super) struct Copy {
    pub(super) envelope: Envelope,
    pub(super) message: Vec<u8>,
    pub(super) message_id: String,
}

impl Recipient {
    /// The recipients of an envelope, each delivery once.
    pub(super) fn all(
        namespace: &Namespace,
        told: &Told,
        envelope: &Envelope,
    ) -> Result<Vec<Self>, IdError> {
        let mut all: Vec<Self> = Vec::new();
        for to in envelope.to() {
            let recipient = Self::of(namespace, told, to)?;
            if !all.iter().any(|other| other.delivery == recipient.delivery) {
                all.push(recipient);
            }
        }
        Ok(all)
    }

    fn of(namespace: &Namespace, told: &Told, to: &Address) -> Result<Self, IdError> {
        let text: &str = to.as_ref();
        let address = EmailAddress::parse(text).ok();
        let normal = address.as_ref().map_or(text, EmailAddress::normal);
        let contact = match &told.contact {
            Some(contact) => contact.clone(),
            None => normal.parse()?,
        };
        let destination =
            address.as_ref().map_or(Destination::Unparsed(text), Destination::Address);
        let delivery = DeliveryId::derive(namespace, told.broadcast.id(), &contact, destination);
        Ok(Self { to: to.clone(), delivery, address, contact })
    }

    /// The contacts to plan: one with all addresses if the message names one.
    pub(super) fn contacts(all: &[Self], told: &Told) -> Vec<Contact> {
        let mut contacts: Vec<Contact> = Vec::new();
        for recipient in all {
            let address = ContactAddress::new(recipient.to.as_ref());
            let last = contacts.last_mut();
            if let Some(contact) = last.filter(|contact| contact.id == recipient.contact) {
                contact.addresses.push(address);
            } else {
                let mut contact = Contact::new(recipient.contact.clone()).address(address);
                contact.name = told.name.as_deref().map(Into::into);
                contacts.push(contact);
            }
        }
        contacts
    }
}

impl Recorder {
    /// The message to one recipient: its own envelope and return path, a Message-ID if there was none,
    /// tracking.
    pub(super) fn copy<E: std::error::Error + 'static>(
        &self,
        told: &Told,
        envelope: &Envelope,
        to: &Recipient,
    ) -> Result<Copy, TrackedError<E>> {
        let mut message = Vec::new();
        let message_id = told.message_id.clone().unwrap_or_else(|| {
            let domain = self.return_path.as_ref().map(ReturnPath::domain);
            let domain = domain.or(envelope.from().map(Address::domain)).unwrap_or("localhost");
            let id = message_id(&self.keys, to.delivery, domain);
            message = format!("Message-ID: <{id}>\r\n").into_bytes();
            id
        });
        message.extend_from_slice(&told.bytes);
        let instrumented = instrument(&message, to.delivery, &self.keys, &self.options)
            .map_err(TrackedError::Instrument)?;
        let envelope = self.envelope(envelope, to).map_err(TrackedError::Envelope)?;
        Ok(Copy { envelope, message: instrumented.message, message_id })
    }

    fn envelope(&self, envelope: &Envelope, to: &Recipient) -> Result<Envelope, BoxError> {
        let from = match (&self.return_path, envelope.from()) {
            (Some(path), Some(_)) => Some(path.address(&self.keys, to.delivery).parse()?),
            (_, from) => from.cloned(),
        };
        Ok(Envelope::new(from, vec![to.to.clone()])?)
    }
}
