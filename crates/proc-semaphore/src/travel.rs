//! Handles inside serde values.

use crate::pool::PermitPool;
use crate::semaphore::{BoundedSemaphore, Semaphore};

multiproc_core::travels!([] Semaphore);
multiproc_core::travels!([] BoundedSemaphore);
multiproc_core::travels!([] PermitPool);
