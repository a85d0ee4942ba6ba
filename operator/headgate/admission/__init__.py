"""What the API server enforces by itself."""
