"""Data sets: their layouts on disk, their split, the phantom, and what training makes of their frames."""
