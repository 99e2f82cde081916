//! Bodies on their way through: never buffered, copied to mirrors frame by frame.
//!
//! `Upload` goes to a backend, `Download` to the client. When a download ends, its
//! connection goes back to the pool and the request is counted.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::mpsc;

use crate::metrics::{CODE_CLIENT_GONE, Series};
use crate::pool::Lease;

/// Frames a mirror may lag behind before its copy is given up.
const MIRROR_FRAMES_MAX: usize = 64;

/// A request body.
#[derive(Debug)]
pub(crate) enum Upload {
    Empty,
    /// The client's body, and the mirrors that get a copy.
    Client {
        body: Incoming,
        copies: Vec<mpsc::Sender<Bytes>>,
    },
    /// A mirror's copy; cut off if it could not keep pace.
    Copy {
        frames: mpsc::Receiver<Bytes>,
    },
}

/// An end for a mirror to read a copy from.
pub(crate) fn copy() -> (mpsc::Sender<Bytes>, Upload) {
    let (sender, frames) = mpsc::channel(MIRROR_FRAMES_MAX);
    (sender, Upload::Copy { frames })
}

impl Body for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Copy { frames } => frames
                .poll_recv(cx)
                .map(|frame| frame.map(|bytes| Ok(Frame::data(bytes)))),
            Self::Client { body, copies } => {
                let polled = Pin::new(body).poll_frame(cx);
                if let Poll::Ready(Some(Ok(frame))) = &polled
                    && let Some(bytes) = frame.data_ref()
                {
                    copies.retain(|copy| copy.try_send(bytes.clone()).is_ok());
                }
                if let Poll::Ready(None) = &polled {
                    copies.clear();
                }
                polled
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Copy { .. } => false,
            Self::Client { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Copy { .. } => SizeHint::default(),
            Self::Client { body, .. } => body.size_hint(),
        }
    }
}

/// Counts a request once: when its answer ended, or when it was dropped before.
#[derive(Debug)]
pub(crate) struct Tally {
    series: Arc<Series>,
    started: Instant,
    code: u16,
}

impl Tally {
    pub(crate) fn start(series: Arc<Series>, started: Instant) -> Self {
        Self {
            series,
            started,
            code: CODE_CLIENT_GONE,
        }
    }

    /// Sets the code of the answer, known when its head is.
    pub(crate) fn answered(&mut self, code: http::StatusCode) {
        self.code = code.as_u16();
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.series.count(self.code, self.started.elapsed());
    }
}

/// An answer's body.
#[derive(Debug)]
pub(crate) enum Download {
    /// A word of our own.
    Ours {
        text: Option<Bytes>,
        _tally: Option<Tally>,
    },
    /// A backend's.
    Backend {
        body: Incoming,
        lease: Option<Lease>,
        _tally: Tally,
    },
}

impl Download {
    /// A body of our own.
    pub(crate) fn text(text: &'static str, tally: Option<Tally>) -> Self {
        let text = (!text.is_empty()).then(|| Bytes::from_static(text.as_bytes()));
        Self::Ours {
            text,
            _tally: tally,
        }
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            Self::Ours { text, .. } => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::Backend { body, lease, .. } => {
                let polled = Pin::new(&mut *body).poll_frame(cx);
                let is_over = match &polled {
                    Poll::Ready(None) => true,
                    Poll::Ready(Some(Ok(_))) => body.is_end_stream(),
                    Poll::Ready(Some(Err(_))) | Poll::Pending => false,
                };
                if is_over && let Some(lease) = lease.take() {
                    lease.give_back();
                }
                polled
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Ours { text, .. } => text.is_none(),
            Self::Backend { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Ours { text, .. } => SizeHint::with_exact(
                text.as_ref()
                    .map_or(0, |text| u64::try_from(text.len()).unwrap_or(u64::MAX)),
            ),
            Self::Backend { body, .. } => body.size_hint(),
        }
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        // A body without frames (204, HEAD) is never polled; its connection is good too.
        if let Self::Backend { body, lease, .. } = self
            && body.is_end_stream()
            && let Some(lease) = lease.take()
        {
            lease.give_back();
        }
    }
}
