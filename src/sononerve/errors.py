"""The errors that are shown to a user as one sentence, without a traceback."""


class InputError(ValueError):
    """Something given from outside is wrong; the message names it, says what was expected, and the fix."""


class TrainingError(RuntimeError):
    """Training cannot go on; the message says why and what to change."""
