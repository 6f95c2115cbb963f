//! Fuzzes `config` of `tests/hostile/entries`, where it says what must hold.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fichierd_fuzz::entries::config(data));
