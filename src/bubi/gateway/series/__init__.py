"""The gateway's own store of measurements over time."""
