//! Answers git-upload-pack: advertises refs, and packs what a client wants
//! and does not have, to a depth (gitprotocol-pack, gitprotocol-v2). Knows no
//! filters, no deepen-since and no multi_ack.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::object::{Kind, Object, Sha};
use super::pktline::{Packet, Packets};
use super::{BRANCH_DEFAULT, Inner, pack};

const AGENT: &str = "agent=sluice-sandbox";
const CAPABILITIES: &str = "side-band-64k ofs-delta shallow no-progress include-tag allow-tip-sha1-in-want \
    allow-reachable-sha1-in-want object-format=sha1";
/// Wants and haves of one request at most.
const LINES_MAX: usize = 100_000;

/// What a client asks of a fetch.
#[derive(Debug, Default)]
struct Fetch {
    wants: Vec<Sha>,
    haves: Vec<Sha>,
    /// Commits whose parents the client does not have.
    shallow: BTreeSet<Sha>,
    depth: Option<u32>,
    is_done: bool,
    has_side_band: bool,
}

/// A request that this server cannot answer; the text goes to the client.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Refusal(pub(super) String);

fn refuse<T>(text: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal(text.into()))
}

/// Full name and id of each ref, HEAD first.
fn listed(inner: &Inner) -> Vec<(String, Sha)> {
    let head = inner.refs.get(&head()).map(|sha| ("HEAD".to_owned(), *sha));
    head.into_iter()
        .chain(inner.refs.iter().map(|(name, sha)| (name.clone(), *sha)))
        .collect()
}

fn head() -> String {
    format!("refs/heads/{BRANCH_DEFAULT}")
}

fn peeled(inner: &Inner, sha: Sha) -> Option<Sha> {
    inner.objects.get(&sha).and_then(Object::tagged)
}

pub(super) fn advertise(inner: &Inner, is_v2: bool) -> Vec<u8> {
    let mut out = Packets::default();
    out.line("# service=git-upload-pack");
    out.flush();
    if is_v2 {
        for line in [
            "version 2",
            AGENT,
            "ls-refs=unborn",
            "fetch=shallow",
            "object-format=sha1",
        ] {
            out.line(line);
        }
        out.flush();
        return out.0;
    }
    let capabilities = format!("{CAPABILITIES} symref=HEAD:{} {AGENT}", head());
    let mut refs = listed(inner);
    if refs.is_empty() {
        out.line(&format!(
            "{} capabilities^{{}}\0{capabilities}",
            "0".repeat(40)
        ));
    }
    refs.extend(
        refs.clone()
            .into_iter()
            .filter_map(|(name, sha)| Some((format!("{name}^{{}}"), peeled(inner, sha)?))),
    );
    refs.sort_by_key(|(name, _)| (name != "HEAD", name.clone()));
    for (at, (name, sha)) in refs.iter().enumerate() {
        if at == 0 {
            out.line(&format!("{sha} {name}\0{capabilities}"));
        } else {
            out.line(&format!("{sha} {name}"));
        }
    }
    out.flush();
    out.0
}

/// Answers one POST of protocol 2.
pub(super) fn answer_v2(inner: &Inner, packets: &[Packet]) -> Result<Vec<u8>, Refusal> {
    let lines: Vec<&str> = packets.iter().filter_map(line).collect();
    match lines.iter().find_map(|line| line.strip_prefix("command=")) {
        Some("ls-refs") => Ok(ls_refs(inner, &lines)),
        Some("fetch") => {
            let fetch = parse(&lines)?;
            fetch_v2(inner, &fetch)
        }
        Some(other) => refuse(format!("unknown command {other:?}")),
        None if packets == [Packet::Flush] => Ok(Vec::new()),
        None => refuse("no command"),
    }
}

fn line(packet: &Packet) -> Option<&str> {
    match packet {
        Packet::Line(line) => Some(line),
        Packet::Flush | Packet::Delimiter => None,
    }
}

