"""What the nodes tell of themselves: asked regularly, kept as series, shown by routes."""
