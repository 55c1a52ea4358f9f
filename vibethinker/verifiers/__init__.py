"""Verdicts on responses, maths and code, without guessing. Importing it loads no algebra and starts no process."""
