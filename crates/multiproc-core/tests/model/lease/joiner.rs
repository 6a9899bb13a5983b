//! The one who joins: waits until all is done.

use super::*;

const COME: u8 = 40;
const TURNED: u8 = 41;
const WANT: u8 = 42;
pub(super) const FENCE: u8 = 43;
const DEPARTURES: u8 = 44;
const SEE: u8 = 45;
const RECORDS: u8 = 46;
const REST: u8 = 47;
const RESTS: u8 = 48;
const SPREAD: u8 = 49;
const CONTENT: u8 = 50;
const MEET: u8 = 51;
const QUEUE: u8 = 52;
const COUNT: u8 = 53;
const DECIDE: u8 = 54;

impl Lease {
    pub(super) fn joiner(&self, state: &State, who: usize, out: &mut Steps) {
        let proc = state.procs[who];
        let at = usize::from(proc.regs[AT]);
        let queue_first = self.variant == Variant::QueueFirst;
        let mut to = *state;
        let mut go = Program { who, out };
        match proc.pc {
            IDLE => {
                to.procs[who].pending = JOIN as u8 + 1;
                go.step(to, COME, "joins: pending = joining");
            }
            COME => {
                to.drain(who);
                to.words[JOIN] = who as u8 + 1;
                go.step(to, TURNED, "joins: takes its turn");
            }
            TURNED => {
                to.drain(who);
                to.words[WANTED + 1] = who as u8 + 1;
                let alone = self.variant == Variant::IgnoreEachOther;
                go.step(to, if alone { WANT } else { MEET }, "joins: says who it is");
            }
            MEET if to.load(who, WANTED) == 0 => go.step(to, WANT, "joins: nobody leads"),
            MEET => {
                to.drain(who);
                to.count_up(NEWS, KNOWN);
                to.wake_all(NEWS);
                go.step(to, WANT, "joins: tells who leads");
            }
            WANT => {
                to.store(who, WANTED + 1, who as u8 + 1);
                let pc = if self.variant == Variant::NoBarrier { DEPARTURES } else { FENCE };
                go.step(to, pc, "joins: wants to know");
            }
            FENCE => {
                for (to, returns) in machine::heavy(&to, who, CALL) {
                    go.step(to, if returns { DEPARTURES } else { FENCE }, "joins: membarrier");
                }
            }
            DEPARTURES => {
                to.procs[who].regs[LEFT] = to.load(who, DEPARTED) + 1;
                go.step(
                    to,
                    if queue_first { QUEUE } else { SEE },
                    "joins: looks at the departures",
                );
            }
            SEE => {
                to.procs[who].regs[KNOWN] = to.load(who, NEWS) + 1;
                self.watch(&mut to, who, WANTED);
                go.step(to, RECORDS, "joins: looks at the news");
            }
            RECORDS => {
                // Whom to watch; how many are out is counted when the queue was looked at.
                let all = self.look_at(&mut to, who);
                if !queue_first {
                    to.procs[who].regs[FOUND] = 0;
                }
                if all {
                    to.procs[who].regs[AT] = 0;
                }
                let next = [[RECORDS, QUEUE], [RECORDS, DECIDE]][usize::from(queue_first)];
                go.step(to, next[usize::from(all)], "joins: looks at a record");
            }
            QUEUE => {
                let next = if to.load(who, HEAD) < self.messages { NEXT } else { 0 };
                to.procs[who].regs[FOUND] = next;
                go.step(to, if queue_first { SEE } else { COUNT }, "joins: looks at the queue");
            }
            COUNT if at < self.records => {
                if to.load(who, HOLDER + at) != NOBODY {
                    to.procs[who].regs[FOUND] |= OUT;
                }
                to.procs[who].regs[AT] += 1;
                go.step(to, COUNT, "joins: counts a record");
            }
            COUNT | DECIDE if proc.regs[FOUND] & (NEXT | OUT) == 0 => {
                to.procs[who].regs = [0; 6];
                if to.ghost[ACKNOWLEDGED].count_ones() != u32::from(self.messages) {
                    to.ghost[FAULT] = 2;
                }
                go.step(to, CONTENT, "joins: all is done");
            }
            COUNT | DECIDE => {
                to.procs[who].regs[AT] = 0;
                to.procs[who].regs[FOUND] = 0;
                go.step(to, REST, "joins: not yet");
            }
            REST => {
                let mut words = self.watched(&to, who);
                words.push((DEPARTED, proc.regs[LEFT].wrapping_sub(1)));
                self.queue(&mut go, &to, &words, [REST, RESTS, SPREAD]);
            }
            RESTS if proc.woken != 0 => self.wakes_up(&mut go, &to, SPREAD),
            SPREAD => self.passes_on(&mut go, &to, WANT),
            CONTENT => {
                to.store(who, WANTED + 1, 0);
                to.procs[who].pending = 0;
                go.step(to, DONE, "joins: has finished");
            }
            _ => {}
        }
    }
}
