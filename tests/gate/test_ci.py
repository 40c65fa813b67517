"""action.yml and ci/gitlab.yml: by their schemas, and by running the very scripts in them.

What stands in: `pip install` is recorded, not done; actions of others are looked at, not run (the store that a cache
would restore is laid out by hand); `gh` is a program that keeps comments in a file, with jq for its --jq. GitLab's
notes are kept by a real HTTP server, and asked for by the real curl.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from tests.gate.conftest import Place
from tests.gate.documents import ACTION, GITLAB, WORKFLOW, complaints, load
from tests.gate.github import Ran, Runner
from tests.users import ROOT

DOCUMENTED = (ROOT / "docs/gate-ci.md").read_text("utf-8")


def blocks(kind: str) -> list[str]:
    """The fenced examples of one kind in the documentation."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", DOCUMENTED, re.MULTILINE | re.DOTALL)


# --- by their schemas


def action_of_2022() -> Any:
    """action.yml without what GitHub knows of a composite action's steps and the schema, which is of June 2022, does
    not yet: `continue-on-error`."""
    action = load(ROOT / "action.yml")
    newer = [step.pop("continue-on-error") for step in action["runs"]["steps"] if "continue-on-error" in step]
    assert newer == [True]
    return action


def resolved(template: Any) -> Any:
    """The template with its job whole, as GitLab sees it; of a hidden one the schema asks nothing."""
    job = dict(template["repro-gate"])
    return {**template, "repro-gate": {**template[job.pop("extends")], **job}}


def test_both_keep_to_their_schemas_and_so_do_the_examples() -> None:
    assert complaints(ACTION, action_of_2022()) == []
    assert complaints(GITLAB, load(ROOT / "ci/gitlab.yml")) == []
    assert complaints(GITLAB, resolved(load(ROOT / "ci/gitlab.yml"))) == []
    assert len(blocks("yaml github-workflow")) == 1 and len(blocks("yaml gitlab-ci")) == 3
    for text in blocks("yaml github-workflow"):
        assert complaints(WORKFLOW, load(text)) == []
    for text in blocks("yaml gitlab-ci"):
        assert complaints(GITLAB, load(text)) == []


def test_the_schemas_can_refuse() -> None:
    action = action_of_2022()
    del action["runs"]["steps"][0]["shell"]
    assert complaints(ACTION, action)
    template = load(ROOT / "ci/gitlab.yml")
    template[".repro-gate"]["artifacts"]["when"] = "sometimes"
    assert complaints(GITLAB, resolved(template))
    workflow = load(blocks("yaml github-workflow")[0])
    assert "on" in workflow and workflow.pop("on") and complaints(WORKFLOW, workflow)
    with pytest.raises(yaml.YAMLError, match="occurs twice"):
        load("a: 1\nb: 2\na: 3\n")
    assert load("on: yes\noff: true\n") == {"on": "yes", "off": True}


def test_no_expression_stands_within_a_script() -> None:
    for step in load(ROOT / "action.yml")["runs"]["steps"]:
        assert "${{" not in step.get("run", ""), step["name"]
        assert re.fullmatch(r"[\w-]+/[\w/-]+@v\d+", step.get("uses", "a/b@v1"))


def test_scripts_within_are_clean_too(tmp_path: Path) -> None:
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck is missing (package shellcheck)")
    job = load(ROOT / "ci/gitlab.yml")[".repro-gate"]
    scripts = {step["name"]: step["run"] for step in load(ROOT / "action.yml")["runs"]["steps"] if "run" in step}
    scripts["gitlab"] = "\n".join([*job["before_script"], *job["script"]])
    for name, text in scripts.items():
        path = tmp_path / name
        path.write_text(f"set -eo pipefail\n{text}")
        # words are split on purpose: lists of packages and of recipes
        argv = ["shellcheck", "--shell=bash", "--exclude=SC2086", path]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_examples_name_what_there_is() -> None:
    action, template = load(ROOT / "action.yml"), load(ROOT / "ci/gitlab.yml")
    (workflow,) = map(load, blocks("yaml github-workflow"))
    (gate,) = (step for step in workflow["jobs"]["gate"]["steps"] if "repro@" in step.get("uses", ""))
    assert set(gate["with"]) <= set(action["inputs"])
    for example in map(load, blocks("yaml gitlab-ci")):
        jobs = [example, *(job for name, job in example.items() if name not in ("include", "variables"))]
        assert {name for job in jobs for name in job.get("variables", {})} <= set(template["variables"])
        assert {job["extends"] for job in jobs if "extends" in job} <= set(template)
        for include in example["include"]:
            assert (ROOT / include.get("local", "ci/gitlab.yml")).exists()


