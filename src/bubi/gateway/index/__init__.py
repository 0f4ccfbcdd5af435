"""The index: a read model of the block stream, rebuilt from it at any time."""
