//! One rule each.

use mailtrail_core::DeliveryId;
use mailtrail_core::token::{Key, Keys, Purpose};
use mailtrail_webhook::instrument::{InstrumentError, InstrumentOptions, Left, instrument};
use mailtrail_webhook::track::TRAP_LINK;

use super::{BASE, delivery, done, keys, options, undone};

/// What becomes of an HTML text, with the links of it that were changed.
fn html(text: &str) -> (String, Vec<String>) {
    let message = format!("MIME-Version: 1.0\nContent-Type: text/html; charset=utf-8\n\n{text}");
    let options = options().correlation(false).unsubscribe(false).pixel(false);
    let message = String::from_utf8(done(message.as_bytes(), &options).unwrap().message).unwrap();
    let (_, body) = message.split_once("\n\n").unwrap();
    (body.to_owned(), undone(body, true).1)
}

fn left(head: &str, body: &[u8]) -> Vec<Left> {
    let message = [b"Subject: x\n", head.as_bytes(), b"\n\n", body].concat();
    let done = done(&message, &options()).unwrap();
    assert_eq!(done.links, 0);
    assert!(done.message.ends_with(&[b"\n\n", body].concat()), "it is changed");
    done.left
}

#[test]
fn links_are_found_as_browsers_find_them() {
    for (text, link) in [
        ("<a href=https://a.example/b>", "https://a.example/b"),
        ("<A HREF = 'https://a.example/b'>", "https://a.example/b"),
        ("<area href=\" https://a.exa\nmple/b\t\">", "https://a.example/b"),
        (
            "<a title='>' href=\"https://a.example/?a=1&amp;b=2&copy=3\">",
            "https://a.example/?a=1&b=2&copy=3",
        ),
        ("<a href=\"https://a.example/&#x41;\">", "https://a.example/A"),
        ("<a href=\"https://a.example/ü\">", "https://a.example/%C3%BC"),
        ("<a href=\"https://a.example/1\" href=\"https://a.example/2\">", "https://a.example/1"),
    ] {
        assert_eq!(html(text).1, [link], "{text}");
    }
}

#[test]
fn what_is_no_link_to_follow_stays() {
    for text in [
        "<!-- <a href='https://a.example/'> -->",
        "<!--[if mso]><a href='https://a.example/'><![endif]-->",
        "<style>a[href='https://a.example/']</style>",
        "<textarea><a href='https://a.example/'></textarea>",
        "<link href='https://a.example/'><img src='https://a.example/'>",
        "<form action='https://a.example/'>",
        "<a data-mailtrail=OFF href='https://a.example/'>",
        "<a href='mailto:a@b.example'><a href><a name=x><a href='{{ url }}'>",
        "<a href='https://mail.school.example/t/u/x'>",
        "https://a.example/ in the text",
    ] {
        assert_eq!(html(text), (text.to_owned(), vec![]));
    }
}

