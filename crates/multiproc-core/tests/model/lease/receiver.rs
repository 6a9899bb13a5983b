//! A receiver: enters, takes a lease, acknowledges or gives back; or leads, and sleeps.

use super::*;

const ENTER: u8 = 1;
const REPAIR: u8 = 2;
const FIND: u8 = 3;
const BEGIN: u8 = 4;
const TAKE: u8 = 5;
const PUBLISH: u8 = 6;
const FINISH: u8 = 7;
const ASK: u8 = 8;
const TELL: u8 = 9;
pub(super) const TOLD: u8 = 10;
const LEAVE: u8 = 11;
const HOLD: u8 = 12;
const ASK_OUTSIDE: u8 = 13;
const TELL_OUTSIDE: u8 = 14;
pub(super) const TOLD_OUTSIDE: u8 = 15;
const GO: u8 = 16;
const ANNOUNCE: u8 = 17;
const STAND: u8 = 18;
const TELL_LEADING: u8 = 19;
pub(super) const TOLD_LEADING: u8 = 20;
const LEAD: u8 = 21;
pub(super) const HEAVY: u8 = 22;
const LOOK: u8 = 23;
const SLEEP: u8 = 24;
const ASLEEP: u8 = 25;
const PASS_ON: u8 = 26;
const QUIT: u8 = 27;
const HAND: u8 = 28;
const REPAIRED: u8 = 29;
const DEPART: u8 = 30;
pub(super) const DEPARTING: u8 = 31;
const END: u8 = 32;
const NAME: u8 = 33;

