//! Runs a program on a text.

use super::class::{is_line_end, is_word};
use super::program::{Op, Program};

/// The most places, program step by position, that failures are remembered for; in bits.
const MAX_MEMORY: usize = 1 << 26;
/// The most ways that are kept to be tried later, and the most places that one look-around may try.
const MAX_WAYS: usize = 1 << 21;

/// Whether the program matches somewhere; nothing if that takes more than the work that is left.
pub(super) fn search(program: &Program, text: &[u32], work: &mut u64) -> Option<bool> {
    let columns = text.len().saturating_add(1);
    let places = program.ops.len().checked_mul(columns);
    let remember =
        places.is_some_and(|places| places <= MAX_MEMORY) && !program.has_back_references;
    let memory = if remember {
        places.unwrap_or(0).div_ceil(64)
    } else {
        0
    };
    // Even the empty memory has to be written once.
    *work = work.checked_sub(memory as u64 / 16)?;
    let mut run = Run {
        program,
        text,
        columns,
        failed: vec![0; memory],
        remember,
        marks: Vec::new(),
        looking: false,
        registers: vec![None; program.registers],
        work,
    };
    for start in 0..columns {
        if run.from(0, start)? {
            return Some(true);
        }
    }
    Some(false)
}

struct Run<'r> {
    program: &'r Program,
    text: &'r [u32],
    columns: usize,
    /// A bit for each place that was tried; there is no need to try it again.
    failed: Vec<u64>,
    remember: bool,
    /// The places that were tried within looks that are still running.
    marks: Vec<usize>,
    looking: bool,
    registers: Vec<Option<usize>>,
    work: &'r mut u64,
}

/// What is done on the way back.
enum Undo {
    Try(usize, usize),
    Register(usize, Option<usize>),
}

impl Run<'_> {
    /// Whether the program accepts from this step and position.
    fn from(&mut self, step: usize, position: usize) -> Option<bool> {
        let mut stack = vec![Undo::Try(step, position)];
        while let Some(undo) = stack.pop() {
            match undo {
                Undo::Register(register, value) => self.put(register, value),
                Undo::Try(step, position) => {
                    if self.follow(step, position, &mut stack)? {
                        return Some(true);
                    }
                }
            }
        }
        Some(false)
    }

    /// Goes on until the program accepts or this way fails.
    fn follow(
        &mut self,
        mut step: usize,
        mut position: usize,
        stack: &mut Vec<Undo>,
    ) -> Option<bool> {
        loop {
            *self.work = self.work.checked_sub(1)?;
            let Some(op) = self.program.ops.get(step) else {
                return Some(false);
            };
            if self.remember && self.was_tried(step, position) {
                return Some(false);
            }
            step = step.checked_add(1)?;
            match *op {
                Op::Accept => return Some(true),
                Op::Char(_, back) | Op::Dot(back) | Op::Class(_, back) => {
                    let at = if back {
                        position.checked_sub(1)
                    } else {
                        Some(position)
                    };
                    match at.and_then(|at| self.text.get(at)) {
                        Some(code) if self.fits(op, *code) => {}
                        _ => return Some(false),
                    }
                    position = if back {
                        position.checked_sub(1)?
                    } else {
                        position.checked_add(1)?
                    };
                }
                Op::Split(first, second) => {
                    if stack.len() >= MAX_WAYS || self.marks.len() >= MAX_WAYS {
                        return None;
                    }
                    stack.push(Undo::Try(second, position));
                    step = first;
                }
                Op::Jump(to) => step = to,
                Op::Save(register) | Op::Round(register) => {
                    self.save(register, Some(position), stack)
                }
                Op::Clear(from, to) => {
                    for register in from..to {
                        self.save(register, None, stack);
                    }
                }
                Op::RoundEnd(register) => {
                    // Where failures are remembered, a round that matches nothing comes back to a place that was tried.
                    if !self.remember && self.registers.get(register) == Some(&Some(position)) {
                        return Some(false);
                    }
                }
                Op::Start if position == 0 => {}
                Op::End if position == self.text.len() => {}
                Op::WordBoundary(yes) if self.at_boundary(position) == yes => {}
                Op::Start | Op::End | Op::WordBoundary(_) => return Some(false),
                Op::Look { negative, then } => {
                    if self.look(step, position, negative, stack)? == negative {
                        return Some(false);
                    }
                    step = then;
                }
                Op::Back(register, back) => match self.again(register, position, back) {
                    Some(to) => position = to,
                    None => return Some(false),
                },
            }
        }
    }

    fn look(
        &mut self,
        step: usize,
        position: usize,
        negative: bool,
        stack: &mut Vec<Undo>,
    ) -> Option<bool> {
        let before = self.registers.clone();
        *self.work = self.work.checked_sub(before.len() as u64)?;
        let mark = self.marks.len();
        let outer = std::mem::replace(&mut self.looking, true);
        let found = self.from(step, position)?;
        self.looking = outer;
        if found {
            // These places did not fail.
            for place in self.marks.drain(mark..) {
                if let Some(word) = self.failed.get_mut(place / 64) {
                    *word &= !(1 << (place % 64));
                }
            }
        }
        if !outer {
            self.marks.clear();
        }
        if negative || !found {
            self.registers = before;
        } else {
            for (register, value) in before.into_iter().enumerate() {
                if self.registers.get(register) != Some(&value) {
                    stack.push(Undo::Register(register, value));
                }
            }
        }
        Some(found)
    }

    fn fits(&self, op: &Op, code: u32) -> bool {
        match op {
            Op::Char(wanted, _) => *wanted == code,
            Op::Dot(_) => !is_line_end(code),
            Op::Class(class, _) => self
                .program
                .classes
                .get(*class)
                .is_some_and(|class| class.has(code)),
            _ => false,
        }
    }

    /// Marks a place; whether it was marked.
    fn was_tried(&mut self, step: usize, position: usize) -> bool {
        let place = step.saturating_mul(self.columns).saturating_add(position);
        let bit = 1u64 << (place % 64);
        match self.failed.get_mut(place / 64) {
            Some(word) if *word & bit != 0 => true,
            Some(word) => {
                *word |= bit;
                if self.looking {
                    self.marks.push(place);
                }
                false
            }
            None => false,
        }
    }

    /// Where the text goes on after what a group captured is found once more.
    fn again(&mut self, register: usize, position: usize, back: bool) -> Option<usize> {
        let value = |register: usize| self.registers.get(register).copied().flatten();
        let (Some(first), Some(last)) = (value(register), value(register.checked_add(1)?)) else {
            return Some(position);
        };
        let captured = self.text.get(first..last)?;
        *self.work = self.work.saturating_sub(captured.len() as u64);
        let (from, to) = match back {
            true => (position.checked_sub(captured.len())?, position),
            false => (position, position.checked_add(captured.len())?),
        };
        let there = self.text.get(from..to)?;
        (there == captured).then_some(if back { from } else { to })
    }

    fn at_boundary(&self, position: usize) -> bool {
        let word = |at: Option<usize>| {
            at.and_then(|at| self.text.get(at))
                .is_some_and(|code| is_word(*code))
        };
        word(position.checked_sub(1)) != word(Some(position))
    }

    fn save(&mut self, register: usize, value: Option<usize>, stack: &mut Vec<Undo>) {
        // Only a reference can see what was captured.
        if !self.remember {
            stack.push(Undo::Register(
                register,
                self.registers.get(register).copied().flatten(),
            ));
            self.put(register, value);
        }
    }

    fn put(&mut self, register: usize, value: Option<usize>) {
        if let Some(slot) = self.registers.get_mut(register) {
            *slot = value;
        }
    }
}