fn ls_refs(inner: &Inner, lines: &[&str]) -> Vec<u8> {
    let prefixes: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("ref-prefix "))
        .collect();
    let mut out = Packets::default();
    if !inner.refs.contains_key(&head()) && lines.contains(&"unborn") && lines.contains(&"symrefs")
    {
        out.line(&format!("unborn HEAD symref-target:{}", head()));
    }
    for (name, sha) in listed(inner) {
        if !prefixes.is_empty() && !prefixes.iter().any(|prefix| name.starts_with(prefix)) {
            continue;
        }
        let mut text = format!("{sha} {name}");
        if name == "HEAD" && lines.contains(&"symrefs") {
            text += &format!(" symref-target:{}", head());
        }
        if let (Some(commit), true) = (peeled(inner, sha), lines.contains(&"peel")) {
            text += &format!(" peeled:{commit}");
        }
        out.line(&text);
    }
    out.flush();
    out.0
}

fn parse(lines: &[&str]) -> Result<Fetch, Refusal> {
    if lines.len() > LINES_MAX {
        return refuse("too many lines");
    }
    let mut fetch = Fetch::default();
    for line in lines {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let first = rest.split(' ').next().unwrap_or_default();
        let sha = || {
            first
                .parse::<Sha>()
                .map_err(|error| Refusal(format!("{word}: {error}")))
        };
        match word {
            "want" => {
                fetch.wants.push(sha()?);
                fetch.has_side_band |= rest
                    .split(' ')
                    .any(|capability| capability == "side-band-64k");
            }
            "have" => fetch.haves.push(sha()?),
            "shallow" => {
                fetch.shallow.insert(sha()?);
            }
            "deepen" => {
                let depth = first
                    .parse()
                    .map_err(|_| Refusal(format!("bad depth {first:?}")))?;
                fetch.depth = (depth > 0).then_some(depth);
            }
            "done" => fetch.is_done = true,
            "filter" | "deepen-since" | "deepen-not" | "deepen-relative" | "want-ref" => {
                return refuse(format!("{word} is not supported"));
            }
            _ => {}
        }
    }
    Ok(fetch)
}

fn fetch_v2(inner: &Inner, fetch: &Fetch) -> Result<Vec<u8>, Refusal> {
    let mut out = Packets::default();
    if !fetch.is_done {
        let common: Vec<&Sha> = fetch
            .haves
            .iter()
            .filter(|sha| inner.objects.contains_key(sha))
            .collect();
        out.line("acknowledgments");
        common
            .iter()
            .for_each(|sha| out.line(&format!("ACK {sha}")));
        if common.is_empty() {
            out.line("NAK");
            out.flush();
            return Ok(out.0);
        }
        out.line("ready");
        out.delimiter();
    }
    let chosen = choose(inner, fetch)?;
    if fetch.depth.is_some() {
        out.line("shallow-info");
        chosen.shallow_lines(fetch, &mut out);
        out.delimiter();
    }
    out.line("packfile");
    out.band(&chosen.pack(inner)?);
    out.flush();
    Ok(out.0)
}

/// Answers one POST of protocol 0.
pub(super) fn answer_v0(inner: &Inner, packets: &[Packet]) -> Result<Vec<u8>, Refusal> {
    let lines: Vec<&str> = packets.iter().filter_map(line).collect();
    let fetch = parse(&lines)?;
    let mut out = Packets::default();
    if fetch.wants.is_empty() {
        return Ok(out.0);
    }
    let chosen = choose(inner, &fetch)?;
    if fetch.depth.is_some() {
        chosen.shallow_lines(&fetch, &mut out);
        out.flush();
    }
    match fetch
        .haves
        .iter()
        .find(|sha| inner.objects.contains_key(sha))
    {
        Some(common) => out.line(&format!("ACK {common}")),
        None if fetch.is_done || !fetch.haves.is_empty() => out.line("NAK"),
        None => {}
    }
    if fetch.is_done {
        let pack = chosen.pack(inner)?;
        if fetch.has_side_band {
            out.band(&pack);
            out.flush();
        } else {
            out.0.extend_from_slice(&pack);
        }
    }
    Ok(out.0)
}

