"""The one error that is shown to a user without a traceback."""


class InputError(ValueError):
    """Something given from outside is wrong; the message names it, says what was expected, and the fix."""
