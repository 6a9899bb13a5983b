//! The halves of other crates' queues between processes.

#![allow(unsafe_code, reason = "shaq trusts whoever opens a queue")]

use crate::ends::{Put, Take};
use crate::payload::{begins_with, capacity, payload};
use iceoryx2::config::Config;
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::*;
use ipc_channel::ipc::{IpcBytesReceiver, IpcBytesSender};
use std::fs::File;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// `ipc-channel`, bytes.
pub(crate) struct IpcChannel<E>(pub(crate) E, pub(crate) Vec<u8>);

impl Put for IpcChannel<IpcBytesSender> {
    fn put(&mut self, value: u64) {
        self.1[..8].copy_from_slice(&value.to_ne_bytes());
        self.0.send(black_box(&self.1)).unwrap();
    }
}

impl Take for IpcChannel<IpcBytesReceiver> {
    fn take(&mut self) -> u64 {
        begins_with(black_box(&self.0.recv().unwrap()))
    }
}

pub(crate) fn ipc_channel(
    bytes: usize,
) -> Result<(IpcChannel<IpcBytesSender>, IpcChannel<IpcBytesReceiver>), String> {
    let (tx, rx) = ipc_channel::ipc::bytes_channel().map_err(|error| error.to_string())?;
    Ok((IpcChannel(tx, payload(bytes)), IpcChannel(rx, Vec::new())))
}

/// `iceoryx2`, publish and subscribe: samples are filled and read where they lie.
///
/// Its ports are opened in the worker, by name.
pub(crate) struct Iceoryx<E> {
    name: Arc<String>,
    prefix: Arc<String>,
    buffer: Vec<u8>,
    port: Option<(E, Node<ipc::Service>)>,
}

pub(crate) type IceoryxPut = Iceoryx<Publisher<ipc::Service, [u8], ()>>;
pub(crate) type IceoryxTake = Iceoryx<Subscriber<ipc::Service, [u8], ()>>;

/// What all its files of this run begin with, in /dev/shm and the folder for temporary files.
fn prefix() -> String {
    format!("ipc_cost_{}_", rustix::process::getpid().as_raw_pid())
}

/// Removes what `iceoryx2` leaves behind by design: records of its nodes.
pub(crate) fn tidy_up() {
    let prefix = prefix();
    let root = std::env::temp_dir().join(&prefix);
    let _ = std::fs::remove_dir_all(root);
    for file in std::fs::read_dir("/dev/shm").into_iter().flatten().flatten() {
        if file.file_name().to_string_lossy().starts_with(&prefix) {
            let _ = std::fs::remove_file(file.path());
        }
    }
}

pub(crate) fn iceoryx(bytes: usize) -> (IceoryxPut, IceoryxTake) {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let name = Arc::new(format!("ipc-cost/{}", MADE.fetch_add(1, Relaxed)));
    let prefix = Arc::new(prefix());
    let put = Iceoryx {
        name: Arc::clone(&name),
        prefix: Arc::clone(&prefix),
        buffer: payload(bytes),
        port: None,
    };
    (put, Iceoryx { name, prefix, buffer: payload(bytes), port: None })
}

type Factory =
    iceoryx2::service::port_factory::publish_subscribe::PortFactory<ipc::Service, [u8], ()>;

impl<E> Iceoryx<E> {
    fn service(&self) -> Result<(Factory, Node<ipc::Service>), Box<dyn std::error::Error>> {
        set_log_level(LogLevel::Error);
        let mut config = Config::default();
        config.global.prefix = FileName::new(self.prefix.as_bytes())?;
        let root = std::env::temp_dir().join(self.prefix.as_str());
        config.global.set_root_path(&Path::new(root.as_os_str().as_encoded_bytes())?);
        let node = NodeBuilder::new()
            .config(&config)
            .signal_handling_mode(SignalHandlingMode::Disabled)
            .create::<ipc::Service>()?;
        let service = node
            .service_builder(&self.name.as_str().try_into()?)
            .publish_subscribe::<[u8]>()
            .enable_safe_overflow(false)
            .history_size(0)
            .subscriber_max_buffer_size(capacity(self.buffer.len()))
            .open_or_create()?;
        Ok((service, node))
    }
}

