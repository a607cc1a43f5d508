//! From the bytes of a frame to a request header and body.

use bytes::{Buf, Bytes};
use kafka_protocol::messages::{ApiKey, RequestHeader};
use kafka_protocol::protocol::{Decodable, StrBytes};

use super::probe::Probe;
use super::versions;

/// Why a frame's connection is closed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    #[error("request key {key} version {version} is not supported: ask ApiVersions first")]
    Unsupported { key: i16, version: i16 },
    #[error("request is malformed: {0}")]
    Malformed(String),
    #[error("response cannot be encoded: {0}")]
    Encode(String),
}

impl WireError {
    pub(crate) fn malformed(reason: impl ToString) -> Self {
        Self::Malformed(reason.to_string())
    }
}

/// The header that every request starts with.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    pub(crate) key: ApiKey,
    pub(crate) version: i16,
    pub(crate) correlation_id: i32,
    pub(crate) client_id: StrBytes,
}

/// Frames of requests other than Produce carry no records and stay small; the bound also bounds
/// what a decode may reserve.
const SMALL_REQUEST_MAX: usize = 4 * 1024 * 1024;

impl Header {
    /// Takes the header off a frame. An ApiVersions request of any version passes: its answer is
    /// how a client learns which versions to use.
    pub(crate) fn take(frame: &mut Bytes) -> Result<Self, WireError> {
        if frame.len() < 8 {
            return Err(WireError::malformed("shorter than a header"));
        }
        let (key, version) = (frame.slice(0..2).get_i16(), frame.slice(2..4).get_i16());
        let unsupported = WireError::Unsupported { key, version };
        let api = match versions::supported(key, version) {
            Some(api) => api,
            None if key == ApiKey::ApiVersions as i16 => ApiKey::ApiVersions,
            None => return Err(unsupported),
        };
        if api != ApiKey::Produce && frame.len() > SMALL_REQUEST_MAX {
            return Err(WireError::malformed(format!("{} bytes are too many for {api:?}", frame.len())));
        }
        if api == ApiKey::ApiVersions && versions::supported(key, version).is_none() {
            let correlation_id = frame.slice(4..8).get_i32();
            return Ok(Self { key: api, version, correlation_id, client_id: StrBytes::new() });
        }
        let header_version = api.request_header_version(version);
        RequestHeader::decode(&mut Probe::new(frame.clone()), header_version)
            .map_err(WireError::malformed)?;
        let header = RequestHeader::decode(frame, header_version).map_err(WireError::malformed)?;
        let client_id = header.client_id.unwrap_or_default();
        Ok(Self { key: api, version, correlation_id: header.correlation_id, client_id })
    }
}

/// Decodes a message of the protocol, whatever its bytes claim.
pub(crate) fn decode<D: Decodable>(body: &mut Bytes, version: i16) -> Result<D, WireError> {
    D::decode(&mut Probe::new(body.clone()), version).map_err(WireError::malformed)?;
    D::decode(body, version).map_err(WireError::malformed)
}

/// Decodes a frame and throws the result away: the door for fuzzing. True when it was well formed.
pub fn check_frame(bytes: &[u8]) -> bool {
    let mut frame = Bytes::copy_from_slice(bytes);
    let Ok(header) = Header::take(&mut frame) else { return false };
    crate::api::check_body(&header, frame).is_ok()
}
