"""Failures a user can meet: one exception per exit code of the command line."""


class KaeError(Exception):
    """Any failure with a message for the user: what happened, to which file or value, what to do
    next (six lines at most).
    """

    exit_code = 1


class UsageError(KaeError, ValueError):
    """A value that cannot be used: unknown name, number out of range, unknown key."""

    exit_code = 2


class MissingDependencyError(KaeError):
    """An optional package is not installed; the message names the install command."""

    exit_code = 3


class DataError(KaeError):
    """A dataset that is missing, broken or does not fit the model."""

    exit_code = 4


class CorruptFileError(KaeError):
    """A file of ours that is corrupt or not to be trusted."""

    exit_code = 5


class ValidationError(KaeError):
    """A result that failed its check."""

    exit_code = 6


class DivergedError(KaeError):
    """Training whose loss is no longer a finite number."""

    exit_code = 7


class WriteError(KaeError):
    """A file or folder that cannot be written."""

    exit_code = 8
