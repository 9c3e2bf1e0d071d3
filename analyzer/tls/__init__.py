"""Stage: tls."""
