use super::*;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
/// x
#[derive(Debug)]
pub struct LocalStorage(PathBuf);
impl LocalStorage {
    /// x
    pub fn new(p: impl Into<PathBuf>) -> Self {
        Self(p.into())
    }
}
#[derive(Debug)]
struct R(File);
impl ReadFile for R {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(buf, offset)
    }
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}
#[derive(Debug)]
struct W(File, u64);
impl WriteFile for W {
    fn append(&mut self, b: &[u8]) -> io::Result<()> {
        self.1 += b.len() as u64;
        self.0.write_all(b)
    }
    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
    fn len(&self) -> u64 {
        self.1
    }
}
#[derive(Debug)]
struct G(#[allow(dead_code)] File);
impl LockGuard for G {}
impl Storage for LocalStorage {
    fn open(&self, name: &str) -> io::Result<Box<dyn ReadFile>> {
        Ok(Box::new(R(File::open(self.0.join(name))?)))
    }
    fn create(&self, name: &str) -> io::Result<Box<dyn WriteFile>> {
        Ok(Box::new(W(OpenOptions::new().append(true).create_new(true).open(self.0.join(name))?, 0)))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.0.join(from), self.0.join(to))
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.0.join(name))
    }
    fn list(&self, dir: &str) -> io::Result<Vec<DirEntry>> {
        let mut v = vec![];
        for e in fs::read_dir(self.0.join(dir))? {
            let e = e?;
            let m = e.metadata()?;
            v.push(DirEntry {
                name: e.file_name().to_string_lossy().into(),
                len: m.len(),
                is_dir: m.is_dir(),
            });
        }
        v.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(v)
    }
    fn create_dir(&self, name: &str) -> io::Result<()> {
        fs::create_dir_all(self.0.join(name))
    }
    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        File::open(self.0.join(dir))?.sync_all()
    }
    fn lock(&self, owner: &str) -> io::Result<LockAttempt> {
        let mut f = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.0.join("LOCK"))?;
        match f.try_lock() {
            Ok(()) => {
                f.set_len(0)?;
                f.write_all(owner.as_bytes())?;
                Ok(LockAttempt::Held(Box::new(G(f))))
            }
            Err(_) => Ok(LockAttempt::Busy { owner: fs::read_to_string(self.0.join("LOCK"))? }),
        }
    }
    fn is_locked(&self) -> io::Result<bool> {
        match File::open(self.0.join("LOCK")) {
            Ok(f) => Ok(f.try_lock_shared().is_err()),
            Err(_) => Ok(false),
        }
    }
    fn location(&self, name: &str) -> String {
        if name.is_empty() { self.0.display().to_string() } else { self.0.join(name).display().to_string() }
    }
}