def test_the_plain_shell_examples(place: Place) -> None:
    (text,) = blocks("sh")
    lines = text.splitlines()
    assert len(lines) == 3
    place.git("update-ref", "refs/remotes/origin/main", "start")
    for line in lines[:2]:  # the third takes a baseline: test_gate.py
        script = line.replace("/path/to/repro", str(ROOT))
        done = subprocess.run(["bash", "-c", script], cwd=place.project, env=place.environment(), check=False)
        assert done.returncode == 0, line
    assert (place.project / "out/gate/verdict").read_text() == "untouched\n"


# --- GitHub

GH = """\
#!{python}
import json, os, pathlib, subprocess, sys
state = pathlib.Path({state!r})
comments = json.loads(state.read_text())
args = sys.argv[1:]
with open({state!r} + ".calls", "a") as calls:
    calls.write(json.dumps(args) + "\\n")
if os.environ["GH_TOKEN"] != "token of the job":
    sys.exit("HTTP 403: Resource not accessible by integration")
assert args.pop(0) == "api"
options = {{}}
while args:
    word = args.pop(0)
    if word in ("--jq", "--method", "--field"):
        options[word] = args.pop(0)
    elif word.startswith("-"):
        assert word in ("--paginate", "--silent"), word
    else:
        path = word
if "--method" not in options:
    assert path == "repos/o/r/issues/7/comments?per_page=100", path
    for page in (comments[:2], comments[2:]):  # gh filters page by page
        subprocess.run(["jq", "-r", options["--jq"]], input=json.dumps(page), text=True, check=True)
    sys.exit()
name, _, file = options["--field"].partition("=@")
assert name == "body"
body = pathlib.Path(file).read_text()
if options["--method"] == "POST":
    assert path == "repos/o/r/issues/7/comments", path
    ours = {{"id": 100 + len(comments), "user": {{"type": "Bot"}}, "author_association": "NONE", "body": body}}
    comments.append(ours)
else:
    (found,) = [comment for comment in comments if path == f"repos/o/r/issues/comments/{{comment['id']}}"]
    found["body"] = body
state.write_text(json.dumps(comments))
"""
EARLIER = [
    {"id": 1, "user": {"type": "User"}, "author_association": "MEMBER", "body": "looks good"},
    {"id": 2, "user": {"type": "User"}, "author_association": "NONE", "body": "<!-- repro gate: repro -->\nplanted"},
    {"id": 3, "user": {"type": "Bot"}, "author_association": "NONE", "body": "<!-- repro gate: nightly -->\nother"},
]


