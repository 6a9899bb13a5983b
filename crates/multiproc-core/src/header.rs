//! What a segment says of itself, checked before anything else in it is believed.
//!
//! Written once, before anybody else can have the segment, and never changed. Readers copy it out of
//! the file with one `pread` and check the copy, so a peer that rewrites it later changes nothing.

use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// The bytes at the start of a segment that belong to the header.
pub const HEADER_BYTES: usize = 128;

const MAGIC: u64 = u64::from_le_bytes(*b"multiprc");
const VERSION: u32 = 1;
const KIND_BYTES: usize = 24;
const NAME_BYTES: usize = 48;

/// The type of what a segment holds. Two programs agree when name, size and alignment do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    name: &'static str,
    size: usize,
    align: usize,
}

impl Item {
    /// Describes items of type `T`.
    #[must_use]
    pub fn of<T>() -> Self {
        Self { name: core::any::type_name::<T>(), size: size_of::<T>(), align: align_of::<T>() }
    }

    /// Describes items of which this crate knows only a name: bytes, or encoded values.
    #[must_use]
    pub fn named(name: &'static str) -> Self {
        Self { name, size: 0, align: 1 }
    }

    /// A hash of name, size and alignment: a name longer than the header keeps still counts whole.
    fn hash(&self) -> u64 {
        let numbers = [self.size as u64, self.align as u64];
        let bytes = self.name.bytes().chain(numbers.into_iter().flat_map(u64::to_le_bytes));
        fnv(bytes)
    }
}

/// What a segment is to hold.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// The primitive, as in "a queue": `"queue"`.
    pub kind: &'static str,
    /// Its items.
    pub item: Item,
    /// How many of them, or whatever number the primitive needs to know.
    pub capacity: u64,
    /// A second number.
    pub detail: u64,
}

/// What an opened segment says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// See [`Spec::capacity`].
    pub capacity: u64,
    /// See [`Spec::detail`].
    pub detail: u64,
}

/// The header as it lies in the file.
///
/// | offset | bytes | field |
/// |---|---|---|
/// | 0 | 8 | magic, written last |
/// | 8 | 4 | version of all layouts |
/// | 12 | 4 | size of an item |
/// | 16 | 8 | hash of the item's name, size and alignment |
/// | 24 | 8 | capacity |
/// | 32 | 8 | detail |
/// | 40 | 8 | bytes of the segment |
/// | 48 | 8 | PID namespace and boot |
/// | 56 | 24 | kind, padded with zeros |
/// | 80 | 48 | the item's name, cut at 48 bytes |
struct Layout;

impl Layout {
    const VERSION: usize = 8;
    const ITEM_SIZE: usize = 12;
    const HASH: usize = 16;
    const CAPACITY: usize = 24;
    const DETAIL: usize = 32;
    const BYTES: usize = 40;
    const PID_NAMESPACE: usize = 48;
    const KIND: usize = 56;
    const NAME: usize = 80;
}

/// Returns the header's bytes for a segment of `bytes` bytes.
pub(crate) fn encode(spec: &Spec, bytes: usize) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    let mut put = |at: usize, value: &[u8]| header[at..at + value.len()].copy_from_slice(value);
    put(0, &MAGIC.to_le_bytes());
    put(Layout::VERSION, &VERSION.to_le_bytes());
    put(Layout::ITEM_SIZE, &u32::try_from(spec.item.size).unwrap_or(u32::MAX).to_le_bytes());
    put(Layout::HASH, &spec.item.hash().to_le_bytes());
    put(Layout::CAPACITY, &spec.capacity.to_le_bytes());
    put(Layout::DETAIL, &spec.detail.to_le_bytes());
    put(Layout::BYTES, &(bytes as u64).to_le_bytes());
    put(Layout::PID_NAMESPACE, &pid_namespace().to_le_bytes());
    put(Layout::KIND, cut(spec.kind, KIND_BYTES).as_bytes());
    put(Layout::NAME, cut(spec.item.name, NAME_BYTES).as_bytes());
    header
}

/// Reads and checks the header of an open segment of `file_bytes` bytes.
///
/// # Errors
///
/// `InvalidData` with a sentence that names the difference.
pub(crate) fn read(
    fd: impl AsFd,
    file_bytes: u64,
    kind: &'static str,
    item: Item,
) -> io::Result<Found> {
    if file_bytes < HEADER_BYTES as u64 {
        return Err(wrong(format!(
            "it is {file_bytes} bytes long, too short for a header of {HEADER_BYTES}"
        )));
    }
    let mut header = [0; HEADER_BYTES];
    let got = rustix::io::retry_on_intr(|| rustix::io::pread(&fd, &mut header, 0))?;
    if got < HEADER_BYTES {
        return Err(wrong(format!("only {got} bytes of its header could be read")));
    }
    decode(&header, file_bytes, kind, item)
}

