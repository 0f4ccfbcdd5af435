"""The node: everything that touches the world. Start with `process.run`."""
