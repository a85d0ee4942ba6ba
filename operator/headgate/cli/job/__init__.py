"""`headgate job`."""
