//! Templates: JSON files that say how to make each field of a message.
//!
//! A field is a constant, or an object whose `"type"` names a generator. Errors name the path of
//! the field.

mod options;

use affluent_core::{exit, suggest, units};
use options::Options;

use super::generator::{self, Field, Generator, Node, TimeFormat};
use super::ordered::Json;
use super::random::Random;
use super::zipf::Choice;
use super::{Plan, Record, json};

/// The templates that come with the producer.
const BUILT_IN: [(&str, &str); 2] = [
    ("flat", include_str!("../../templates/flat.json")),
    ("generic", include_str!("../../templates/generic.json")),
];

/// The generators, for error messages.
const TYPES: [&str; 13] = [
    "int",
    "decimal",
    "double",
    "bool",
    "choice",
    "id",
    "hex",
    "uuid",
    "sequence",
    "timestamp",
    "words",
    "object",
    "array",
];

/// A template, ready to write messages.
#[derive(Debug)]
pub struct Template {
    fields: Vec<Field>,
    /// Position of the field whose value is the key.
    key: Option<usize>,
}

impl Template {
    pub(crate) fn built_in(name: &str) -> Option<&'static str> {
        BUILT_IN.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
    }

    /// The names that `--template @NAME` takes for templates.
    pub fn built_in_names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(name, _)| *name)
    }

    /// Reads a template; `key` names a field to take as the key instead of the template's own.
    pub fn parse(name: &str, text: &str, key: Option<&str>, plan: &Plan) -> anyhow::Result<Self> {
        compile(text, key, plan).map_err(|reason| exit::usage(format!("template {name}: {reason}")))
    }

    pub(super) fn write(&self, plan: &Plan, index: u64, record: &mut Record) {
        let mut random = Random::new(plan.seed, index);
        let Some(key) = self.key else {
            generator::object(&self.fields, plan, index, &mut random, &mut record.value);
            return;
        };
        record.value.push(b'{');
        for (position, field) in self.fields.iter().enumerate() {
            if position > 0 {
                record.value.push(b',');
            }
            record.value.extend_from_slice(&field.label);
            let start = record.value.len();
            field.node.write(plan, index, &mut random, &mut record.value);
            if position == key {
                let written = &record.value[start..];
                record.keyed = written != b"null";
                if record.keyed {
                    bare(written, &mut record.key);
                }
            }
        }
        record.value.push(b'}');
    }
}

/// A JSON scalar without quotes and escapes.
fn bare(json: &[u8], out: &mut Vec<u8>) {
    match json {
        [b'"', text @ .., b'"'] if !text.contains(&b'\\') => out.extend_from_slice(text),
        [b'"', ..] => {
            out.extend_from_slice(serde_json::from_slice::<String>(json).unwrap_or_default().as_bytes())
        }
        _ => out.extend_from_slice(json),
    }
}

fn compile(text: &str, key: Option<&str>, plan: &Plan) -> Result<Template, String> {
    let json: Json = serde_json::from_str(text).map_err(|error| format!("no valid JSON: {error}"))?;
    let Json::Object(top) = json else {
        return Err(format!("an object with \"fields\" is wanted, this is {}", json.kind()));
    };
    let mut top = Options { path: String::new(), left: top };
    let own = top.text("key")?;
    let fields = top.take("fields").ok_or("it has no \"fields\"")?;
    top.finish()?;
    let key = key.map(str::to_owned).or(own);
    let fields = fields_of(fields, "fields", &Scope { plan, key: key.as_deref() })?;
    let Some(key) = key else { return Ok(Template { fields, key: None }) };
    let mut label = Vec::new();
    json::string(&mut label, &key);
    label.push(b':');
    match fields.iter().position(|field| field.label == label) {
        Some(at) if matches!(fields[at].node.generator, Generator::Object(_) | Generator::Array { .. }) => {
            Err(format!("the key {key:?} must be text, a number or true/false"))
        }
        Some(at) => Ok(Template { fields, key: Some(at) }),
        None => Err(format!("there is no field {key:?} to be the key")),
    }
}

/// What generators depend on besides their own options.
struct Scope<'a> {
    plan: &'a Plan,
    /// The field that --key-skew holds for.
    key: Option<&'a str>,
}

fn fields_of(json: Json, path: &str, scope: &Scope<'_>) -> Result<Vec<Field>, String> {
    let Json::Object(fields) = json else {
        return Err(format!("{path}: an object of fields is wanted, this is {}", json.kind()));
    };
    let mut compiled = Vec::with_capacity(fields.len());
    for (name, spec) in fields {
        let mut label = Vec::new();
        json::string(&mut label, &name);
        label.push(b':');
        let path = format!("{path}.{name}");
        let is_key = path.strip_prefix("fields.") == scope.key;
        compiled.push(Field { label, node: node(spec, &path, is_key, scope)? });
    }
    Ok(compiled)
}

fn node(spec: Json, path: &str, is_key: bool, scope: &Scope<'_>) -> Result<Node, String> {
    let Json::Object(options) = spec else {
        return Ok(Node { null: 0.0, generator: constant(&spec)? });
    };
    let mut options = Options { path: path.to_owned(), left: options };
    let Some(ty) = options.text("type")? else {
        return Err(format!(
            "{path}: an object needs a \"type\": {}; a constant object is {{\"type\": \"choice\", \"values\": [...]}}",
            TYPES.join(", ")
        ));
    };
    let null = options.share("null", 0.0)?;
    let generator = generator(&ty, &mut options, is_key, scope)?;
    options.finish()?;
    Ok(Node { null, generator })
}

