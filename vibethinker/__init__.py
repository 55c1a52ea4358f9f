"""Spectrum-to-Signal (SSP) as a library. It knows no workflow engine: flows/ and tasks/ orchestrate it."""

__version__ = "0.1.0"
