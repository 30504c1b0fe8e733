"""What can go wrong when a stack is started; the text of each is meant for the person at the terminal."""


class StackError(Exception):
    """The stack cannot do what was asked."""


class NotInstalled(StackError):
    """A server is missing on this machine and could not be installed."""


class SettingsMissing(StackError):
    """There is no file with settings."""


class AlreadyRunning(StackError):
    """Another program uses the same data folder."""


class StartFailed(StackError):
    """A program ended, or was not ready in time; the text holds its last log lines."""

    def __init__(self, message: str, *, exit_code: int | None = None) -> None:
        super().__init__(message)
        self.exit_code = exit_code
