"""The study's experiments as one: every recipe trained, evaluated, and set beside what it printed.

`printed` holds the study's numbers, `plan` what is to be trained, `running` does it, `results`
keeps what came out; `significance`, `tables`, `figures` and `page` show it. Only `running` and
`questions` import torch, and only when something has to be trained or evaluated.
"""
