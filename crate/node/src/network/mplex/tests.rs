use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use bytes::BytesMut;
use futures::executor::block_on;
use futures::future::{join, join_all, poll_fn};
use futures::{AsyncReadExt, AsyncWriteExt};

use super::frame::{Head, Kind, decode, encode};
use super::*;

/// One direction of a connection, with room for so many bytes.
#[derive(Debug, Default)]
struct Way {
    bytes: VecDeque<u8>,
    room: usize,
    ended: bool,
    wakers: Vec<Waker>,
}

/// One end of a connection in memory.
#[derive(Debug)]
struct End {
    from: Arc<Mutex<Way>>,
    to: Arc<Mutex<Way>>,
}

fn connection(room: usize) -> (End, End) {
    let way = || {
        Arc::new(Mutex::new(Way {
            room,
            ..Way::default()
        }))
    };
    let (a, b) = (way(), way());
    let one = End {
        from: a.clone(),
        to: b.clone(),
    };
    (one, End { from: b, to: a })
}

impl AsyncRead for End {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut way = self.from.lock().unwrap();
        let count = into.len().min(way.bytes.len());
        if count == 0 && !way.ended {
            way.wakers.push(cx.waker().clone());
            return Poll::Pending;
        }
        for (place, byte) in into.iter_mut().zip(way.bytes.drain(..count)) {
            *place = byte;
        }
        way.wakers.drain(..).for_each(Waker::wake);
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for End {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut way = self.to.lock().unwrap();
        let count = bytes.len().min(way.room - way.bytes.len());
        if count == 0 {
            way.wakers.push(cx.waker().clone());
            return Poll::Pending;
        }
        way.bytes.extend(&bytes[..count]);
        way.wakers.drain(..).for_each(Waker::wake);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut way = self.to.lock().unwrap();
        way.ended = true;
        way.wakers.drain(..).for_each(Waker::wake);
        Poll::Ready(Ok(()))
    }
}

async fn inbound(muxer: &mut Muxer<End>) -> io::Result<Substream<End>> {
    poll_fn(|cx| Pin::new(&mut *muxer).poll_inbound(cx)).await
}

async fn outbound(muxer: &mut Muxer<End>) -> io::Result<Substream<End>> {
    poll_fn(|cx| Pin::new(&mut *muxer).poll_outbound(cx)).await
}

/// A muxer that was sent these bytes, and the other end.
fn sent(bytes: &[u8]) -> (Muxer<End>, End) {
    let (here, there) = connection(64 << 20);
    there.to.lock().unwrap().bytes.extend(bytes);
    (Muxer::new(here), there)
}

fn theirs(number: u64) -> Id {
    let ours = false;
    Id { number, ours }
}

/// A frame as the peer writes it: what we call ours is the other's.
fn from_peer(id: Id, kind: Kind, body: &[u8]) -> BytesMut {
    let mut bytes = BytesMut::new();
    let ours = !id.ours;
    encode(&mut bytes, Id { ours, ..id }, kind, body);
    bytes
}

/// Counts wakes.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn heads_are_written_as_the_specification_shows() {
    let cases: [(Id, Kind, &[u8], &[u8]); 5] = [
        (
            Id {
                number: 1,
                ours: true,
            },
            Kind::Open,
            b"",
            &[0x08, 0],
        ),
        (
            Id {
                number: 1,
                ours: true,
            },
            Kind::Data,
            b"hi",
            &[0x0a, 2, b'h', b'i'],
        ),
        (theirs(1), Kind::Data, b"", &[0x09, 0]),
        (theirs(300), Kind::Close, b"", &[0xe3, 0x12, 0]),
        (
            Id {
                number: 2,
                ours: true,
            },
            Kind::Reset,
            b"",
            &[0x16, 0],
        ),
    ];
    for (id, kind, body, expected) in cases {
        let mut bytes = BytesMut::new();
        encode(&mut bytes, id, kind, body);
        assert_eq!(&bytes[..], expected);
        let ours = !id.ours;
        let length = body.len();
        if kind == Kind::Open {
            continue; // read, it is the other side's
        }
        let head = Head {
            id: Id { ours, ..id },
            kind,
            length,
        };
        assert_eq!(decode(&bytes), Ok(Some((head, bytes.len() - length))));
        assert_eq!(decode(&bytes[..1]), Ok(None));
    }
    assert!(decode(&[0x0f, 0]).is_err(), "no such flag");
    assert!(decode(&[0xff; 11]).is_err(), "no such number");
    assert!(
        decode(&[0x0a, 0x81, 0x80, 0x40]).is_err(),
        "a byte too long"
    );
}

