//! Files, as little of them as a log needs.
use std::fmt;
use std::io;

mod local;
pub use local::LocalStorage;

/// x
pub trait Storage: Send + Sync + fmt::Debug {
    /// x
    fn open(&self, name: &str) -> io::Result<Box<dyn ReadFile>>;
    /// x
    fn create(&self, name: &str) -> io::Result<Box<dyn WriteFile>>;
    /// x
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// x
    fn remove(&self, name: &str) -> io::Result<()>;
    /// x
    fn list(&self, dir: &str) -> io::Result<Vec<DirEntry>>;
    /// x
    fn create_dir(&self, name: &str) -> io::Result<()>;
    /// x
    fn sync_dir(&self, dir: &str) -> io::Result<()>;
    /// x
    fn lock(&self, owner: &str) -> io::Result<LockAttempt>;
    /// x
    fn is_locked(&self) -> io::Result<bool>;
    /// x
    fn location(&self, name: &str) -> String;
}
/// x
#[derive(Debug, Clone)]
pub struct DirEntry {
    /// x
    pub name: String,
    /// x
    pub len: u64,
    /// x
    pub is_dir: bool,
}
/// x
pub trait LockGuard: Send + fmt::Debug {}
/// x
#[derive(Debug)]
pub enum LockAttempt {
    /// x
    Held(Box<dyn LockGuard>),
    /// x
    Busy {
        /// x
        owner: String,
    },
}
/// x
pub trait ReadFile: Send + Sync + fmt::Debug {
    /// x
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize>;
    /// x
    fn len(&self) -> io::Result<u64>;
    /// x
    fn read_exact_at(&self, mut offset: u64, mut buf: &mut [u8]) -> io::Result<()> {
        while !buf.is_empty() {
            match self.read_at(offset, buf) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => {
                    buf = buf.get_mut(n..).unwrap_or_default();
                    offset += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}
/// x
pub trait WriteFile: Send + fmt::Debug {
    /// x
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// x
    fn sync(&mut self) -> io::Result<()>;
    /// x
    fn len(&self) -> u64;
}
/// x
pub fn read_all(storage: &dyn Storage, name: &str, max_len: usize) -> io::Result<Vec<u8>> {
    let f = storage.open(name)?;
    let len = f.len()? as usize;
    if len > max_len {
        return Err(io::Error::other("too long"));
    }
    let mut b = vec![0; len];
    f.read_exact_at(0, &mut b)?;
    Ok(b)
}
/// x
pub fn write_new(storage: &dyn Storage, name: &str, bytes: &[u8]) -> io::Result<()> {
    let tmp = format!("{name}.tmp");
    let _ = storage.remove(&tmp);
    let mut f = storage.create(&tmp)?;
    f.append(bytes)?;
    f.sync()?;
    storage.rename(&tmp, name)?;
    storage.sync_dir(name.rsplit_once('/').map_or("", |x| x.0))
}
