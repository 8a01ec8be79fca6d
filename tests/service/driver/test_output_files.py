"""Files uploaded after a command: which, where to, when, and what is said if it fails."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from localbatch.bodies.commands import OutputContainer, OutputDestination, OutputFile, OutputUploadOptions
from tests.support.blobs import Blobs, local_blobs
from tests.support.hostile import HOSTILE_NAMES
from tests.support.nodes import local_node

# Writes one small file each for all its arguments.
WRITE = '/bin/sh -c \'for f; do mkdir -p "$(dirname -- "./$f")"; printf %s "$f" > "./$f"; done\' x'


@pytest.fixture(scope="module")
def blobs() -> Iterator[Blobs]:
    with local_blobs() as running:
        yield running


@pytest.fixture
def container(blobs: Blobs, request: pytest.FixtureRequest) -> str:
    """An empty container of the test's own."""
    name = f"c{abs(hash(request.node.nodeid))}"
    blobs.container(name)
    return name


def output(pattern: str, link: str, path: str | None = None, condition: str = "taskcompletion") -> OutputFile:
    return OutputFile(
        file_pattern=pattern,
        destination=OutputDestination(container=OutputContainer(container_url=link, path=path)),
        upload_options=OutputUploadOptions(upload_condition=condition),
    )


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("*.txt", None, ["a.txt", "b.txt"]),
        ("*.txt", "res", ["res/a.txt", "res/b.txt"]),
        ("*.txt", "res/", ["res/a.txt", "res/b.txt"]),
        ("**/*.txt", "res", ["res/a.txt", "res/b.txt", "res/out/c.txt", "res/out/deep/d.txt"]),
        ("out/**/*.txt", None, ["out/c.txt", "out/deep/d.txt"]),
        ("out/**", None, ["out/c.txt", "out/data.bin", "out/deep/d.txt"]),
        ("**", None, ["a.txt", "b.txt", "out/c.txt", "out/data.bin", "out/deep/d.txt"]),
        ("[!a].txt", None, ["b.txt"]),
        ("?.txt", None, ["a.txt", "b.txt"]),
        (".*", None, [".hidden"]),
        ("out/c.txt", None, ["c.txt"]),
        ("out/c.txt", "here/named.txt", ["here/named.txt"]),
        ("./a.txt", "x", ["x"]),
        ("../std*.txt", None, ["stderr.txt", "stdout.txt"]),
        ("../std*.txt", "logs", ["logs/stderr.txt", "logs/stdout.txt"]),
        ("../stdout.txt", "out.log", ["out.log"]),
        ("$AZ_BATCH_TASK_DIR/std*.txt", "logs", ["logs/stderr.txt", "logs/stdout.txt"]),
        ("${AZ_BATCH_TASK_WORKING_DIR}/out/*.txt", "res", ["res/out/c.txt"]),
        ("../*.txt", None, ["stderr.txt", "stdout.txt"]),
        ("out", None, []),
        ("absent/*.txt", None, []),
        ("/", None, []),
        ("../../../../../../../../../../../../../../etc/host*", None, []),
        ("/etc/host*", None, []),
    ],
)
async def test_a_pattern_chooses_files_and_the_path_says_where_they_go(
    pattern: str, path: str | None, expected: list[str], container: str, blobs: Blobs, tmp_path: Path
) -> None:
    async with local_node(tmp_path) as node:
        outcome = await node.run(
            f"{WRITE} a.txt b.txt out/c.txt out/deep/d.txt out/data.bin .hidden .dot/e.txt",
            output_files=[output(pattern, blobs.link(container, "w"), path)],
        )
    assert outcome.failure is None
    assert blobs.names(container) == expected


async def test_what_is_uploaded_is_what_was_written(container: str, blobs: Blobs, tmp_path: Path) -> None:
    async with local_node(tmp_path) as node:
        await node.run("echo hello", output_files=[output("../std*.txt", blobs.link(container, "w"))])
        assert "stdout.txt" in node.path("fileuploadout.txt").read_text()
        assert "sig=" not in node.path("fileuploadout.txt").read_text()
        assert node.path("fileuploaderr.txt").read_text() == ""
    assert blobs.read(container, "stdout.txt") == b"hello\n"
    assert blobs.read(container, "stderr.txt") == b""


async def test_a_second_run_replaces_what_the_first_has_uploaded(container: str, blobs: Blobs, tmp_path: Path) -> None:
    async with local_node(tmp_path) as node:
        for word in ("first", "second"):
            await node.run(f"echo {word}", output_files=[output("../stdout.txt", blobs.link(container, "w"))])
    assert blobs.read(container, "stdout.txt") == b"second\n"


async def test_files_of_any_name_are_uploaded(container: str, blobs: Blobs, tmp_path: Path) -> None:
    # The Blob service itself takes a backslash for a slash.
    names = [name for name in HOSTILE_NAMES if "\\" not in name]
    async with local_node(tmp_path) as node:
        await node.run("true")
        for name in names:
            node.path(f"wd/{name}").write_text(name)
        outcome = await node.run("true", output_files=[output("*", blobs.link(container, "w"))], keep_directory=True)
    assert outcome.failure is None
    assert {name: blobs.read(container, name).decode() for name in blobs.names(container)} == {n: n for n in names}


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("true", ["completion.txt", "success.txt"]),
        ("false", ["completion.txt", "failure.txt"]),
        ("sleep 600", ["completion.txt", "failure.txt"]),
        ("no-such-program", []),
    ],
)
async def test_the_condition_says_when_a_file_is_uploaded(
    command: str, expected: list[str], container: str, blobs: Blobs, tmp_path: Path
) -> None:
    link = blobs.link(container, "w")
    files = [
        output("../stdout.txt", link, f"{word}.txt", f"Task{word}") for word in ("success", "failure", "completion")
    ]
    async with local_node(tmp_path) as node:
        await node.run(command, output_files=files, seconds=1)
    assert blobs.names(container) == expected


