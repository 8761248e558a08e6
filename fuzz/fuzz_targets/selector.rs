//! The text after `--to`: a label that is allowed is read as that label, and nothing panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snaplog::policy::calendar::Zone;
use snaplog::policy::selector::{check_label, choose};
use snaplog::{Selector, Timestamp};

fuzz_target!(|text: &str| {
    let now = Timestamp(1_774_958_400_000_000);
    for name in ["UTC", "America/New_York", "Australia/Lord_Howe"] {
        let zone = Zone::parse(name).expect("a zone that there is");
        let selector = Selector::parse(text, now, zone);
        if check_label(text).is_ok() {
            assert_eq!(selector, Ok(Selector::Label(text.to_owned())));
        }
        match selector {
            Ok(selector) => assert!(choose(&[], &selector, None).is_err(), "there is no marker"),
            Err(error) => {
                let _ = (error.to_string(), error.hint());
            }
        }
    }
});
