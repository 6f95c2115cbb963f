//! A typed client for the 1fichier.com API.
