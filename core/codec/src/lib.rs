//! bubi-codec
