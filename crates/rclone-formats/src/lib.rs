//! The formats that rclone keeps files in, read and written without rclone.
#![forbid(unsafe_code)]

pub mod conf;
pub mod crypt;
