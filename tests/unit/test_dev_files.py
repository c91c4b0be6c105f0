import pytest

from pumice.dev.files import INTERVAL, QUIET, WatchedFiles, signature


class Clock:
    """A time that passes when the test says so."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now

    def look(self, watched, after=INTERVAL):
        self.now += after
        return watched.changed()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "shop.py"
    path.write_text("one = 1\n")
    return path


@pytest.fixture
def watched(clock, file):
    found = WatchedFiles(clock)
    found.watch({str(file): signature(file)})
    return found


def until_told(clock, watched):
    for looks in range(1, 20):
        if changed := clock.look(watched):
            return changed, looks
    return [], 20


def test_nothing_is_told_while_nothing_changes(clock, watched, file):
    (file.parent / "other.py").write_text("not watched")
    assert until_told(clock, watched)[0] == []


def test_a_change_is_told_when_the_file_was_left_alone_for_a_while(clock, watched, file):
    file.write_text("")  # an editor truncates
    assert clock.look(watched) == []
    file.write_text("one = 2  # and writes\n")
    assert clock.look(watched, QUIET / 2 + INTERVAL) == []
    assert clock.look(watched, QUIET + INTERVAL) == [str(file)]


def test_a_file_that_was_renamed_over_or_removed_has_changed(clock, watched, file):
    (file.parent / "new").write_text("one = 1\n")
    (file.parent / "new").replace(file)
    assert until_told(clock, watched)[0] == [str(file)]
    watched.accept()
    assert until_told(clock, watched)[0] == []
    file.unlink()
    assert until_told(clock, watched)[0] == [str(file)]


def test_a_file_that_comes_has_changed(clock, watched, file):
    missing = file.parent / "missing.py"
    watched.watch({str(missing): signature(missing)})
    missing.write_text("")
    assert until_told(clock, watched)[0] == [str(missing)]


def test_what_changed_before_it_was_watched_is_told(clock, watched, file):
    before = signature(file)
    file.write_text("one = 2222\n")
    watched.watch({str(file): before})
    assert watched.stale()
    assert until_told(clock, watched)[0] == [str(file)]
