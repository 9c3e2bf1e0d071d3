"""Stage: net."""
