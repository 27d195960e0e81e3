use std::collections::BTreeMap;
use std::error::Error as _;

use chrono::{DateTime, Utc};
use mailtrail_core::event::{Private, Row};
use mailtrail_core::{DeliveryId, EmailAddress};

use super::*;

struct Person {
    row: Row,
    private: Private,
    address: EmailAddress,
}

impl Person {
    fn new() -> Self {
        let delivery = DeliveryId::from_bytes([2; 16]);
        let (broadcast, contact) = ("snow-day".parse().unwrap(), "c1".parse().unwrap());
        let mut row = Row::new(delivery, broadcast, contact, "emergency".parse().unwrap());
        row.time_zone = Some("Asia/Tokyo".into());
        let mut private = Private::default();
        private.name = Some("Ann Lee".into());
        private.labels.insert("class".into(), "4b".into());
        Self { row, private, address: "ann@a.example".parse().unwrap() }
    }

    fn letter(&self) -> Letter<'_> {
        let date: DateTime<Utc> = "2026-01-12T22:30:00Z".parse().unwrap();
        Letter::new(&self.row, &self.private, &self.address, "1@school.example", date)
    }
}

fn text(source: &str) -> Result<Template, TemplateError> {
    Template::new("office@school.example", "Closed", source)
}

fn filled(source: &str) -> String {
    let ann = Person::new();
    let template = text(source).unwrap().data(BTreeMap::from([("why", "it <snows>")]));
    template.fill(&ann.letter()).unwrap().text
}

#[test]
fn a_template_knows_the_row() {
    let all = "{{ name }}|{{ address }}|{{ contact }}|{{ broadcast }}|{{ kind }}|{{ labels.class }}|\
               {{ time_zone }}|{{ date }}|{{ data.why }}\n";
    let expected = "Ann Lee|ann@a.example|c1|snow-day|emergency|4b|Asia/Tokyo|2026-01-12T22:30:00Z|\
                    it <snows>\n";
    assert_eq!(filled(all), expected);
}

#[test]
fn a_date_is_that_of_the_contact() {
    assert_eq!(filled(r#"{{ date | dateformat("%d.%m.%Y %H:%M") }}"#), "13.01.2026 07:30");
    assert_eq!(filled(r#"{{ date | dateformat("%H:%M %Z", "Europe/Berlin") }}"#), "23:30 CET");
    let mut ann = Person::new();
    ann.row.time_zone = None;
    let template = text(r#"{{ date | dateformat("%H:%M") }}"#).unwrap();
    assert_eq!(template.fill(&ann.letter()).unwrap().text, "22:30");
}

#[test]
fn what_is_wrong_with_a_date_is_an_error() {
    let ann = Person::new();
    for wrong in
        ["date | dateformat('%Q')", "date | dateformat('%H', 'Mars')", "name | dateformat('')"]
    {
        let template = text(&format!("{{{{ {wrong} }}}}")).unwrap();
        assert!(matches!(template.fill(&ann.letter()), Err(TemplateError::Fill { line: 1, .. })));
    }
}

#[test]
fn what_the_row_lacks_is_an_error_unless_the_template_says_what_else() {
    let mut ann = Person::new();
    ann.private = Private::default();
    for lacking in
        ["\n{{ name }}", "\n{{ 'Dear ' ~ name }}", "\n{{ labels.class }}", "\n{{ data.x }}"]
    {
        let error = text(lacking)
            .unwrap()
            .data(BTreeMap::from([("y", 1)]))
            .fill(&ann.letter())
            .unwrap_err();
        assert!(matches!(error, TemplateError::Fill { part: "text", line: 2, .. }), "{lacking}");
        assert!(error.to_string().contains(&ann.row.delivery.to_string()), "{error}");
        let name = lacking.trim_matches(['{', '}', ' ', '\n']).trim_start_matches("'Dear ' ~ ");
        assert!(error.to_string().ends_with(&format!(": it lacks {name}")), "{error}");
        assert!(error.source().is_some());
    }
    let both = "{{ name or 'all' }} {{ labels.class | default('?') }}{% if name %}!{% endif %}";
    assert_eq!(text(both).unwrap().fill(&ann.letter()).unwrap().text, "all ?");
}

#[test]
fn a_check_finds_each_row_that_can_not_be_written() {
    let (ann, mut bo) = (Person::new(), Person::new());
    bo.private.labels.clear();
    bo.row.delivery = DeliveryId::from_bytes([3; 16]);
    let template = text("{{ labels.class }}").unwrap();
    let errors: Vec<_> = template.check([ann.letter(), bo.letter()]).collect();
    assert!(
        matches!(&errors[..], [TemplateError::Fill { delivery, .. }] if *delivery == bo.row.delivery)
    );
}

#[test]
fn a_name_that_no_row_has_is_an_error_when_the_template_is_read() {
    let error = text("Dear {{ name }},\n{% if false %}{{ naem }}{% endif %}").unwrap_err();
    assert!(
        matches!(&error, TemplateError::UnknownName { part: "text", line: 2, name } if name == "naem")
    );
    let error = text("{{ name }").unwrap_err();
    assert!(matches!(error, TemplateError::Syntax { part: "text", line: 1, .. }));
    assert!(
        text("{% for i in range(3) %}{{ loop.index ~ i }}{% set x = i %}{{ x }}{% endfor %}")
            .is_ok()
    );
}

#[test]
fn endless_work_ends() {
    let ann = Person::new();
    let long = "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}";
    let large = "{% for a in range(9999) %}{{ 'x' * 9999 }}{% endfor %}";
    for source in [long, large, "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"] {
        let error = text(source).unwrap().fill(&ann.letter()).unwrap_err();
        assert!(
            matches!(error, TemplateError::TooMuch { .. } | TemplateError::Fill { .. }),
            "{error}"
        );
    }
}

#[test]
fn no_other_file_is_read() {
    let ann = Person::new();
    let template = text("{% include '/etc/hostname' %}");
    assert!(template.is_err() || template.unwrap().fill(&ann.letter()).is_err());
}
