//! `ostrakon explain`: a doc-chain as a person would tell it. Everything said was verified; what was refused is said with
//! the rule that refused it.

mod change;
mod model;
mod words;

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use ostrakon_protocol::cacao::Capability;
use ostrakon_protocol::chain::Advantage;
use ostrakon_protocol::document::Lost;
use ostrakon_protocol::event::{Decoded, Event, decode};
use ostrakon_protocol::{
    Blocks, Document, Ipld, Kind, LogEntry, Refusal, StreamId, StreamType, TimeStatus, json,
};

use words::{count, preview, short, time, transaction};

/// Most characters of a value that are shown.
const PREVIEW: usize = 160;

/// What became of a document, and what was refused on the way.
pub struct Story<'a> {
    /// Which document.
    pub stream: &'a StreamId,
    /// What was heard, unless not even the init event is valid.
    pub outcome: &'a Result<(Document, Vec<Refusal>), Refusal>,
    /// Where the events are read.
    pub blocks: &'a dyn Blocks,
}

impl fmt::Display for Story<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.stream.stream_type();
        writeln!(f, "{} {}", words::kind(kind), self.stream)?;
        match self.outcome {
            Ok((document, refusals)) => {
                self.summary(f, document)?;
                for (index, entry) in document.log().iter().enumerate() {
                    self.event(f, index, entry, document)?;
                }
                self.lost(f, document)?;
                self.refused(f, refusals)?;
                names(f, document)
            }
            Err(refusal) => {
                writeln!(
                    f,
                    "  There is no such document here: its first event was refused."
                )?;
                self.refused(f, std::slice::from_ref(refusal))
            }
        }
    }
}

impl Story<'_> {
    fn summary(&self, f: &mut fmt::Formatter<'_>, document: &Document) -> fmt::Result {
        let state = document.state();
        let log = document.log();
        if let Some(controller) = state.controller() {
            writeln!(f, "  controller  {controller}")?;
        }
        for (name, value) in state.metadata() {
            if name != "controllers" && name != "unique" {
                writeln!(f, "  {name:<11} {}", words::metadata(value))?;
            }
        }
        match state.model() {
            Some(model) => model::summary(f, model)?,
            None => {
                let content = state.content().map(json::to_json);
                let content =
                    content.map_or("nothing".to_owned(), |content| preview(&content, PREVIEW));
                writeln!(f, "  content     {content}")?;
            }
        }
        let proven = log
            .iter()
            .filter(|entry| entry.time.unix().is_some())
            .count();
        let claimed = log
            .iter()
            .filter(|entry| matches!(entry.time, TimeStatus::Claimed { .. }));
        let claimed = claimed.count();
        let mut times = Vec::new();
        if proven > 0 {
            times.push(format!("{proven} with a proven time"));
        }
        if claimed > 0 {
            times.push(format!("{claimed} with a time that is only claimed"));
        }
        let open = log.len().saturating_sub(proven).saturating_sub(claimed);
        if open > 0 {
            times.push(format!("{open} not anchored"));
        }
        writeln!(
            f,
            "  log         {}: {}",
            count(log.len(), "event"),
            times.join(", ")
        )
    }

    fn event(
        &self,
        f: &mut fmt::Formatter<'_>,
        index: usize,
        entry: &LogEntry,
        document: &Document,
    ) -> fmt::Result {
        let kind = match entry.kind {
            Kind::Init => "init",
            Kind::Data => "change",
            Kind::Time => "anchor",
        };
        writeln!(f, "\n{index:>4}  {kind:<6} {}", entry.cid)?;
        let mut text = String::new();
        self.author(&mut text, entry)?;
        self.content(&mut text, entry)?;
        if entry.kind == Kind::Time {
            anchored(&mut text, entry, document)?;
        } else {
            written_by(&mut text, &entry.time)?;
        }
        text.lines()
            .try_for_each(|line| writeln!(f, "        {line}"))
    }

    fn author(&self, out: &mut String, entry: &LogEntry) -> fmt::Result {
        let Some(signer) = &entry.signer else {
            return match entry.kind {
                Kind::Init => writeln!(
                    out,
                    "not signed: anyone can write this first event, and it says nothing but its header"
                ),
                Kind::Data => writeln!(
                    out,
                    "not signed by a DID: it carries the proof of the account itself"
                ),
                Kind::Time => Ok(()),
            };
        };
        match entry.mandate() {
            None => writeln!(out, "signed by {}, the controller", short(signer)),
            Some(capability) => {
                writeln!(
                    out,
                    "signed by {}, in the name of {}",
                    short(signer),
                    short(capability.issuer())
                )?;
                mandate(out, capability)
            }
        }
    }

    fn content(&self, out: &mut String, entry: &LogEntry) -> fmt::Result {
        let decoded = self
            .blocks
            .get(&entry.cid)
            .map(|root| decode(&root, self.blocks));
        match decoded {
            Some(Ok(Decoded::Event(Event::Init(init)))) => match &init.content {
                None | Some(Ipld::Null) => writeln!(out, "starts without content"),
                Some(content) => writeln!(
                    out,
                    "starts with {}",
                    preview(&json::to_json(content), PREVIEW)
                ),
            },
            Some(Ok(Decoded::Event(Event::Data(data)))) => {
                if self.stream.stream_type() == StreamType::CAIP10_LINK {
                    change::link(out, &data.data)?;
                } else {
                    change::patch(out, &data.data)?;
                }
                change::header(out, data.header.as_ref())
            }
            _ => Ok(()),
        }
    }

    fn lost(&self, f: &mut fmt::Formatter<'_>, document: &Document) -> fmt::Result {
        let lost = document.lost();
        if lost.is_empty() {
            return Ok(());
        }
        writeln!(f, "\n{} lost:", count(lost.len(), "branch"))?;
        for Lost {
            tip,
            fork,
            advantage,
        } in lost
        {
            let at = document.log().iter().position(|entry| entry.cid == fork);
            let at = at.map_or(short(&fork.to_string()), |index| format!("event {index}"));
            let why = match advantage {
                Advantage::Anchored => "the winner is anchored, and it is not",
                Advantage::AnchoredEarlier => "the winner was anchored earlier",
                Advantage::Longer => "the winner has more events",
                Advantage::BuiltOn => "the controller wrote on after the winner's anchor",
                Advantage::LowerCid => {
                    "they are equal in all that counts, and the winner's last event has the lower CID"
                }
            };
            writeln!(f, "      {tip}\n        forks off after {at}: {why}")?;
        }
        Ok(())
    }

    fn refused(&self, f: &mut fmt::Formatter<'_>, refusals: &[Refusal]) -> fmt::Result {
        if refusals.is_empty() {
            return writeln!(f, "\nNothing was refused.");
        }
        writeln!(f, "\nRefused, with all that builds on it:")?;
        let mut told: Vec<&Refusal> = Vec::new();
        for refusal in refusals {
            if told.contains(&refusal) {
                continue;
            }
            told.push(refusal);
            match &refusal.event {
                Some(event) => writeln!(
                    f,
                    "   ✗  {event}\n        {} ({})",
                    refusal.reason,
                    refusal.code()
                )?,
                None => writeln!(f, "   ✗  {} ({})", refusal.reason, refusal.code())?,
            }
        }
        Ok(())
    }
}