impl Lease {
    pub(super) fn receiver(&self, state: &State, who: usize, out: &mut Steps) {
        let me = who as u8 + 1;
        let proc = state.procs[who];
        let at = usize::from(proc.regs[AT]);
        let mut to = *state;
        let mut go = Program { who, out };
        // A process at its hold has the number of its record + 1 in `FOUND`.
        let record = usize::from(proc.regs[FOUND].wrapping_sub(1));
        match proc.pc {
            IDLE if proc.rounds == 0 => go.step(to, DEPART, "has had enough"),
            IDLE => {
                to.procs[who].pending = LOCK as u8 + 1;
                go.step(to, ENTER, "pending = lock");
            }
            ENTER if to.words[LOCK] & OWNER == 0 => {
                let died = to.words[LOCK] & machine::DIED != 0;
                to.drain(who);
                to.words[LOCK] = me;
                go.step(to, if died { REPAIR } else { FIND }, "takes the lock");
            }
            REPAIR if at == self.records => {
                to.procs[who].regs = [0; 6];
                go.step(to, REPAIRED, "repairs: done, tells");
            }
            REPAIR => {
                let holder = to.load(who, HOLDER + at);
                if holder & TAKING != 0 {
                    let queued = to.load(who, INDEX + at) >= to.load(who, HEAD);
                    let holder = if queued { NOBODY } else { holder & OWNER };
                    to.store(who, HOLDER + at, holder);
                }
                to.procs[who].regs[AT] += 1;
                go.step(to, REPAIR, "repairs a record");
            }
            REPAIRED | TELL | TELL_OUTSIDE | TELL_LEADING => {
                to.drain(who);
                to.count_up(NEWS, KNOWN);
                let pc = if proc.pc == REPAIRED { FIND } else { proc.pc + 1 };
                if proc.pc == REPAIRED {
                    to.wake_all(NEWS);
                }
                go.step(to, pc, "call: news");
            }
            TOLD | TOLD_OUTSIDE | TOLD_LEADING => {
                to.wake_all(NEWS);
                let pc = [LEAVE, GO, LEAD]
                    [usize::from(proc.pc > TOLD) + usize::from(proc.pc > TOLD_OUTSIDE)];
                go.step(to, pc, "call: wakes all");
            }
            FIND => {
                if !self.look_at(&mut to, who) {
                    let found = to.procs[who].regs[FOUND];
                    to.procs[who].regs[OTHERS] = 0;
                    to.procs[who].regs[FOUND] = 0;
                    if found & AGAIN != 0 {
                        // Found again: this one.
                        to.procs[who].regs = [0, 0, 0, at as u8 + 1, 0, 0];
                        to.store(who, HOLDER + at, me);
                        return go.step(to, ASK, "finds one to hand out again: takes it");
                    }
                    if found & FREE != 0 && proc.regs[CALL] == 0 {
                        to.procs[who].regs[CALL] = at as u8 + 1;
                    }
                    return go.step(to, FIND, "looks at a record");
                }
                let free = proc.regs[CALL];
                to.procs[who].regs = [0, 0, 0, free, 0, 0];
                if free != 0 && to.load(who, HEAD) < self.messages {
                    let first =
                        [BEGIN, PUBLISH][usize::from(self.variant == Variant::PublishesFirst)];
                    go.step(to, first, "finds a message and a record");
                } else {
                    to.procs[who].regs = [0; 6];
                    to.store(who, LOCK, 0);
                    go.step(to, ANNOUNCE, "finds nothing, gives the lock up");
                }
            }
            BEGIN => {
                let head = to.load(who, HEAD) - u8::from(self.variant == Variant::PublishesFirst);
                to.store(who, INDEX + record, head);
                go.step(to, TAKE, "record: the message");
            }
            TAKE => {
                let taking = if self.variant == Variant::NoTaking { 0 } else { TAKING };
                to.store(who, HOLDER + record, me | taking);
                let next = [PUBLISH, FINISH][usize::from(self.variant == Variant::PublishesFirst)];
                go.step(to, next, "record: taking");
            }
            PUBLISH => {
                to.store(who, HEAD, to.load(who, HEAD) + 1);
                let next = [FINISH, BEGIN][usize::from(self.variant == Variant::PublishesFirst)];
                go.step(to, next, "moves the queue's index");
            }
            FINISH => {
                to.store(who, HOLDER + record, me);
                go.step(to, ASK, "record: has it");
            }
            ASK | ASK_OUTSIDE if self.variant == Variant::AsksFirst && proc.pc == ASK_OUTSIDE => {
                // It has asked before.
                let asked = proc.regs[CALL];
                to.procs[who].regs = [0; 6];
                go.step(to, if asked == 0 { GO } else { TELL_OUTSIDE }, "goes by what it saw");
            }
            ASK | ASK_OUTSIDE => {
                // One after the other: the first time the leader's, the second time the joiner's.
                let wanted = to.load(who, WANTED + at) != 0;
                let (told, not) =
                    [(TELL, LEAVE), (TELL_OUTSIDE, GO)][usize::from(proc.pc == ASK_OUTSIDE)];
                if wanted {
                    to.procs[who].regs[AT] = 0;
                    go.step(to, told, "somebody wants to know");
                } else if at == 0 {
                    to.procs[who].regs[AT] = 1;
                    go.step(to, proc.pc, "the leader does not want to know");
                } else {
                    to.procs[who].regs[AT] = 0;
                    go.step(to, not, "nobody wants to know");
                }
            }
            LEAVE => {
                to.store(who, LOCK, 0);
                to.procs[who].pending = 0;
                let index = to.load(who, INDEX + record);
                if to.ghost[ACKNOWLEDGED] & 1 << index != 0 {
                    to.ghost[FAULT] = 1;
                }
                go.step(to, HOLD, "gives the lock up");
            }
            HOLD => {
                let index = to.load(who, INDEX + record);
                let mut back = to;
                let asked = u8::from(to.load(who, WANTED) | to.load(who, WANTED + 1) != 0);
                to.procs[who].regs = [0, 0, 0, 0, 0, 0];
                if self.variant == Variant::AsksFirst && proc.regs[CALL] == 0 {
                    to.procs[who].regs = [0, 0, 0, proc.regs[FOUND], 1 + asked, 0];
                    return go.step(to, HOLD, "asks who wants to know");
                }
                if self.variant == Variant::AsksFirst {
                    to.procs[who].regs[CALL] = proc.regs[CALL] - 1;
                }
                to.store(who, HOLDER + record, NOBODY);
                to.ghost[ACKNOWLEDGED] |= 1 << index;
                go.step(to, ASK_OUTSIDE, "acknowledges");
                back.procs[who].regs = [0; 6];
                back.store(who, HOLDER + record, BACK);
                go.step(back, TELL_OUTSIDE, "gives back");
            }
            GO => {
                to.procs[who].rounds -= 1;
                go.step(to, IDLE, "has done with it");
            }
            ANNOUNCE => {
                to.procs[who].pending = TURN as u8 + 1;
                go.step(to, STAND, "pending = turnstile");
            }
            STAND if to.words[TURN] & OWNER == 0 => {
                let died = to.words[TURN] & machine::DIED != 0;
                to.drain(who);
                to.words[TURN] = me;
                go.step(to, if died { TELL_LEADING } else { NAME }, "takes the turnstile");
            }
            NAME if self.variant == Variant::IgnoreEachOther => go.step(to, LEAD, "goes on"),
            NAME if proc.regs[CALL] == 0 => {
                to.drain(who);
                to.words[WANTED] = me;
                to.procs[who].regs[CALL] = 1;
                go.step(to, NAME, "leads: says who it is");
            }
            NAME => {
                to.procs[who].regs[CALL] = 0;
                let joins = to.load(who, WANTED + 1) != 0;
                go.step(to, if joins { TELL_LEADING } else { LEAD }, "leads: does somebody join?");
            }
            LEAD => {
                to.store(who, WANTED, me);
                let pc = if self.variant == Variant::NoBarrier { LOOK } else { HEAVY };
                go.step(to, pc, "leads: wants to know");
            }
            HEAVY => {
                for (to, returns) in machine::heavy(&to, who, CALL) {
                    go.step(to, if returns { LOOK } else { HEAVY }, "leads: membarrier");
                }
            }
            LOOK if proc.regs[LEFT] == 0 => {
                let next = if to.load(who, HEAD) < self.messages { NEXT } else { 0 };
                to.procs[who].regs[FOUND] = next;
                to.procs[who].regs[LEFT] = 1;
                go.step(to, LOOK, "leads: looks at the queue");
            }
            LOOK if proc.regs[KNOWN] == 0 => {
                to.procs[who].regs[KNOWN] = to.load(who, NEWS) + 1;
                self.watch(&mut to, who, WANTED + 1);
                go.step(to, LOOK, "leads: looks at the news");
            }
            LOOK => {
                if !self.look_at(&mut to, who) {
                    return go.step(to, LOOK, "leads: looks at a record");
                }
                let found = proc.regs[FOUND];
                let joiner = if self.joins { 1 << self.receivers } else { 0 };
                if found & AGAIN != 0 || found & (NEXT | FREE) == NEXT | FREE {
                    to.procs[who].regs = [0; 6];
                    go.step(to, QUIT, "leads: there is something");
                } else if found & NEXT == 0 && proc.regs[OTHERS] & !joiner == 0 {
                    to.procs[who].regs = [0; 6];
                    to.procs[who].rounds = 0;
                    go.step(to, QUIT, "leads: nothing can come any more");
                } else {
                    to.procs[who].regs[AT] = 0;
                    to.procs[who].regs[FOUND] = 0;
                    to.procs[who].regs[LEFT] = 0;
                    go.step(to, SLEEP, "leads: nothing yet");
                }
            }
            SLEEP => {
                let words = self.watched(&to, who);
                self.queue(&mut go, &to, &words, [SLEEP, ASLEEP, PASS_ON]);
            }
            ASLEEP if proc.woken != 0 => self.wakes_up(&mut go, &to, PASS_ON),
            PASS_ON => self.passes_on(&mut go, &to, LEAD),
            QUIT => {
                to.store(who, WANTED, 0);
                go.step(to, HAND, "leads: does not want to know");
            }
            HAND => {
                to.store(who, TURN, 0);
                to.procs[who].pending = 0;
                let ends = proc.rounds == 0;
                to.ghost[ENDED] |= u8::from(ends);
                go.step(to, IDLE, "gives the turnstile up");
            }
            DEPART => {
                to.drain(who);
                to.count_up(DEPARTED, LEFT);
                go.step(to, DEPARTING, "call: departs");
            }
            DEPARTING => {
                for to in to.wake_one(DEPARTED).1 {
                    go.step(to, END, "call: wakes one");
                }
            }
            END => go.step(to, DONE, "has finished"),
            _ => {}
        }
    }
}
