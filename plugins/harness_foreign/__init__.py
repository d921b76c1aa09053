"""What the adapters to other libraries share: tables of attacks, parameters from signatures, seeds.

It is no plugin of its own: `harness_foolbox` and its like have the entry points.
"""
