"""`headgate queue`."""
