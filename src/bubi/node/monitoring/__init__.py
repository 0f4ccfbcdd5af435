"""What a node measures of its machine, its connections and its clients."""