class Job:
    """A job on GitHub in which action.yml is used, with the canned project as the workspace."""

    def __init__(
        self, folder: Path, place: Place, event: str = "pull_request", token: str = "token of the job"
    ) -> None:
        if not shutil.which("jq"):
            pytest.skip("jq is missing (package jq)")
        self.place, self.folder = place, folder
        self.temp = folder / "runner-temp"
        self.state = folder / "comments.json"
        self.state.write_text(json.dumps(EARLIER))
        self.action = folder / "action"
        for name in ("ci", "setup"):
            shutil.copytree(ROOT / name, self.action / name)
        (folder / "bin").mkdir()
        self._program(folder / "bin/gh", GH.format(python=sys.executable, state=str(self.state)))
        self._installed()
        shutil.copytree(place.canned.world.store, self.temp / "repro-store")
        self.token, self.event = token, event
        self.env: dict[str, str] = {}

    def _program(self, path: Path, text: str) -> None:
        path.write_text(text)
        path.chmod(0o755)

    def _installed(self) -> None:
        """An environment that setup/venv.sh takes for its own; what it would have installed, and where, is recorded."""
        programs = self.temp / "repro-venv/bin"
        programs.mkdir(parents=True)
        (self.temp / "repro-venv/.place").write_text(str(self.action))
        pip = f'case "$*" in *"-m pip"*) echo "$*" >"{self.folder}/pip"; exit ;; esac'
        self._program(programs / "python", f'#!/bin/sh\n{pip}\nexec "{sys.executable}" "$@"\n')
        shutil.copy(self.place.repro, programs / "repro")

    def run(self, second: Path | None = None, **inputs: str) -> tuple[Runner, dict[str, Ran]]:
        env = self.place.environment(second)
        for name in ("REPRO", "REPRO_STORE"):
            del env[name]  # the action says
        env |= {
            "PATH": f"{self.folder}/bin:{env['PATH']}",
            "GITHUB_ACTION_PATH": str(self.action),
            "GITHUB_REPOSITORY": "o/r",
            "GITHUB_WORKSPACE": str(self.place.project),
            "RUNNER_TEMP": str(self.temp),
            "CI": "true",
            **self.env,
        }
        contexts = {
            "github.token": self.token,
            "github.event_name": self.event,
            "github.event.pull_request.number": "7" if self.event == "pull_request" else "",
            "runner.temp": str(self.temp),
        }
        runner = Runner(load(ROOT / "action.yml"), self.folder, contexts, env)
        return runner, runner.run({name.replace("_", "-"): value for name, value in inputs.items()})

    @property
    def bodies(self) -> dict[int, str]:
        return {comment["id"]: comment["body"] for comment in json.loads(self.state.read_text())}


def uploaded(step: Ran) -> set[str]:
    folder = Path(step.given.get("path") or step.given["sarif_file"])
    files = {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and path.name != ".gate"
    }
    assert all((folder / name).stat().st_size for name in files)
    return files


def test_a_pull_request_that_is_as_before(place: Place, tmp_path: Path) -> None:
    job = Job(tmp_path, place)
    runner, steps = job.run(upload_sarif="true")
    assert {name: step.said for name, step in steps.items() if step.code} == {}
    assert all(step.ran for step in steps.values()) and not runner.failed
    assert (tmp_path / "pip").read_text().split()[-1] == str(job.action)
    assert runner.outputs == {"verdict": "identical", "exit-code": "0", "report": str(place.project / "out/gate")}
    assert "| `tiny` | identical |" in runner.summary.read_text()
    assert uploaded(steps["Upload the reports"]) == {
        "summary.md",
        "verdict",
        *(f"{recipe}/{name}" for recipe in ("tiny", "tony") for name in FILES),
    }
    assert {name for name in uploaded(steps["Upload SARIF"]) if name.endswith(".sarif")} == {
        "tiny/report.sarif",
        "tony/report.sarif",
    }
    restored, saved = steps["Restore the store of packages"].given, steps["Save the store of packages"].given
    assert restored["path"] == saved["path"] and restored["key"] == saved["key"]
    assert re.fullmatch(r"repro-store-repro-[0-9a-f]{64}", restored["key"])
    assert restored["key"].startswith(restored["restore-keys"].strip())
    assert job.bodies.keys() == {1, 2, 3, 103} and job.bodies[103] == runner.summary.read_text()


FILES = ("report.json", "report.html", "report.md", "junit.xml", "report.sarif", "log.txt")


def test_a_difference_fails_last_and_replaces_the_comment(place: Place, tmp_path: Path) -> None:
    job = Job(tmp_path, place)
    job.run(recipes="tiny")
    lock = place.project / "recipes/tony/recipe.lock"
    lock.write_text(lock.read_text() + "\n")
    runner, steps = job.run(place.canned.second, recipes=" tiny\n", name="repro")
    assert runner.failed and steps["Decide"].code == 1
    assert [name for name, step in steps.items() if step.code] == ["Decide"]
    assert [name for name, step in steps.items() if not step.ran] == ["Upload SARIF"]
    assert runner.outputs["verdict"] == "different"
    assert job.bodies.keys() == {1, 2, 3, 103} and "## repro: different" in job.bodies[103]
    assert "planted" in job.bodies[2] and "other" in job.bodies[3]
    assert "tony" not in runner.summary.read_text().partition("tiny")[0]
    assert "report.html" in {Path(name).name for name in uploaded(steps["Upload the reports"])}


