//! What every storage must do: one suite, run over each of them.

use std::any::Any;
use std::io::{self, ErrorKind};

use super::{LOCK_NAME, LockAttempt, Storage, read_all, write_new};

/// Makes a fresh, empty storage, and whatever must live as long as it does.
pub(super) type Make<'a> = &'a mut dyn FnMut() -> (Box<dyn Storage>, Box<dyn Any>);

/// Runs the suite, each part on a storage of its own.
pub(super) fn run(make: Make<'_>) {
    for part in [
        files_are_created_once_and_read_back,
        names_that_lead_elsewhere_are_refused,
        a_rename_replaces_and_keeps_handles_good,
        a_removed_file_stays_readable_through_its_handle,
        directories_hold_files_and_only_files,
        lists_are_sorted_and_tell_lengths,
        one_writer_at_a_time,
        whole_files_are_bounded_and_replaced,
        reads_stop_at_the_end,
    ] {
        let (storage, _keep) = make();
        part(&*storage);
    }
}

fn kind<T>(result: io::Result<T>) -> ErrorKind {
    match result {
        Ok(_) => panic!("it should have failed"),
        Err(e) => e.kind(),
    }
}

fn put(storage: &dyn Storage, name: &str, bytes: &[u8]) {
    let mut file = storage.create(name).unwrap();
    file.append(bytes).unwrap();
    file.sync().unwrap();
}

fn names(storage: &dyn Storage, dir: &str) -> Vec<String> {
    storage.list(dir).unwrap().into_iter().map(|entry| entry.name).collect()
}

fn files_are_created_once_and_read_back(storage: &dyn Storage) {
    assert_eq!(kind(storage.open("a")), ErrorKind::NotFound);
    let mut file = storage.create("a").unwrap();
    assert!(file.is_empty());
    let reader = storage.open("a").unwrap();
    assert!(reader.is_empty().unwrap());
    file.append(b"one ").unwrap();
    file.append(b"").unwrap();
    file.append(b"two").unwrap();
    assert_eq!(file.len(), 7);
    // Seen before any sync, through a handle from before the write.
    assert_eq!(reader.len().unwrap(), 7);
    let mut buf = [0; 3];
    reader.read_exact_at(4, &mut buf).unwrap();
    assert_eq!(&buf, b"two");
    file.sync().unwrap();
    storage.sync_dir("").unwrap();
    assert_eq!(kind(storage.create("a")), ErrorKind::AlreadyExists);
    assert_eq!(read_all(storage, "a", 7).unwrap(), b"one two");
}

fn names_that_lead_elsewhere_are_refused(storage: &dyn Storage) {
    for name in [
        "",
        ".",
        "..",
        "/",
        "/etc/passwd",
        "../x",
        "a/..",
        "a/",
        "/a",
        "a/b/c",
        "./a",
        "a//b",
        "a\0b",
        "a\\b",
    ] {
        assert_eq!(kind(storage.open(name)), ErrorKind::InvalidInput, "{name:?}");
        assert_eq!(kind(storage.create(name)), ErrorKind::InvalidInput, "{name:?}");
        assert_eq!(kind(storage.remove(name)), ErrorKind::InvalidInput, "{name:?}");
        assert_eq!(kind(storage.rename(name, "x")), ErrorKind::InvalidInput, "{name:?}");
        assert_eq!(kind(storage.rename("x", name)), ErrorKind::InvalidInput, "{name:?}");
    }
    for dir in [".", "..", "/", "a/b", "a/", "../x"] {
        assert_eq!(kind(storage.create_dir(dir)), ErrorKind::InvalidInput, "{dir:?}");
        assert_eq!(kind(storage.list(dir)), ErrorKind::InvalidInput, "{dir:?}");
        assert_eq!(kind(storage.sync_dir(dir)), ErrorKind::InvalidInput, "{dir:?}");
    }
}

fn a_rename_replaces_and_keeps_handles_good(storage: &dyn Storage) {
    put(storage, "old", b"old");
    put(storage, "new", b"new");
    let before = storage.open("old").unwrap();
    storage.rename("new", "old").unwrap();
    assert_eq!(read_all(storage, "old", 9).unwrap(), b"new");
    assert_eq!(kind(storage.open("new")), ErrorKind::NotFound);
    let mut buf = [0; 3];
    before.read_exact_at(0, &mut buf).unwrap();
    assert_eq!(&buf, b"old");
    assert_eq!(kind(storage.rename("new", "x")), ErrorKind::NotFound);
    assert_eq!(kind(storage.rename("old", "nowhere/x")), ErrorKind::NotFound);
    storage.rename("old", "old").unwrap();
    assert_eq!(names(storage, ""), ["old"]);

    // A writer goes on under the new name.
    let mut file = storage.create("w.tmp").unwrap();
    file.append(b"1").unwrap();
    storage.rename("w.tmp", "w").unwrap();
    file.append(b"2").unwrap();
    assert_eq!(read_all(storage, "w", 9).unwrap(), b"12");
}

