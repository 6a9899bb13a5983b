//! A condition variable: waiting, without the mutex, until its data is as one wants it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use multiproc_core::deadline::Deadline;
use multiproc_core::header::Item;
use multiproc_core::place::Places;
use multiproc_core::spin::Spin;

use crate::error::Error;
use crate::guard::MutexGuard;
use crate::handle::{Handle, Kind, by_path};
use crate::outcome::{LockError, WaitTimeoutError};

mod calls;
use calls::{Calls, places};

/// A condition variable between processes, for the data of a [`Mutex`](crate::Mutex).
///
/// As [`std::sync::Condvar`], with the waits that take a condition and no others: a wait may end for many
/// reasons (a process died), and only the data says whether it is over.
///
/// Those who wait at a time should wait with one mutex. Change its data under the mutex; notify before or
/// after unlocking. Before is safer: a process that is killed between the two is then an
/// [owner that died](LockError::OwnerDied).
///
/// # When a process is killed
///
/// | it was | the others see |
/// |---|---|
/// | notifying | nothing yet, or the sleepers awake: it is one step |
/// | waiting, asleep | nothing: the notification goes to another |
/// | woken by a notification, on its way to the mutex | another sleeper is woken, and looks |
/// | inside the mutex, or between a change of the data and its notification | another sleeper is woken, and looks: it gets `OwnerDied`, or finds the data changed |
///
/// The last row needs the dead one to have used the condvar before, be it for notifying. If it had not, the
/// waiters look at the data by themselves within a second.
///
/// More than 60 threads at a time can use a condvar: from then on, each notification wakes all who wait. It
/// takes some 90 KiB of memory.
///
/// A peer that may write the memory can wake the others for nothing, and let them sleep until they look by
/// themselves; it can do nothing else to them.
///
/// # Examples
///
/// ```
/// use proc_lock::{Condvar, Mutex};
///
/// let (stock, arrived) = (Mutex::new(0u32)?, Condvar::new()?);
/// let buyer = std::thread::spawn({
///     let (stock, arrived) = (stock.clone(), arrived.clone());
///     move || *arrived.wait_while(stock.lock().unwrap(), |stock| *stock < 3).unwrap() -= 3
/// });
/// for _ in 0..4 {
///     let mut stock = stock.lock().unwrap();
///     *stock += 1;
///     arrived.notify_one();
/// }
/// buyer.join().unwrap();
/// assert_eq!(*stock.lock().unwrap(), 1);
/// # Ok::<(), proc_lock::Error>(())
/// ```
#[doc(alias = "Condition")]
#[doc(alias = "pthread_cond_t")]
#[derive(Clone)]
pub struct Condvar {
    handle: Handle,
    places: Places,
    spin: Arc<Spin>,
}

by_path!([] Condvar, plain: Condvar, "condition variable");

impl Condvar {
    /// Makes a condition variable for which nobody waits, in memory that vanishes with its last handle.
    ///
    /// # Errors
    ///
    /// When the kernel has no memory or descriptor left, and as [`Mutex::new`](crate::Mutex::new).
    pub fn new() -> Result<Self, Error> {
        Self::kind().new(1, |_| ()).map(Self::from_handle)
    }

    /// Makes a condition variable as a file that other programs can [`open`](Self::open).
    ///
    /// The file has mode 0600 and appears whole or not at all; [`unlink`](Self::unlink) removes it.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` when there is something at the path, and as [`new`](Self::new).
    pub fn create(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::kind().create(path.as_ref(), 1, |_| ()).map(Self::from_handle)
    }

    /// Opens the condition variable at `path`, or makes one if there is nothing.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open) and [`create`](Self::create).
    pub fn open_or_create(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::kind().open_or_create(path.as_ref(), 1, |_| ()).map(Self::from_handle)
    }

