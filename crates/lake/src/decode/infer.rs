//! The schema of a feed that declares none, and the growth of one that is known.

use std::collections::HashMap;

use affluent_core::feeds::is_reserved_column;
use affluent_core::schema::{Field, Schema, Type};

use super::cursor::Cursor;
use super::reject::{self, Reject};
use super::scan::Fault;
use super::shape::{Members, Shape};

/// How many leaf columns a schema has at most. What is beyond stays in `_rescued`.
const LEAVES: usize = 1_000;

/// What records were seen to hold.
///
/// Text is `string` (never guessed to be a time), integers are `bigint`, or `double` if they are
/// beyond it, and `bigint` widens to `double` when both are seen. On any other conflict the type
/// seen first stays.
#[derive(Debug, Clone)]
pub struct Inferred {
    root: Members,
    room: usize,
}

impl Default for Inferred {
    fn default() -> Self {
        Self::new()
    }
}

impl Inferred {
    pub fn new() -> Self {
        Self { root: Members::default(), room: LEAVES }
    }

    /// Learns from one record; nothing from one that is none.
    pub fn observe(&mut self, value: &[u8]) -> Result<(), Reject> {
        let mut cursor = Cursor::new(value);
        if cursor.space() != b'{' {
            return Err(reject::not_a_record(value));
        }
        let seen = record(&mut cursor).map_err(|fault| Reject::new(fault, cursor.at))?;
        self.root.merge(seen, &mut self.room);
        Ok(())
    }

    /// `schema` with the columns and struct members that it lacks, each after those that it has.
    /// The types that it has stay as they are. None if it lacks nothing. Columns that Affluent adds
    /// itself are never learnt: what a record has of their names stays in `_rescued`.
    pub fn merge_into(&self, schema: &Schema) -> Option<Schema> {
        let mut room = LEAVES.saturating_sub(leaves(&schema.fields));
        let before = room;
        let mut grown = schema.clone();
        grow(&mut grown.fields, &self.root, is_reserved_column, &mut room);
        (room < before).then_some(grown)
    }
}

fn record(cursor: &mut Cursor<'_>) -> Result<Members, Fault> {
    let members = Members::read(cursor, 1)?;
    cursor.end()?;
    Ok(members)
}

fn leaves(fields: &[Field]) -> usize {
    fields.iter().map(|field| leaves_of(&field.ty)).sum()
}

fn leaves_of(ty: &Type) -> usize {
    match ty {
        Type::Struct(fields) => leaves(fields),
        Type::Array(item) => leaves_of(item),
        Type::Map(value) => 1 + leaves_of(value),
        _ => 1,
    }
}

fn grow(fields: &mut Vec<Field>, seen: &Members, reserved: fn(&str) -> bool, room: &mut usize) {
    let mut places: HashMap<String, usize> =
        fields.iter().enumerate().rev().map(|(place, field)| (field.name.to_lowercase(), place)).collect();
    for (name, shape) in seen.iter() {
        let folded = name.to_lowercase();
        if let Some(&place) = places.get(&folded) {
            grow_type(&mut fields[place].ty, shape, room);
        } else if !reserved(name)
            && let Some(ty) = shape.to_type_within(room)
        {
            places.insert(folded, fields.len());
            fields.push(Field::new(name, ty));
        }
    }
}

fn grow_type(ty: &mut Type, shape: &Shape, room: &mut usize) {
    match (ty, shape) {
        (Type::Struct(fields), Shape::Struct(members)) => grow(fields, members, |_| false, room),
        (Type::Array(item), Shape::Array(shape)) => grow_type(item, shape, room),
        (Type::Map(value), Shape::Struct(members)) => {
            members.iter().for_each(|(_, shape)| grow_type(value, shape, room));
        }
        _ => {}
    }
}
