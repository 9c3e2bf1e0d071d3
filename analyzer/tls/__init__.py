"""Stage 3: ordered bytes to records, handshake messages, alerts; and these to a `Connection`."""
