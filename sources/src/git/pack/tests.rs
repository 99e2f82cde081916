//! Packs built by hand: good ones in every chunking, hostile ones refused.

use std::io::Write as _;

use super::*;

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn head(kind: u8, mut size: usize) -> Vec<u8> {
    let mut out = vec![(kind << 4) | u8::try_from(size & 15).unwrap()];
    size >>= 4;
    while size > 0 {
        *out.last_mut().unwrap() |= 0x80;
        out.push(u8::try_from(size & 127).unwrap());
        size >>= 7;
    }
    out
}

fn entry(kind: u8, extra: &[u8], content: &[u8]) -> Vec<u8> {
    [head(kind, content.len()), extra.to_vec(), deflate(content)].concat()
}

fn seal(count: u32, entries: &[Vec<u8>]) -> Vec<u8> {
    let mut pack = b"PACK\0\0\0\x02".to_vec();
    pack.extend(count.to_be_bytes());
    pack.extend(entries.concat());
    let checksum = Sha1::try_digest(&pack);
    pack.extend_from_slice(checksum.hash());
    pack
}

fn read(pack: &[u8], chunk: usize, limits: PackLimits) -> Result<Objects, PackError> {
    let mut reader = PackReader::new(limits);
    for piece in pack.chunks(chunk) {
        reader.push(piece)?;
    }
    reader.finish()
}

/// A blob, an offset delta of it ("hello" -> "ellxyhe"), a reference delta of that.
fn three() -> Vec<u8> {
    let base = entry(3, &[], b"hello");
    let delta = entry(
        6,
        &[u8::try_from(base.len()).unwrap()],
        &[5, 7, 0x91, 1, 3, 2, b'x', b'y', 0x90, 2],
    );
    let base_id = object::hash(Kind::Blob, b"ellxyhe").unwrap();
    let raw: Vec<u8> = (0..40)
        .step_by(2)
        .map(|i| u8::from_str_radix(&base_id.to_string()[i..i + 2], 16).unwrap())
        .collect();
    let second = entry(7, &raw, &[7, 1, 1, b'z']);
    // The reference delta comes first: its base is not known yet.
    let mut entries = vec![second];
    entries.extend([base, delta]);
    seal(3, &entries)
}

#[test]
fn deltas_resolve_in_every_chunking() {
    for chunk in [1, 2, 7, 4096] {
        let objects = read(&three(), chunk, PackLimits::default()).unwrap();
        let mut contents: Vec<_> = objects.values().map(|o| o.bytes.clone()).collect();
        contents.sort();
        assert_eq!(
            contents,
            [&b"ellxyhe"[..], b"hello", b"z"],
            "chunks of {chunk}"
        );
    }
}

#[test]
fn hostile_packs_are_refused() {
    let mut flipped = three();
    *flipped.last_mut().unwrap() ^= 1;
    let mut trailing = three();
    trailing.push(0);
    let lying = [head(3, 2), deflate(b"hello")].concat();
    let cases: [(&str, Vec<u8>, &str); 10] = [
        ("no header", b"JUNKJUNKJUNK".to_vec(), "no pack header"),
        ("cut short", three()[..60].to_vec(), "too early"),
        ("empty", Vec::new(), "too early"),
        ("checksum", flipped, "checksum"),
        ("trailing", trailing, "follow"),
        ("size lie", seal(1, &[lying]), "larger"),
        (
            "no zlib",
            seal(1, &[[head(3, 5), b"zzzzzzzz".to_vec()].concat()]),
            "zlib",
        ),
        (
            "unknown type",
            seal(1, &[entry(5, &[], b"x")]),
            "unknown type",
        ),
        (
            "thin",
            seal(1, &[entry(7, &[9; 20], &[5, 1, 1, b'x'])]),
            "no base",
        ),
        (
            "offset to nothing",
            seal(1, &[entry(6, &[3], &[5, 1, 1, b'x'])]),
            "no object",
        ),
    ];
    for (name, pack, reason) in cases {
        let error = read(&pack, 512, PackLimits::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains(reason), "{name}: {error}");
    }
}

#[test]
fn every_limit_stops_a_pack() {
    let limits = PackLimits::default();
    let zeros = vec![0; 20 << 20];
    let cases = [
        (
            "received",
            three(),
            PackLimits {
                received_bytes_max: 20,
                ..limits
            },
            "bytes received",
        ),
        ("count", seal(u32::MAX, &[]), limits, "objects"),
        (
            "object",
            three(),
            PackLimits {
                object_bytes_max: 4,
                ..limits
            },
            "one object",
        ),
        (
            "inflated",
            three(),
            PackLimits {
                inflated_bytes_max: 20,
                ..limits
            },
            "inflated bytes",
        ),
        (
            "depth",
            three(),
            PackLimits {
                delta_depth_max: 1,
                ..limits
            },
            "chain",
        ),
        (
            "ratio",
            seal(1, &[entry(3, &[], &zeros)]),
            limits,
            "each received byte",
        ),
    ];
    for (name, pack, limits, reason) in cases {
        let error = read(&pack, 4096, limits).unwrap_err().to_string();
        assert!(error.contains(reason), "{name}: {error}");
    }
}

#[test]
fn a_delta_bomb_stops_before_it_fills_memory() {
    // 16 MiB of zeros, then deltas of 12 bytes that each copy the one before whole.
    let base = vec![0; 0xff_ffff];
    let mut entries = vec![entry(3, &[], &base)];
    let size = [0xff, 0xff, 0xff, 0x07];
    let delta = [&size[..], &size, &[0xf0, 0xff, 0xff, 0xff]].concat();
    let mut distance = entries[0].len();
    for _ in 0..60 {
        let mut extra = vec![u8::try_from(distance & 127).unwrap()];
        let mut rest = distance >> 7;
        while rest > 0 {
            rest -= 1;
            extra.insert(0, 0x80 | u8::try_from(rest & 127).unwrap());
            rest >>= 7;
        }
        let next = entry(6, &extra, &delta);
        distance = next.len();
        entries.push(next);
    }
    let limits = PackLimits {
        ratio_max: u64::MAX,
        inflated_bytes_max: 40 << 20,
        ..PackLimits::default()
    };
    let error = read(&seal(61, &entries), 4096, limits)
        .unwrap_err()
        .to_string();
    assert!(error.contains("inflated bytes"), "{error}");
}