fn decode(
    header: &[u8; HEADER_BYTES],
    file_bytes: u64,
    kind: &'static str,
    item: Item,
) -> io::Result<Found> {
    let u64_at = |at: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&header[at..at + 8]);
        u64::from_le_bytes(bytes)
    };
    let u32_at = |at: usize| (u64_at(at) & u64::from(u32::MAX)) as u32;
    if u64_at(0) != MAGIC {
        return Err(wrong("it does not begin with the mark of a multiproc segment".to_owned()));
    }
    let version = u32_at(Layout::VERSION);
    if version != VERSION {
        return Err(wrong(format!(
            "its layout has version {version}, and this program knows version {VERSION}"
        )));
    }
    let found_kind = &header[Layout::KIND..Layout::NAME];
    let mut expected_kind = [0; KIND_BYTES];
    let kind = cut(kind, KIND_BYTES);
    expected_kind[..kind.len()].copy_from_slice(kind.as_bytes());
    if found_kind != expected_kind {
        return Err(wrong(format!("it holds a `{}`, not a `{kind}`", text(found_kind))));
    }
    let found_size = u32_at(Layout::ITEM_SIZE);
    if u64_at(Layout::HASH) != item.hash() {
        let found_name = text(&header[Layout::NAME..]);
        return Err(wrong(format!(
            "it holds items of type `{found_name}` ({found_size} bytes), not `{}` ({} bytes)",
            item.name, item.size
        )));
    }
    let bytes = u64_at(Layout::BYTES);
    if bytes != file_bytes {
        return Err(wrong(format!("it is {file_bytes} bytes long, and its header says {bytes}")));
    }
    let (theirs, ours) = (u64_at(Layout::PID_NAMESPACE), pid_namespace());
    if ours == 0 {
        return Err(wrong("without /proc this process cannot tell its PID namespace".to_owned()));
    }
    if theirs != ours {
        return Err(wrong(
            "it was made in another PID namespace than this process is in, or before the machine was \
             last started: thread ids mean nothing across the two"
                .to_owned(),
        ));
    }
    Ok(Found { capacity: u64_at(Layout::CAPACITY), detail: u64_at(Layout::DETAIL) })
}

/// Returns a number for this process's PID namespace since the machine was started, or 0 where `/proc`
/// does not tell.
pub(crate) fn pid_namespace() -> u64 {
    static BOOT: AtomicU64 = AtomicU64::new(0);
    // Relaxed: whoever comes first, it is the same number.
    let mut boot = BOOT.load(Relaxed);
    if boot == 0 {
        let id = std::fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        boot = fnv(id) | 1;
        BOOT.store(boot, Relaxed);
    }
    // Rotated, so that the low bit that was set does not meet the inode's.
    rustix::fs::stat("/proc/self/ns/pid").map_or(0, |stat| stat.st_ino ^ boot.rotate_left(32))
}

/// FNV-1a.
fn fnv(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn cut(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

fn wrong(difference: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, difference)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> Spec {
        Spec { kind: "queue", item: Item::of::<f64>(), capacity: 10, detail: 3 }
    }

    #[test]
    fn what_was_written_is_found() {
        let header = encode(&spec(), 4096);
        let found = decode(&header, 4096, "queue", Item::of::<f64>()).unwrap();
        assert_eq!(found, Found { capacity: 10, detail: 3 });
    }

    #[test]
    fn each_difference_is_named() {
        let header = encode(&spec(), 4096);
        let says = |header: &[u8; HEADER_BYTES], bytes, kind, item| {
            decode(header, bytes, kind, item).unwrap_err().to_string()
        };
        let f64s = Item::of::<f64>();
        assert!(says(&header, 4096, "mutex", f64s).contains("a `queue`, not a `mutex`"));
        assert!(
            says(&header, 8192, "queue", f64s)
                .contains("8192 bytes long, and its header says 4096")
        );
        let text = says(&header, 4096, "queue", Item::of::<u64>());
        assert!(text.contains("`f64` (8 bytes), not `u64` (8 bytes)"), "{text}");
        let mut other = header;
        other[Layout::VERSION] = 9;
        assert!(says(&other, 4096, "queue", f64s).contains("version 9"));
        let mut other = header;
        other[Layout::PID_NAMESPACE] ^= 1;
        assert!(says(&other, 4096, "queue", f64s).contains("PID namespace"));
        assert!(says(&[0; HEADER_BYTES], 4096, "queue", f64s).contains("mark of a multiproc"));
    }

    #[test]
    fn no_flipped_bit_panics_and_none_that_matters_passes() {
        let header = encode(&spec(), 4096);
        let good = decode(&header, 4096, "queue", Item::of::<f64>()).unwrap();
        for bit in 0..HEADER_BYTES * 8 {
            let mut other = header;
            other[bit / 8] ^= 1 << (bit % 8);
            match decode(&other, 4096, "queue", Item::of::<f64>()) {
                // The numbers themselves are judged by the primitive; names and sizes are only told.
                Ok(found) => assert!(
                    found != good || (12..16).contains(&(bit / 8)) || bit / 8 >= Layout::NAME
                ),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::InvalidData),
            }
        }
    }
}