impl Put for IceoryxPut {
    fn begin(&mut self) -> Result<(), String> {
        let (service, node) = self.service().map_err(|error| error.to_string())?;
        let publisher = service
            .publisher_builder()
            .initial_max_slice_len(self.buffer.len())
            .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
            .create()
            .map_err(|error| error.to_string())?;
        self.port = Some((publisher, node));
        Ok(())
    }

    fn put(&mut self, value: u64) {
        self.buffer[..8].copy_from_slice(&value.to_ne_bytes());
        let (publisher, _) = self.port.as_ref().unwrap();
        let sample = publisher.loan_slice_uninit(self.buffer.len()).unwrap();
        sample.write_from_slice(black_box(&self.buffer)).send().unwrap();
    }
}

impl Take for IceoryxTake {
    fn begin(&mut self) -> Result<(), String> {
        let (service, node) = self.service().map_err(|error| error.to_string())?;
        let subscriber =
            service.subscriber_builder().create().map_err(|error| error.to_string())?;
        self.port = Some((subscriber, node));
        Ok(())
    }

    fn take(&mut self) -> u64 {
        let (subscriber, _) = self.port.as_ref().unwrap();
        loop {
            if let Some(sample) = subscriber.receive().unwrap() {
                let message = sample.payload();
                black_box(message.last());
                return begins_with(black_box(message));
            }
            std::hint::spin_loop();
        }
    }
}

/// `shaq`, many to many; its reader sleeps, its writer asks again and again.
#[derive(Clone)]
pub(crate) struct Shaq<E>(Arc<File>, Option<E>);

pub(crate) type ShaqPut<const N: usize> = Shaq<shaq::mpmc::Producer<[u64; N]>>;
pub(crate) type ShaqTake<const N: usize> = Shaq<shaq::mpmc::Consumer<[u64; N]>>;

pub(crate) fn shaq<const N: usize>() -> Result<(ShaqPut<N>, ShaqTake<N>), String> {
    let file = File::from(
        rustix::fs::memfd_create("shaq", rustix::fs::MemfdFlags::CLOEXEC)
            .map_err(|error| error.to_string())?,
    );
    let size = shaq::mpmc::minimum_file_size::<[u64; N]>(capacity(8 * N));
    // SAFETY: made once, here; numbers are valid in any process.
    let made = unsafe { shaq::mpmc::Producer::<[u64; N]>::create(&file, size) };
    made.map_err(|error| format!("{error:?}"))?;
    let file = Arc::new(file);
    Ok((Shaq(Arc::clone(&file), None), Shaq(file, None)))
}

impl<const N: usize> Put for ShaqPut<N> {
    fn begin(&mut self) -> Result<(), String> {
        // SAFETY: the same type as where it was made.
        let end = unsafe { shaq::mpmc::Producer::join(&self.0) };
        self.1 = Some(end.map_err(|error| format!("{error:?}"))?);
        Ok(())
    }

    fn put(&mut self, value: u64) {
        let mut message = [7; N];
        message[0] = value;
        let end = self.1.as_ref().unwrap();
        let mut tries = 0u32;
        while end.try_write(black_box(message)).is_err() {
            tries += 1;
            match tries % 64 {
                0 => std::thread::yield_now(),
                _ => std::hint::spin_loop(),
            }
        }
    }
}

impl<const N: usize> Take for ShaqTake<N> {
    fn begin(&mut self) -> Result<(), String> {
        // SAFETY: the same type as where it was made.
        let end = unsafe { shaq::mpmc::Consumer::join(&self.0) };
        self.1 = Some(end.map_err(|error| format!("{error:?}"))?);
        Ok(())
    }

    fn take(&mut self) -> u64 {
        let end = self.1.as_ref().unwrap();
        loop {
            if let Ok(message) = end.read_timeout(Duration::from_secs(1)) {
                return black_box(&message)[0];
            }
        }
    }
}
