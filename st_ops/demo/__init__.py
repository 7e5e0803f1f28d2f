"""The main job, end to end, on one machine: ``make demo`` or ``python -m st_ops.demo``.

It starts the platform as anybody would (``st-ops up``), an AWS on loopback and a machine to provision, lets an alert
come in and go, and believes only what AWS says afterwards.
"""
