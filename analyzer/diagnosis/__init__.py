"""Stage 5: what happened and what the validator says, weighed together: why the handshake was aborted.

`progress` tells how far a connection came and who ended it; `causes` holds one unit for each cause; `engine` asks them
all and picks.
"""
