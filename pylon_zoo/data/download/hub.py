"""Files of datasets on the Hugging Face Hub: where they are, how large, and their checksums, as the Hub tells them.

huggingface_hub knows the endpoint (`HF_ENDPOINT`), the token (`HF_TOKEN`) and offline mode. It is not what downloads:
it does not compare what it gets with the Hub's checksums, and throws away half a file when the process ends.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pylon_zoo.data.download.patience import BreakError, RefusalError, Watch, persist
from pylon_zoo.data.download.table import PAGE, RemoteFile
from pylon_zoo.data.download.web import LATER
from pylon_zoo.errors import DownloadError, first_line
from pylon_zoo.waits import seconds_of

ADDRESS = re.compile(r"hub:(?P<repo>[^/@]+/[^/@]+)@(?P<commit>[0-9a-f]{40})/(?P<path>.+)")
ADVICE = {
    401: "Log in with `hf auth login`, or set HF_TOKEN.",
    403: "Log in with `hf auth login`, or set HF_TOKEN.",
    404: f"Its repository is gone: {PAGE}, or take another source with `--from`.",
}


def on_the_web(files: Sequence[RemoteFile], watch: Watch) -> list[RemoteFile]:
    """The same files with addresses of the web, and with what the Hub publishes of those that are there.

    Args:
        files: those with an address `hub:org/name@commit/path` are looked up, a request for each repository; the others
            stay as they are.
        watch: says when the Hub asks to wait.

    Raises:
        DownloadError: the Hub does not tell.
        StoppedError: it was stopped.
    """
    places = {file.name: match for file in files if (match := ADDRESS.fullmatch(file.addresses[0]))}
    repos = {(match["repo"], match["commit"]) for match in places.values()}
    told: dict[tuple[str, str, str], Any] = {}
    for repo, commit in sorted(repos):
        paths = [match["path"] for match in places.values() if (match["repo"], match["commit"]) == (repo, commit)]
        told |= {(repo, commit, info.path): info for info in _infos(repo, commit, paths, watch)}
    return [_located(file, places[file.name], told) if file.name in places else file for file in files]


def _located(file: RemoteFile, place: re.Match[str], told: dict[tuple[str, str, str], Any]) -> RemoteFile:
    from huggingface_hub import get_token, hf_hub_url

    repo, commit, path = place["repo"], place["commit"], place["path"]
    info = told.get((repo, commit, path))
    if info is None:
        raise DownloadError(
            f"The dataset {repo} at {commit} has no file '{path}' on the Hub. Take another source with `--from`, or "
            f"{PAGE}."
        )
    token = get_token()
    return replace(
        file,
        addresses=(hf_hub_url(repo, path, repo_type="dataset", revision=commit),),
        size=info.size,
        checksum=f"sha256:{info.lfs.sha256}" if info.lfs else f"git:{info.blob_id}",
        headers={"Authorization": f"Bearer {token}"} if token else {},
    )


def _infos(repo: str, commit: str, paths: list[str], watch: Watch) -> list[Any]:
    def ask() -> list[Any]:
        from huggingface_hub import HfApi

        try:
            return HfApi().get_paths_info(repo, paths, revision=commit, repo_type="dataset")
        except Exception as error:  # it fails in every way that networks, servers and its own settings can
            raise _problem(error, repo) from error

    try:
        return persist(ask, lambda: 0, watch)
    except RefusalError as refusal:
        raise DownloadError(
            f"The dataset {repo} cannot be had from the Hub: {refusal.reason}. {refusal.advice}"
        ) from refusal


def _problem(error: Exception, repo: str) -> BreakError | RefusalError:
    from huggingface_hub import constants
    from huggingface_hub.errors import OfflineModeIsEnabled

    response = getattr(error, "response", None)
    if isinstance(error, OfflineModeIsEnabled) or constants.is_offline_mode():
        return RefusalError("offline mode (HF_HUB_OFFLINE) allows no download", "Unset HF_HUB_OFFLINE to download.")
    if response is None:
        reason = first_line(error).rstrip(".")[:150]
        return BreakError(f"no answer from {constants.ENDPOINT} ({reason})")
    code = response.status_code
    if code in LATER:
        return BreakError(f"{constants.ENDPOINT} answered {code}", seconds_of(response.headers.get("Retry-After")))
    return RefusalError(f"{constants.ENDPOINT} answered {code}", ADVICE.get(code, "Try again later."))
