//! The lake: records become typed rows, rows become Parquet files, files become commits.
//!
//! Data flows through the modules in this order: [`decode`] -> [`buffer`] -> [`land`] ->
//! [`data_file`] -> [`staging`] -> [`commit`].

pub mod buffer;
pub mod columns;
pub mod commit;
pub mod data_file;
pub mod decode;
pub mod engine;
pub mod error;
pub mod land;
pub mod read;
pub mod staging;

pub use engine::Engine;
pub use error::Error;
