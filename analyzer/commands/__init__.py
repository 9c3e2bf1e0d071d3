"""The commands, one module each: its parser, and `run(words)`, which gives the exit status.

All work is done by the library; a command reads arguments, calls it, and writes the report. Options that several
commands have are in `options`, so that they are the same everywhere.
"""
