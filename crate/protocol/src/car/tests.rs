use super::*;
use proptest::prelude::*;

fn block(byte: u8) -> Block {
    Block::dag_cbor(vec![byte]).unwrap()
}

fn sample() -> Vec<u8> {
    write(&[*block(1).cid()], &[block(0), block(1)])
}

#[test]
fn an_archive_is_read_as_it_was_written() {
    let car = read(&sample()).unwrap();
    assert_eq!(car.roots, [*block(1).cid()]);
    assert_eq!(car.blocks, [block(0), block(1)]);
    assert_eq!(car.refused, []);
}

#[test]
fn one_block_under_a_wrong_name_does_not_spoil_the_rest() {
    let mut bytes = sample();
    *bytes.last_mut().unwrap() = 9;
    let car = read(&bytes).unwrap();
    assert_eq!(car.blocks, [block(0)]);
    let cid = *block(1).cid();
    assert_eq!(car.refused, [(cid, BlockError::WrongHash(cid))]);
}

#[test]
fn a_block_over_the_limit_is_left_out() {
    let mut bytes = sample();
    let large = vec![0; crate::MAX_BLOCK_BYTES + 1];
    push_frame(&mut bytes, &block(2).cid().to_bytes(), &large);
    let car = read(&bytes).unwrap();
    assert_eq!(car.blocks.len(), 2);
    assert_eq!(
        car.refused,
        [(*block(2).cid(), BlockError::TooLarge(large.len()))]
    );
}

#[test]
fn an_archive_cut_anywhere_is_refused_or_ends_between_frames() {
    let bytes = sample();
    for end in 0..bytes.len() {
        match read(&bytes[..end]) {
            Err(error) => assert_eq!(error, CarError::Truncated, "at {end}"),
            Ok(car) => assert!(write(&car.roots, &car.blocks).len() == end, "at {end}"),
        }
    }
}

#[test]
fn an_archive_of_nothing_but_wrong_blocks_is_given_up() {
    let mut bytes = write(&[], []);
    for _ in 0..MAX_REFUSED {
        push_frame(&mut bytes, &block(0).cid().to_bytes(), b"wrong");
    }
    assert_eq!(read(&bytes).unwrap().refused.len(), MAX_REFUSED);
    push_frame(&mut bytes, &block(0).cid().to_bytes(), b"wrong");
    assert_eq!(read(&bytes), Err(CarError::TooManyRefused));
}

#[test]
fn a_claim_of_2_to_the_60_bytes_is_refused_at_once() {
    let mut bytes = sample();
    let mut buffer = unsigned_varint::encode::u64_buffer();
    bytes.extend_from_slice(unsigned_varint::encode::u64(1 << 60, &mut buffer));
    assert_eq!(read(&bytes), Err(CarError::FrameTooLarge(1 << 60)));
}

#[test]
fn a_length_that_never_ends_is_refused() {
    assert_eq!(read(&[0xff; 64]), Err(CarError::BadLength));
}

#[test]
fn frames_without_a_cid_are_refused() {
    let mut bytes = sample();
    bytes.push(0);
    assert_eq!(read(&bytes), Err(CarError::BadCid));
}

#[test]
fn a_header_of_another_kind_is_refused() {
    for header in [
        &b""[..],
        b"\x00",
        b"\xa0",
        b"\xa2eroots\x80gversion\x02",
        b"\xa1eroots\x80",
        b"\xa2eroots\x81\x00gversion\x01",
    ] {
        let mut bytes = Vec::new();
        push_frame(&mut bytes, &[], header);
        assert_eq!(read(&bytes), Err(CarError::BadHeader), "{header:?}");
    }
}

#[test]
fn too_many_roots_are_refused() {
    let roots = vec![*block(0).cid(); MAX_ROOTS + 1];
    assert_eq!(read(&write(&roots, [])), Err(CarError::TooManyRoots));
    assert!(read(&write(&roots[1..], [])).is_ok());
}

proptest! {
    #[test]
    fn whatever_is_written_is_read_again(bodies: Vec<Vec<u8>>) {
        let blocks: Vec<_> = bodies.into_iter().map(|body| Block::dag_cbor(body).unwrap()).collect();
        let roots: Vec<_> = blocks.iter().take(3).map(|block| *block.cid()).collect();
        let car = read(&write(&roots, &blocks)).unwrap();
        prop_assert_eq!(car, Car { roots, blocks, refused: vec![] });
    }

    #[test]
    fn a_changed_byte_never_yields_a_block_that_was_not_there(at: prop::sample::Index, byte: u8) {
        let mut bytes = sample();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(car) = read(&bytes) {
            // The codec in a name is not covered by the hash, the bytes are.
            let ours = [block(0), block(1)];
            prop_assert!(car.blocks.iter().all(|one| ours.iter().any(|it| it.bytes() == one.bytes())));
        }
    }
}
