//! Handles inside serde values.

use crate::atomic::{Atomics, SharedAtomic};
use crate::barrier::Barrier;
use crate::condvar::Condvar;
use crate::data::Data;
use crate::event::Event;
use crate::mutex::Mutex;
use crate::once::OnceLock;
use crate::reentrant::ReentrantMutex;
use crate::rwlock::RwLock;
use crate::shared::Shared;
use crate::slice::SharedSlice;

multiproc_core::travels!([] Barrier);
multiproc_core::travels!([] Condvar);
multiproc_core::travels!([] Event);
multiproc_core::travels!([T: Data] Mutex<T>);
multiproc_core::travels!([T: Data] OnceLock<T>);
multiproc_core::travels!([T: Data] ReentrantMutex<T>);
multiproc_core::travels!([T: Data + Sync] RwLock<T>);
multiproc_core::travels!([T: Data] Shared<T>);
multiproc_core::travels!([A: Atomics + ?Sized] SharedAtomic<A>);
multiproc_core::travels!([T: Data] SharedSlice<T>);
