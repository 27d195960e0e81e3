//! Provider webhooks and tracking hits to Mailtrail's feedback.
