"""Fuzzers: commands that throw thousands of damaged and hostile inputs at Loupe, each made from a seed and a case's number.

`python -m tests.fuzz uploads --cases 10000 --seed 0` says what did not hold, and `--first N --cases 1` does case N again.
A fuzzer is a function in a file here, and a line in FUZZERS of __main__.py. Short slices of all but `repairs` are tests.
"""
