"""A server on this machine that speaks the parts of the hub's HTTP interface that flowzoo uses."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit


@dataclass
class Repository:
    """A repository, as a list of commits, oldest first."""

    private: bool = False
    gated: bool = False
    commits: list[tuple[str, dict[str, bytes]]] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)

    def commit(self, changed: dict[str, bytes]) -> str:
        files = {**(self.commits[-1][1] if self.commits else {}), **changed}
        oid = hashlib.sha1(f"{len(self.commits)}{sorted(changed.items())}".encode()).hexdigest()
        self.commits.append((oid, files))
        return oid

    def find(self, revision: str) -> tuple[str, dict[str, bytes]] | None:
        if revision == "main":
            return self.commits[-1]
        oid = self.tags.get(revision, revision)
        return next((each for each in self.commits if each[0] == oid), None)


class Hub:
    """The server. ``token`` is that of its one user, ``owner``.

    Attributes:
        repositories: What it holds, by ``owner/name``.
        requests: The method and path of every request.
        fails_at: Parts of paths whose requests get the status 503; ``"cut"`` cuts contents short.
    """

    token = "hf_secret"

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.requests: list[str] = []
        self.fails_at = ""
        self.cuts = False
        self.stored: dict[str, bytes] = {}
        self.made: list[str] = []
        hub = self

        class Handler(_Handler):
            pass

        Handler.hub = hub
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._answer()

    do_HEAD = do_POST = do_PUT = do_GET

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append(f"{self.command} {path}")
        if self.hub.fails_at and self.hub.fails_at in path:
            self._json(503, {"error": "out of order"})
        elif path == "/api/repos/create":
            self._create(json.loads(body))
        elif path == "/api/validate-yaml":
            self._json(200, {"errors": [], "warnings": []})
        elif path.startswith("/stored/"):
            self.hub.stored[path.removeprefix("/stored/")] = body
            self._json(200, {})
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(\w+)/(.+))?", path):
            self._api(found[1], found[2] or "revision", found[3] or "main", body)
        elif found := re.fullmatch(r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch", path):
            self._batch(json.loads(body))
        elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._resolve(found[1], found[2], found[3])
        else:
            self._json(404, {"error": f"no page {path}"})

    def _is_owner(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {self.hub.token}"

    def _create(self, asked: dict[str, Any]) -> None:
        if not self._is_owner():
            return self._json(401, {"error": "Invalid username or password."})
        if asked["organization"] not in (None, "owner"):
            return self._json(403, {"error": "You don't have the rights to create a model there"})
        name = f"owner/{asked['name']}"
        if name in self.hub.repositories:
            return self._json(
                409, {"error": "You already created this model repo", "url": f"{self.hub.url}/{name}"}
            )
        private = asked.get("visibility") == "private" or asked.get("private") is True
        self.hub.repositories[name] = made = Repository(private=private)
        made.commit({".gitattributes": b"*.safetensors filter=lfs\n"})
        self._json(200, {"url": f"{self.hub.url}/{name}"})

    def _found(self, name: str, revision: str) -> tuple[Repository, str, dict[str, bytes]] | None:
        """Return a repository at a revision; if it is not there, or not for who asks, the answer is sent."""
        repository = self.hub.repositories.get(name)
        if repository is None or (repository.private and not self._is_owner()):
            headers = {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}
            self._json(404 if self._is_owner() else 401, {"error": "Repository not found"}, headers)
            return None
        found = repository.find(revision)
        if found is None:
            self._json(404, {"error": "Invalid rev id"}, {"X-Error-Code": "RevisionNotFound"})
            return None
        return repository, *found

    def _api(self, name: str, action: str, revision: str, body: bytes) -> None:
        found = self._found(name, revision)
        if found is None:
            return
        repository, oid, files = found
        if action == "revision":
            facts = {"id": name, "modelId": name, "sha": oid, "private": repository.private, "tags": []}
            return self._json(200, {**facts, "siblings": [{"rfilename": each} for each in files]})
        if not self._is_owner():
            return self._json(403, {"error": "Forbidden"})
        if action == "preupload":
            modes = [
                {
                    "path": each["path"],
                    "uploadMode": "lfs" if each["path"].endswith(".safetensors") else "regular",
                    "shouldIgnore": False,
                }
                for each in json.loads(body)["files"]
            ]
            return self._json(200, {"files": modes})
        assert action == "commit"
        changed = {}
        for line in body.splitlines():
            operation = json.loads(line)
            value = operation["value"]
            if operation["key"] == "file":
                changed[value["path"]] = base64.b64decode(value["content"])
            elif operation["key"] == "lfsFile":
                changed[value["path"]] = self.hub.stored[value["oid"]]
        oid = repository.commit(changed)
        self._json(
            200, {"commitUrl": f"{self.hub.url}/{name}/commit/{oid}", "commitOid": oid, "success": True}
        )

    def _batch(self, asked: dict[str, Any]) -> None:
        objects = [
            {**each, "actions": {"upload": {"href": f"{self.hub.url}/stored/{each['oid']}"}}}
            for each in asked["objects"]
        ]
        self._json(200, {"transfer": "basic", "objects": objects})

    def _resolve(self, name: str, revision: str, file: str) -> None:
        found = self._found(name, revision)
        if found is None:
            return
        repository, oid, files = found
        if repository.gated:
            return self._json(403, {"error": "Access is restricted"}, {"X-Error-Code": "GatedRepo"})
        if file not in files:
            return self._json(
                404, {"error": "no file"}, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": oid}
            )
        content = files[file]
        etag = hashlib.sha256(content).hexdigest()
        if self.hub.cuts and file.endswith(".safetensors"):
            content = content[:-8]
        headers = {"ETag": f'"{etag}"', "X-Repo-Commit": oid, "X-Linked-Size": str(len(content))}
        self._send(200, content, headers)

    def _json(self, status: int, data: Any, headers: dict[str, str] | None = None) -> None:
        self._send(status, json.dumps(data).encode(), {"Content-Type": "application/json", **(headers or {})})

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
