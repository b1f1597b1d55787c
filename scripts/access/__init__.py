"""The access matrix: who may do what, asked of the policies as they were applied.

``matrix`` reads the rows, ``world`` finds what their short names stand for in a state, ``evaluate`` asks the
``simulator`` on this machine or the one of an account (``aws_simulator``). ``grid`` and ``page`` show it all
to a person.
"""
