//! The last K states, reached backwards from the newest one.

use std::collections::VecDeque;

use super::key::TreeError;
use super::overlay::{Overlay, View};
use super::state::State;

/// Default number of earlier heights that can be read and proven.
pub const DEFAULT_WINDOW: usize = 64;

/// Lowest levels of the tree whose former nodes are not kept. A proof at an earlier height computes each of the few it needs from
/// some twenty leaves; keeping all of them would take a third of the window's memory, and time to fill it.
const FORGOTTEN_LEVELS: u32 = 3;

/// Keeps the inverse overlays of the last merges, so that the states before them can be read and proven.
pub struct ProofWindow {
    limit: usize,
    height: u64,
    /// Oldest first; the last one leads from `height` to `height − 1`.
    undos: VecDeque<Overlay>,
}

impl ProofWindow {
    /// A window of `limit` heights before the state's own `height`.
    pub fn new(limit: usize, height: u64) -> Self {
        Self { limit, height, undos: VecDeque::new() }
    }

    /// Notes that a merge which returned `undo` led to the next height.
    pub fn push(&mut self, mut undo: Overlay) {
        undo.delta.forget_lowest(FORGOTTEN_LEVELS);
        self.height += 1;
        self.undos.push_back(undo);
        while self.undos.len() > self.limit {
            self.undos.pop_front();
        }
    }

    /// Takes the newest undo overlay back, to merge it into the state; the window then ends one height lower.
    pub fn pop(&mut self) -> Option<Overlay> {
        let undo = self.undos.pop_back()?;
        self.height -= 1;
        Some(undo)
    }

    /// The height of the state itself.
    pub fn newest(&self) -> u64 {
        self.height
    }

    /// The lowest height that can still be viewed.
    pub fn oldest(&self) -> u64 {
        self.height - self.undos.len() as u64
    }

    /// The state as it was at `height`; `None` if that is outside the window. Errors: `state` is not the one
    /// whose merges were pushed.
    pub fn view<'a>(&'a self, state: &'a State, height: u64) -> Result<Option<View<'a>>, TreeError> {
        if height > self.height || height < self.oldest() {
            return Ok(None);
        }
        let steps = usize::try_from(self.height - height).unwrap_or(usize::MAX);
        let overlays: Vec<&Overlay> = self.undos.iter().rev().take(steps).collect();
        View::new(state, &overlays).map(Some)
    }
}
