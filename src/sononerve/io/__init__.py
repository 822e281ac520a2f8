"""Frames and masks in and out, one file per kind of source and sink."""