@pytest.mark.parametrize(
    ("permission", "hours", "code"), [("w", -1, "FileUploadAccessDenied"), ("r", 1, "FileUploadAccessDenied")]
)
async def test_a_refused_upload_is_a_failure_of_the_task(
    permission: str, hours: float, code: str, container: str, blobs: Blobs, tmp_path: Path
) -> None:
    link = blobs.link(container, permission, hours=hours)
    async with local_node(tmp_path) as node:
        outcome = await node.run("true", output_files=[output("../stdout.txt", link)])
        assert "stdout.txt" in node.path("fileuploaderr.txt").read_text()
    assert outcome.exit_code == 0
    assert outcome.failure is not None
    assert (outcome.failure.category, outcome.failure.code) == ("usererror", code)
    assert "sig=" not in repr(outcome)


async def test_a_name_that_no_blob_can_have_is_a_failure_of_the_task(
    container: str, blobs: Blobs, tmp_path: Path
) -> None:
    async with local_node(tmp_path) as node:
        command = '/bin/sh -c \'touch "x$(printf "\\033")y.txt"\''
        outcome = await node.run(command, output_files=[output("*.txt", blobs.link(container, "w"))])
    assert outcome.failure is not None
    assert outcome.failure.code == "FileUploadMiscError"
    assert blobs.names(container) == []


async def test_a_container_that_is_not_there_is_a_failure_of_the_task(blobs: Blobs, tmp_path: Path) -> None:
    async with local_node(tmp_path) as node:
        outcome = await node.run("true", output_files=[output("../stdout.txt", blobs.link("absent", "w"))])
    assert outcome.failure is not None
    assert outcome.failure.code == "FileUploadContainerNotFound"
    assert ("Message", "404 ContainerNotFound") in outcome.failure.details


async def test_a_storage_that_does_not_answer_is_a_failure_of_the_task(tmp_path: Path) -> None:
    async with local_node(tmp_path) as node:
        outcome = await node.run("true", output_files=[output("../stdout.txt", "http://127.0.0.1:1/account/c?sig=x")])
    assert outcome.failure is not None
    assert outcome.failure.code == "FileUploadMiscError"
    assert ("Message", "The storage service did not answer") in outcome.failure.details


async def test_the_programs_own_failure_is_told_before_that_of_an_upload(blobs: Blobs, tmp_path: Path) -> None:
    async with local_node(tmp_path) as node:
        outcome = await node.run("false", output_files=[output("../stdout.txt", blobs.link("absent", "w"))])
    assert outcome.failure is not None
    assert (outcome.exit_code, outcome.failure.code) == (1, "FailureExitCode")


async def test_no_link_out_of_the_node_is_followed(container: str, blobs: Blobs, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key.txt").write_text("secret")
    line = (
        f"/bin/sh -c 'ln -s {secret}/key.txt file.txt; ln -s {secret} dir; echo own > own.txt; ln -s own.txt alias.txt'"
    )
    async with local_node(tmp_path) as node:
        link = blobs.link(container, "w")
        await node.run(line, output_files=[output("*.txt", link), output("dir/*", link), output("**/key.txt", link)])
    assert blobs.names(container) == ["alias.txt", "own.txt"]


async def test_links_in_a_circle_do_no_harm(container: str, blobs: Blobs, tmp_path: Path) -> None:
    async with local_node(tmp_path) as node:
        line = "/bin/sh -c 'mkdir a; ln -s .. a/up; ln -s b b; echo x > a/x.txt'"
        outcome = await node.run(line, output_files=[output("**/*.txt", blobs.link(container, "w"))])
    assert outcome.failure is None
    assert blobs.names(container) == ["a/x.txt"]


async def test_headers_for_the_upload_reach_the_blob(container: str, blobs: Blobs, tmp_path: Path) -> None:
    file = output("../stdout.txt", blobs.link(container, "w"))
    assert file.destination.container is not None
    given = {"uploadHeaders": [{"name": "x-ms-blob-content-type", "value": "text/plain"}]}
    headed = OutputContainer.model_validate(file.destination.container.model_dump() | given)
    async with local_node(tmp_path) as node:
        await node.run(
            "true", output_files=[file.model_copy(update={"destination": OutputDestination(container=headed)})]
        )
    properties = blobs.service.get_blob_client(container, "stdout.txt").get_blob_properties()
    assert properties.content_settings.content_type == "text/plain"


async def test_a_file_of_several_blocks_arrives_whole(container: str, blobs: Blobs, tmp_path: Path) -> None:
    async with local_node(tmp_path) as node:
        await node.run("truncate -s 20M big", output_files=[output("big", blobs.link(container, "w"))])
    assert blobs.service.get_blob_client(container, "big").get_blob_properties().size == 20 << 20


async def test_a_search_ends_however_many_directories_there_are_to_fit_a_pattern(
    container: str, blobs: Blobs, tmp_path: Path
) -> None:
    async with local_node(tmp_path) as node:
        outcome = await node.run(
            "/bin/sh -c 'mkdir -p $(printf d/%.0s $(seq 40)) && touch d/d/x.txt'",
            output_files=[output("**/" * 20 + "*.txt", blobs.link(container, "w"), "res")],
        )
    assert outcome.failure is None
    assert blobs.names(container) == ["res/d/d/x.txt"]
