//! Members of a record: names, order, duplicates, the unknown, and records that are none.

use affluent_core::schema::Schema;

use super::{render, rows};
use crate::decode::{Decoder, KeySpec, Reject};

#[test]
fn names_match_exactly_first_and_then_without_regard_to_case() {
    let records = [r#"{"ID":1,"name":"a"}"#, r#"{"Name":"b","id":2}"#, r#"{"\u006eame":"c","\u0049D":3}"#];
    let expected = [["1", "a", "null"], ["2", "b", "null"], ["3", "c", "null"]];
    assert_eq!(rows("id int, Name string", &records), expected);
    let schema = Schema::new(vec![
        affluent_core::schema::Field::new("a", affluent_core::schema::Type::Int),
        affluent_core::schema::Field::new("A", affluent_core::schema::Type::Int),
    ]);
    let mut decoder = Decoder::new(&schema, KeySpec::default(), None);
    decoder.append(None, br#"{"A":1,"a":2}"#).unwrap();
    assert_eq!(render::rows(&mut decoder), [["2", "1", "null"]]);
}

#[test]
fn names_are_compared_as_a_whole() {
    let records = [r#"{"ab":1,"abc":2,"a":3}"#, r#"{"a":3,"ab":1,"abc":2}"#, r#"{"É":1,"":2}"#];
    let expected =
        [["3", "1", r#"{"abc":2}"#], ["3", "1", r#"{"abc":2}"#], ["null", "null", r#"{"É":1,"":2}"#]];
    assert_eq!(rows("a int, ab int", &records), expected);
}

#[test]
fn names_that_need_escapes_are_found() {
    let records = [r#"{"a\"b":1,"c\\":2}"#, r#"{"c\\":2,"a\u0022b":1}"#];
    let expected = [["1", "2", "null"], ["1", "2", "null"]];
    assert_eq!(rows(r#"`a"b` int, `c\` int"#, &records), expected);
}

#[test]
fn order_and_gaps_do_not_matter() {
    let records = [
        r#"{"a":1,"b":2,"c":3}"#,
        r#"{"c":3,"a":1,"b":2}"#,
        r#"{"a":1,"c":3}"#,
        "{}",
        " {\t\"b\" :\r\n2 , \"c\": 3 } ",
    ];
    let expected = [
        ["1", "2", "3", "null"],
        ["1", "2", "3", "null"],
        ["1", "null", "3", "null"],
        ["null", "null", "null", "null"],
        ["null", "2", "3", "null"],
    ];
    assert_eq!(rows("a int, b int, c int", &records), expected);
}

/// What followed a value once is taken for granted only where the grammar allows it.
#[test]
fn learnt_steps_do_not_bend_the_grammar() {
    let schema = Schema::parse("a int, b int").unwrap();
    let mut decoder = Decoder::new(&schema, KeySpec::default(), None);
    let lessons = [
        r#"{"a":1,"b":2}"#,
        r#"{"b":1,"a":2}"#,
        r#"{"x":1,"a":2}"#,
        r#"{"a":1,"x":2,"b":3}"#,
        r#"{"a":1,"a":2,"b":3}"#,
        r#"{ "b" : 1 , "a" : 2 }"#,
        "{}",
    ];
    let wrong = [
        r#"{"b":1{"a":2}"#,
        r#"{"a":1{"b":2}"#,
        r#"{"a":1"b":2}"#,
        r#"{,"a":1}"#,
        r#"{,"b":1}"#,
        r#"{"x":1{"a":2}"#,
        r#"{"a":1,"b":2,}"#,
        r#"{"a":1,"b":2"a":3}"#,
        r#"{"a":1,,"b":2}"#,
        r#",{"a":1,"b":2}"#,
        r#"{"a":1},"b":2}"#,
        r#"{ "b" : 1 { "a" : 2 }"#,
        "{\"a\":1,\"b\":2\0",
        "{\0",
    ];
    for lesson in lessons {
        for again in lessons {
            decoder.append(None, lesson.as_bytes()).unwrap();
            decoder.append(None, again.as_bytes()).unwrap();
            for text in wrong {
                let taken = decoder.append(None, text.as_bytes());
                assert!(matches!(taken, Err(Reject::Syntax { .. })), "{text:?} after {lesson} and {again}");
            }
        }
    }
    assert_eq!(decoder.len(), 2 * lessons.len() * lessons.len());
}

#[test]
fn long_names_and_wide_gaps_are_read() {
    let long = "n".repeat(300);
    let schema = format!("short int, {long} int, {long}2 int");
    let gap = " ".repeat(300);
    let narrow = format!(r#"{{"short":1,"{long}":2,"{long}2":3}}"#);
    let wide = narrow.replace(':', &format!("{gap}:\n{gap}"));
    let shown = rows(&schema, &[&narrow, &wide, &narrow, &wide, &wide]);
    assert!(shown.iter().all(|row| row == &["1", "2", "3", "null"]));
}

#[test]
fn unknown_members_are_rescued_unless_null() {
    let records = [
        r#"{"x":null,"a":1}"#,
        r#"{"x":[1, {"y":"\ud800"}],"a":1,"z" : 1e400}"#,
        r#"{"a":1}"#,
        r#"{"\ud800":1}"#,
    ];
    let expected = [
        ["1", "null"],
        ["1", r#"{"x":[1, {"y":"\ud800"}],"z" : 1e400}"#],
        ["1", "null"],
        ["null", r#"{"\ud800":1}"#],
    ];
    assert_eq!(rows("a int", &records), expected);
}

#[test]
fn the_first_of_a_name_stays_and_the_others_are_rescued() {
    let records = [r#"{"a":1,"a":2,"A":null,"a":3}"#, r#"{"a":"x","a":2}"#, r#"{"a":null,"a":2}"#];
    let expected =
        [["1", r#"{"a":2,"A":null,"a":3}"#], ["null", r#"{"a":"x","a":2}"#], ["null", r#"{"a":2}"#]];
    assert_eq!(rows("a int", &records), expected);
}

#[test]
fn what_is_no_record_is_rejected_by_its_kind() {
    let schema = Schema::parse("a int").unwrap();
    let mut decoder = Decoder::new(&schema, KeySpec::default(), None);
    let mut reject = |text: &[u8]| decoder.append(None, text).unwrap_err();
    assert_eq!(reject(b""), Reject::Empty);
    assert_eq!(reject(b" \n"), Reject::Empty);
    assert_eq!(reject(b" null "), Reject::Null);
    for other in ["[]", "[{\"a\":1}]", "5", "\"{}\"", "true"] {
        assert_eq!(reject(other.as_bytes()), Reject::NotARecord, "{other}");
    }
    assert_eq!(reject(b"nul").to_string(), "not json: expected a value at byte 0");
    assert_eq!(reject(b"{\"a\":1} x").to_string(), "not json: text after the end of the value at byte 8");
    assert_eq!(
        reject(b"{\"a\":1}{\"a\":1}"),
        Reject::Syntax { at: 7, what: "text after the end of the value" }
    );
    assert_eq!(reject(b"{\"a\":\"\xff\"}"), Reject::InvalidUtf8 { at: 6 });
    assert_eq!(reject(b"\xef\xbb\xbf{}"), Reject::Syntax { at: 0, what: "expected a value" });
    assert!(matches!(reject(b"[1,2"), Reject::Syntax { at: 4, .. }));
}

#[test]
fn a_rejected_record_leaves_nothing() {
    let schema = "b boolean, i int, d decimal(9,2), s string, y bytes, t time, o struct<a string, l \
                  array<int>>, l array<struct<s string>>, m map<string, array<string>>";
    let record = r#"{"b":true,"i":1,"d":1.5,"s":"x","y":"AQID","t":"12:30","o":{"a":"y","l":[1,2]},"l":[{"s":"z"},null],"m":{"k":["v",null]},"x":1}"#;
    let schema = Schema::parse(schema).unwrap();
    let mut decoder = Decoder::new(&schema, KeySpec::default(), None);
    let mut once = Decoder::new(&schema, KeySpec::default(), None);
    for end in 0..record.len() {
        decoder.append(None, &record.as_bytes()[..end]).unwrap_err();
        if end % 10 == 0 {
            decoder.append(None, record.as_bytes()).unwrap();
            decoder.append(None, b"{}").unwrap();
            once.append(None, record.as_bytes()).unwrap();
            once.append(None, b"{}").unwrap();
        }
    }
    assert_eq!((decoder.len(), decoder.bytes()), (once.len(), once.bytes()));
    assert_eq!(render::rows(&mut decoder), render::rows(&mut once));
}

#[test]
fn a_decoder_goes_on_after_it_was_emptied() {
    let schema = Schema::parse("a int, s string, l array<int>").unwrap();
    let mut decoder = Decoder::new(&schema, KeySpec::default(), None);
    for round in 0..3 {
        assert_eq!((decoder.len(), decoder.is_empty()), (0, true));
        decoder.append(None, br#"{"a":1,"s":"x","l":[1]}"#).unwrap();
        if round == 1 {
            decoder.append(None, br#"{"a":"x","l":null}"#).unwrap();
        }
        let mut expected = vec![vec!["1", "x", "[1]", "null"]];
        if round == 1 {
            expected.push(vec!["null", "null", "null", r#"{"a":"x"}"#]);
        }
        assert_eq!(render::rows(&mut decoder), expected);
    }
    assert!(render::rows(&mut decoder).is_empty());
}

#[test]
fn the_event_time_is_returned_in_micros() {
    for (ty, value, expected) in [
        ("timestamp", r#""1970-01-01T00:00:01Z""#, Some(1_000_000)),
        ("timestamp", "5", Some(5000)),
        ("timestamp", "null", None),
        ("timestamp", "\"x\"", None),
        ("date", r#""1970-01-02""#, Some(86_400_000_000)),
        ("string", r#""1970-01-01 00:00:00.5""#, Some(500_000)),
        ("string", r#""yesterday""#, None),
        ("bigint", "5", Some(5000)),
        ("bigint", "9223372036854775807", None),
        ("double", "5", None),
    ] {
        let schema = Schema::parse(&format!("other string, t {ty}")).unwrap();
        let mut decoder = Decoder::new(&schema, KeySpec::default(), Some("T"));
        decoder.append(None, br#"{"t":null}"#).unwrap();
        let record = format!("{{\"t\":{value}}}");
        assert_eq!(decoder.append(None, record.as_bytes()), Ok(expected), "{record} as {ty}");
        assert_eq!(decoder.append(None, b"{}"), Ok(None));
    }
}
