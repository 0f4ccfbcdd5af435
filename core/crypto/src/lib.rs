//! bubi-crypto
