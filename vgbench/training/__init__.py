"""The study's recipe, as far as the included weights need it (extra: `vgbench[train]`).

`python -m vgbench.training.reference` makes the reference model; nothing else in vgbench imports
this package.
"""
