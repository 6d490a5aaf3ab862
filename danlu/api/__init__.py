"""The Python functions of danlu, one module for each, and the model that `danlu.load` returns."""
