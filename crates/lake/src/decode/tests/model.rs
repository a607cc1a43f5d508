//! The decoder against a slow model that works on trees and on decimal expansions as text.

use affluent_core::schema::{Field, Schema, Type};
use proptest::prelude::*;

use super::render;
use crate::decode::{Decoder, KeySpec};

/// A JSON value, as it is written and as it is meant.
#[derive(Debug, Clone)]
enum Json {
    Null,
    Bool(bool),
    Number(String),
    /// The text between the quotes, and what it stands for.
    Text(String, Option<String>),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    fn write(&self, gap: &str) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Number(literal) => literal.clone(),
            Self::Text(raw, _) => format!("\"{raw}\""),
            Self::Array(items) => {
                let items: Vec<String> =
                    items.iter().map(|item| format!("{gap}{}", item.write(gap))).collect();
                format!("[{}{gap}]", items.join(","))
            }
            Self::Object(members) => {
                let members: Vec<String> = members.iter().map(|member| write_member(member, gap)).collect();
                format!("{{{gap}{}}}", members.join(&format!(",{gap}")))
            }
        }
    }
}

fn write_member((name, value): &(String, Json), gap: &str) -> String {
    format!("\"{name}\":{gap}{}", value.write(gap))
}

/// The digits before and after the point that a literal comes to, without zeros that say nothing.
fn expand(literal: &str) -> (bool, String, String) {
    let (negative, rest) = (literal.starts_with('-'), literal.trim_start_matches('-'));
    let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent: i32 = exponent.parse().unwrap();
    let zeros = "0".repeat(exponent.unsigned_abs() as usize);
    let digits = format!("{zeros}{whole}{fraction}{zeros}");
    let point = (zeros.len() + whole.len()).checked_add_signed(exponent as isize).unwrap();
    let (whole, fraction) = digits.split_at(point);
    (negative, whole.trim_start_matches('0').to_owned(), fraction.trim_end_matches('0').to_owned())
}

fn signed(negative: bool, digits: &str) -> String {
    let digits = digits.trim_start_matches('0');
    match (digits, negative) {
        ("", _) => "0".to_owned(),
        (digits, true) => format!("-{digits}"),
        (digits, false) => digits.to_owned(),
    }
}

fn integer(literal: &str) -> Option<String> {
    let (negative, whole, fraction) = expand(literal);
    fraction.is_empty().then(|| signed(negative, &whole))
}

fn decimal(literal: &str, precision: u8, scale: u8) -> Option<String> {
    let (negative, whole, mut fraction) = expand(literal);
    let fits = fraction.len() <= scale as usize && whole.len() <= (precision - scale) as usize;
    while fraction.len() < scale as usize {
        fraction.push('0');
    }
    fits.then(|| signed(negative, &(whole + &fraction)))
}

fn double(literal: &str) -> (Option<String>, bool) {
    let value: f64 = literal.parse().unwrap();
    if !value.is_finite() {
        return (None, false);
    }
    let is_integer = !literal.contains(['.', 'e', 'E']);
    let exact = !is_integer || integer(&format!("{value:.0}")) == integer(literal);
    (Some(format!("{value:?}")), exact)
}

fn instant(text: &str) -> (Option<String>, bool) {
    let (date, rest) = text.split_at_checked(11).unwrap_or_default();
    let text = format!("{}T{rest}", date.trim_end_matches(['T', ' ']));
    let zoned = if rest.contains(['Z', '+', '-']) { text.clone() } else { format!("{text}Z") };
    match chrono::DateTime::parse_from_rfc3339(&zoned) {
        Ok(instant) if date.len() == 11 => {
            let exact = instant.timestamp_subsec_nanos() % 1000 == 0;
            (Some(instant.timestamp_micros().to_string()), exact)
        }
        _ => (None, false),
    }
}

