//! Schemas from records, and the growth of those that are known.

use affluent_core::schema::{Schema, Type};

use crate::decode::{Decoder, Inferred, KeySpec, Reject};

fn inferred(records: &[&str]) -> Inferred {
    let mut inferred = Inferred::new();
    for record in records {
        inferred.observe(record.as_bytes()).unwrap();
    }
    inferred
}

fn shown(schema: &Schema) -> String {
    Type::Struct(schema.fields.clone()).to_string()
}

/// The type of the column `v` after its values were seen.
fn column(values: &[&str]) -> Option<String> {
    let records: Vec<String> = values.iter().map(|value| format!("{{\"v\":{value}}}")).collect();
    let records: Vec<&str> = records.iter().map(String::as_str).collect();
    let schema = inferred(&records).merge_into(&Schema::default())?;
    assert_eq!(schema.fields.len(), 1);
    Some(schema.fields[0].ty.to_string())
}

/// `schema` as it grows by records.
fn grown(schema: &str, records: &[&str]) -> Option<String> {
    inferred(records).merge_into(&Schema::parse(schema).unwrap()).map(|schema| shown(&schema))
}

#[test]
fn values_tell_their_types() {
    for (values, expected) in [
        (&["true"] as &[&str], "boolean"),
        (&["0", "-5", "9223372036854775807"], "bigint"),
        (&["9223372036854775808"], "double"),
        (&["1.0"], "double"),
        (&["1e3"], "double"),
        (&["1", "1.5"], "double"),
        (&["1.5", "1"], "double"),
        (&["\"2024-01-01T00:00:00Z\""], "string"),
        (&["null", "\"x\""], "string"),
        (&["{}", "{\"a\":null}", "{\"a\":[{}]}", "[]", "7"], "bigint"),
        (&["{\"a\":1}", "{\"b\":{\"c\":true}}"], "struct<a bigint, b struct<c boolean>>"),
        (&["[1, 2.5]", "[]"], "array<double>"),
        (&["[{\"a\":1}, null]", "[{\"b\":\"x\",\"A\":2}]"], "array<struct<a bigint, b string>>"),
        (&["[[null],[\"x\"]]"], "array<array<string>>"),
    ] {
        assert_eq!(column(values).as_deref(), Some(expected), "{values:?}");
    }
    assert_eq!(column(&["null", "{}", "[]", "[{},[],null]", "{\"a\":{}}"]), None);
}

#[test]
fn the_first_of_two_types_stays() {
    for (values, expected) in [
        (["true", "1"], "boolean"),
        (["\"x\"", "{\"a\":1}"], "string"),
        (["{\"a\":1}", "[1]"], "struct<a bigint>"),
        (["[\"x\"]", "[1.5]"], "array<string>"),
        (["1", "\"x\""], "bigint"),
    ] {
        assert_eq!(column(&values).as_deref(), Some(expected), "{values:?}");
    }
}