    /// Waits while `condition` holds of the data, blocking without the mutex.
    ///
    /// The condition is asked under the mutex, at once and after each notification, and as often besides
    /// as it may please; it can change the data.
    ///
    /// # Errors
    ///
    /// As [`Mutex::lock`](crate::Mutex::lock) when the mutex was taken again and its data may be
    /// half-changed: the condition is not asked then. The other waiters are woken, and told as well.
    ///
    /// # Panics
    ///
    /// When `condition` does; the mutex is poisoned then.
    #[doc(alias = "wait")]
    #[doc(alias = "wait_for")]
    #[doc(alias = "pthread_cond_wait")]
    pub fn wait_while<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        condition: impl FnMut(&mut T) -> bool,
    ) -> Result<MutexGuard<'a, T>, LockError<MutexGuard<'a, T>>> {
        match self.wait_until(guard, Deadline::NEVER, condition) {
            Ok(guard) | Err(WaitTimeoutError::TimedOut(guard)) => Ok(guard),
            Err(WaitTimeoutError::OwnerDied(guard)) => Err(LockError::OwnerDied(guard)),
            Err(WaitTimeoutError::Poisoned(guard)) => Err(LockError::Poisoned(guard)),
        }
    }

    /// Waits while `condition` holds of the data, blocking without the mutex for at most `timeout`.
    ///
    /// To take the mutex again may take longer.
    ///
    /// # Errors
    ///
    /// [`WaitTimeoutError::TimedOut`] when the condition still held then; the others as
    /// [`wait_while`](Self::wait_while). The guard is in the error.
    ///
    /// # Panics
    ///
    /// As [`wait_while`](Self::wait_while).
    ///
    /// # Examples
    ///
    /// ```
    /// use proc_lock::{Condvar, Mutex, WaitTimeoutError};
    /// use std::time::Duration;
    ///
    /// let (stock, arrived) = (Mutex::new(0u32)?, Condvar::new()?);
    /// let guard = stock.lock().unwrap();
    /// let waited = arrived.wait_timeout_while(guard, Duration::from_millis(5), |stock| *stock == 0);
    /// assert!(matches!(waited, Err(WaitTimeoutError::TimedOut(_))));
    /// # Ok::<(), proc_lock::Error>(())
    /// ```
    #[doc(alias = "pthread_cond_timedwait")]
    pub fn wait_timeout_while<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        timeout: Duration,
        condition: impl FnMut(&mut T) -> bool,
    ) -> Result<MutexGuard<'a, T>, WaitTimeoutError<MutexGuard<'a, T>>> {
        self.wait_until(guard, Deadline::after(timeout), condition)
    }

    fn wait_until<'a, T: ?Sized>(
        &self,
        mut guard: MutexGuard<'a, T>,
        deadline: Deadline,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> Result<MutexGuard<'a, T>, WaitTimeoutError<MutexGuard<'a, T>>> {
        let calls = self.calls();
        // Without a ticket: often there is nothing to wait for.
        let mut holds = condition(&mut guard);
        while holds {
            let mut ticket = calls.ticket();
            holds = condition(&mut guard);
            if holds && deadline.has_passed() {
                return Err(WaitTimeoutError::TimedOut(guard));
            }
            if holds && calls.stay(&mut ticket) {
                let unlocked = guard.unlock();
                calls.sleep(&ticket, &self.spin, deadline);
                guard = unlocked.lock().map_err(|error| {
                    // Nobody else may come to lock this mutex: those who wait are to know.
                    calls.notify_all();
                    WaitTimeoutError::from(error)
                })?;
            }
        }
        Ok(guard)
    }

    /// Wakes one of those who wait, if somebody does. Never blocks.
    ///
    /// It takes a system call if anybody has waited since the last [`notify_all`](Self::notify_all).
    #[doc(alias = "notify")]
    #[doc(alias = "pthread_cond_signal")]
    pub fn notify_one(&self) {
        self.calls().notify_one();
    }

    /// Wakes all who wait. Never blocks.
    #[doc(alias = "pthread_cond_broadcast")]
    pub fn notify_all(&self) {
        self.calls().notify_all();
    }

    fn calls(&self) -> Calls<'_> {
        Calls { segment: self.handle.segment(), places: self.places }
    }

    fn kind() -> Kind {
        let item = Item::named("condition variable");
        Kind { name: "condition variable", item, bytes: |_| Some(places().body_bytes()) }
    }

    fn from_handle(handle: Handle) -> Self {
        Self { handle, places: places(), spin: Arc::default() }
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar").finish_non_exhaustive()
    }
}