/// The cell that a value makes in a column, and whether that is all of it.
fn cell(ty: &Type, value: &Json) -> (String, bool) {
    let (shown, fit) = match (ty, value) {
        (_, Json::Null) => (None, true),
        (Type::Boolean, Json::Bool(value)) => (Some(value.to_string()), true),
        (Type::Int, Json::Number(literal)) => {
            strict(integer(literal).filter(|digits| digits.parse::<i32>().is_ok()))
        }
        (Type::Bigint, Json::Number(literal)) => {
            strict(integer(literal).filter(|digits| digits.parse::<i64>().is_ok()))
        }
        (Type::Double, Json::Number(literal)) => double(literal),
        (&Type::Decimal(precision, scale), Json::Number(literal)) => {
            strict(decimal(literal, precision, scale))
        }
        (Type::String, Json::Text(_, meaning)) => strict(meaning.clone()),
        (Type::Timestamp, Json::Text(_, Some(meaning))) => instant(meaning),
        (Type::Timestamp, Json::Number(literal)) => {
            let shown_by_readers = -62_135_596_800_000..253_402_300_800_000i64;
            let millis = integer(literal).and_then(|digits| digits.parse::<i64>().ok());
            strict(
                millis
                    .filter(|millis| shown_by_readers.contains(millis))
                    .map(|millis| (millis * 1000).to_string()),
            )
        }
        (Type::Date, Json::Text(_, Some(meaning))) => {
            let date = chrono::NaiveDate::parse_from_str(meaning, "%Y-%m-%d").ok();
            let days = date.map(|date| date.signed_duration_since(chrono::NaiveDate::default()).num_days());
            strict(days.filter(|_| meaning.len() == 10).map(|days| days.to_string()))
        }
        (Type::Array(item), Json::Array(items)) => {
            let cells: Vec<(String, bool)> = items.iter().map(|value| cell(item, value)).collect();
            let shown: Vec<&str> = cells.iter().map(|(shown, _)| shown.as_str()).collect();
            (Some(format!("[{}]", shown.join(","))), cells.iter().all(|(_, fit)| *fit))
        }
        (Type::Struct(fields), Json::Object(members)) => {
            let (cells, misfits) = record(fields, members);
            let named = fields.iter().zip(&cells).map(|(field, cell)| format!("{}:{cell}", field.name));
            (Some(format!("{{{}}}", named.collect::<Vec<_>>().join(","))), misfits.is_empty())
        }
        (Type::Map(value), Json::Object(members)) => {
            let mut seen: Vec<&str> = Vec::new();
            let mut shown = Vec::new();
            let mut fit = true;
            for (key, entry) in members {
                if seen.contains(&key.as_str()) {
                    fit = false;
                    continue;
                }
                seen.push(key);
                let (cell, fits) = cell(value, entry);
                shown.push(format!("{key}:{cell}"));
                fit &= fits;
            }
            (Some(format!("{{{}}}", shown.join(","))), fit)
        }
        _ => (None, false),
    };
    (shown.unwrap_or_else(|| "null".to_owned()), fit)
}

fn strict(shown: Option<String>) -> (Option<String>, bool) {
    let fit = shown.is_some();
    (shown, fit)
}

/// The cells of an object's columns, and the indices of its members that are not wholly in them.
fn record(fields: &[Field], members: &[(String, Json)]) -> (Vec<String>, Vec<usize>) {
    let mut cells: Vec<Option<String>> = vec![None; fields.len()];
    let mut misfits = Vec::new();
    for (place, (name, value)) in members.iter().enumerate() {
        let column = fields.iter().position(|field| field.name.eq_ignore_ascii_case(name));
        let fit = match column {
            Some(column) if cells[column].is_none() => {
                let (shown, fit) = cell(&fields[column].ty, value);
                cells[column] = Some(shown);
                fit
            }
            Some(_) => false,
            None => matches!(value, Json::Null),
        };
        if !fit {
            misfits.push(place);
        }
    }
    (cells.into_iter().map(|cell| cell.unwrap_or_else(|| "null".to_owned())).collect(), misfits)
}

const SCHEMA: &str = "b boolean, i int, l bigint, d double, m decimal(9,3), big decimal(38,10), s string, t \
                      timestamp, day date, o struct<x int, s string, in struct<y double>>, a array<bigint>, ao \
                      array<struct<x int, s string>>, p map<string, decimal(20,2)>";

fn number() -> impl Strategy<Value = Json> {
    let edges = prop::sample::select(vec![
        "2147483647",
        "-2147483648",
        "2147483648",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "-9223372036854775809",
        "253402300799999",
        "253402300800000",
        "-62135596800000",
        "-62135596800001",
        "9007199254740993",
        "999999.999",
        "999999.9990",
        "1000000",
        "1e400",
        "-0",
        "0.0005",
    ]);
    let exponent = prop_oneof![3 => Just(String::new()), 1 => "[eE][+-]?[0-9]{1,2}"];
    let built = ("-?(0|[1-9][0-9]{0,24})", prop_oneof![Just(String::new()), "\\.[0-9]{1,24}"], exponent);
    prop_oneof![
        1 => edges.prop_map(str::to_owned),
        3 => (-1_000_000i64..1_000_000).prop_map(|value| value.to_string()),
        2 => "-?[0-9]\\.[0-9]{1,4}",
        4 => built.prop_map(|(whole, fraction, exponent)| whole + &fraction + &exponent),
    ]
    .prop_map(Json::Number)
}

