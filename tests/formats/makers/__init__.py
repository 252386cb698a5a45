"""The makers of the test files: one module per family of formats. `make_formats.py` runs them."""
