"""Fits a served model to one's own texts: labelled CSV in, a model folder out.

`python -m training.domain --data FILE.csv --out models/NAME` runs the whole chain;
`chain.py` reads as its description.
"""
