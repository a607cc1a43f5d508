//! Column types shared by feeds, the ksqlDB client, the lake and the warehouse.
//!
//! Types are written the way `DESCRIBE` prints them (`decimal(15,2)`, `struct<city string>`), so
//! that a feed file stays readable. This crate links no Arrow: `lake` maps these types to it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A named column or struct member. Every column is nullable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    pub name: String,
    #[serde(rename = "type")]
    pub ty: Type,
}

impl Field {
    pub fn new(name: impl Into<String>, ty: Type) -> Self {
        Self { name: name.into(), ty }
    }
}

/// The type of a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Type {
    Boolean,
    Int,
    Bigint,
    Double,
    /// Exact decimal: precision (1..=38) and scale (0..=precision).
    Decimal(u8, u8),
    String,
    Bytes,
    Date,
    Time,
    /// An instant, UTC, microseconds.
    Timestamp,
    Struct(Vec<Field>),
    Array(Box<Type>),
    /// Keys are strings, as in JSON.
    Map(Box<Type>),
}

/// The columns of a feed, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Schema {
    pub fields: Vec<Field>,
}

impl Schema {
    pub fn new(fields: Vec<Field>) -> Self {
        Self { fields }
    }

    /// Finds a column, exactly first and then without regard to ASCII case.
    pub fn position(&self, name: &str) -> Option<usize> {
        let exact = self.fields.iter().position(|field| field.name == name);
        exact.or_else(|| self.fields.iter().position(|field| field.name.eq_ignore_ascii_case(name)))
    }

    /// Parses `name type, name type, ...`.
    pub fn parse(text: &str) -> Result<Self, TypeError> {
        let mut parser = Parser { rest: text.trim(), text };
        let fields = parser.fields(None)?;
        Ok(Self { fields })
    }
}

/// A type that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot read the type {text:?} at {at:?}; known types are boolean, int, bigint, double, \
     decimal(p,s), string, bytes, date, time, timestamp, struct<name type, ...>, array<type> and \
     map<string, type>"
)]
pub struct TypeError {
    text: String,
    at: String,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean => f.write_str("boolean"),
            Self::Int => f.write_str("int"),
            Self::Bigint => f.write_str("bigint"),
            Self::Double => f.write_str("double"),
            Self::Decimal(precision, scale) => write!(f, "decimal({precision},{scale})"),
            Self::String => f.write_str("string"),
            Self::Bytes => f.write_str("bytes"),
            Self::Date => f.write_str("date"),
            Self::Time => f.write_str("time"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::Struct(fields) => {
                f.write_str("struct<")?;
                for (index, field) in fields.iter().enumerate() {
                    let comma = if index > 0 { ", " } else { "" };
                    write!(f, "{comma}{} {}", quoted(&field.name), field.ty)?;
                }
                f.write_str(">")
            }
            Self::Array(item) => write!(f, "array<{item}>"),
            Self::Map(value) => write!(f, "map<string, {value}>"),
        }
    }
}

fn quoted(name: &str) -> String {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if plain { name.to_owned() } else { format!("`{}`", name.replace('`', "``")) }
}

impl From<Type> for String {
    fn from(ty: Type) -> Self {
        ty.to_string()
    }
}

impl TryFrom<String> for Type {
    type Error = TypeError;

    fn try_from(text: String) -> Result<Self, TypeError> {
        text.parse()
    }
}

impl FromStr for Type {
    type Err = TypeError;

    fn from_str(text: &str) -> Result<Self, TypeError> {
        let mut parser = Parser { rest: text.trim(), text };
        let ty = parser.ty()?;
        if parser.rest.is_empty() { Ok(ty) } else { Err(parser.error()) }
    }
}

struct Parser<'a> {
    rest: &'a str,
    text: &'a str,
}

