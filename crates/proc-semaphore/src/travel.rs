//! Handles inside serde values.

use crate::semaphore::{BoundedSemaphore, Semaphore};

multiproc_core::travels!([] Semaphore);
multiproc_core::travels!([] BoundedSemaphore);