fn a_removed_file_stays_readable_through_its_handle(storage: &dyn Storage) {
    put(storage, "a", b"bytes");
    let reader = storage.open("a").unwrap();
    storage.remove("a").unwrap();
    assert_eq!(kind(storage.remove("a")), ErrorKind::NotFound);
    assert_eq!(reader.len().unwrap(), 5);
    let mut buf = [0; 5];
    reader.read_exact_at(0, &mut buf).unwrap();
    assert_eq!(&buf, b"bytes");
    put(storage, "a", b"again");
    assert_eq!(read_all(storage, "a", 9).unwrap(), b"again");
}

fn directories_hold_files_and_only_files(storage: &dyn Storage) {
    storage.create_dir("").unwrap();
    assert_eq!(kind(storage.create("requests/x")), ErrorKind::NotFound);
    assert_eq!(kind(storage.list("requests")), ErrorKind::NotFound);
    assert_eq!(kind(storage.sync_dir("requests")), ErrorKind::NotFound);
    storage.create_dir("requests").unwrap();
    storage.create_dir("requests").unwrap();
    storage.sync_dir("").unwrap();
    put(storage, "requests/x", b"mark");
    storage.sync_dir("requests").unwrap();
    assert_eq!(read_all(storage, "requests/x", 9).unwrap(), b"mark");
    assert_eq!(names(storage, "requests"), ["x"]);
    storage.rename("requests/x", "x").unwrap();
    assert_eq!(read_all(storage, "x", 9).unwrap(), b"mark");
    assert_eq!(names(storage, "requests"), Vec::<String>::new());

    storage.open("requests").unwrap_err();
    storage.remove("requests").unwrap_err();
    storage.rename("requests", "other").unwrap_err();
    storage.rename("x", "requests").unwrap_err();
    assert_eq!(kind(storage.create("requests")), ErrorKind::AlreadyExists);
    assert_eq!(kind(storage.create_dir("x")), ErrorKind::AlreadyExists);
    storage.list("x").unwrap_err();
    storage.sync_dir("x").unwrap_err();
    storage.create("x/y").unwrap_err();
}

fn lists_are_sorted_and_tell_lengths(storage: &dyn Storage) {
    put(storage, "b", b"22");
    put(storage, "a", b"1");
    put(storage, "a-10", b"");
    storage.create_dir("trash").unwrap();
    put(storage, "trash/c", b"333");
    let list = storage.list("").unwrap();
    let short: Vec<_> = list.iter().map(|e| (e.name.as_str(), e.is_dir)).collect();
    assert_eq!(short, [("a", false), ("a-10", false), ("b", false), ("trash", true)]);
    assert_eq!(list[2].len, 2);
    assert_eq!(storage.list("trash").unwrap()[0].len, 3);
}

fn one_writer_at_a_time(storage: &dyn Storage) {
    assert!(!storage.is_locked().unwrap());
    let LockAttempt::Held(guard) = storage.lock("pid 1\n").unwrap() else { panic!("nobody else is there") };
    assert!(storage.is_locked().unwrap());
    let LockAttempt::Busy { owner } = storage.lock("pid 2").unwrap() else { panic!("it is taken") };
    assert_eq!(owner, "pid 1");
    assert_eq!(names(storage, ""), [LOCK_NAME]);
    drop(guard);
    assert!(!storage.is_locked().unwrap());
    assert!(matches!(storage.lock("pid 2").unwrap(), LockAttempt::Held(_)));
}

fn whole_files_are_bounded_and_replaced(storage: &dyn Storage) {
    put(storage, "CURRENT.tmp", b"left behind by a crash, and longer");
    write_new(storage, "CURRENT", b"first").unwrap();
    write_new(storage, "CURRENT", b"second").unwrap();
    assert_eq!(read_all(storage, "CURRENT", 6).unwrap(), b"second");
    let error = read_all(storage, "CURRENT", 5).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::FileTooLarge);
    assert!(error.to_string().contains("6 bytes"), "{error}");
    assert_eq!(names(storage, ""), ["CURRENT"]);
    storage.create_dir("requests").unwrap();
    write_new(storage, "requests/x", b"").unwrap();
    assert_eq!(read_all(storage, "requests/x", 0).unwrap(), b"");
}

fn reads_stop_at_the_end(storage: &dyn Storage) {
    put(storage, "a", b"12345");
    let file = storage.open("a").unwrap();
    let mut buf = [0; 4];
    assert_eq!(file.read_at(3, &mut buf).unwrap(), 2);
    assert_eq!(file.read_at(5, &mut buf).unwrap(), 0);
    assert_eq!(file.read_at(1 << 40, &mut buf).unwrap(), 0);
    assert_eq!(kind(file.read_exact_at(3, &mut buf)), ErrorKind::UnexpectedEof);
    file.read_exact_at(9, &mut []).unwrap();
}