def test_the_key_of_the_store_goes_by_locks_and_pins(place: Place, tmp_path: Path) -> None:
    runner = Runner(
        {}, tmp_path, {"inputs.name": "n", "inputs.working-directory": "."}, {"GITHUB_WORKSPACE": str(place.project)}
    )
    (key,) = (
        step["with"]["key"]
        for step in load(ROOT / "action.yml")["runs"]["steps"]
        if step.get("uses", "").startswith("actions/cache/restore@")
    )
    keys = [runner.filled(key)]
    for name in ("recipes/tiny/recipe.lock", "snapshots/tiny.toml", "recipes/tiny/recipe.toml"):
        with open(place.project / name, "a") as file:
            file.write("\n")
        keys.append(runner.filled(key))
    assert len(set(keys)) == 3 and keys[2] == keys[3]


def test_from_a_fork_there_is_a_notice_and_everything_else(place: Place, tmp_path: Path) -> None:
    job = Job(tmp_path, place, token="token of a fork")
    runner, steps = job.run(recipes="tiny")
    comment = steps["Comment on the pull request"]
    assert comment.code == 0 and "::notice title=repro::" in comment.said and "403" in comment.said
    assert job.bodies.keys() == {1, 2, 3}
    assert not runner.failed and steps["Decide"].ran and "## repro: identical" in runner.summary.read_text()


def test_a_push_since_a_commit(place: Place, tmp_path: Path) -> None:
    job = Job(tmp_path, place, event="push")
    runner, steps = job.run(changed_since="start")
    assert runner.outputs["verdict"] == "untouched" and not runner.failed
    assert not steps["Comment on the pull request"].ran
    # nothing that is said here is a script: not a name of a recipe, not a revision
    runner, steps = job.run(recipes="$(touch${IFS}owned) `touch owned`", changed_since="$(touch owned)")
    assert runner.outputs["exit-code"] == "2" and runner.failed and runner.outputs["verdict"] == "none"
    assert "exit code 2, and no report" in runner.summary.read_text()
    assert not list(place.project.rglob("owned"))


def test_a_build_that_fails(place: Place, tmp_path: Path) -> None:
    job = Job(tmp_path, place)
    job.env["BROKEN"] = "tiny"
    runner, steps = job.run(recipes="tiny")
    assert runner.outputs["exit-code"] == "3" and steps["Decide"].code == 3
    assert "Exit code 3: a build step failed" in job.bodies[103]


def test_what_the_gate_says_gives_no_commands(place: Place, tmp_path: Path) -> None:
    _, steps = Job(tmp_path, place).run(place.canned.second, recipes="tiny", comment="false")
    assert not steps["Comment on the pull request"].ran
    first, *middle, last = steps["Verify"].said.strip().splitlines()
    token = first.removeprefix("::stop-commands::")
    assert re.fullmatch("[0-9a-f]{32}", token) and last == f"::{token}::" and "gate: different" in middle[-1]


def test_a_set_up_that_fails_ends_it(place: Place, tmp_path: Path) -> None:
    runner, steps = Job(tmp_path, place).run(program="/nonexistent/repro")
    assert runner.failed and [name for name, step in steps.items() if step.ran] == ["Set up repro"]


def test_the_evaluator_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    runner = Runner({}, tmp_path, {"a.b": "x", "steps.s": ""}, {})
    assert runner.value("a.b == 'x' && (a.b != 'y' || always())") is True
    assert runner.filled("${{ a.b }}-${{ steps.s.outputs.none }}") == "x-"
    for wrong in ("a.c", "nothing()", "a.b ? 1 : 2", "steps.t.outputs.x", "a.b == 'x' 'y'"):
        with pytest.raises((AssertionError, KeyError)):
            runner.value(wrong)


# --- GitLab


