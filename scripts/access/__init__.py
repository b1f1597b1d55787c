"""The access matrix: who may do what, evaluated with the applied policies.

``matrix`` reads the rows, ``world`` resolves their short names in a state, ``evaluate`` uses the
``simulator`` on this machine or that of an account (``aws_simulator``). ``grid`` and ``page`` show the
results.
"""
