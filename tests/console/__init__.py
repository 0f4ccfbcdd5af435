"""The web console, in a browser and as files."""
