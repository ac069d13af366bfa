//! Patterns as programs: simple steps, some of which have two ways to go on.

use super::PatternError;
use super::class::Class;
use super::parse::Tree;

/// The most steps of a program; a repeated part counts each time.
const MAX_STEPS: usize = 1 << 16;

/// One step. Numbers are places in the program.
#[derive(Clone, Debug)]
pub(super) enum Op {
    /// One character, forwards or (in a look-behind) backwards.
    Char(u32, bool),
    Dot(bool),
    Class(usize, bool),
    /// First the one way, then the other.
    Split(usize, usize),
    Jump(usize),
    Save(usize),
    /// Forgets what these registers hold.
    Clear(usize, usize),
    /// Notes where a round of a loop starts.
    Round(usize),
    /// Ends a round; one that matched nothing leads nowhere.
    RoundEnd(usize),
    Start,
    End,
    WordBoundary(bool),
    /// Runs what follows up to `Accept`, then goes on at the place.
    Look {
        negative: bool,
        then: usize,
    },
    Back(usize, bool),
    Accept,
}

/// A program.
#[derive(Debug, Default)]
pub(super) struct Program {
    pub ops: Vec<Op>,
    pub classes: Vec<Class>,
    /// How many places of the text it remembers.
    pub registers: usize,
    pub has_back_references: bool,
}

pub(super) fn compile(tree: &Tree) -> Result<Program, PatternError> {
    let mut compiler = Compiler {
        program: Program::default(),
        rounds: Vec::new(),
    };
    let groups = highest_group(tree);
    compiler.program.registers = groups.saturating_add(1).saturating_mul(2);
    compiler.tree(tree, false)?;
    compiler.op(Op::Accept)?;
    Ok(compiler.program)
}

struct Compiler {
    program: Program,
    rounds: Vec<usize>,
}

type Compiled<T> = Result<T, PatternError>;

impl Compiler {
    fn here(&self) -> usize {
        self.program.ops.len()
    }

    fn op(&mut self, op: Op) -> Compiled<usize> {
        let at = self.here();
        if at >= MAX_STEPS {
            return Err(PatternError::Unsupported);
        }
        self.program.ops.push(op);
        Ok(at)
    }

    fn set(&mut self, at: usize, op: Op) {
        if let Some(slot) = self.program.ops.get_mut(at) {
            *slot = op;
        }
    }

    fn tree(&mut self, tree: &Tree, back: bool) -> Compiled<()> {
        match tree {
            Tree::Empty => {}
            Tree::Char(code) => {
                self.op(Op::Char(*code, back))?;
            }
            Tree::Dot => {
                self.op(Op::Dot(back))?;
            }
            Tree::Class(class) => {
                let index = match self.program.classes.iter().position(|known| known == class) {
                    Some(index) => index,
                    None => {
                        self.program.classes.push(class.clone());
                        self.program.classes.len().saturating_sub(1)
                    }
                };
                self.op(Op::Class(index, back))?;
            }
            Tree::Sequence(trees) => {
                if back {
                    trees
                        .iter()
                        .rev()
                        .try_for_each(|tree| self.tree(tree, back))?;
                } else {
                    trees.iter().try_for_each(|tree| self.tree(tree, back))?;
                }
            }
            Tree::Choice(ways) => {
                let mut jumps = Vec::new();
                for (index, way) in ways.iter().enumerate() {
                    if index.saturating_add(1) == ways.len() {
                        self.tree(way, back)?;
                        break;
                    }
                    let split = self.op(Op::Accept)?;
                    self.tree(way, back)?;
                    jumps.push(self.op(Op::Accept)?);
                    self.set(split, Op::Split(split.saturating_add(1), self.here()));
                }
                let end = self.here();
                jumps
                    .into_iter()
                    .for_each(|jump| self.set(jump, Op::Jump(end)));
            }
            Tree::Group(number, tree) => {
                let first = number.saturating_mul(2);
                let (before, after) = if back {
                    (first.saturating_add(1), first)
                } else {
                    (first, first.saturating_add(1))
                };
                self.op(Op::Save(before))?;
                self.tree(tree, back)?;
                self.op(Op::Save(after))?;
            }
            Tree::Repeat {
                tree,
                min,
                max,
                greedy,
                groups,
            } => self.repeat(tree, *min, *max, *greedy, *groups, back)?,
            Tree::Start => {
                self.op(Op::Start)?;
            }
            Tree::End => {
                self.op(Op::End)?;
            }
            Tree::WordBoundary(yes) => {
                self.op(Op::WordBoundary(*yes))?;
            }
            Tree::Look {
                tree,
                ahead,
                negative,
            } => {
                let look = self.op(Op::Accept)?;
                self.tree(tree, !ahead)?;
                self.op(Op::Accept)?;
                let then = self.here();
                self.set(
                    look,
                    Op::Look {
                        negative: *negative,
                        then,
                    },
                );
            }
            Tree::Back(number) => {
                self.program.has_back_references = true;
                self.op(Op::Back(number.saturating_mul(2), back))?;
            }
        }
        Ok(())
    }

