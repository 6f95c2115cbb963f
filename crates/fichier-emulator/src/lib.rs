//! A faithful, strict 1fichier on loopback.
