//! Structs, arrays and maps, and what is rescued when something within does not fit.

use affluent_core::schema::Schema;

use super::{fits, rescued, rows};
use crate::decode::{Decoder, KeySpec};

#[test]
fn structs() {
    let ty = "struct<a int, b struct<c string>>";
    fits(ty, r#"{"a":1,"b":{"c":"x"}}"#, "{a:1,b:{c:x}}");
    fits(ty, r#"{"b":{"C":"x","d":null},"e":null}"#, "{a:null,b:{c:x}}");
    fits(ty, "{}", "{a:null,b:null}");
    fits(ty, "null", "null");
    rescued(ty, r#"{"a":1,"b":{"c":"x","d":0}}"#, "{a:1,b:{c:x}}");
    rescued(ty, r#"{"a":"x","b":{"c":"x"}}"#, "{a:null,b:{c:x}}");
    rescued(ty, r#"{"a":1,"A":2}"#, "{a:1,b:null}");
    for other in ["[]", "5", "\"x\"", "[{}]"] {
        rescued(ty, other, "null");
    }
}

#[test]
fn arrays() {
    fits("array<int>", "[1, null,2]", "[1,null,2]");
    fits("array<int>", "[ ]", "[]");
    fits("array<array<string>>", r#"[["a"],[],null,["b","c"]]"#, "[[a],[],null,[b,c]]");
    rescued("array<int>", r#"[1,"x",2]"#, "[1,null,2]");
    rescued("array<struct<a int>>", r#"[{"a":1},{"b":1},5]"#, "[{a:1},{a:null},null]");
    rescued("array<int>", "5", "null");
    rescued("array<int>", "{\"a\":[1]}", "null");
}

#[test]
fn maps() {
    let ty = "map<string, int>";
    fits(ty, r#"{"a":1,"A":2,"\u0062":null}"#, "{a:1,A:2,b:null}");
    fits(ty, "{}", "{}");
    rescued(ty, r#"{"a":1,"b":"x","a":2}"#, "{a:1,b:null}");
    rescued(ty, r#"{"a":1,"\ud800":2}"#, "{a:1}");
    rescued(ty, "[]", "null");
    let entries = |range: std::ops::Range<i32>, quote: &str| {
        range.map(|n| format!("{quote}k{n}{quote}:{n}")).collect::<Vec<_>>().join(",")
    };
    fits(ty, &format!("{{{}}}", entries(0..100, "\"")), &format!("{{{}}}", entries(0..100, "")));
    for repeated in [0, 7, 16, 17, 40, 99] {
        let again = format!("{{{},\"k{repeated}\":5}}", entries(0..100, "\""));
        rescued(ty, &again, &format!("{{{}}}", entries(0..100, "")));
    }
    let shown = rows("m map<string, int>", &[r#"{"m":{"a":1}}"#, r#"{"m":{"a":2}}"#]);
    assert_eq!(shown, [["{a:1}", "null"], ["{a:2}", "null"]]);
}

#[test]
fn only_the_top_level_field_is_rescued() {
    let shown = rows(
        "a struct<l array<struct<x int>>>, b int",
        &[r#"{"a":{"l":[{"x":1},{"x":true}]},"b":5}"#, r#"{"b":6,"a":{"l":[{"x":2}]}}"#],
    );
    let expected =
        [["{l:[{x:1},{x:null}]}", "5", r#"{"a":{"l":[{"x":1},{"x":true}]}}"#], ["{l:[{x:2}]}", "6", "null"]];
    assert_eq!(shown, expected);
}

#[test]
fn depth_is_no_matter() {
    let depth = 100_000;
    let arrays = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let objects = format!("{}1{}", "{\"a\":[".repeat(depth), "]}".repeat(depth));
    for deep in [&arrays, &objects] {
        rescued("int", deep, "null");
        crate::decode::validate(deep.as_bytes()).unwrap();
        crate::decode::validate(&deep.as_bytes()[..deep.len() - 1]).unwrap_err();
        let record = format!("{{\"x\":{deep}}}");
        let mut inferred = crate::decode::Inferred::new();
        inferred.observe(record.as_bytes()).unwrap();
        let mut decoder =
            Decoder::new(&Schema::parse("a int").unwrap(), KeySpec::default(), None).with_growth(true);
        decoder.append(None, record.as_bytes()).unwrap();
    }
    crate::decode::validate("[".repeat(depth).as_bytes()).unwrap_err();
    let mixed: String = (0..1000).map(|n| if n % 3 == 0 { "[" } else { "{\"k\":" }).collect();
    let close: String = (0..1000).rev().map(|n| if n % 3 == 0 { "]" } else { "}" }).collect();
    crate::decode::validate(format!("{mixed}0{close}").as_bytes()).unwrap();
    crate::decode::validate(format!("{mixed}0{}", close.replacen("}]", "]}", 1)).as_bytes()).unwrap_err();
}
