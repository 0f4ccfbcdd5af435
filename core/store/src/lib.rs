//! bubi-store
