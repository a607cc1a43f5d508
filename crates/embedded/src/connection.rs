//! One client's connection: frames in, answers out, in order.

use std::io;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::net::TcpStream;

use crate::api::{self, Peer};
use crate::node::Node;
use crate::stats::Counters;
use crate::wire::frame::read_frame;
use crate::wire::{Header, WireError};

/// Why a connection ended other than by its client closing it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    #[error("connection failed")]
    Io(#[from] io::Error),
    #[error("request refused")]
    Wire(#[from] WireError),
}

/// Serves a connection until its client closes it or sends what cannot be answered. Requests are
/// taken one at a time, so a client holds at most one request and one answer of memory here.
pub(crate) async fn serve(node: Arc<Node>, mut stream: TcpStream) -> Result<(), Ended> {
    stream.set_nodelay(true)?;
    let peer = Peer { local: stream.local_addr()?, remote: stream.peer_addr()? };
    let mut buffer = BytesMut::new();
    loop {
        let (mut input, mut output) = stream.split();
        let Some(mut frame) = read_frame(&mut input, &mut buffer, node.config.request_max_bytes).await?
        else {
            return Ok(());
        };
        let header = Header::take(&mut frame)?;
        tracing::trace!(key = ?header.key, version = header.version, client = header.client_id.as_str(), "request");
        let answer = api::handle(&node, &peer, &header, frame).await?;
        Counters::add(&node.counters.requests, 1);
        if let Some(answer) = answer {
            Counters::add(&node.counters.bytes_out, answer.write(&mut output).await?);
        }
    }
}