/// What goes into the answer's pack, and where its history ends.
struct Chosen {
    objects: BTreeSet<Sha>,
    shallow: BTreeSet<Sha>,
    inside: BTreeSet<Sha>,
}

impl Chosen {
    fn shallow_lines(&self, fetch: &Fetch, out: &mut Packets) {
        self.shallow
            .difference(&fetch.shallow)
            .for_each(|sha| out.line(&format!("shallow {sha}")));
        let complete = fetch
            .shallow
            .iter()
            .filter(|sha| self.inside.contains(sha) && !self.shallow.contains(sha));
        complete.for_each(|sha| out.line(&format!("unshallow {sha}")));
    }

    fn pack(&self, inner: &Inner) -> Result<Vec<u8>, Refusal> {
        let objects: Vec<&Object> = self
            .objects
            .iter()
            .filter_map(|sha| inner.objects.get(sha))
            .collect();
        pack::write(objects.into_iter())
            .map_err(|error| Refusal(format!("pack not written: {error}")))
    }
}

fn choose(inner: &Inner, fetch: &Fetch) -> Result<Chosen, Refusal> {
    let mut tips = Vec::new();
    let mut objects = BTreeSet::new();
    for want in &fetch.wants {
        match inner.objects.get(want) {
            None => return refuse(format!("upload-pack: not our ref {want}")),
            Some(object) => match object.tagged() {
                Some(commit) => {
                    objects.insert(*want);
                    tips.push(commit);
                }
                None => tips.push(*want),
            },
        }
    }
    let depths = walk(inner, &tips, fetch.depth, &BTreeSet::new());
    let has_hidden_parents = |sha: &&Sha| {
        let parents = inner
            .objects
            .get(sha)
            .map(Object::parents)
            .unwrap_or_default();
        parents.iter().any(|parent| !depths.contains_key(parent))
    };
    let shallow = match fetch.depth {
        Some(_) => depths.keys().filter(has_hidden_parents).copied().collect(),
        None => BTreeSet::new(),
    };
    for commit in depths.keys() {
        add_with_below(inner, *commit, &mut objects);
    }
    // Tags of packed commits come along, so that `include-tag` is kept without asking.
    for sha in inner.refs.values() {
        if peeled(inner, *sha).is_some_and(|commit| depths.contains_key(&commit)) {
            objects.insert(*sha);
        }
    }
    let mut known = BTreeSet::new();
    for commit in walk(inner, &fetch.haves, None, &fetch.shallow).into_keys() {
        add_with_below(inner, commit, &mut known);
    }
    let inside = depths.into_keys().collect();
    Ok(Chosen {
        objects: objects.difference(&known).copied().collect(),
        shallow,
        inside,
    })
}

/// The commits reachable from tips, with their depth from 1; stops at a depth and at `ends`.
fn walk(
    inner: &Inner,
    tips: &[Sha],
    depth_max: Option<u32>,
    ends: &BTreeSet<Sha>,
) -> BTreeMap<Sha, u32> {
    let mut depths: BTreeMap<Sha, u32> = BTreeMap::new();
    let mut queue: VecDeque<(Sha, u32)> = tips.iter().map(|sha| (*sha, 1)).collect();
    while let Some((sha, depth)) = queue.pop_front() {
        let Some(object) = inner.objects.get(&sha) else {
            continue;
        };
        if depths.contains_key(&sha) || depth_max.is_some_and(|max| depth > max) {
            continue;
        }
        depths.insert(sha, depth);
        if !ends.contains(&sha) {
            queue.extend(
                object
                    .parents()
                    .into_iter()
                    .map(|parent| (parent, depth + 1)),
            );
        }
    }
    depths
}

fn add_with_below(inner: &Inner, sha: Sha, into: &mut BTreeSet<Sha>) {
    let mut stack = vec![sha];
    while let Some(sha) = stack.pop() {
        let Some(object) = inner.objects.get(&sha) else {
            continue;
        };
        if into.insert(sha) && object.kind != Kind::Blob {
            stack.extend(object.below());
        }
    }
}