class Notes:
    """GitLab's notes of one merge request, over HTTP, and of whoever has the token `secret`."""

    def __init__(self) -> None:
        self.notes: list[dict[str, Any]] = []
        self.log: list[str] = []
        forge = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self, status: int, value: Any = None) -> None:
                body = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def handle_any(self) -> None:
                url = urlsplit(self.path)
                data = parse_qs(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())
                forge.log.append(f"{self.command} {url.path}")
                if self.headers["PRIVATE-TOKEN"] != "secret":
                    return self.answer(401, {"message": "401 Unauthorized"})
                if (self.command, url.path) == ("GET", "/api/v4/user"):
                    return self.answer(200, {"id": 42})
                place = re.fullmatch(r"/api/v4/projects/5/merge_requests/9/notes(?:/(\d+))?", url.path)
                if not place:
                    return self.answer(404, {"message": "404 Not found"})
                if self.command == "GET":
                    query = {name: values[0] for name, values in parse_qs(url.query).items()}
                    size, page = int(query["per_page"]), int(query["page"])
                    return self.answer(200, forge.notes[(page - 1) * size : page * size])
                if self.command == "POST":
                    forge.add(42, data["body"][0])
                    return self.answer(201, forge.notes[-1])
                (found,) = [note for note in forge.notes if note["id"] == int(place[1])]
                found["body"] = data["body"][0]
                return self.answer(200, found)

            do_GET = do_POST = do_PUT = handle_any

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}/api/v4"

    def add(self, author: int, body: str) -> None:
        self.notes.append({"id": 1000 + len(self.notes), "author": {"id": author}, "body": body})


@pytest.fixture
def notes() -> Iterator[Notes]:
    forge = Notes()
    yield forge
    forge.server.shutdown()
    forge.server.server_close()


