//! What a JSON value says about the type that would hold it.

use std::collections::HashMap;

use affluent_core::schema::{Field, Type};

use super::cursor::Cursor;
use super::scan::Fault;

/// How deep columns are nested at most; a top-level column is at level 1.
pub(super) const LEVELS: usize = 32;

/// Whether tables can have a column of this name: Parquet gives these characters a meaning, and the
/// Delta protocol forbids them.
fn is_column_name(name: &str) -> bool {
    !name.is_empty() && !name.contains([' ', ',', ';', '{', '}', '(', ')', '\n', '\t', '='])
}

/// The room within one record, which is bounded by its length.
fn unlimited() -> usize {
    usize::MAX
}

/// A type as far as it is known. What says nothing (null, `{}`, `[]`) has no shape.
#[derive(Debug, Clone)]
pub(super) enum Shape {
    Boolean,
    Bigint,
    Double,
    String,
    Struct(Members),
    Array(Box<Shape>),
}

/// The members of an object in the order in which they were first seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Members {
    list: Vec<(String, Shape)>,
    /// By lower case: no two columns may differ only in case.
    places: HashMap<String, usize>,
}

impl Members {
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Shape)> {
        self.list.iter().map(|(name, shape)| (name.as_str(), shape))
    }

    /// Reads the object at the cursor, whose members are at `level`.
    pub(super) fn read(cursor: &mut Cursor<'_>, level: usize) -> Result<Self, Fault> {
        let mut members = Self::default();
        cursor.at += 1;
        let mut more = !cursor.closes(b'}');
        while more {
            if cursor.peek() != b'"' {
                return Err(Fault::Name);
            }
            let text = cursor.string()?;
            let name = cursor.meaning(text).and_then(|name| String::from_utf8(name.into_owned()).ok());
            cursor.colon()?;
            let shape = Shape::read(cursor, level)?;
            if let (Some(name), Some(shape)) = (name, shape) {
                members.add(name, shape, &mut unlimited());
            }
            more = cursor.another(b'}')?;
        }
        Ok(members)
    }

    /// Adds at most `room` leaves of what `other` has more.
    pub(super) fn merge(&mut self, other: Self, room: &mut usize) {
        for (name, shape) in other.list {
            self.add(name, shape, room);
        }
    }

    fn add(&mut self, name: String, shape: Shape, room: &mut usize) {
        let folded = name.to_lowercase();
        if let Some(&place) = self.places.get(&folded) {
            self.list[place].1.merge(shape, room);
        } else if is_column_name(&name)
            && let Some(shape) = shape.within(room)
        {
            self.places.insert(folded, self.list.len());
            self.list.push((name, shape));
        }
    }
}

impl Shape {
    /// Reads the value at the cursor, which is at `level`; beyond the last level it is passed.
    pub(super) fn read(cursor: &mut Cursor<'_>, level: usize) -> Result<Option<Self>, Fault> {
        match cursor.peek() {
            b'{' if level < LEVELS => {
                let members = Members::read(cursor, level + 1)?;
                Ok((!members.list.is_empty()).then_some(Self::Struct(members)))
            }
            b'[' if level < LEVELS => {
                let mut item: Option<Self> = None;
                cursor.at += 1;
                let mut more = !cursor.closes(b']');
                while more {
                    let next = Self::read(cursor, level + 1)?;
                    match (&mut item, next) {
                        (Some(item), Some(next)) => item.merge(next, &mut unlimited()),
                        (item, next) => *item = item.take().or(next),
                    }
                    more = cursor.another(b']')?;
                }
                Ok(item.map(|item| Self::Array(Box::new(item))))
            }
            b'-' | b'0'..=b'9' => {
                let number = cursor.number()?;
                let bigint = number.is_integer() && cursor.integer(&number).is_some();
                Ok(Some(if bigint { Self::Bigint } else { Self::Double }))
            }
            first => {
                cursor.skip()?;
                Ok(match first {
                    b'"' => Some(Self::String),
                    b't' | b'f' => Some(Self::Boolean),
                    _ => None,
                })
            }
        }
    }

    /// Takes over what `other` knows more. On a conflict the first type stays.
    fn merge(&mut self, other: Self, room: &mut usize) {
        match (self, other) {
            (Self::Struct(members), Self::Struct(others)) => members.merge(others, room),
            (Self::Array(item), Self::Array(other)) => item.merge(*other, room),
            (this @ Self::Bigint, Self::Double) => *this = Self::Double,
            _ => {}
        }
    }

    /// The first `room` leaves of the shape; counts them off.
    fn within(self, room: &mut usize) -> Option<Self> {
        match self {
            Self::Struct(members) => {
                let mut kept = Members::default();
                kept.merge(members, room);
                (!kept.list.is_empty()).then_some(Self::Struct(kept))
            }
            Self::Array(item) => Some(Self::Array(Box::new(item.within(room)?))),
            leaf => {
                *room = room.checked_sub(1)?;
                Some(leaf)
            }
        }
    }

    pub(super) fn to_type(&self) -> Type {
        match self {
            Self::Boolean => Type::Boolean,
            Self::Bigint => Type::Bigint,
            Self::Double => Type::Double,
            Self::String => Type::String,
            Self::Struct(members) => {
                Type::Struct(members.iter().map(|(name, shape)| Field::new(name, shape.to_type())).collect())
            }
            Self::Array(item) => Type::Array(Box::new(item.to_type())),
        }
    }

    /// The type of at most `room` leaves.
    pub(super) fn to_type_within(&self, room: &mut usize) -> Option<Type> {
        self.clone().within(room).map(|shape| shape.to_type())
    }
}
