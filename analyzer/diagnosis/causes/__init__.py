"""One module for each cause; the module's docstring is the cause's page. Walked by `engine.catalogue`."""
