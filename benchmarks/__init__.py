"""Figures of this machine: ``make bench`` prints them, each beside the physical limit it is compared with."""
