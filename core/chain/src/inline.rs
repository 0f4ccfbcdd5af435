//! Work of simulated chains stays in the thread that asks for it: handing a block of microseconds to another thread costs more
//! than the block.

thread_local! {
    /// Makes the thread a pool of its own. Kept for ever: what was once the thread of a pool stays so.
    static INLINE: bool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .use_current_thread()
        .build()
        .map(std::mem::forget)
        .is_ok();
}

/// From here on everything that this thread would share with others it does alone. Nothing happens if it belongs to a pool
/// already.
pub(crate) fn claim() {
    INLINE.with(|_| ());
}
