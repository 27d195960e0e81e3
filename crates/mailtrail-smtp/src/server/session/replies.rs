//! What a session says by itself.

use crate::server::reply::Reply;

pub(super) const GOODBYE: Reply = Reply::fixed(221, (2, 0, 0), "goodbye");
pub(super) const RESET: Reply = Reply::fixed(250, (2, 0, 0), "forgotten");
pub(super) const SENDER_TAKEN: Reply = Reply::fixed(250, (2, 1, 0), "sender taken");
pub(super) const NOT_VERIFIED: Reply = Reply::fixed(252, (2, 5, 0), "send mail and see");
pub(super) const HELP: Reply = Reply::fixed(214, (2, 0, 0), "see RFC 5321");
pub(super) const STOPPING: Reply = Reply::fixed(421, (4, 3, 2), "stopping, come again");
pub(super) const TOO_SLOW: Reply = Reply::fixed(421, (4, 4, 2), "that took too long");
pub(super) const TOO_MUCH_JUNK: Reply =
    Reply::fixed(421, (4, 7, 0), "too many commands without a message");
pub(super) const TOO_MANY_REFUSED: Reply =
    Reply::fixed(421, (4, 7, 0), "too many recipients that are not here");
pub(super) const TOO_MANY: Reply = Reply::fixed(452, (4, 5, 3), "too many recipients");
pub(super) const TOO_LONG: Reply = Reply::fixed(500, (5, 5, 2), "line too long");
pub(super) const BARE_LF: Reply = Reply::fixed(500, (5, 5, 2), "a line ends in CR LF");
pub(super) const SAY_LHLO: Reply = Reply::fixed(500, (5, 5, 1), "this is LMTP: say LHLO");
pub(super) const SAY_EHLO: Reply = Reply::fixed(500, (5, 5, 1), "this is SMTP: say EHLO");
pub(super) const HELLO_FIRST: Reply = Reply::fixed(503, (5, 5, 1), "say hello first");
pub(super) const ONE_AT_A_TIME: Reply = Reply::fixed(503, (5, 5, 1), "one message at a time");
pub(super) const MAIL_FIRST: Reply = Reply::fixed(503, (5, 5, 1), "MAIL FROM comes first");
pub(super) const RECIPIENT_FIRST: Reply = Reply::fixed(503, (5, 5, 1), "no recipient was taken");
pub(super) const TOO_LARGE: Reply = Reply::fixed(552, (5, 3, 4), "message too large");
