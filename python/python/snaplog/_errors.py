"""The exceptions of snaplog."""

from __future__ import annotations


class Error(Exception):
    """What went wrong with a log.

    ``kind`` is a stable name for programs, ``path`` the file that it is about, ``offset`` the place in it in bytes,
    and ``hint`` says what to do next; any of the last three may be None.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: str = "failed",
        path: str | None = None,
        offset: int | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind
        self.path = path
        self.offset = offset
        self.hint = hint

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\nhint: {self.hint}"

    def __reduce__(self) -> tuple[object, ...]:
        said = {"kind": self.kind, "path": self.path, "offset": self.offset, "hint": self.hint}
        return (_again, (type(self), self.message, said))


def _again(cls: type[Error], message: str, said: dict[str, object]) -> Error:
    """Make an error anew: errors come out of worker processes by pickle."""
    return cls(message, **said)  # type: ignore[arg-type]


class DamageError(Error):
    """Stored bytes are not what was written."""


class LockedError(Error):
    """Another writer has the log open."""


class IdentityError(Error):
    """The log is encrypted, and what was given does not open it."""


class NotFoundError(Error):
    """There is no such log, or no such marker."""


class RefusedError(Error, ValueError):
    """The log does not take what it was given; it is as it was before."""


class ClosedError(Error):
    """The log was closed, or belongs to the process that this one was forked off from."""


class ConversionWarning(UserWarning):
    """A value comes back from the log as a value of another type: a tuple as a list."""