fn constant(value: &Json) -> Result<Generator, String> {
    serde_json::to_vec(value).map(Generator::Constant).map_err(|error| error.to_string())
}

fn generator(ty: &str, options: &mut Options, is_key: bool, scope: &Scope<'_>) -> Result<Generator, String> {
    Ok(match ty {
        "int" => {
            let (min, max) = options.range("min", "max", 0, 100)?;
            Generator::Int { min, count: options.count(min, max)? }
        }
        "decimal" => decimal(options)?,
        "double" => {
            let (min, max) = (options.number("min", 0.0)?, options.number("max", 1.0)?);
            if min > max {
                return Err(options.error("max", "is below min"));
            }
            Generator::Double { min, max }
        }
        "bool" => Generator::Bool { share: options.share("true", 0.5)? },
        "choice" => choice(options)?,
        "id" => {
            let numbers = options.size("of", scope.plan)?;
            let skew = options.number("skew", if is_key { scope.plan.key_skew } else { 0.0 })?;
            if !(0.0..=10.0).contains(&skew) {
                return Err(options.error("skew", "must lie in 0..=10"));
            }
            let digits = options.integer("digits", 0)?.clamp(0, 19) as usize;
            Generator::Id { prefix: options.prefix()?, numbers: Choice::new(numbers, skew), digits }
        }
        "hex" => {
            let digits = options.integer("digits", 16)?;
            if !(16..=1024).contains(&digits) {
                return Err(options.error("digits", "must lie in 16..=1024: fewer would not be unique"));
            }
            Generator::Hex { prefix: options.prefix()?, digits: digits as usize }
        }
        "uuid" => Generator::Uuid,
        "sequence" => {
            Generator::Sequence { start: options.integer("start", 0)?, step: options.integer("step", 1)? }
        }
        "timestamp" => timestamp(options)?,
        "words" => {
            let (min, count) = options.lengths(3, 8)?;
            Generator::Words { min, count }
        }
        "object" => {
            let fields = options.take("fields").ok_or_else(|| options.error("fields", "is missing"))?;
            Generator::Object(fields_of(fields, &options.path, scope)?)
        }
        "array" => {
            let of = options
                .take("of")
                .ok_or_else(|| options.error("of", "is missing: a generator or a constant"))?;
            let of = Box::new(node(of, &format!("{}.of", options.path), false, scope)?);
            let (min, count) = options.lengths(0, 3)?;
            Generator::Array { of, min, count }
        }
        other => {
            let known = TYPES.join(", ");
            let hint = suggest::hint(other, TYPES);
            return Err(options.error("type", &format!("{other:?} is unknown{hint}; there are {known}")));
        }
    })
}

fn decimal(options: &mut Options) -> Result<Generator, String> {
    let scale = options.integer("scale", 2)?;
    if !(0..=9).contains(&scale) {
        return Err(options.error("scale", "must lie in 0..=9"));
    }
    let (min, max) = (options.number("min", 0.0)?, options.number("max", 1000.0)?);
    let one = 10f64.powi(scale as i32);
    let limit = 1e17;
    if (min * one).abs() > limit || (max * one).abs() > limit {
        return Err(options.error("max", "has too many digits"));
    }
    let (min, max) = ((min * one).round() as i64, (max * one).round() as i64);
    Ok(Generator::Decimal { min, count: options.count(min, max)?, scale: scale as u32 })
}

fn choice(options: &mut Options) -> Result<Generator, String> {
    let values = match options.take("values") {
        Some(Json::Array(values)) if !values.is_empty() => values,
        _ => return Err(options.error("values", "must be a list of one value or more")),
    };
    let weights: Vec<u64> = match options.take("weights") {
        None => vec![1; values.len()],
        Some(Json::Array(weights)) if weights.len() == values.len() => weights
            .iter()
            .map(|weight| match weight {
                Json::Number(number) => number.as_u64().filter(|&weight| weight <= u64::from(u32::MAX)),
                _ => None,
            })
            .collect::<Option<_>>()
            .ok_or_else(|| options.error("weights", "must be whole numbers, 0 or more"))?,
        Some(_) => return Err(options.error("weights", "must be a list as long as the values")),
    };
    let mut sum = 0;
    let sums: Vec<u64> = weights
        .iter()
        .map(|weight| {
            sum += weight;
            sum
        })
        .collect();
    if sum == 0 {
        return Err(options.error("weights", "are all 0"));
    }
    let mut written = Vec::with_capacity(values.len());
    for value in &values {
        written.push(serde_json::to_vec(value).map_err(|error| error.to_string())?);
    }
    Ok(Generator::OneOf { values: written, sums })
}

fn timestamp(options: &mut Options) -> Result<Generator, String> {
    let format = match options.text("format")?.as_deref() {
        None | Some("iso") => TimeFormat::Iso,
        Some("seconds") => TimeFormat::Seconds,
        Some("millis") => TimeFormat::Millis,
        Some("micros") => TimeFormat::Micros,
        Some(_) => return Err(options.error("format", "must be iso, seconds, millis or micros")),
    };
    let late = options.text("late")?.map(|text| units::duration(&text)).transpose();
    let late = late.map_err(|reason| options.error("late", &reason))?.unwrap_or_default();
    let late_micros = u64::try_from(late.as_micros()).unwrap_or(u64::MAX) & (u64::MAX >> 2);
    Ok(Generator::Timestamp { format, late_micros })
}

#[cfg(test)]
mod tests;
