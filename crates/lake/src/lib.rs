//! The lake: records become typed rows, rows become Parquet files, files become commits.
//!
//! Data flows through the modules in this order: [`decode`] -> [`buffer`] -> [`data_file`] ->
//! [`staging`] -> [`commit`].

pub mod columns;
pub mod commit;
pub mod data_file;
pub mod engine;
pub mod error;
pub mod staging;

pub use engine::Engine;
pub use error::Error;
