"""The endpoints that huggingface_hub calls, a function each."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote

import yaml

from loopback_hub.exchange import Answer, Request, of_json, refusal
from loopback_hub.store import Repo, etag, info_of, is_large

if TYPE_CHECKING:
    from loopback_hub.hub import LoopbackHub

REPO = r"(?P<repo>[^/]+/[^/]+?)"
FRONT_MATTER = re.compile(r"\A---\r?\n(.*?)\r?\n---", re.DOTALL)


def answer(hub: LoopbackHub, request: Request) -> Answer:
    """The answer to a request: of the first route that fits, if the repository may be seen."""
    for method, pattern, route in ROUTES:
        match = re.fullmatch(pattern, request.path)
        if match is None or request.method not in method.split():
            continue
        fields = {name: unquote(value) for name, value in match.groupdict().items() if value is not None}
        if method in ("POST", "PUT") and route not in OPEN and not is_owner(request):
            return refusal(401, "", "Invalid username or password.")
        if name := fields.pop("repo", None):
            repo = hub.repos.get(name)
            if repo is None or (repo.private and not is_owner(request)):
                return refusal(404 if is_owner(request) else 401, "RepoNotFound", "Repository not found")
            return route(hub, request, name, repo, **fields)
        return route(hub, request, **fields)
    return refusal(404, "", f"No route {request.method} {request.path}")


def is_owner(request: Request) -> bool:
    """Whether the request bears the token."""
    from loopback_hub.hub import TOKEN

    return request.headers.get("Authorization") == f"Bearer {TOKEN}"


def create(hub: LoopbackHub, request: Request) -> Answer:
    """A new repository."""
    values = request.json
    name = f"{values.get('organization') or 'me'}/{values['name']}"
    known = name in hub.repos
    hub.repos.setdefault(name, Repo(private=values.get("visibility") == "private"))
    return of_json({"url": f"{hub.address}/{name}", "name": name}, 409 if known else 200)


def validate_yaml(hub: LoopbackHub, request: Request) -> Answer:
    """Whether the front matter of a card is an object with the types that the Hub asks for."""
    match = FRONT_MATTER.match(request.json["content"])
    try:
        data = yaml.safe_load(match[1]) if match else {}
        kinds = {"license": str, "tags": list, "model-index": list, "library_name": str}
        wrong = [key for key, kind in kinds.items() if not isinstance(data.get(key, kind()), kind)]
    except (yaml.YAMLError, AttributeError) as error:
        wrong = [str(error)]
    errors = [{"message": f'"{key}" is not valid'} for key in wrong]
    return of_json({"errors": errors, "warnings": []}, 400 if errors else 200)


def preupload(hub: LoopbackHub, request: Request, name: str, repo: Repo, revision: str) -> Answer:
    """How each file is to be sent, and what is there already."""
    commit = repo.at(revision)
    there = commit.files if commit else {}
    return of_json(
        {
            "files": [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if is_large(file["path"]) else "regular",
                    "shouldIgnore": False,
                    **({"oid": etag(file["path"], there[file["path"]])} if file["path"] in there else {}),
                }
                for file in request.json["files"]
            ]
        }
    )


def lfs_batch(hub: LoopbackHub, request: Request, name: str, repo: Repo) -> Answer:
    """Where to put large files; nothing for those that are there."""
    objects = []
    for wanted in request.json["objects"]:
        one = {"oid": wanted["oid"], "size": wanted["size"]}
        if wanted["oid"] not in hub.objects:
            href = f"{hub.storage}/objects/{wanted['oid']}"
            one["actions"] = {"upload": {"href": href}, "verify": {"href": f"{hub.address}/{name}/verify"}}
        objects.append(one)
    return of_json({"transfer": "basic", "objects": objects})


def put_object(hub: LoopbackHub, request: Request, oid: str) -> Answer:
    """A large file; only under its own hash."""
    if hashlib.sha256(request.body).hexdigest() != oid:
        return Answer(400)
    hub.objects[oid] = request.body
    return Answer()


def verify(hub: LoopbackHub, request: Request, name: str, repo: Repo) -> Answer:
    """Whether a large file arrived."""
    return Answer(200 if request.json["oid"] in hub.objects else 404)


def commit(hub: LoopbackHub, request: Request, name: str, repo: Repo, revision: str) -> Answer:
    """A commit, as lines of JSON."""
    changes: dict[str, bytes | None] = {}
    for line in filter(None, request.body.split(b"\n")):
        entry = json.loads(line)
        value = entry["value"]
        if entry["key"] == "file":
            changes[value["path"]] = base64.b64decode(value["content"])
        elif entry["key"] == "lfsFile":
            changes[value["path"]] = hub.objects[value["oid"]]
        elif entry["key"] == "deletedFile":
            changes[value["path"]] = None
    oid = repo.commit(changes, revision).oid
    return of_json({"success": True, "commitOid": oid, "commitUrl": f"{hub.address}/{name}/commit/{oid}"})


def tag(hub: LoopbackHub, request: Request, name: str, repo: Repo, revision: str) -> Answer:
    """A name for a commit."""
    if request.json["tag"] in repo.refs:
        return Answer(409)
    repo.refs[request.json["tag"]] = repo.at(revision).oid
    return Answer()


def info(hub: LoopbackHub, request: Request, name: str, repo: Repo, revision: str = "main") -> Answer:
    """A repository's files at a revision."""
    found = repo.at(revision)
    if found is None:
        return refusal(404, "RevisionNotFound", f"Invalid rev id: {revision}")
    return of_json({"id": name, "sha": found.oid, "siblings": [{"rfilename": path} for path in found.files]})


