//! A forked child that runs one instruction at a time.

#![allow(unsafe_code, reason = "ptrace requests with signals that nix's type does not name")]

use crate::asleep::is_asleep;
use crate::child::{Child, Outcome};
use crate::fork::fork;
use crate::mark::{is_started, stage_address};
use crate::pidfd::Event;
use crate::procfs::{sleeping_ip, state};
use crate::stretch::{Vdso, repeated_string_len};
use nix::sys::ptrace;
use nix::unistd::Pid;
use std::io;
use std::marker::PhantomData;
use std::ptr;
use std::time::{Duration, Instant};

/// The instruction that stops a program, and the bits that it takes of a little-endian word.
#[cfg(target_arch = "x86_64")]
const TRAP: (u64, u64) = (0xcc, 0xff);
#[cfg(target_arch = "aarch64")]
const TRAP: (u64, u64) = (0xd420_0000, 0xffff_ffff);

/// How far from the trap's address the tracee stands after it.
#[cfg(target_arch = "x86_64")]
const PAST_TRAP: u64 = 1;
#[cfg(target_arch = "aarch64")]
const PAST_TRAP: u64 = 0;

/// A leap that takes longer than this went another way: it sleeps, or runs in circles. Mistaking a
/// slow machine for that costs a repetition, no more.
const LONGEST_LEAP: Duration = Duration::from_millis(200);

/// How long lies between two looks at a tracee that is about to sleep.
const GLANCE: Duration = Duration::from_micros(30);

#[cfg(target_env = "musl")]
type Request = libc::c_int;
#[cfg(not(target_env = "musl"))]
type Request = libc::c_uint;

/// How a step or a leap went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It is done, and the tracee stands before the next instruction.
    Done,
    /// The tracee sleeps in a system call. The step is still under way.
    Asleep,
    /// The tracee is gone.
    Ended(Outcome),
}

/// A child under single step. Drop kills it.
///
/// The kernel lets one thread make its requests: the one that forked it. So the type stays there.
#[derive(Debug)]
pub(crate) struct Tracee<'a> {
    child: Child,
    /// A signal on its way to the tracee, to be handed over with the next step. Zero is none.
    signal: i32,
    /// The breakpoint of the leap that is under way: its address, and the aligned word with the original.
    breakpoint: Option<(u64, i64)>,
    vdso: &'a Vdso,
    _this_thread: PhantomData<*const ()>,
}

impl<'a> Tracee<'a> {
    /// Forks a child that runs `body` at full speed up to the stop of `explore_from_here`.
    #[track_caller]
    pub(crate) fn start(vdso: &'a Vdso, body: impl FnOnce()) -> Self {
        let child = fork(|| {
            ptrace::traceme().expect("failed to let the parent trace");
            body();
        });
        let mut tracee =
            Self { child, signal: 0, breakpoint: None, vdso, _this_thread: PhantomData };
        loop {
            match tracee.wait(&|| false) {
                Some(Event::Stopped(libc::SIGSTOP)) => break,
                Some(Event::Stopped(signal)) => {
                    tracee.signal = signal;
                    tracee.resume(libc::PTRACE_CONT);
                }
                Some(Event::Ended(outcome)) => {
                    panic!("the victim {outcome} before its first kill point")
                }
                None => {}
            }
        }
        let options = ptrace::Options::PTRACE_O_EXITKILL;
        if let Err(error) = ptrace::setoptions(tracee.pid(), options) {
            panic!("failed to set trace options of {}: {error}", tracee.child);
        }
        tracee
    }

    /// Runs the instruction at `ip`, before which the tracee stands. `Asleep` when it takes longer
    /// than `nap` and is a sleep to the kernel; [`go_on`](Self::go_on) then waits for the rest.
    /// Needs a ticking `Ticker` to see that.
    ///
    /// A whole system call is one instruction, and so are a call of the vdso, all rounds of a `rep`
    /// prefix, and the way into a signal handler.
    pub(crate) fn step(&mut self, ip: u64, nap: Duration) -> Step {
        self.set_off(ip);
        self.go_on(nap)
    }

    /// As [`step`](Self::step), over a system call in which another victim slept: this one is taken at
    /// its word as soon as it waits there.
    pub(crate) fn step_to_sleep(&mut self, ip: u64) -> Step {
        self.set_off(ip);
        let mut waited = 0;
        loop {
            if let Some(event) =
                self.child.next_event(libc::WEXITED | libc::WSTOPPED | libc::WNOHANG)
            {
                if let Some(step) = self.settle(event) {
                    return step;
                }
            } else if is_asleep(self.child.pid()) {
                // Twice in a row, so that a wait for a lock in passing is not it.
                if waited == 2 {
                    return Step::Asleep;
                }
                waited += 1;
            } else {
                waited = 0;
            }
            std::thread::sleep(GLANCE);
        }
    }

