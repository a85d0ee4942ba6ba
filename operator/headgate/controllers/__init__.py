"""kopf handlers, one file a kind: read the resource, tell the engine, write what it computed."""
