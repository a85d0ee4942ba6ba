"""What compute environments scale: read, and set as the engine wants it."""