    /// Begins the instruction at `ip`.
    fn set_off(&mut self, ip: u64) {
        match self.end_of_stretch(ip) {
            Some(end) => self.run_to(end),
            None => self.resume(libc::PTRACE_SINGLESTEP),
        }
    }

    /// Returns where the stretch ends that begins at `ip`, if one does.
    fn end_of_stretch(&self, ip: u64) -> Option<u64> {
        if self.vdso.contains(ip) {
            let back = self.return_address();
            // Inside already, as the end of a signal handler may be.
            return (!self.vdso.contains(back)).then_some(back);
        }
        #[cfg(target_arch = "x86_64")]
        return repeated_string_len(self.code(ip)).map(|len| ip + len);
        #[cfg(target_arch = "aarch64")]
        None
    }

    /// Says whether the instruction at `ip` is a system call.
    pub(crate) fn calls_the_kernel(&self, ip: u64) -> bool {
        #[cfg(target_arch = "x86_64")]
        return matches!(self.code(ip), [0x0f, 0x05, ..]);
        #[cfg(target_arch = "aarch64")]
        return (self.peek(ip).cast_unsigned() >> ((ip % 8) * 8)) as u32 == 0xd400_0001;
    }

    /// Returns where the function will return to before whose first instruction the tracee stands.
    fn return_address(&self) -> u64 {
        let registers = match ptrace::getregs(self.pid()) {
            Ok(registers) => registers,
            Err(error) => panic!("failed to read the registers of {}: {error}", self.child),
        };
        #[cfg(target_arch = "x86_64")]
        return self.peek(registers.rsp).cast_unsigned();
        #[cfg(target_arch = "aarch64")]
        return registers.regs[30];
    }

    /// Returns the eight bytes from `ip` on.
    #[cfg(target_arch = "x86_64")]
    fn code(&self, ip: u64) -> [u8; 8] {
        let shift = (ip % 8) * 8;
        let low = self.peek(ip).cast_unsigned() >> shift;
        // What is looked for begins with one of these; one look is enough for all others.
        let more = matches!(low.to_le_bytes()[0], 0x0f | 0xf2 | 0xf3 | 0x66 | 0x67);
        let high = match 64 - shift {
            left @ 1..64 if more => self.peek(ip + 8).cast_unsigned() << left,
            _ => 0,
        };
        (low | high).to_le_bytes()
    }

    /// Runs at full speed until the tracee stands before the instruction at `ip` for the `hits`th time. `None`
    /// when it does not come there, but sleeps for `nap`, or runs for longer than any way there can be.
    pub(crate) fn leap(&mut self, ip: u64, hits: usize, nap: Duration) -> Option<Step> {
        let (start, pid) = (Instant::now(), self.child.pid());
        let give_up = || {
            let took = start.elapsed();
            took >= LONGEST_LEAP || took >= nap && state(pid) == Some('S')
        };
        for hit in 0..hits {
            if hit > 0 {
                // Off the breakpoint; the end of that step is the end of the leap if it is no plain step.
                self.set_off(ip);
                match self.finish(give_up)? {
                    Step::Done => {}
                    other => return Some(other),
                }
            }
            self.run_to(ip);
            match self.finish(give_up)? {
                Step::Done => {}
                other => return Some(other),
            }
        }
        Some(Step::Done)
    }

    /// Sets a breakpoint and goes.
    fn run_to(&mut self, ip: u64) {
        let original = self.peek(ip);
        let (trap, mask) = TRAP;
        let shift = (ip % 8) * 8;
        let word = original.cast_unsigned() & !(mask << shift) | trap << shift;
        self.poke(ip, word.cast_signed());
        self.breakpoint = Some((ip, original));
        self.resume(libc::PTRACE_CONT);
    }

    /// Waits for the step that is under way.
    pub(crate) fn go_on(&mut self, nap: Duration) -> Step {
        let start = Instant::now();
        let pid = self.child.pid();
        let sleeps = || start.elapsed() >= nap && state(pid) == Some('S');
        self.finish(sleeps).unwrap_or(Step::Asleep)
    }

