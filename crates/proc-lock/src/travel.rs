//! Handles inside serde values.

use crate::mutex::{Data, Mutex};

multiproc_core::travels!([T: Data] Mutex<T>);