#[test]
fn the_pixel_stands_at_the_end_of_the_body_that_is_one() {
    let message = b"Content-Type: text/html\n\n<body>x</BODY ><!-- </body> -->\n";
    let done = String::from_utf8(done(message, &options()).unwrap().message).unwrap();
    assert!(done.contains(r#"height="1" alt=""></BODY ><!-- </body> -->"#), "{done}");
}

#[test]
fn a_page_without_a_body_has_the_pixel_at_its_end_and_only_the_first_has_one() {
    let message =
        b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html\n\n<p>1\n\
        --b\nContent-Type: text/html\n\n<p>2\n--b--\n";
    let done = String::from_utf8(done(message, &options()).unwrap().message).unwrap();
    assert_eq!(done.matches("<img ").count(), 1);
    assert!(done.contains("<p>1<img src="), "{done}");
}

#[test]
fn a_page_that_does_not_end_gets_no_pixel_that_nobody_would_see() {
    for open in ["<!-- ", "<p title='", "<textarea>", "<script>"] {
        let message = format!(
            "Content-Type: text/html\n\n<a href='https://a.example/'>x</a>{open} https://b.example/"
        );
        let done = done(message.as_bytes(), &options()).unwrap();
        assert_eq!((done.links, done.pixel, done.left), (1, false, vec![Left::Broken]), "{open}");
    }
}

#[test]
fn the_trap_is_for_machines_alone() {
    let message = b"Content-Type: text/html\n\n<body></body>";
    let done = done(message, &options().trap(true)).unwrap();
    assert_eq!(done.links, 0);
    let text = String::from_utf8(done.message).unwrap();
    assert_eq!(undone(&text, true).1, [TRAP_LINK]);
    assert!(text.contains(r#"style="display:none" aria-hidden="true" tabindex="-1"></a><img"#));
}

#[test]
fn charsets_in_which_ascii_is_not_itself_are_left() {
    let link = "https://a.example/";
    let utf_16: Vec<u8> = link.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for kind in ["html", "plain"] {
        let head = |charset: &str| format!("Content-Type: text/{kind}; charset={charset}");
        assert_eq!(left(&head("utf-16be"), &utf_16), [Left::Charset]);
        assert_eq!(
            left(&head("iso-2022-jp"), b"\x1b$B@c\x1b(B https://a.example/"),
            [Left::Charset]
        );
        assert_eq!(left(&head("utf-7"), link.as_bytes()), [Left::Charset]);
        assert_eq!(left(&head("klingon"), link.as_bytes()), [Left::Charset]);
    }
}

#[test]
fn what_is_signed_or_not_understood_is_left() {
    let link = b"https://a.example/\n";
    let mixed = b"--b\nContent-Type: text/plain\n\nhttps://a.example/\n--b--\n";
    assert_eq!(left("Content-Type: multipart/signed; boundary=b", mixed), [Left::Signed]);
    assert_eq!(left("Content-Type: multipart/encrypted; boundary=b", mixed), [Left::Signed]);
    assert_eq!(left("Content-Type: application/pkcs7-mime", link), [Left::Signed]);
    let pgp = b"-----BEGIN PGP SIGNED MESSAGE-----\n\nhttps://a.example/\n";
    assert_eq!(left("Content-Type: text/plain", pgp), [Left::Signed]);
    assert_eq!(left("Content-Transfer-Encoding: x-uuencode", link), [Left::Encoding]);
    assert_eq!(left("Content-Transfer-Encoding: base64", b"?https://a.example/"), [Left::Broken]);
    assert_eq!(
        left("Content-Transfer-Encoding: quoted-printable", b"=u https://a.example/"),
        [Left::Broken]
    );
    assert_eq!(left("Content-Type: text/html; name=a.html", link), []);
}

#[test]
fn a_link_before_another_script_is_left_as_nobody_knows_where_it_ends() {
    let message = "Subject: x\n\nhttps://a.example/雪 https://b.example/ \n";
    assert_eq!(done(message.as_bytes(), &options()).unwrap().links, 1);
}

#[test]
fn a_line_that_becomes_too_long_is_written_anew() {
    let link = format!("https://a.example/{}", "x".repeat(940));
    let message = format!("Content-Transfer-Encoding: 7BIT\nSubject: x\n\n-- \n{link}\n");
    let done = String::from_utf8(done(message.as_bytes(), &options()).unwrap().message).unwrap();
    assert!(
        done.starts_with("Content-Transfer-Encoding: quoted-printable\nSubject: x\n"),
        "{done}"
    );
    assert!(done.lines().all(|line| line.len() <= 200));
    let (_, body) = done.split_once("\n\n").unwrap();
    assert!(body.starts_with("=2D-=20\n"), "{body}");
}

#[test]
fn the_header_gets_what_it_has_not() {
    let header = |message: &str, options: &InstrumentOptions| {
        String::from_utf8(done(message.as_bytes(), options).unwrap().message).unwrap()
    };
    let added = header("Subject: x\n\ny", &options());
    let token = added.split_once("X-MT-Delivery: ").unwrap().1.split_once('\n').unwrap().0;
    assert_eq!(keys().verify(Purpose::Metadata, token).unwrap().delivery, delivery());
    assert!(added.contains(&format!("List-Unsubscribe:\n <{BASE}/u/")), "{added}");
    assert!(added.ends_with("\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\n\ny"));

    let own = header("list-unsubscribe: <mailto:a@b.example>\n\ny", &options());
    assert!(!own.contains("List-Unsubscribe"), "{own}");
    // One click is for https alone.
    let plain = header("Subject: x\n\ny", &InstrumentOptions::new("http://m.example").unwrap());
    assert!(plain.contains("<http://m.example/u/") && !plain.contains("-Post"));
    // Without a body, even without the end of the last line.
    assert!(header("Subject: x", &options()).starts_with("Subject: x\r\nX-MT-Delivery: "));
}

#[test]
fn a_header_that_does_not_end_has_no_body_to_change() {
    for message in ["Content-Type: text/html", "Content-Type: text/html\nno field\n\n<p>x</p>\n"] {
        let done = done(message.as_bytes(), &options()).unwrap();
        assert_eq!((done.pixel, done.left), (false, vec![Left::Broken]));
        let text = String::from_utf8(done.message).unwrap();
        assert!(text.starts_with("Content-Type: text/html") && !text.contains("<img"), "{text}");
    }
}

#[test]
fn what_must_not_be_changed_is_refused() {
    let signed = b"DKIM-Signature: v=1\nSubject: x\n\nhttps://a.example/\n";
    assert_eq!(done(signed, &options()), Err(InstrumentError::DkimSigned));
    let nothing = InstrumentOptions::untracked().correlation(false);
    assert_eq!(done(signed, &nothing).unwrap().message, signed);
    assert_eq!(done(b"no header\n\n", &options()), Err(InstrumentError::NotAMessage));

    let other = DeliveryId::from_bytes([3; 16]);
    let first = done(b"Subject: x\n\n", &options()).unwrap().message;
    let again = instrument(&first, other, &keys(), &options());
    assert_eq!(again, Err(InstrumentError::OtherDelivery));
    // It was signed with an older key.
    let newer = Keys::new(Key::new(2, [8; 32])).and(Key::new(1, [7; 32]));
    assert_eq!(instrument(&first, delivery(), &newer, &options()).unwrap().message, first);
}