    /// Waits until the step or leap is done, or `give_up` says so at a tick.
    fn finish(&mut self, give_up: impl Fn() -> bool) -> Option<Step> {
        loop {
            let event = self.wait(&give_up)?;
            if let Some(step) = self.settle(event) {
                return Some(step);
            }
        }
    }

    /// Takes in what happened to the step or leap, and lets it go on if it is not done.
    fn settle(&mut self, event: Event) -> Option<Step> {
        match event {
            Event::Ended(outcome) => Some(Step::Ended(outcome)),
            Event::Stopped(libc::SIGTRAP) => {
                self.lift_breakpoint();
                Some(Step::Done)
            }
            Event::Stopped(signal) => {
                // Nobody would continue a victim that stops itself.
                let stops = [libc::SIGSTOP, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];
                self.signal = if stops.contains(&signal) { 0 } else { signal };
                let leaps = self.breakpoint.is_some();
                self.resume(if leaps { libc::PTRACE_CONT } else { libc::PTRACE_SINGLESTEP });
                None
            }
        }
    }

    /// Says whether the tracee is past its first kill point.
    pub(crate) fn is_started(&self) -> bool {
        is_started(self.peek(stage_address()))
    }

    /// Returns the address of the next instruction. For a sleeping tracee that is where it goes on.
    pub(crate) fn ip(&self) -> u64 {
        match ptrace::getregs(self.pid()) {
            Ok(mut regs) => *instruction_pointer(&mut regs),
            // Not stopped, so it sleeps in a system call.
            Err(error) => match sleeping_ip(self.child.pid()) {
                Some(ip) => ip,
                None => panic!("failed to read the registers of {}: {error}", self.child),
            },
        }
    }

    /// Kills the tracee where it stands and waits until the kernel has cleared up after it.
    pub(crate) fn kill(mut self) {
        self.child.kill();
        self.child.reap();
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.pid())
    }

    /// Reads the aligned word that holds the instruction, or its first byte.
    fn peek(&self, ip: u64) -> i64 {
        match ptrace::read(self.pid(), word_of(ip)) {
            Ok(word) => word,
            Err(error) => panic!("failed to read the code of {}: {error}", self.child),
        }
    }

    /// Writes to the tracee's own copy of its code; the test process keeps the original.
    fn poke(&self, ip: u64, word: i64) {
        if let Err(error) = ptrace::write(self.pid(), word_of(ip), word) {
            panic!("failed to set a breakpoint in {}: {error}", self.child);
        }
    }

    /// Takes the breakpoint away that the tracee has just run into.
    fn lift_breakpoint(&mut self) {
        let Some((ip, word)) = self.breakpoint.take() else { return };
        self.poke(ip, word);
        let moved = ptrace::getregs(self.pid()).and_then(|mut regs| {
            let stands = instruction_pointer(&mut regs);
            assert!(*stands == ip + PAST_TRAP, "{} ran into a trap of its own", self.child);
            *stands = ip;
            ptrace::setregs(self.pid(), regs)
        });
        if let Err(error) = moved {
            panic!("failed to set {} back to its breakpoint: {error}", self.child);
        }
    }

    fn resume(&mut self, request: Request) {
        let signal = ptr::without_provenance_mut::<libc::c_void>(self.signal as usize);
        let nowhere = ptr::null_mut::<libc::c_void>();
        // SAFETY: this request takes a pid and a signal number, and touches no memory of ours.
        let rc = unsafe { libc::ptrace(request, self.child.pid(), nowhere, signal) };
        let error = io::Error::last_os_error();
        // Gone since it stopped, by a SIGKILL from elsewhere: the wait will tell.
        if rc != 0 && error.raw_os_error() != Some(libc::ESRCH) {
            panic!("failed to step {}: {error}", self.child);
        }
        self.signal = 0;
    }

    /// Waits for a stop or the end; asks at every tick whether to give up.
    fn wait(&mut self, give_up: &impl Fn() -> bool) -> Option<Event> {
        loop {
            match self.child.next_event(libc::WEXITED | libc::WSTOPPED) {
                Some(event) => return Some(event),
                None if give_up() => return None,
                None => {}
            }
        }
    }
}

/// Returns the aligned word around `ip`, which never crosses into a page that is not there.
fn word_of(ip: u64) -> *mut libc::c_void {
    ptr::without_provenance_mut((ip & !7) as usize)
}

fn instruction_pointer(regs: &mut libc::user_regs_struct) -> &mut u64 {
    #[cfg(target_arch = "x86_64")]
    return &mut regs.rip;
    #[cfg(target_arch = "aarch64")]
    return &mut regs.pc;
}
