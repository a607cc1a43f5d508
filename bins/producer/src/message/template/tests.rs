//! Templates make what they say, and errors name the field.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::{Plan, Record};
use super::*;

fn plan() -> Plan {
    Plan::new(1, 100, 10, 0.0)
}

fn parse(text: &str) -> Result<Template, String> {
    Template::parse("t.json", text, None, &plan()).map_err(|error| error.to_string())
}

fn values(text: &str, field: &str) -> Vec<Value> {
    let template = parse(text).unwrap();
    let all = (0..500).map(|index| {
        let mut record = Record::default();
        template.write(&plan(), index, &mut record);
        serde_json::from_slice::<Value>(record.value_bytes().unwrap()).unwrap()[field].clone()
    });
    all.collect()
}

/// The values of a field `x` of this generator.
fn made(generator: &str) -> Vec<Value> {
    values(&format!("{{\"fields\":{{\"x\":{generator}}}}}"), "x")
}

#[test]
fn generators_make_what_they_say() {
    let ints = made(r#"{"type":"int","min":-2,"max":2}"#);
    assert_eq!(
        ints.iter().map(|n| n.as_i64().unwrap()).collect::<BTreeSet<_>>(),
        BTreeSet::from([-2, -1, 0, 1, 2])
    );
    assert!(
        made(r#"{"type":"decimal","min":-1,"max":1,"scale":3}"#)
            .iter()
            .all(|n| n.as_f64().unwrap().abs() <= 1.0)
    );
    assert!(made(r#"{"type":"double"}"#).iter().all(|n| (0.0..1.0).contains(&n.as_f64().unwrap())));
    assert_eq!(made(r#"{"type":"sequence","start":5,"step":-2}"#)[3], -1);
    let ids = made(r#"{"type":"id","prefix":"a\"","of":3,"digits":2}"#);
    assert!(ids.iter().all(|id| ["a\"00", "a\"01", "a\"02"].contains(&id.as_str().unwrap())));
    for unique in [r#"{"type":"hex","digits":20}"#, r#"{"type":"uuid"}"#] {
        assert_eq!(made(unique).iter().map(Value::to_string).collect::<BTreeSet<_>>().len(), 500);
    }
    let choice = made(r#"{"type":"choice","values":[{"b":1,"a":2},null,7],"weights":[1,0,3]}"#);
    let objects = choice.iter().filter(|value| value.is_object()).count();
    assert!((80..170).contains(&objects) && !choice.contains(&Value::Null), "{objects}");
    let nulls = made(r#"{"type":"bool","null":0.5}"#).iter().filter(|value| value.is_null()).count();
    assert!((200..300).contains(&nulls), "{nulls}");
    assert_eq!(made(r#"{"type":"timestamp","format":"millis"}"#)[7], 7);
    assert!(
        made(r#"{"type":"timestamp","format":"micros","late":"1s"}"#)
            .iter()
            .all(|n| n.as_i64().unwrap() >= -1_000_000)
    );
    let nested = made(
        r#"{"type":"array","min":1,"max":2,"of":{"type":"object","fields":{"y":[1],"z":{"type":"words"}}}}"#,
    );
    assert!(nested.iter().all(|list| list[0]["y"][0] == 1 && list[0]["z"].is_string()));
}

#[test]
fn the_key_is_a_field_s_bare_value() {
    for (generator, wanted) in
        [(r#""a\"b""#, Some(&b"a\"b"[..])), ("17", Some(b"17")), ("null", None), ("true", Some(b"true"))]
    {
        let template = parse(&format!("{{\"key\":\"k\",\"fields\":{{\"v\":1,\"k\":{generator}}}}}")).unwrap();
        let mut record = Record::default();
        template.write(&plan(), 0, &mut record);
        assert_eq!(record.key_bytes(), wanted, "{generator}");
    }
}

#[test]
fn errors_say_where_and_what() {
    for (text, wanted) in [
        ("{", "no valid JSON"),
        ("[]", "this is a list"),
        ("{}", "no \"fields\""),
        (r#"{"fields":{},"kee":"x"}"#, "kee: there is no such option; did you mean key?"),
        (r#"{"key":"k","fields":{"x":1}}"#, "no field \"k\""),
        (r#"{"key":"k","fields":{"k":{"type":"array","of":1}}}"#, "must be text"),
        (r#"{"fields":{"x":{"min":1}}}"#, "fields.x: an object needs a \"type\""),
        (
            r#"{"fields":{"x":{"type":"desimal"}}}"#,
            "fields.x.type: \"desimal\" is unknown; did you mean decimal?",
        ),
        (
            r#"{"fields":{"x":{"type":"int","mim":1}}}"#,
            "fields.x.mim: there is no such option; did you mean min",
        ),
        (r#"{"fields":{"x":{"type":"int","min":5,"max":4}}}"#, "fields.x.max: is below min"),
        (r#"{"fields":{"x":{"type":"int","min":"5"}}}"#, "a whole number is wanted, this is a string"),
        (r#"{"fields":{"x":{"type":"choice","values":[]}}}"#, "one value or more"),
        (r#"{"fields":{"x":{"type":"choice","values":[1],"weights":[0]}}}"#, "all 0"),
        (r#"{"fields":{"x":{"type":"choice","values":[1],"weights":[1,2]}}}"#, "as long as the values"),
        (r#"{"fields":{"x":{"type":"id","of":0}}}"#, "1 or more"),
        (r#"{"fields":{"x":{"type":"hex","digits":8}}}"#, "fewer would not be unique"),
        (r#"{"fields":{"x":{"type":"timestamp","late":"soon"}}}"#, "fields.x.late"),
        (r#"{"fields":{"x":{"type":"words","max":99999999}}}"#, "0..=1000000"),
        (r#"{"fields":{"x":{"type":"bool","null":2}}}"#, "fields.x.null: must lie in 0..=1"),
        (r#"{"fields":{"x":{"type":"object","fields":{"y":{"type":"?"}}}}}"#, "fields.x.y.type"),
        (r#"{"fields":{"x":{"type":"array","of":{"type":"?"}}}}"#, "fields.x.of.type"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.starts_with("template t.json: ") && error.contains(wanted), "{text}\n{error}");
    }
}
