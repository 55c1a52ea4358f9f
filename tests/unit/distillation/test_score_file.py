"""What is read after a stop, and after a kill in the middle of a line."""

from pathlib import Path

from vibethinker.distillation.score_file import append_scores, read_scores

FIRST, SECOND = {("a", "p/1", 0): (3, 0.1), ("a", "p/1", 1): (4, 1 / 3)}, {("b", "ü", 0): (1, 2.5)}


def test_all_chunks_are_read_to_the_bit(tmp_path: Path) -> None:
    assert read_scores(tmp_path / "scores") == {}
    append_scores(tmp_path / "scores", FIRST)
    append_scores(tmp_path / "scores", SECOND)
    assert read_scores(tmp_path / "scores") == FIRST | SECOND


def test_a_torn_last_line_is_removed_wherever_it_was_torn(tmp_path: Path) -> None:
    path = tmp_path / "scores"
    append_scores(path, FIRST)
    before = path.stat().st_size
    append_scores(path, SECOND)
    whole = path.read_bytes()
    for size in range(before, len(whole)):
        path.write_bytes(whole[:size])
        assert read_scores(path) == FIRST
        append_scores(path, SECOND)
        assert path.read_bytes() == whole
    path.write_bytes(whole[: before - 1])
    assert read_scores(path) == {} and path.read_bytes() == b""
