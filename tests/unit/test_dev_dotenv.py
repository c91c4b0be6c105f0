import pytest

from pumice.dev.dotenv_file import read_dotenv
from pumice.dev.errors import DevError


def write(folder, content):
    path = folder / ".env"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_no_file_sets_nothing(tmp_path):
    assert read_dotenv(tmp_path / ".env") == {}


def test_values_are_read_as_shells_and_other_tools_write_them(tmp_path):
    lines = ["# a comment", "", "A=1", "export B='two words' # why", 'C="x\\ny"', "D=", "E=${A}/b"]
    assert read_dotenv(write(tmp_path, "\n".join(lines))) == {
        "A": "1",
        "B": "two words",
        "C": "x\ny",
        "D": "",
        "E": "1/b",
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("A=1\n\n\nB='never closed\n", "line 4: this is no setting"),
        ("A=1\nSECRET: s3cret value\n", "line 2: this is no setting"),
        ("A=1\nSECRET\n", "line 2: SECRET has no value: write SECRET=value."),
        ("'s3cret key'=1\n", "line 1: this is no variable's name"),
        ("A=s3cret\0\n", "line 1: the value of A holds a null character."),
        (b"A=\xff\n", "can't be read: save it as UTF-8."),
    ],
)
def test_a_bad_line_is_told_by_its_number_and_never_quoted(tmp_path, content, message):
    with pytest.raises(DevError) as caught:
        read_dotenv(write(tmp_path, content))
    assert message in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_of_that_name_is_told(tmp_path):
    (tmp_path / ".env").mkdir()
    with pytest.raises(DevError, match="can't be read: Is a directory"):
        read_dotenv(tmp_path / ".env")
