//! SMTP replies and diagnostic texts to Mailtrail's reasons, by rules that are data.
