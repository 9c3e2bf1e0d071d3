"""Stage: trust."""
