//! Protocol error codes, under the names the protocol gives them.

pub(crate) use kafka_protocol::error::ResponseError as Code;

/// Code 0: no error.
pub(crate) const NONE: i16 = 0;

/// The wire code of a result.
pub(crate) fn code_of<T>(result: &Result<T, Code>) -> i16 {
    match result {
        Ok(_) => NONE,
        Err(code) => code.code(),
    }
}