def paths_info(hub: LoopbackHub, request: Request, name: str, repo: Repo, revision: str) -> Answer:
    """Sizes and names of the content of some files."""
    found = repo.at(revision)
    if found is None:
        return refusal(404, "RevisionNotFound", f"Invalid rev id: {revision}")
    wanted = parse_qs(request.body.decode()).get("paths", [])
    return of_json([info_of(path, found.files[path]) for path in wanted if path in found.files])


def resolve(hub: LoopbackHub, request: Request, name: str, repo: Repo, revision: str, file: str) -> Answer:
    """A file; a large one is elsewhere."""
    if repo.gated and not is_owner(request):
        return refusal(403, "GatedRepo", f"Access to model {name} is restricted.")
    found = repo.at(revision)
    if found is None:
        return refusal(404, "RevisionNotFound", f"Invalid rev id: {revision}")
    headers = {"X-Repo-Commit": found.oid}
    if file not in found.files:
        missing = refusal(404, "EntryNotFound", "Entry not found")
        missing.headers |= headers
        return missing
    content = found.files[file]
    name_of_content = etag(file, content)
    if not is_large(file):
        return Answer(200, content, {**headers, "ETag": f'"{name_of_content}"'})
    hub.objects.setdefault(name_of_content, content)
    headers |= {"X-Linked-Etag": f'"{name_of_content}"', "X-Linked-Size": str(len(content))}
    return Answer(302, b"", {**headers, "Location": f"{hub.storage}/objects/{name_of_content}/{file}"})


def get_object(hub: LoopbackHub, request: Request, oid: str, file: str) -> Answer:
    """A large file."""
    return Answer(200, hub.objects[oid]) if oid in hub.objects else Answer(404)


def get_manifest(hub: LoopbackHub, request: Request, file: str) -> Answer:
    """Any file of no repository, as other web servers have them."""
    return Answer(200, hub.objects[file]) if file in hub.objects else Answer(404)


ROUTES: tuple[tuple[str, str, Callable[..., Answer]], ...] = (
    ("POST", "/api/repos/create", create),
    ("POST", "/api/validate-yaml", validate_yaml),
    ("POST", rf"/api/models/{REPO}/preupload/(?P<revision>[^/]+)", preupload),
    ("POST", rf"/api/models/{REPO}/commit/(?P<revision>[^/]+)", commit),
    ("POST", rf"/api/models/{REPO}/tag/(?P<revision>[^/]+)", tag),
    ("POST", rf"/{REPO}\.git/info/lfs/objects/batch", lfs_batch),
    ("POST", rf"/{REPO}/verify", verify),
    ("PUT", r"/objects/(?P<oid>[0-9a-f]{64})", put_object),
    ("GET", rf"/api/models/{REPO}(?:/revision/(?P<revision>[^/]+))?", info),
    ("POST", rf"/api/datasets/{REPO}/paths-info/(?P<revision>[^/]+)", paths_info),
    ("GET HEAD", rf"/datasets/{REPO}/resolve/(?P<revision>[^/]+)/(?P<file>.+)", resolve),
    ("GET HEAD", rf"/{REPO}/resolve/(?P<revision>[^/]+)/(?P<file>.+)", resolve),
    ("GET", r"/objects/(?P<oid>[0-9a-f]{64})/(?P<file>.+)", get_object),
    ("GET", r"/files/(?P<file>.+)", get_manifest),
)
OPEN = (validate_yaml, put_object, paths_info)  # these need no token
