use std::cell::Cell;
use std::cmp::Reverse;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};
use futures::stream::FuturesUnordered;
use futures::{StreamExt, pin_mut};
use futures_timer::Delay;
use ostrakon_protocol::anchor::rpc::{Inquiry, Question, Report, check_chain};
use ostrakon_protocol::anchor::{AnchorAnswer, Sources, Transaction};
use ostrakon_protocol::sorted::sorted_by_key;

use super::{ChainSource, SourceError};

/// How many sources of a chain must say the same before it is believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quorum {
    /// More than half of those configured; of one source, that one.
    #[default]
    Majority,
    /// This many, one at least; and not if as many say something else. More than are configured believes nobody.
    AtLeast(usize),
}

impl Quorum {
    fn of(self, sources: usize) -> usize {
        match self {
            Self::Majority => sources / 2 + 1,
            Self::AtLeast(number) => number.max(1),
        }
    }
}

/// How patiently sources are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How long a source may take for a transaction.
    pub timeout: Duration,
    /// The pause before a question is asked again; it doubles each time.
    pub pause: Duration,
    /// How often a question is asked before it is given up.
    pub attempts: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            pause: Duration::from_secs(2),
            attempts: 6,
        }
    }
}

/// What a panel says about a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A quorum says that it was mined; these.
    Mined(Arc<Transaction>, Sources),
    /// A quorum says that there is none.
    Absent,
    /// There is no telling yet.
    Open(Doubt),
}

impl Outcome {
    /// As judging takes it.
    pub fn answer(self) -> AnchorAnswer {
        match self {
            Self::Mined(transaction, by) => AnchorAnswer::Transaction(transaction, by),
            Self::Absent => AnchorAnswer::Absent,
            Self::Open(_) => AnchorAnswer::Unasked,
        }
    }
}

/// Why there is no telling.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// No block has it yet.
    #[error("the transaction is not in a block yet")]
    Pending,
    /// The sources say different things.
    #[error("the sources do not agree")]
    Disagreement,
    /// Too few answered; this is what the last one of the others said.
    #[error("{0}: {1}")]
    NoAnswer(Arc<str>, SourceError),
    /// More sources must agree than there are.
    #[error("too few sources are configured")]
    TooFew,
}

impl Doubt {
    /// A stable name of the reason.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Pending => "chain-pending",
            Self::Disagreement => "chain-disagreement",
            Self::NoAnswer(_, error) => error.code(),
            Self::TooFew => "chain-too-few-sources",
        }
    }
}

struct Member {
    source: Rc<dyn ChainSource>,
    name: Arc<str>,
    /// Whether it is of the right chain.
    checked: Cell<bool>,
}

/// The sources of one chain.
pub struct Panel {
    chain_id: String,
    members: Vec<Member>,
    quorum: Quorum,
    timeout: Duration,
}

impl Panel {
    /// Of a chain, by its CAIP-2 name.
    pub fn new(
        chain_id: &str,
        sources: impl IntoIterator<Item = Rc<dyn ChainSource>>,
        quorum: Quorum,
        timeout: Duration,
    ) -> Self {
        let member = |source: Rc<dyn ChainSource>| Member {
            name: source.name().into(),
            checked: Cell::new(false),
            source,
        };
        Self {
            chain_id: chain_id.to_owned(),
            quorum,
            members: sources.into_iter().map(member).collect(),
            timeout,
        }
    }

    /// How many of the sources that are there must agree.
    pub fn quorum(&self) -> usize {
        self.quorum.of(self.there().count())
    }

    /// Whether there is anyone to ask.
    pub fn is_anyone_there(&self) -> bool {
        self.there().next().is_some()
    }

    fn there(&self) -> impl Iterator<Item = &Member> {
        self.members
            .iter()
            .filter(|member| member.source.is_there())
    }

    /// Asks all sources at once about a transaction, until enough agree or none is left.
    pub async fn ask(&self, hash: [u8; 32]) -> Outcome {
        let quorum = self.quorum();
        if quorum > self.there().count() {
            return Outcome::Open(Doubt::TooFew);
        }
        let ask = |member| async move { (member, self.ask_one(member, hash).await) };
        let mut asked: FuturesUnordered<_> = self.there().map(ask).collect();
        let mut tally = Tally::default();
        while let Some((member, answer)) = asked.next().await {
            tally.count(&member.name, answer);
            if let Some(outcome) = tally.decided(quorum, asked.len()) {
                return outcome;
            }
        }
        Outcome::Open(tally.doubt())
    }

    async fn ask_one(&self, member: &Member, hash: [u8; 32]) -> Result<Report, SourceError> {
        let late = Delay::new(self.timeout);
        let work = self.inquire(member, hash);
        pin_mut!(work);
        match select(work, late).await {
            Either::Left((report, _)) => report,
            Either::Right(_) => Err(SourceError::Slow),
        }
    }

    async fn inquire(&self, member: &Member, hash: [u8; 32]) -> Result<Report, SourceError> {
        if !member.checked.get() {
            let answer = member.source.ask(&Question::ChainId).await?;
            check_chain(&self.chain_id, &answer)?;
            member.checked.set(true);
        }
        let mut inquiry = Inquiry::new(hash);
        loop {
            let answer = member.source.ask(&inquiry.question()).await?;
            if let Some(report) = inquiry.answer(&answer)? {
                return Ok(report);
            }
        }
    }
}

/// Who said what.
#[derive(Default)]
struct Tally {
    votes: Vec<(Report, Vec<Arc<str>>)>,
    failure: Option<(Arc<str>, SourceError)>,
}

impl Tally {
    fn count(&mut self, name: &Arc<str>, answer: Result<Report, SourceError>) {
        match answer {
            Ok(report) => match self.votes.iter_mut().find(|(said, _)| *said == report) {
                Some((_, names)) => names.push(name.clone()),
                None => self.votes.push((report, vec![name.clone()])),
            },
            Err(error) => {
                tracing::debug!(source = %name, %error, code = error.code(), "a chain's source gave no answer");
                self.failure = Some((name.clone(), error));
            }
        }
    }

    /// What has a quorum, if nothing else can still get one. A transaction that waits to be mined is no answer.
    fn decided(&self, quorum: usize, left: usize) -> Option<Outcome> {
        let definite = self
            .votes
            .iter()
            .filter(|(report, _)| *report != Report::Pending);
        let by_votes = definite.map(|vote| (Reverse(vote.1.len()), vote));
        let mut definite = sorted_by_key(by_votes);
        let (report, names) = definite.next().filter(|(_, names)| names.len() >= quorum)?;
        let next = definite.next().map_or(0, |(_, names)| names.len());
        if next.saturating_add(left) >= quorum {
            return None;
        }
        match report {
            Report::Mined(transaction) => {
                let names = sorted_by_key(names.iter().map(|name| (name, name.clone())));
                Some(Outcome::Mined(
                    Arc::new(transaction.clone()),
                    names.collect(),
                ))
            }
            Report::Absent => Some(Outcome::Absent),
            Report::Pending => None,
        }
    }

    fn doubt(self) -> Doubt {
        match (self.votes.as_slice(), self.failure) {
            ([_, _, ..], _) => Doubt::Disagreement,
            ([(Report::Pending, _)], _) | ([_], None) | ([], None) => Doubt::Pending,
            (_, Some((name, error))) => Doubt::NoAnswer(name, error),
        }
    }
}
