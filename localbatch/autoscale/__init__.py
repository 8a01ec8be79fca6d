"""The formulas by which pools choose their sizes: a small language, read and evaluated without any service.

To use it:
- formula.py      ``evaluate``, ``compile_formula`` and what they return
- __main__.py     ``python -m localbatch.autoscale FORMULA_FILE``: tries a formula offline
- sample_file.py  samples and pool sizes as JSON, for that command

The language, each part pure:
- errors.py       all that can be wrong with a formula, with line and column
- lexer.py        text to tokens
- syntax.py       what a formula consists of
- parser.py       tokens to statements
- names.py        the names that mean something by themselves
- values.py       the types
- timestamps.py   timestamps and time intervals
- operators.py    what operators do with which types
- functions.py    the functions
- samples.py      series of samples
- methods.py      the methods of sample variables
- evaluation.py   statements to values
- results.py      values as the service writes them
"""
