"""Streams of running tasks as lines, and whose are followed."""

import itertools

import pytest

from prefect_azure_batch.blocks.hiding import hide
from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.following import (
    PIECE_BYTES,
    Limiter,
    Stream,
    check_followed,
    chosen,
    first_and_last,
    left_out,
    matches,
    short_names,
)
from prefect_azure_batch.tasks.records import AddedTask


def lines_of(*pieces: bytes) -> list[str]:
    """All lines of a stream that came in pieces."""
    stream = Stream()
    return [*itertools.chain.from_iterable(stream.take(piece) for piece in pieces), *stream.end()]


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        ("one\ntwo\n", ["one", "two"]),
        ("one\n\n \nlast", ["one", "last"]),
        ("Grüße, 世界 🎉\nña", ["Grüße, 世界 🎉", "ña"]),
        ("10%\r20%\r30%\nnext\r\nbar 1\rbar 2\r", ["30%", "next", "bar 2"]),
        ("\r  5%\r 10%\r done\n", [" done"]),
        ("\x1b[31mred\x1b[0m \x1b]0;title\x07and\tplain\x08\n", ["red and\tplain"]),
        ("key=s3cret-of-streams-1, s3cret-of-streams-1\n", ["key=***, ***"]),
        ("https://a.blob.core.windows.net/c/b?sv=1&sig=abc ok\n", ["https://a.blob.core.windows.net/c/b ok"]),
    ],
)
def test_lines_are_whole_wherever_a_piece_ends(content: str, lines: list[str]) -> None:
    hide("s3cret-of-streams-1")
    data = content.encode()
    for middle in range(len(data) + 1):
        assert lines_of(data[:middle], data[middle:]) == lines
    assert lines_of(*(data[place : place + 1] for place in range(len(data)))) == lines


def test_a_secret_of_several_lines_is_hidden_wherever_a_piece_ends() -> None:
    hide("KEY-1 of streams\nKEY-2 of streams")
    data = b"is KEY-1 of streams\nKEY-2 of streams\nrest\n"
    for middle in range(len(data) + 1):
        shown = "\n".join(lines_of(data[:middle], data[middle:]))
        assert shown.startswith("is ***")
        assert shown.endswith("\nrest")
        assert "KEY" not in shown


def test_of_a_line_without_an_end_the_beginning_is_shown_and_no_secret_behind_it() -> None:
    hide("s3cret-of-streams-1")
    (line,) = lines_of(*([b"x" * 900 + b" s3cret-of-streams-1 "] + [b"y" * 1000] * 100), b"\n")
    assert line.startswith("x" * 900 + " *** yy")
    assert line.endswith(" characters left out")
    assert len(line) < 1100
    assert lines_of(b"z" * 100_000, b"z", b"\nnext\n")[1:] == ["next"]


def test_what_has_come_faster_than_it_is_read_is_left_out_but_for_its_end() -> None:
    stream = Stream()
    assert stream.span(0) is None
    assert stream.span(10) == (0, 10, 0)
    assert stream.take(b"first\nhalf") == ["first"]
    size = 10 + 100_000 + PIECE_BYTES
    assert stream.span(size) == (size - PIECE_BYTES, size, 100_000)
    assert stream.take(b"torn" * 100) == []
    assert stream.take(b"torn\nwhole\nlast") == ["whole"]
    assert stream.end() == ["last"]
    assert stream.span(stream.position) is None


def test_of_many_lines_some_are_allowed_at_once_and_so_many_a_second() -> None:
    now = 0.0
    limiter = Limiter(2, lambda: now)
    assert [limiter.allow(150), limiter.allow(150), limiter.allow(5)] == [150, 50, 0]
    now = 3.0
    assert limiter.allow(100) == 30
    now = 1000.0
    assert limiter.allow(10_000) == 200


@pytest.mark.parametrize(
    ("lines", "size", "text"),
    [(1204, 0, "… 1,204 lines"), (1, 3_140_000, "… 3.1 MB and 1 line"), (0, 12_000, "… 12.0 kB"), (0, 9, "… 9 bytes")],
)
def test_what_is_left_out_is_counted_and_found(lines: int, size: int, text: str) -> None:
    assert left_out(lines, size, "az://c/f/stdout.txt") == f"{text} left out; the whole is kept in az://c/f/stdout.txt"


@pytest.mark.parametrize("pattern", ["/data/a[1].csv", "a[1].csv", "*.csv", "/data/*", "a-123"])
def test_a_task_is_meant_by_its_input_a_pattern_or_its_id(pattern: str) -> None:
    assert matches(pattern, "/data/a[1].csv", "a-123")
    assert not matches(pattern, "/other/b.txt", "b-123")


def task(label: str) -> AddedTask:
    return AddedTask(0, label, f"id-of-{label}", "folder")


def test_few_tasks_are_followed_unasked_and_of_many_what_is_named() -> None:
    tasks = [task(f"{number}.txt") for number in range(11)]
    assert chosen(tasks[:10], [], 10) == tasks[:10]
    assert chosen(tasks, [], 11) == []
    assert chosen(tasks, ["3*", "id-of-5.txt"], 11) == [tasks[3], tasks[5]]


def test_what_there_is_not_is_refused_with_what_there_is_and_too_much_is_refused() -> None:
    names = [(f"data/{number}.txt", f"id-{number}") for number in range(21)]
    check_followed(["1.txt", "data/2*", "id-7"], lambda: names, "inputs")
    check_followed([], lambda: names, "inputs")
    check_followed(["none"], lambda: names, "inputs")
    with pytest.raises(BadInput, match=r"--follow: 'x' is none of the inputs.* data/1.txt, data/2.txt, \.\.\.$"):
        check_followed(["1.txt", "x"], lambda: names, "inputs")
    with pytest.raises(BadInput, match=r"--follow: 21 tasks are meant, and 20 at most"):
        check_followed(["*"], lambda: names, "inputs")
    with pytest.raises(BadInput, match=r"--follow: none stands alone"):
        check_followed(["none", "1.txt"], lambda: names, "inputs")


def test_names_are_short_and_tell_tasks_apart() -> None:
    assert short_names(["/data/a/one.txt", "/data/b/two.txt", "seed=1"]) == ["one.txt", "two.txt", "seed=1"]
    assert short_names(["a/x.txt", "b/x.txt"]) == ["a/x.txt", "b/x.txt"]
    (name,) = short_names(["y" * 60 + "end"])
    assert (len(name), name[0], name[-3:]) == (40, "…", "end")


def test_the_first_and_last_lines_of_a_stream() -> None:
    assert first_and_last(b"1\n2\n3\n4", b"", 2) == ["1", "2", "3", "4"]
    assert first_and_last(b"1\n2\n3\n4\n5\n", b"", 2) == ["1", "2", "…", "4", "5"]
    assert first_and_last(b"1\n2\n3\nto", b"rn\n8\n9\n", 2) == ["1", "2", "…", "8", "9"]