#[test]
fn many_streams_carry_megabytes_both_ways_at_once_over_a_narrow_line() {
    const STREAMS: usize = 20;
    let (a, b) = connection(10_000);
    let (mut a, mut b) = (Muxer::new(a), Muxer::new(b));
    let bodies: Vec<Vec<u8>> = (0..STREAMS)
        .map(|n| {
            (0..300_000usize)
                .map(|at| (at.wrapping_mul(n + 7) >> 3) as u8)
                .collect()
        })
        .collect();
    let ask = async {
        let mut asking = Vec::new();
        for body in &bodies {
            let stream = outbound(&mut a).await.unwrap();
            asking.push(async move {
                let (mut read, mut write) = stream.split();
                let send = async {
                    write.write_all(body).await.unwrap();
                    write.close().await.unwrap();
                };
                let mut back = Vec::new();
                let (_, got) = join(send, read.read_to_end(&mut back)).await;
                got.unwrap();
                assert!(back == *body);
            });
        }
        join_all(asking).await;
    };
    let echo = async {
        let mut echoing = Vec::new();
        for _ in 0..STREAMS {
            let stream = inbound(&mut b).await.unwrap();
            echoing.push(async move {
                let (read, mut write) = stream.split();
                futures::io::copy(read, &mut write).await.unwrap();
                write.close().await.unwrap();
            });
        }
        join_all(echoing).await;
    };
    block_on(join(ask, echo));
    assert_eq!(lock(&a.0).count(true), 0, "all streams are gone");
    assert_eq!(lock(&b.0).count(false), 0);
}

#[test]
fn a_stream_that_nobody_reads_stops_the_line_and_wakes_nobody_again_and_again() {
    let mut bytes = from_peer(theirs(0), Kind::Open, b"");
    bytes.extend(from_peer(theirs(1), Kind::Open, b""));
    for _ in 0..40 {
        bytes.extend(from_peer(theirs(0), Kind::Data, &[7; 100_000]));
    }
    bytes.extend(from_peer(theirs(1), Kind::Data, b"behind"));
    let (mut muxer, there) = sent(&bytes);
    let unread = block_on(inbound(&mut muxer)).unwrap();
    let mut other = block_on(inbound(&mut muxer)).unwrap();
    let count = Arc::new(Count::default());
    let waker = Waker::from(count.clone());
    let mut cx = Context::from_waker(&waker);
    let mut buffer = [0; 10];
    let mut polls = 0;
    loop {
        // As a task does: look again for as long as somebody wakes it.
        let before = count.0.load(Ordering::SeqCst);
        assert!(
            Pin::new(&mut other)
                .poll_read(&mut cx, &mut buffer)
                .is_pending()
        );
        assert!(Pin::new(&mut muxer).poll_inbound(&mut cx).is_pending());
        polls += 1;
        if count.0.load(Ordering::SeqCst) == before {
            break;
        }
        assert!(polls < 100, "it never sleeps");
    }
    let held = lock(&muxer.0).held();
    assert!(
        (MAX_HELD_BYTES..MAX_HELD_BYTES + 64 * 1024).contains(&held),
        "{held}"
    );
    assert!(
        there.to.lock().unwrap().bytes.len() > 2_000_000,
        "the rest stays outside"
    );

    drop(unread);
    assert!(count.0.load(Ordering::SeqCst) > 0);
    assert_eq!(block_on(other.read(&mut buffer)).unwrap(), 6);
    assert_eq!(&buffer[..6], b"behind");
}

#[test]
fn one_stream_too_many_is_reset_and_the_others_live() {
    let mut bytes = BytesMut::new();
    for number in 0..=MAX_STREAMS as u64 {
        bytes.extend(from_peer(theirs(number), Kind::Open, b"name"));
    }
    bytes.extend(from_peer(theirs(3), Kind::Data, b"x"));
    let (mut muxer, there) = sent(&bytes);
    let mut streams = block_on(async {
        let mut streams = Vec::new();
        for _ in 0..MAX_STREAMS {
            streams.push(inbound(&mut muxer).await.unwrap());
        }
        streams
    });
    let mut buffer = [0; 4];
    assert_eq!(block_on(streams[3].read(&mut buffer)).unwrap(), 1);
    block_on(streams[0].flush()).unwrap();
    let said: Vec<u8> = there.from.lock().unwrap().bytes.drain(..).collect();
    let (head, _) = decode(&said).unwrap().unwrap();
    assert_eq!(
        (head.id.number, head.kind),
        (MAX_STREAMS as u64, Kind::Reset)
    );

    // A stream that is dropped makes room.
    streams.pop();
    there
        .to
        .lock()
        .unwrap()
        .bytes
        .extend(from_peer(theirs(999), Kind::Open, b""));
    assert_eq!(block_on(inbound(&mut muxer)).unwrap().id, theirs(999));
}

