"""The validators, one module each, found by walking this folder. A module holds one `PROFILE`."""