/// A letter as it is or escaped, and what it stands for.
fn letter() -> impl Strategy<Value = (String, Option<char>)> {
    prop_oneof![
        8 => "[ !#-\\[\\]-~]".prop_map(|text| (text.clone(), text.chars().next())),
        2 => any::<char>().prop_map(|letter| {
            let mut units = [0; 2];
            let escaped = letter.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")).collect();
            (escaped, Some(letter))
        }),
        2 => any::<char>().prop_filter("needs escapes", |letter| !matches!(letter, '"' | '\\' | '\0'..' '))
            .prop_map(|letter| (letter.to_string(), Some(letter))),
        1 => prop::sample::select(vec![("\\n", '\n'), ("\\\"", '"'), ("\\\\", '\\'), ("\\/", '/')])
            .prop_map(|(raw, letter)| (raw.to_owned(), Some(letter))),
    ]
}

fn text() -> impl Strategy<Value = Json> {
    let letters = prop::collection::vec(letter(), 0..40);
    let letters = letters.prop_map(|letters| {
        let raw = letters.iter().map(|(raw, _)| raw.as_str()).collect();
        Json::Text(raw, letters.iter().map(|(_, letter)| *letter).collect())
    });
    let plain = prop_oneof![
        "[0-9]{4}-(0[0-9]|1[0-3])-[0-3][0-9]",
        "[0-9]{4}-(0[1-9]|1[0-2])-[0-3][0-9][T ]([01][0-9]|2[0-4]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-](0[0-9]|1[0-9]):[0-5][0-9])?",
    ];
    let plain = plain.prop_filter("year 0", |text| !text.starts_with("0000") && !text.starts_with("0001"));
    let plain = plain.prop_filter("the last year", |text| !text.starts_with("9999"));
    prop_oneof![
        3 => letters,
        2 => plain.prop_map(|text| Json::Text(text.clone(), Some(text))),
        1 => Just(Json::Text("a\\ud800b".to_owned(), None)),
    ]
}

fn value() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        1 => Just(Json::Null),
        1 => any::<bool>().prop_map(Json::Bool),
        4 => number(),
        3 => text(),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let name = prop::sample::select(vec!["x", "X", "s", "in", "y", "k1", "k2", "other"]);
        let member = (name.prop_map(str::to_owned), inner.clone());
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Json::Array),
            prop::collection::vec(member, 0..4).prop_map(Json::Object),
        ]
    })
}

/// A record: members in the order of the schema, some of them left out, repeated, renamed or moved.
fn members() -> impl Strategy<Value = Vec<(String, Json)>> {
    let names = ["b", "i", "l", "d", "m", "big", "s", "t", "day", "o", "a", "ao", "p", "x", "S", "BIG"];
    let picked = prop::sample::subsequence(names.to_vec(), 0..names.len());
    (picked, any::<prop::sample::Index>(), any::<bool>()).prop_flat_map(|(mut names, turn, again)| {
        if !names.is_empty() && again {
            let turn = turn.index(names.len());
            names.push(names[turn]);
            names.rotate_left(turn);
        }
        names.into_iter().map(|name| (Just(name.to_owned()), value())).collect::<Vec<_>>()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn records_are_read_as_the_model_reads_them(
        records in prop::collection::vec(members(), 1..5),
        gap in prop::sample::select(vec!["", " ", "\n  "]),
    ) {
        let schema = Schema::parse(SCHEMA).unwrap();
        let mut decoder = Decoder::new(&schema, KeySpec::default(), None);
        let mut expected = Vec::new();
        for members in &records {
            decoder.append(None, Json::Object(members.clone()).write(gap).as_bytes()).unwrap();
            let (mut cells, misfits) = record(&schema.fields, members);
            let rescued: Vec<String> = misfits.iter().map(|&place| write_member(&members[place], gap)).collect();
            cells.push(if rescued.is_empty() { "null".to_owned() } else { format!("{{{}}}", rescued.join(",")) });
            expected.push(cells);
        }
        prop_assert_eq!(render::rows(&mut decoder), expected);
    }
}
