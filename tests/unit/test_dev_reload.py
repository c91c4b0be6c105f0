from pumice.dev.reload import folders


def test_only_folders_with_python_files_are_watched(tmp_path):
    for name in ("shop/agents.py", "src/shop/agents.py", "photos/cat.jpg", ".venv/x.py", "tests/x.py", "data/x.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert {folder.name for folder in folders(tmp_path, tmp_path / "data")} == {"shop", "src"}
