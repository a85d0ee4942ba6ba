"""Talking to an API server: one thin client for all that is not kopf's."""