/// What was cut above, in full.
fn names(f: &mut fmt::Formatter<'_>, document: &Document) -> fmt::Result {
    let mut names = BTreeSet::new();
    for entry in document.log() {
        names.extend(entry.signer.as_deref().map(str::to_owned));
        if let Some(capability) = entry.mandate() {
            names.insert(capability.issuer().to_owned());
            names.insert(capability.cid().to_string());
        }
    }
    names.retain(|name| short(name) != *name);
    if names.is_empty() {
        return Ok(());
    }
    writeln!(f, "\nNames in full:")?;
    names
        .iter()
        .try_for_each(|name| writeln!(f, "      {} is {name}", short(name)))
}

/// By which capability, and what it allows.
fn mandate(out: &mut String, capability: &Capability) -> fmt::Result {
    let cid = short(&capability.cid().to_string());
    let kind = capability
        .kind()
        .map_or("no known signature", words::wallet);
    write!(out, "by capability {cid}, given with {kind}")?;
    if let Some(domain) = capability.domain() {
        write!(out, " to {}", words::bare(domain, 60))?;
    }
    match capability.expires().and_then(|end| u64::try_from(end).ok()) {
        Some(end) => writeln!(out, ", valid until {}", time(end))?,
        None => writeln!(out, ", without an end")?,
    }
    let resources = capability.resources();
    let shown = resources
        .iter()
        .take(4)
        .map(|resource| words::resource(resource));
    let mut shown: Vec<String> = shown.collect();
    if let more @ 1.. = resources.len().saturating_sub(shown.len()) {
        shown.push(format!("{more} more"));
    }
    writeln!(out, "which allows writing to {}", shown.join(", "))
}

/// What a time event shows, and of which events.
fn anchored(out: &mut String, entry: &LogEntry, document: &Document) -> fmt::Result {
    let log = document.log();
    let here = log
        .iter()
        .position(|other| other.cid == entry.cid)
        .unwrap_or(0);
    let before = log.iter().take(here);
    let first = before
        .clone()
        .rposition(|other| other.kind == Kind::Time)
        .map_or(0, |at| at + 1);
    let events = match here.saturating_sub(first) {
        0 => "nothing new".to_owned(),
        1 => format!("event {first}"),
        _ => format!("events {first} to {}", here.saturating_sub(1)),
    };
    let Some(proof) = entry.time.proof() else {
        return Ok(());
    };
    writeln!(
        out,
        "puts {events} in transaction {} of {}",
        transaction(&proof.tx_hash),
        proof.chain_id
    )?;
    match &entry.time {
        TimeStatus::Proven {
            unix, block, by, ..
        } => {
            write!(out, "proven: the chain has it, mined {}", time(*unix))?;
            if let Some(block) = block {
                write!(out, " in block {block}")?;
            }
            match by.join(" and ") {
                sources if sources.is_empty() => writeln!(out),
                sources => writeln!(out, ", says {sources}"),
            }
        }
        _ => writeln!(
            out,
            "claimed: the path to the root is right, but no chain was asked about the transaction"
        ),
    }
}

fn written_by(out: &mut String, status: &TimeStatus) -> fmt::Result {
    match (status.unix(), status) {
        (Some(unix), _) => writeln!(out, "written no later than {}", time(unix)),
        (None, TimeStatus::Claimed { .. }) => writeln!(out, "anchored, but when is only claimed"),
        (None, _) => writeln!(out, "not anchored: when it was written nobody can show"),
    }
}