class GitLab:
    """A job of ci/gitlab.yml with the variables that GitLab sets."""

    def __init__(self, place: Place, folder: Path, address: str) -> None:
        self.template = load(ROOT / "ci/gitlab.yml")
        job = self.template["repro-gate"]
        assert job == {"extends": ".repro-gate"}
        self.job = self.template[job["extends"]]
        self.place, self.folder = place, folder
        self.given = {
            "CI": "true",
            "CI_API_V4_URL": address,
            "CI_MERGE_REQUEST_DIFF_BASE_SHA": place.git("rev-parse", "start"),
            "CI_MERGE_REQUEST_IID": "9",
            "CI_PIPELINE_SOURCE": "merge_request_event",
            "CI_PROJECT_DIR": str(place.project),
            "CI_PROJECT_ID": "5",
            "REPRO": str(place.repro),
        }

    def run(self, second: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
        """before_script and script, one shell, ended by the first that fails, as GitLab's runner does."""
        env = self.place.environment(second)
        for given in (self.template["variables"], self.job["variables"], self.given, variables):
            env |= {name: self._expanded(value, env) for name, value in given.items()}
        if not os.path.exists(env["REPRO_STORE"]):  # what the cache would have brought
            shutil.copytree(self.place.canned.world.store, env["REPRO_STORE"])
        # repro itself is cloned from where it lies: the scripts of this work tree, in a repository of their own
        script = "\n".join([*self.job["before_script"], *self.job["script"]])
        return subprocess.run(
            ["bash", "-eo", "pipefail", "-c", script],
            cwd=self.place.project,
            env={**env, "TMPDIR": str(self.folder)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def _expanded(self, value: str, env: Mapping[str, str]) -> str:
        return re.sub(r"\$(\w+)", lambda match: {**env, **self.given}.get(match[1], match[0]), value)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of repro to clone, with what the template takes of it."""
    folder = tmp_path_factory.mktemp("source")
    for name in ("ci", "setup"):
        shutil.copytree(ROOT / name, folder / name)
    for words in (
        ["init", "-qb", "main"],
        ["add", "."],
        ["-c", "user.name=T", "-c", "user.email=t@e", "commit", "-qm", "x"],
    ):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return folder


@pytest.fixture
def gitlab(place: Place, tmp_path: Path, notes: Notes, source: Path) -> GitLab:
    made = GitLab(place, tmp_path, notes.address)
    made.given["REPRO_REPOSITORY"] = f"file://{source}"
    (place.project / "recipes/tiny/overlay").mkdir()
    (place.project / "recipes/tiny/overlay/file").write_text("changed")
    place.git("add", ".")
    place.git("commit", "-qm", "a change")
    return made


def test_a_merge_request_gets_a_note_which_is_replaced(gitlab: GitLab, notes: Notes) -> None:
    for number in range(150):
        notes.add(7, f"note {number}")
    notes.add(7, "<!-- repro gate: repro -->\nsomebody else's")
    done = gitlab.run(REPRO_TOKEN="secret")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(notes.notes) == 152
    summary = (gitlab.place.project / "out/gate/summary.md").read_text()
    assert notes.notes[-1]["body"].rstrip() == summary.rstrip()
    assert "| `tiny` | identical |" in summary and "| `tony` | untouched |" in summary
    done = gitlab.run(gitlab.place.canned.second, REPRO_TOKEN="secret")
    assert done.returncode == 1 and len(notes.notes) == 152
    assert "## repro: different" in notes.notes[-1]["body"] and "somebody else" in notes.notes[-2]["body"]
    assert notes.log[-1] == "PUT /api/v4/projects/5/merge_requests/9/notes/1151"
    assert "secret" not in done.stdout + done.stderr


def test_what_is_kept_of_a_job_is_there(gitlab: GitLab) -> None:
    done = gitlab.run(gitlab.place.canned.second, REPRO_RECIPES="tiny tony", REPRO_CHANGED_SINCE="")
    assert done.returncode == 1, done.stderr
    artifacts, project = gitlab.job["artifacts"], gitlab.place.project
    assert artifacts["when"] == "always"
    (pattern,) = [artifacts["reports"]["junit"]]
    assert {path.parent.name for path in project.glob(pattern) if path.stat().st_size} == {"tiny", "tony"}
    for path in artifacts["paths"]:
        assert (project / path / "tiny/report.html").stat().st_size
    (path,) = gitlab.job["cache"]["paths"]
    assert gitlab._expanded(gitlab.job["variables"]["REPRO_STORE"], {}) == str(project / path)
    for pattern in gitlab.job["cache"]["key"]["files"]:
        assert list(project.glob(pattern))


@pytest.mark.parametrize("token", ["wrong", ""])
def test_a_note_that_cannot_be_written_changes_nothing(gitlab: GitLab, notes: Notes, token: str) -> None:
    done = gitlab.run(gitlab.place.canned.second, REPRO_TOKEN=token)
    assert done.returncode == 1, "the verdict"
    assert ("the note could not be written" in done.stderr) == bool(token)
    assert "no note: $REPRO_TOKEN is not set" in done.stderr or token
    assert notes.notes == [] and bool(notes.log) == bool(token)


def test_a_project_that_is_a_clone_of_repro_needs_no_other(gitlab: GitLab) -> None:
    for name in ("ci", "setup"):
        shutil.copytree(ROOT / name, gitlab.place.project / name)
    del gitlab.given["REPRO_REPOSITORY"]
    done = gitlab.run(REPRO_RECIPES="tony")
    assert done.returncode == 0, done.stderr
    assert (gitlab.place.project / "out/gate/verdict").read_text() == "untouched\n"


def test_it_runs_for_merge_requests_with_all_of_the_history() -> None:
    job = load(ROOT / "ci/gitlab.yml")[".repro-gate"]
    assert job["rules"] == [{"if": '$CI_PIPELINE_SOURCE == "merge_request_event"'}]
    assert job["variables"]["GIT_DEPTH"] == "0" and job["timeout"]


@pytest.mark.build
@pytest.mark.network
def test_the_gate_for_real(tmp_path: Path) -> None:
    """The recipe that is unreproducible on purpose, in a clone of the project."""
    clone = tmp_path / "clone"
    for name in ("ci", "repro", "recipes", "snapshots", "reports"):
        shutil.copytree(ROOT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
    program = tmp_path / "repro"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m repro.cli.main "$@"\n')
    program.chmod(0o755)
    store = {"REPRO_STORE": os.environ.get("REPRO_TEST_STORE") or str(tmp_path / "store")}
    done = subprocess.run(
        [clone / "ci/gate.sh", "unstable"],
        cwd=clone,
        env={**os.environ, "REPRO": str(program), "PYTHONPATH": str(clone), **store},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 4:
        pytest.skip(f"host: no source of Debian's packages: {done.stdout}")
    assert done.returncode == 1, done.stdout + done.stderr
    summary = (clone / "out/gate/summary.md").read_text()
    assert "## repro: different" in summary and "opt/unstable/" in summary
    assert {path.name for path in (clone / "out/gate/unstable").iterdir()} == set(FILES)
