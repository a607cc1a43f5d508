//! Arbitrary and malformed bytes, and what is encoded by hand against the protocol library.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    ApiKey, FetchResponse, MetadataRequest, ProduceRequest, ResponseHeader, TopicName, TransactionalId,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, StrBytes};
use proptest::prelude::*;
use uuid::Uuid;

use super::fetch::{PartitionAnswer, TopicAnswer, encode};
use super::produce::Produce;
use super::versions::SUPPORTED;
use super::{Header, check_frame, decode};

fn header(key: ApiKey, version: i16) -> Header {
    Header { key, version, correlation_id: 9, client_id: StrBytes::new() }
}

#[test]
fn a_claim_of_billions_of_elements_is_refused_not_reserved() {
    // Metadata 0 and 9: a list of two billion topics in a frame of a few bytes.
    let fixed = Bytes::from_static(&[0x7f, 0xff, 0xff, 0xff]);
    assert!(decode::<MetadataRequest>(&mut fixed.clone(), 0).is_err());
    let varint = Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0]);
    assert!(decode::<MetadataRequest>(&mut varint.clone(), 9).is_err());
    assert!(
        Produce::decode(Bytes::from_static(&[0xff, 0xff, 0, 1, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff]), 3)
            .is_err()
    );
}

#[test]
fn produce_requests_decode_as_the_library_encodes_them() {
    for version in 3..=12 {
        let part =
            PartitionProduceData::default().with_index(3).with_records(Some(Bytes::from_static(b"rec")));
        let topic = TopicProduceData::default()
            .with_name(TopicName(StrBytes::from_static_str("t")))
            .with_partition_data(vec![part]);
        let request = ProduceRequest::default()
            .with_transactional_id(Some(TransactionalId(StrBytes::from_static_str("x"))))
            .with_acks(-1)
            .with_timeout_ms(5)
            .with_topic_data(vec![topic]);
        let mut bytes = BytesMut::new();
        request.encode(&mut bytes, version).expect("encode");
        let decoded = Produce::decode(bytes.freeze(), version).expect("decode");
        assert_eq!(decoded.transactional_id.as_deref(), Some("x"));
        assert_eq!((decoded.acks, decoded.topics.len()), (-1, 1));
        let part = &decoded.topics[0].partitions[0];
        assert_eq!((part.index, &part.records[..]), (3, &b"rec"[..]));
    }
}

#[test]
fn fetch_responses_decode_as_they_were_meant() {
    for version in 4..=17 {
        let header = header(ApiKey::Fetch, version);
        let partition = PartitionAnswer {
            index: 2,
            error: 0,
            high_watermark: 30,
            last_stable_offset: 20,
            log_start_offset: 10,
            aborted: Some(vec![(5, 11)]),
            records: vec![Bytes::from_static(b"abc"), Bytes::from_static(b"defg")],
        };
        let empty = PartitionAnswer { index: 3, error: 1, ..PartitionAnswer::default() };
        let topic = TopicAnswer {
            name: StrBytes::from_static_str("t"),
            id: Uuid::from_u128(77),
            partitions: vec![partition, empty],
        };
        let frame = encode(&header, 0, vec![topic]);
        let mut bytes = Bytes::from(frame.chunks.concat());
        assert_eq!(bytes::Buf::get_i32(&mut bytes) as usize, bytes.len());
        let answered =
            ResponseHeader::decode(&mut bytes, FetchResponse::header_version(version)).expect("header");
        assert_eq!(answered.correlation_id, 9);
        let response = FetchResponse::decode(&mut bytes, version).expect("response");
        assert!(bytes.is_empty());
        let topic = &response.responses[0];
        assert_eq!(topic.topic_id.as_u128(), if version >= 13 { 77 } else { 0 });
        let (first, second) = (&topic.partitions[0], &topic.partitions[1]);
        assert_eq!(first.records.as_deref(), Some(&b"abcdefg"[..]));
        assert_eq!((first.high_watermark, first.last_stable_offset), (30, 20));
        assert_eq!(first.aborted_transactions.as_ref().map(|a| a[0].first_offset), Some(11));
        assert_eq!((second.error_code, second.aborted_transactions.is_none()), (1, true));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]
    /// No bytes make the decoder panic or reserve beyond its means.
    #[test]
    fn arbitrary_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        check_frame(&bytes);
    }

    /// The same behind a header that is right, which gets further in.
    #[test]
    fn arbitrary_bodies_are_survived(which in 0..SUPPORTED.len(), add in 0i16..20, body in prop::collection::vec(any::<u8>(), 0..300)) {
        let (key, low, high) = SUPPORTED[which];
        let version = low + add % (high - low + 1);
        let mut frame = BytesMut::new();
        frame.extend_from_slice(&(key as i16).to_be_bytes());
        frame.extend_from_slice(&version.to_be_bytes());
        frame.extend_from_slice(&[0, 0, 0, 1, 0xff, 0xff]);
        if key.request_header_version(version) >= 2 {
            frame.extend_from_slice(&[0]);
        }
        frame.extend_from_slice(&body);
        check_frame(&frame);
    }
}