#[test]
fn who_reads_no_answers_and_makes_us_write_them_is_disconnected() {
    let mut bytes = BytesMut::new();
    for number in 0..200_000 {
        bytes.extend(from_peer(theirs(number), Kind::Open, b""));
    }
    let (here, there) = connection(1000);
    there.to.lock().unwrap().bytes.extend(bytes);
    let mut muxer = Muxer::new(here);
    let error = block_on(async {
        let mut kept = Vec::new();
        loop {
            match inbound(&mut muxer).await {
                Ok(stream) => kept.push(stream),
                Err(error) => return error,
            }
        }
    });
    assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
}

#[test]
fn what_was_received_before_the_end_is_read_and_then_the_end() {
    let mut bytes = from_peer(theirs(5), Kind::Open, b"");
    bytes.extend(from_peer(theirs(5), Kind::Data, b"last words"));
    bytes.extend(from_peer(theirs(5), Kind::Close, b""));
    bytes.extend(from_peer(theirs(5), Kind::Data, b"from beyond"));
    bytes.extend(from_peer(theirs(5), Kind::Reset, b""));
    bytes.extend(from_peer(theirs(6), Kind::Open, b""));
    bytes.extend(from_peer(theirs(6), Kind::Data, b"half"));
    bytes.extend(from_peer(theirs(6), Kind::Reset, b""));
    let (mut muxer, _there) = sent(&bytes);
    block_on(async {
        let mut whole = inbound(&mut muxer).await.unwrap();
        let mut broken = inbound(&mut muxer).await.unwrap();
        let mut text = String::new();
        whole.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "last words");
        assert!(whole.write(b"answer").await.is_err());
        let error = broken.read_to_string(&mut text).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_dropped_stream_is_closed_or_reset_as_the_peer_must_know() {
    let mut bytes = from_peer(theirs(0), Kind::Open, b"");
    bytes.extend(from_peer(theirs(0), Kind::Close, b""));
    bytes.extend(from_peer(theirs(1), Kind::Open, b""));
    bytes.extend(from_peer(theirs(2), Kind::Open, b""));
    bytes.extend(from_peer(theirs(2), Kind::Close, b""));
    let (mut muxer, there) = sent(&bytes);
    block_on(async {
        let ended = inbound(&mut muxer).await.unwrap();
        let open = inbound(&mut muxer).await.unwrap();
        let mut both = inbound(&mut muxer).await.unwrap();
        both.close().await.unwrap();
        drop((ended, open, both));
        outbound(&mut muxer).await.unwrap().flush().await.unwrap();
    });
    let mut said: Vec<u8> = there.from.lock().unwrap().bytes.drain(..).collect();
    let mut heads = Vec::new();
    while let Ok(Some((head, length))) = decode(&said) {
        heads.push((head.id.number, head.kind));
        said.drain(..length);
    }
    let expected = [
        (2, Kind::Close),
        (0, Kind::Close),
        (1, Kind::Reset),
        (0, Kind::Open),
    ];
    assert_eq!(heads, expected);
}

#[test]
fn frames_that_are_none_end_the_connection() {
    let twice = [
        from_peer(theirs(1), Kind::Open, b""),
        from_peer(theirs(1), Kind::Open, b""),
    ];
    for bytes in [
        &[0x0f, 0][..],
        &[0x08, 0xff, 0xff, 0xff, 0x7f],
        &twice.concat(),
        &[0xff; 12],
    ] {
        let (mut muxer, _there) = sent(bytes);
        let error = block_on(async {
            loop {
                if let Err(error) = inbound(&mut muxer).await {
                    return error;
                }
            }
        });
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}

#[test]
fn whatever_bytes_come_nothing_panics_and_little_is_held() {
    bolero::check!().with_type::<Vec<u8>>().for_each(|bytes| {
        let (mut muxer, there) = sent(bytes);
        there.to.lock().unwrap().ended = true;
        block_on(async {
            let mut streams = Vec::new();
            while let Ok(stream) = inbound(&mut muxer).await {
                streams.push(stream);
            }
            assert!(lock(&muxer.0).held() <= bytes.len());
            for mut stream in streams {
                let _ = stream.read_to_end(&mut Vec::new()).await;
            }
        });
    });
}
