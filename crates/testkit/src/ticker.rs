//! A signal to this thread every few milliseconds, so that a wait for a tracee can look at the clock.

#![allow(unsafe_code, reason = "POSIX timers aimed at one thread, and a signal handler for them")]

use std::io;
use std::marker::PhantomData;
use std::ptr;
use std::time::Duration;

/// A disarmed timer of the thread that made it; its signal does nothing but interrupt.
///
/// `waitid` has no timeout, and no other thread may do a tracer's work.
#[derive(Debug)]
pub(crate) struct Ticker {
    timer: libc::timer_t,
    period: libc::timespec,
    // The signal goes to the thread that made the timer.
    _this_thread: PhantomData<*const ()>,
}

impl Ticker {
    pub(crate) fn new(period: Duration) -> io::Result<Self> {
        let signal = libc::SIGRTMAX() - 1;
        install(signal)?;
        // SAFETY: all-zero bytes are a valid sigevent.
        let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = signal;
        // SAFETY: gettid cannot fail and touches no memory.
        event.sigev_notify_thread_id = unsafe { libc::gettid() };
        let mut timer: libc::timer_t = ptr::null_mut();
        // SAFETY: both pointers are valid for the length of the call.
        let rc = unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &mut event, &mut timer) };
        if rc != 0 {
            return Err(io::Error::last_os_error());
        }
        let period = libc::timespec {
            tv_sec: period.as_secs().cast_signed(),
            tv_nsec: period.subsec_nanos().into(),
        };
        Ok(Self { timer, period, _this_thread: PhantomData })
    }

    /// Ticks until the guard is dropped.
    pub(crate) fn tick(&self) -> Ticking<'_> {
        self.set(self.period);
        Ticking(self)
    }

    fn set(&self, period: libc::timespec) {
        let spec = libc::itimerspec { it_interval: period, it_value: period };
        // SAFETY: the timer is ours until drop, `spec` is valid, and the old value is not asked for.
        let rc = unsafe { libc::timer_settime(self.timer, 0, &spec, ptr::null_mut()) };
        assert!(rc == 0, "failed to set a timer: {}", io::Error::last_os_error());
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        // SAFETY: made by `new`, and nobody uses it after this.
        unsafe { libc::timer_delete(self.timer) };
    }
}

pub(crate) struct Ticking<'a>(&'a Ticker);

impl Drop for Ticking<'_> {
    fn drop(&mut self) {
        self.0.set(libc::timespec { tv_sec: 0, tv_nsec: 0 });
    }
}

extern "C" fn nothing(_: libc::c_int) {}

/// Gives `signal` a handler that does nothing, and lets it reach this thread.
fn install(signal: i32) -> io::Result<()> {
    // SAFETY: all-zero bytes are a valid sigaction: empty mask, and no SA_RESTART, which is the
    // point: the interrupted call must return.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = nothing as extern "C" fn(libc::c_int) as libc::sighandler_t;
    // SAFETY: the handler is async-signal-safe, since it does nothing.
    let rc = unsafe { libc::sigaction(signal, &action, ptr::null_mut()) };
    if rc != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: all-zero bytes are a valid, empty signal set.
    let mut only: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: `only` is a valid set.
    unsafe { libc::sigaddset(&mut only, signal) };
    // SAFETY: `only` is a valid set, and the old mask is not asked for.
    let rc = unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &only, ptr::null_mut()) };
    if rc == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(rc)) }
}
