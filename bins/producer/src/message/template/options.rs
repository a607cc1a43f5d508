//! The options of one generator: each is taken once, and what is left at the end is an error.

use affluent_core::suggest;

use super::super::Plan;
use super::super::json;
use super::Json;

pub(super) struct Options {
    /// Where in the template they stand.
    pub(super) path: String,
    pub(super) left: Vec<(String, Json)>,
}

/// All options of all generators, for near names.
const NAMES: [&str; 18] = [
    "type", "null", "min", "max", "scale", "true", "values", "weights", "of", "skew", "digits", "prefix",
    "start", "step", "format", "late", "fields", "key",
];

impl Options {
    pub(super) fn take(&mut self, name: &str) -> Option<Json> {
        let at = self.left.iter().position(|(known, _)| known == name)?;
        Some(self.left.remove(at).1)
    }

    pub(super) fn error(&self, name: &str, reason: &str) -> String {
        let dot = if self.path.is_empty() { "" } else { "." };
        format!("{}{dot}{name}: {reason}", self.path)
    }

    /// Nothing may be left.
    pub(super) fn finish(&self) -> Result<(), String> {
        match self.left.first() {
            None => Ok(()),
            Some((name, _)) => {
                Err(self.error(name, &format!("there is no such option{}", suggest::hint(name, NAMES))))
            }
        }
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.error(name, &format!("text is wanted, this is {}", other.kind()))),
        }
    }

    /// The prefix of an id, escaped for JSON, without quotes.
    pub(super) fn prefix(&mut self) -> Result<Vec<u8>, String> {
        let mut quoted = Vec::new();
        json::string(&mut quoted, &self.text("prefix")?.unwrap_or_default());
        quoted.pop();
        quoted.remove(0);
        Ok(quoted)
    }

    pub(super) fn number(&mut self, name: &str, default: f64) -> Result<f64, String> {
        match self.take(name) {
            None => Ok(default),
            Some(Json::Number(number)) => Ok(number.as_f64().unwrap_or(f64::MAX)),
            Some(other) => Err(self.error(name, &format!("a number is wanted, this is {}", other.kind()))),
        }
    }

    pub(super) fn integer(&mut self, name: &str, default: i64) -> Result<i64, String> {
        match self.take(name) {
            None => Ok(default),
            Some(Json::Number(number)) => {
                number.as_i64().ok_or_else(|| self.error(name, "a whole number of 64 bits is wanted"))
            }
            Some(other) => {
                Err(self.error(name, &format!("a whole number is wanted, this is {}", other.kind())))
            }
        }
    }

    /// A probability.
    pub(super) fn share(&mut self, name: &str, default: f64) -> Result<f64, String> {
        let share = self.number(name, default)?;
        if (0.0..=1.0).contains(&share) { Ok(share) } else { Err(self.error(name, "must lie in 0..=1")) }
    }

    pub(super) fn range(&mut self, low: &str, high: &str, min: i64, max: i64) -> Result<(i64, i64), String> {
        let min = self.integer(low, min)?;
        Ok((min, self.integer(high, max.max(min))?))
    }

    /// How many values lie in `min..=max`.
    pub(super) fn count(&self, min: i64, max: i64) -> Result<u64, String> {
        if min > max {
            return Err(self.error("max", "is below min"));
        }
        Ok(max.abs_diff(min).saturating_add(1))
    }

    /// A smallest length and how many lengths there are; no message of gigabytes.
    pub(super) fn lengths(&mut self, min: i64, max: i64) -> Result<(u64, u64), String> {
        let (min, max) = self.range("min", "max", min, max)?;
        let count = self.count(min, max)?;
        match u64::try_from(min) {
            Ok(min) if max <= 1_000_000 => Ok((min, count)),
            _ => Err(self.error("max", "min and max must lie in 0..=1000000")),
        }
    }

    /// The size of a set: a number, "users" or "products".
    pub(super) fn size(&mut self, name: &str, plan: &Plan) -> Result<u64, String> {
        let bad = "must be a number, 1 or more, or \"users\" or \"products\" for the sizes of those options";
        match self.take(name) {
            None => Ok(plan.user_count),
            Some(Json::String(text)) if text == "users" => Ok(plan.user_count),
            Some(Json::String(text)) if text == "products" => Ok(plan.product_count),
            Some(Json::Number(number)) => {
                number.as_u64().filter(|&size| size > 0).ok_or_else(|| self.error(name, bad))
            }
            Some(_) => Err(self.error(name, bad)),
        }
    }
}
