//! Fuzzes `crypt_contents` of the testkit's `entries`, where it says what must hold.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fichier_testkit::entries::crypt_contents(data));
