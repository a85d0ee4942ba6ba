"""The process: settings, leadership, health, metrics, logs."""
