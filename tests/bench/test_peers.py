"""What is installed beside the project is installed once, in its exact version, and only where it is missing."""

from pathlib import Path

import pytest

from tests.bench.peers.installation import SDK, SERVER, SERVER_VERSION, Installation


def installed_server(directory: Path, version: str = SERVER_VERSION) -> None:
    package = directory / "restate" / "node_modules" / SERVER
    package.mkdir(parents=True)
    (package / "package.json").write_text(f'{{"name": "{SERVER}", "version": "{version}"}}')


def installed_sdk(directory: Path, **versions: str) -> None:
    (directory / "sdk" / "bin").mkdir(parents=True)
    (directory / "sdk" / "bin" / "python").touch()
    for name, version in {**SDK, **versions}.items():
        (directory / f"sdk/lib/python3.11/site-packages/{name.replace('-', '_')}-{version}.dist-info").mkdir(
            parents=True
        )


def programs(directory: Path) -> list[str]:
    return [Path(command[0]).name + " " + command[1] for command in Installation(directory).missing()]


def test_all_is_missing_in_an_empty_folder(tmp_path: Path) -> None:
    server, environment, sdk = Installation(tmp_path).missing()
    assert server[-1] == f"{SERVER}@{SERVER_VERSION}"
    assert environment[1:] == ["-m", "venv", str(tmp_path / "sdk")]
    assert sdk[-len(SDK) :] == [f"{name}=={version}" for name, version in SDK.items()]


def test_nothing_is_missing_where_all_is_there(tmp_path: Path) -> None:
    installed_server(tmp_path)
    installed_sdk(tmp_path)
    installation = Installation(tmp_path)
    assert installation.missing() == []
    installation.complete()


def test_another_version_counts_as_missing(tmp_path: Path) -> None:
    installed_server(tmp_path, "1.0.0")
    installed_sdk(tmp_path, h2="4.0.0")
    assert programs(tmp_path) == ["npm install", "python -m"]


def test_without_npm_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed_sdk(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match=r"Install Node\.js"):
        Installation(tmp_path).complete()


def test_a_server_for_another_machine_is_told(tmp_path: Path) -> None:
    installed_server(tmp_path)
    with pytest.raises(SystemExit, match="no program for this machine"):
        _ = Installation(tmp_path).server
