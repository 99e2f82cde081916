//! Round trips, layout, and hostile archives.

use expect_test::expect;

use super::*;

fn files(entries: &[(&str, &str, bool)]) -> Files {
    let file = |text: &str, is_executable| File {
        bytes: Bytes::copy_from_slice(text.as_bytes()),
        is_executable,
    };
    entries
        .iter()
        .map(|(path, text, x)| (RelPath::parse(path).unwrap(), file(text, *x)))
        .collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::best());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

#[test]
fn layout_is_fixed_and_reads_back() {
    let long = format!("{}/f", "d".repeat(150));
    let files = files(&[
        ("a.txt", "1", false),
        ("a/run", "22", true),
        ("a/b/c", "", false),
        (&long, "x", false),
    ]);
    let archive = pack(&files).unwrap();
    assert_eq!(archive, pack(&files).unwrap());
    assert_eq!(unpack(&archive, FileLimits::default()).unwrap(), files);
    let mut tar = tar::Archive::new(GzDecoder::new(&archive[..]));
    let listing: Vec<String> = tar
        .entries()
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let (head, path) = (
                entry.header(),
                String::from_utf8_lossy(&entry.path_bytes()).into_owned(),
            );
            let owner = (
                head.uid().unwrap(),
                head.gid().unwrap(),
                head.mtime().unwrap(),
            );
            format!(
                "{:o} {} {owner:?} {}",
                head.mode().unwrap(),
                entry.size(),
                path.replace(&"d".repeat(150), "<long>")
            )
        })
        .collect();
    expect![[r#"
        750 0 (0, 0, 0) .
        750 0 (0, 0, 0) a
        750 0 (0, 0, 0) a/b
        600 0 (0, 0, 0) a/b/c
        700 2 (0, 0, 0) a/run
        600 1 (0, 0, 0) a.txt
        750 0 (0, 0, 0) <long>
        600 1 (0, 0, 0) <long>/f"#]]
    .assert_eq(&listing.join("\n"));
}

/// A tar of raw entries: type, name, declared size, content.
fn raw(entries: &[(u8, &str, u64, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (kind, name, size, content) in entries {
        let mut head = header(EntryType::new(*kind), 0o600, *size);
        head.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        head.set_cksum();
        out.extend(head.as_bytes());
        out.extend(*content);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.resize(out.len() + 1024, 0);
    out
}

#[test]
fn hostile_archives_are_refused() {
    let pax: &[u8] = b"11 size=10\n";
    let twins = raw(&[(b'0', "a", 0, b""), (b'0', "a", 0, b"")]);
    let overlap = raw(&[(b'0', "a", 0, b""), (b'0', "a/b", 0, b"")]);
    let mismatch = raw(&[
        (b'x', "p", pax.len() as u64, pax),
        (b'0', "a", 512, &[b'x'; 512]),
    ]);
    let plain = gzip(&raw(&[(b'0', "a", 1, b"x")]));
    let cases: [(&str, Vec<u8>); 14] = [
        ("traversal", gzip(&raw(&[(b'0', "../a", 0, b"")]))),
        (
            "inner traversal",
            gzip(&raw(&[(b'0', "a/../../b", 0, b"")])),
        ),
        ("absolute", gzip(&raw(&[(b'0', "/etc/passwd", 0, b"")]))),
        ("bad directory", gzip(&raw(&[(b'5', "../d", 0, b"")]))),
        ("symlink", gzip(&raw(&[(b'2', "a", 0, b"")]))),
        ("hard link", gzip(&raw(&[(b'1', "a", 0, b"")]))),
        ("device", gzip(&raw(&[(b'3', "a", 0, b"")]))),
        ("sparse", gzip(&raw(&[(b'S', "a", 0, b"")]))),
        ("twins", gzip(&twins)),
        ("overlap", gzip(&overlap)),
        ("two sizes", gzip(&mismatch)),
        ("cut short", plain[..plain.len() - 12].to_vec()),
        ("trailing data", [plain.clone(), b"x".to_vec()].concat()),
        ("no gzip", b"plain text".to_vec()),
    ];
    for (name, archive) in cases {
        assert!(unpack(&archive, FileLimits::default()).is_err(), "{name}");
    }
    assert!(unpack(&plain, FileLimits::default()).is_ok());
}

#[test]
fn bombs_stop_at_their_limits() {
    let limits = FileLimits {
        entries_max: 100,
        bytes_max: 1 << 20,
        file_bytes_max: 1 << 19,
    };
    let names: Vec<String> = (0..200).map(|n| format!("f{n}")).collect();
    let many: Vec<_> = names
        .iter()
        .map(|name| (b'0', name.as_str(), 0, &b""[..]))
        .collect();
    let big = vec![0; 1 << 20];
    let cases = [
        ("entries", gzip(&raw(&many)), limits),
        (
            "one file",
            gzip(&raw(&[(b'0', "a", 1 << 20, &big)])),
            limits,
        ),
        (
            "all files",
            gzip(&raw(&[
                (b'0', "a", 1 << 19, &big[..1 << 19]),
                (b'0', "b", 1 << 19, &big[..1 << 19]),
                (b'0', "c", 1, b"x"),
            ])),
            limits,
        ),
        ("ratio", gzip(&vec![0; 40 << 20]), FileLimits::default()),
    ];
    for (name, archive, limits) in cases {
        assert!(unpack(&archive, limits).is_err(), "{name}");
    }
}
