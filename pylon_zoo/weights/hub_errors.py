"""What goes wrong with the Hub, in one sentence each: what, where, and what to do next."""

from __future__ import annotations

from pylon_zoo.errors import WeightsError, first_line
from pylon_zoo.weights.patience import answered

LOG_IN = "log in with `hf auth login` or set HF_TOKEN"
INCONSISTENT = "Consistency check failed"  # how huggingface_hub says that a file has another length than announced


def hub_error(error: Exception, wish: str, repo: str) -> WeightsError:
    """The error to raise for one of huggingface_hub's.

    Args:
        error: what its call raised.
        wish: what could not be done: the beginning of the message.
        repo: `org/name`.
    """
    return WeightsError(f"{wish}: {_reason(error, repo)}")


def _reason(error: Exception, repo: str) -> str:
    from huggingface_hub import constants, errors

    if isinstance(error, errors.LocalEntryNotFoundError):
        if constants.is_offline_mode():
            return (
                "it is not in the cache, and offline mode (HF_HUB_OFFLINE) allows no download. Load it once online, or "
                "copy the cache of a machine that has it (HF_HOME)."
            )
        cause = error.__cause__ or error
        return f"{_status(cause) or _short(cause)}. Check the connection to {constants.ENDPOINT}, or try again later."
    table: tuple[tuple[type[Exception], str], ...] = (
        (
            errors.GatedRepoError,
            f"it is gated. Ask for access at {constants.ENDPOINT}/{repo}, then {LOG_IN}.",
        ),
        (
            errors.RepositoryNotFoundError,
            f"there is no such repository, or it is private. Check the name; if it is private, {LOG_IN}.",
        ),
        (errors.RevisionNotFoundError, "there is no such revision. Give a branch, a tag or a commit of it."),
        (
            errors.EntryNotFoundError,
            "the repository has no such file; nothing else is read in its place, pickles least of all. Publish it with "
            "`pylon-zoo weights publish`.",
        ),
    )
    for kind, reason in table:
        if isinstance(error, kind):
            return reason
    if status := _status(error):
        advice = f"Check your token: {LOG_IN}" if status.endswith(("401", "403")) else "Try again later"
        return f"{status}. {advice}."
    if INCONSISTENT in str(error):
        return "the server sent another number of bytes than it announced. Nothing was kept; try again."
    if isinstance(error, errors.HTTPError):
        return f"the connection broke ({_short(error)}). Nothing was kept; try again."
    if isinstance(error, OSError) and error.strerror:
        return (
            f"the cache {constants.HF_HUB_CACHE} cannot be written ({error.strerror}). Make room, or "
            "set HF_HOME to another folder."
        )
    return f"{_short(error)}."


def _status(error: BaseException) -> str:
    response = getattr(error, "response", None)
    return "" if response is None else answered(response)


def _short(error: BaseException) -> str:
    return first_line(error).rstrip(".")[:150]
