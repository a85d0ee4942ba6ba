"""The hot path: watch Jobs, admit them, cancel them."""
