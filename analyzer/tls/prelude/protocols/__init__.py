"""One module for each protocol that may go before TLS."""
