"""Trains, exports, quantises, calibrates and measures Undertone's own model.

`python -m training --data DIR --out models/NAME` runs the whole chain; every
stage is a module of its own that can also be run alone.
"""
