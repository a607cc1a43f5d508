//! The records of a batch, taken out of their compression: for compaction and for finding the first
//! record of a time. What is produced and fetched never comes through here.

use std::io::{self, Read, Write};

use super::batch::{BatchHeader, HEADER_LEN};

const NONE: i16 = 0;
const GZIP: i16 = 1;
const SNAPPY: i16 = 2;
const LZ4: i16 = 3;
const ZSTD: i16 = 4;

/// Records larger than this are left as they are: a small batch may claim to hold anything.
const MAX_DECOMPRESSED: u64 = 64 * 1024 * 1024;

/// What the framing that Java clients put around snappy blocks starts with.
const XERIAL: &[u8] = b"\x82SNAPPY\0";
const XERIAL_HEADER: usize = 16;

/// The plain records of a whole batch.
pub(crate) fn records(header: &BatchHeader, batch: &[u8]) -> io::Result<Vec<u8>> {
    let packed = batch.get(HEADER_LEN..).ok_or(io::ErrorKind::UnexpectedEof)?;
    match header.compression() {
        NONE => Ok(packed.to_vec()),
        GZIP => bounded(flate2::read::MultiGzDecoder::new(packed)),
        SNAPPY => snappy(packed),
        LZ4 => bounded(lz4_flex::frame::FrameDecoder::new(packed)),
        ZSTD => bounded(ruzstd::decoding::StreamingDecoder::new(packed).map_err(io::Error::other)?),
        other => Err(io::Error::other(format!("compression {other} is not known"))),
    }
}

/// Packs records as LZ4, which every client can read.
pub(crate) fn pack(records: &[u8]) -> io::Result<(i16, Vec<u8>)> {
    let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
    encoder.write_all(records)?;
    Ok((LZ4, encoder.finish().map_err(io::Error::other)?))
}

fn bounded(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    reader.take(MAX_DECOMPRESSED + 1).read_to_end(&mut out)?;
    if out.len() as u64 > MAX_DECOMPRESSED {
        return Err(io::Error::other("records are too large once decompressed"));
    }
    Ok(out)
}

fn snappy(packed: &[u8]) -> io::Result<Vec<u8>> {
    if !packed.starts_with(XERIAL) {
        return snappy_block(packed);
    }
    let mut out = Vec::new();
    let mut rest = packed.get(XERIAL_HEADER..).ok_or(io::ErrorKind::UnexpectedEof)?;
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        let block = after.get(..length).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.extend(snappy_block(block)?);
        if out.len() as u64 > MAX_DECOMPRESSED {
            return Err(io::Error::other("records are too large once decompressed"));
        }
        rest = &after[length..];
    }
    Ok(out)
}

fn snappy_block(block: &[u8]) -> io::Result<Vec<u8>> {
    let length = snap::raw::decompress_len(block).map_err(io::Error::other)?;
    if length as u64 > MAX_DECOMPRESSED {
        return Err(io::Error::other("records are too large once decompressed"));
    }
    snap::raw::Decoder::new().decompress_vec(block).map_err(io::Error::other)
}

/// One record, as bytes of its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    /// All of it, with its length.
    pub(crate) raw: &'a [u8],
    pub(crate) timestamp_delta: i64,
    pub(crate) offset_delta: i64,
    pub(crate) key: Option<&'a [u8]>,
    /// Without a value: it says that its key is gone.
    pub(crate) tombstone: bool,
}

/// The records in plain bytes; `None` when they are damaged.
pub(crate) fn parse(mut bytes: &[u8]) -> Option<Vec<Record<'_>>> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let whole = bytes;
        let length = usize::try_from(varint(&mut bytes)?).ok()?;
        let mut body = bytes.get(..length)?;
        bytes = &bytes[length..];
        let raw = &whole[..whole.len() - bytes.len()];
        body = body.get(1..)?;
        let timestamp_delta = varint(&mut body)?;
        let offset_delta = varint(&mut body)?;
        let key = field(&mut body)?;
        let tombstone = field(&mut body)?.is_none();
        records.push(Record { raw, timestamp_delta, offset_delta, key, tombstone });
    }
    Some(records)
}

fn field<'a>(bytes: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let Ok(length) = usize::try_from(varint(bytes)?) else { return Some(None) };
    let field = bytes.get(..length)?;
    *bytes = &bytes[length..];
    Some(Some(field))
}

fn varint(bytes: &mut &[u8]) -> Option<i64> {
    let mut value = 0u64;
    for shift in (0..70).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some((value >> 1) as i64 ^ -((value & 1) as i64));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::batch::{self, tests::plain};
    use super::*;

    #[test]
    fn records_come_back_from_every_compression() {
        let batch = plain(20, 5);
        let plain_records = records(&batch.header, &batch.bytes).expect("plain");
        assert_eq!(parse(&plain_records).expect("parse").len(), 20);
        let gzip = {
            let mut e = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            e.write_all(&plain_records).expect("gzip");
            e.finish().expect("gzip")
        };
        let raw_snappy = snap::raw::Encoder::new().compress_vec(&plain_records).expect("snappy");
        let mut framed = [XERIAL, &[0, 0, 0, 1, 0, 0, 0, 1]].concat();
        framed.extend((raw_snappy.len() as u32).to_be_bytes());
        framed.extend(&raw_snappy);
        let lz4 = pack(&plain_records).expect("lz4").1;
        let zstd = ruzstd::encoding::compress_to_vec(
            &plain_records[..],
            ruzstd::encoding::CompressionLevel::Fastest,
        );
        for (codec, packed) in [(1, gzip), (2, raw_snappy), (2, framed), (3, lz4), (4, zstd)] {
            let header = BatchHeader { attributes: codec, ..batch.header };
            let packed = batch::build(&header, &packed);
            assert_eq!(
                records(&packed.header, &packed.bytes).expect("unpack"),
                plain_records,
                "codec {codec}"
            );
        }
    }

    #[test]
    fn damaged_records_are_an_error_not_a_panic() {
        let batch = plain(3, 5);
        for cut in 1..batch.bytes.len() - HEADER_LEN {
            let bytes = &batch.bytes[HEADER_LEN..HEADER_LEN + cut];
            let whole = parse(bytes).map(|r| r.len());
            assert!(whole.is_none_or(|n| n < 3), "cut at {cut}");
        }
    }
}