#[test]
fn names_are_unique_without_regard_to_case() {
    let schema = inferred(&[r#"{"Id":1,"ID":2,"été":1,"ÉTÉ":2,"":3,"\ud800":4,"_rescued":5}"#]);
    let schema = schema.merge_into(&Schema::default()).unwrap();
    assert_eq!(shown(&schema), "struct<Id bigint, `été` bigint>");
}

#[test]
fn names_that_no_table_can_have_stay_out() {
    for name in ["", "first name", "a,b", "a;b", "{a", "a}", "f(x", "x)", "a\\nb", "a\\tb", "k=v"] {
        let record = format!(r#"{{"{name}":1,"o":{{"{name}":{{"x":1}},"y.z-é":2}}}}"#);
        let schema = inferred(&[&record]).merge_into(&Schema::default()).unwrap();
        assert_eq!(shown(&schema), "struct<o struct<`y.z-é` bigint>>", "{name}");
    }
}

#[test]
fn schemas_grow_at_the_end_and_never_change() {
    let known = "a int, o struct<x string, l array<struct<y int>>>, m map<string, struct<z int>>";
    let records = [
        r#"{"new":1.5,"a":"text","O":{"X":1,"n":true,"l":[{"y":"x","n":[1]}]}}"#,
        r#"{"m":{"k1":{"z":true},"k2":{"n":{"deep":1}}},"NEW":2,"later":"x"}"#,
    ];
    let expected = "struct<a int, o struct<x string, l array<struct<y int, n array<bigint>>>, n boolean>, \
                    m map<string, struct<z int, n struct<deep bigint>>>, new double, later string>";
    assert_eq!(grown(known, &records).as_deref(), Some(expected));
    let nothing = [r#"{"a":1.5,"o":{"x":{"y":1}},"m":[1],"n":null,"p":[{}]}"#, "{}"];
    assert_eq!(grown(known, &nothing), None);
}

#[test]
fn names_of_our_own_columns_stay_out() {
    let seen = inferred(&[r#"{"Year":1,"kafka_offset":2,"_rescued":3,"o":{"year":2,"version":"x"}}"#]);
    let schema = seen.merge_into(&Schema::default()).unwrap();
    assert_eq!(shown(&schema), "struct<o struct<year bigint, version string>>");
    assert_eq!(grown("a int", &[r#"{"MONTH":1,"version":2}"#]), None);
}

#[test]
fn there_are_at_most_a_thousand_leaves() {
    let wide = |from: usize, to: usize| {
        let members: Vec<String> = (from..to).map(|n| format!("\"c{n}\":{{\"x\":1,\"y\":[2]}}")).collect();
        format!("{{{}}}", members.join(","))
    };
    let seen = inferred(&[&wide(0, 400), &wide(300, 700)]);
    let schema = seen.merge_into(&Schema::default()).unwrap();
    assert_eq!(schema.fields.len(), 500);
    assert_eq!(schema.fields[499].name, "c499");
    assert_eq!(inferred(&[&wide(700, 800)]).merge_into(&schema), None);
    let schema = inferred(&[&wide(0, 499), r#"{"c498":{"z":1},"last":{"p":1,"q":2}}"#]);
    let schema = schema.merge_into(&Schema::default()).unwrap();
    assert_eq!(schema.fields[498].ty.to_string(), "struct<x bigint, y array<bigint>, z bigint>");
    assert_eq!(schema.fields[499].ty.to_string(), "struct<p bigint>");
}

#[test]
fn there_are_at_most_32_levels() {
    let nested = |levels: usize| format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
    assert!(inferred(&[&nested(32)]).merge_into(&Schema::default()).is_some());
    assert_eq!(inferred(&[&nested(33)]).merge_into(&Schema::default()), None);
    let arrays = |levels: usize| format!("{{\"a\":{}1{}}}", "[".repeat(levels), "]".repeat(levels));
    assert!(inferred(&[&arrays(31)]).merge_into(&Schema::default()).is_some());
    assert_eq!(inferred(&[&arrays(32)]).merge_into(&Schema::default()), None);
}

#[test]
fn what_is_no_record_teaches_nothing() {
    let mut inferred = Inferred::new();
    assert_eq!(inferred.observe(b""), Err(Reject::Empty));
    assert_eq!(inferred.observe(b"null"), Err(Reject::Null));
    assert_eq!(inferred.observe(b"[{\"a\":1}]"), Err(Reject::NotARecord));
    assert!(matches!(inferred.observe(b"{\"a\":1,\"b\"}"), Err(Reject::Syntax { at: 10, .. })));
    assert_eq!(inferred.merge_into(&Schema::default()), None);
}

#[test]
fn a_decoder_learns_from_unknown_names() {
    let schema = Schema::parse("a int, o struct<x int>").unwrap();
    let mut decoder = Decoder::new(&schema, KeySpec::default(), None).with_growth(true);
    decoder.append(None, br#"{"a":1,"o":{"x":2},"n":null}"#).unwrap();
    decoder.append(None, br#"{"a":"does not fit","n":[],"o":{"m":{"e":[null,{}]}}}"#).unwrap();
    assert!(decoder.take_growth().is_none());
    decoder.append(None, br#"{"a":1,"o":{"x":2,"y":3}}"#).unwrap();
    decoder.append(None, br#"{"new":true}"#).unwrap();
    decoder.append(None, br#"{"broken":true"#).unwrap_err();
    let grown = decoder.take_growth().unwrap().merge_into(&schema).unwrap();
    assert_eq!(shown(&grown), "struct<a int, o struct<x int, y bigint>, new boolean>");
    assert!(decoder.take_growth().is_none());
    let mut fixed = Decoder::new(&schema, KeySpec::default(), None);
    fixed.append(None, br#"{"new":true}"#).unwrap();
    assert!(fixed.take_growth().is_none());
}