    fn repeat(
        &mut self,
        tree: &Tree,
        min: u32,
        max: Option<u32>,
        greedy: bool,
        groups: (usize, usize),
        back: bool,
    ) -> Compiled<()> {
        let round = |this: &mut Self| -> Compiled<()> {
            if groups.0 < groups.1 {
                let from = groups.0.saturating_add(1).saturating_mul(2);
                let to = groups.1.saturating_add(1).saturating_mul(2);
                this.op(Op::Clear(from, to))?;
            }
            this.tree(tree, back)
        };
        let split = |enter: usize, leave: usize| match greedy {
            true => Op::Split(enter, leave),
            false => Op::Split(leave, enter),
        };
        for _ in 0..min {
            let before = self.here();
            round(self)?;
            if self.here() == before {
                break;
            }
        }
        let empty = can_be_empty(tree);
        match max {
            None => {
                let head = self.op(Op::Accept)?;
                let register = self.enter_round(empty)?;
                round(self)?;
                self.leave_round(register)?;
                self.op(Op::Jump(head))?;
                self.set(head, split(head.saturating_add(1), self.here()));
            }
            Some(max) => {
                let mut heads = Vec::new();
                for _ in min..max {
                    heads.push(self.op(Op::Accept)?);
                    let register = self.enter_round(empty)?;
                    round(self)?;
                    self.leave_round(register)?;
                }
                let end = self.here();
                for head in heads {
                    self.set(head, split(head.saturating_add(1), end));
                }
            }
        }
        Ok(())
    }

    fn enter_round(&mut self, empty: bool) -> Compiled<Option<usize>> {
        if !empty {
            return Ok(None);
        }
        let register = self.program.registers;
        self.program.registers = register.saturating_add(1);
        self.op(Op::Round(register))?;
        self.rounds.push(register);
        Ok(Some(register))
    }

    fn leave_round(&mut self, register: Option<usize>) -> Compiled<()> {
        if let Some(register) = register {
            self.op(Op::RoundEnd(register))?;
        }
        Ok(())
    }
}

fn can_be_empty(tree: &Tree) -> bool {
    match tree {
        Tree::Char(_) | Tree::Dot | Tree::Class(_) => false,
        Tree::Sequence(trees) => trees.iter().all(can_be_empty),
        Tree::Choice(ways) => ways.iter().any(can_be_empty),
        Tree::Group(_, tree) => can_be_empty(tree),
        Tree::Repeat { tree, min, .. } => *min == 0 || can_be_empty(tree),
        _ => true,
    }
}

fn highest_group(tree: &Tree) -> usize {
    match tree {
        Tree::Group(number, tree) => highest_group(tree).max(*number),
        Tree::Sequence(trees) | Tree::Choice(trees) => {
            trees.iter().map(highest_group).max().unwrap_or(0)
        }
        Tree::Repeat { tree, .. } | Tree::Look { tree, .. } => highest_group(tree),
        _ => 0,
    }
}