impl Parser<'_> {
    fn error(&self) -> TypeError {
        TypeError { text: self.text.to_owned(), at: self.rest.chars().take(20).collect() }
    }

    fn eat(&mut self, token: &str) -> Result<(), TypeError> {
        self.rest = self.rest.strip_prefix(token).ok_or_else(|| self.error())?.trim_start();
        Ok(())
    }

    /// A plain word, or any text between backticks (a backtick inside is doubled).
    fn word(&mut self) -> Result<String, TypeError> {
        if let Some(mut rest) = self.rest.strip_prefix('`') {
            let mut word = String::new();
            loop {
                let end = rest.find('`').ok_or_else(|| self.error())?;
                word.push_str(&rest[..end]);
                rest = &rest[end + 1..];
                let Some(more) = rest.strip_prefix('`') else { break };
                word.push('`');
                rest = more;
            }
            self.rest = rest.trim_start();
            return Ok(word);
        }
        let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_');
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        if word.is_empty() {
            return Err(self.error());
        }
        self.rest = rest.trim_start();
        Ok(word.to_owned())
    }

    fn number(&mut self) -> Result<u8, TypeError> {
        let before = self.error();
        self.word()?.parse().map_err(|_| before)
    }

    fn fields(&mut self, end: Option<&str>) -> Result<Vec<Field>, TypeError> {
        let mut fields: Vec<Field> = Vec::new();
        loop {
            let before = self.error();
            let name = self.word()?;
            if fields.iter().any(|field| field.name.eq_ignore_ascii_case(&name)) {
                return Err(before);
            }
            fields.push(Field { name, ty: self.ty()? });
            if let Some(end) = end
                && self.rest.starts_with(end)
            {
                self.eat(end)?;
                return Ok(fields);
            }
            if end.is_none() && self.rest.is_empty() {
                return Ok(fields);
            }
            self.eat(",")?;
        }
    }

    fn ty(&mut self) -> Result<Type, TypeError> {
        let before = self.error();
        let word = self.word()?.to_ascii_lowercase();
        Ok(match word.as_str() {
            "boolean" => Type::Boolean,
            "int" | "integer" => Type::Int,
            "bigint" | "long" => Type::Bigint,
            "double" => Type::Double,
            "string" | "varchar" => Type::String,
            "bytes" | "binary" => Type::Bytes,
            "date" => Type::Date,
            "time" => Type::Time,
            "timestamp" => Type::Timestamp,
            "decimal" => {
                self.eat("(")?;
                let precision = self.number()?;
                self.eat(",")?;
                let scale = self.number()?;
                self.eat(")")?;
                if !(1..=38).contains(&precision) || scale > precision {
                    return Err(before);
                }
                Type::Decimal(precision, scale)
            }
            "struct" => {
                self.eat("<")?;
                Type::Struct(self.fields(Some(">"))?)
            }
            "array" => {
                self.eat("<")?;
                let item = self.ty()?;
                self.eat(">")?;
                Type::Array(Box::new(item))
            }
            "map" => {
                self.eat("<")?;
                if !matches!(self.ty()?, Type::String) {
                    return Err(before);
                }
                self.eat(",")?;
                let value = self.ty()?;
                self.eat(">")?;
                Type::Map(Box::new(value))
            }
            _ => return Err(before),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_round_trip_as_text() {
        for text in [
            "boolean",
            "decimal(15,2)",
            "struct<city string, country string>",
            "array<struct<`a b` int, `x``y` map<string, array<double>>>>",
        ] {
            assert_eq!(text.parse::<Type>().unwrap().to_string(), text);
        }
        assert_eq!("VARCHAR".parse::<Type>().unwrap(), Type::String);
    }

    #[test]
    fn bad_types_are_refused() {
        for text in [
            "",
            "decimal(39,2)",
            "decimal(2,3)",
            "struct<>",
            "array<int",
            "int int",
            "map<int, int>",
            "struct<a int, A int>",
        ] {
            assert!(text.parse::<Type>().is_err(), "{text}");
        }
    }

    #[test]
    fn columns_are_found_without_regard_to_case_but_exactly_first() {
        let schema = Schema::parse("a int, B string").unwrap();
        assert_eq!(schema.position("b"), Some(1));
        assert_eq!(schema.position("A"), Some(0));
        assert_eq!(schema.position("c"), None);
    }
}
