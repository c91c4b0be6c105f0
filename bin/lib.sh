# What bin/dev, bin/test and .ci/run share: the checkout's own Python environment in .venv. POSIX sh; sourced with $root set.

say() {
    printf '%s\n' "pumice: $*" >&2
}

# Is "$1" a Python that Pumice runs on? It is run, not only looked for: a version manager's stub may stand for nothing.
suits() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    for candidate in ${PUMICE_PYTHON:-} python3.13 python3.12 python3.11 python3 python; do
        if suits "$candidate"; then
            command -v "$candidate"
            return 0
        fi
    done
    say "Python 3.11 or newer is needed, and none of python3.13, python3.12, python3.11 and python3 on PATH is one."
    say "Install one, or name it: PUMICE_PYTHON=/path/to/python3.11 $0"
    return 1
}

# What the environment was made from, and for which folder: scripts in .venv hold its path.
fingerprint() {
    "$1" -c 'import hashlib, sys
print(hashlib.sha256(b"".join(open(name, "rb").read() for name in sys.argv[1:])).hexdigest())
print(sys.argv[1])' "$root/requirements.lock" "$root/pyproject.toml"
}

# Hashes in the lock turn pip's hash checking on by themselves: whatever other indexes or folders a machine's
# configuration adds, only the locked files are taken.
install() {
    python=$1
    rm -f "$root/.venv/.pumice-stamp"
    if command -v uv >/dev/null 2>&1; then
        say "making .venv with uv (once, and when the lock changes)"
        uv venv --quiet --clear --python "$python" "$root/.venv" &&
            VIRTUAL_ENV="$root/.venv" uv pip sync --quiet --compile-bytecode "$root/requirements.lock" &&
            VIRTUAL_ENV="$root/.venv" uv pip install --quiet --no-deps --no-build-isolation -e "$root"
    else
        say "making .venv with $python (once, and when the lock changes; this takes a minute)"
        "$python" -m venv --clear "$root/.venv" &&
            "$root/.venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$root/requirements.lock" &&
            "$root/.venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
                --no-build-isolation -e "$root"
    fi
}

# Make or renew .venv, unless it is what the lock says already.
prepare() {
    stamp="$root/.venv/.pumice-stamp"
    if suits "$root/.venv/bin/python" && [ -f "$stamp" ] &&
        [ "$(fingerprint "$root/.venv/bin/python")" = "$(cat "$stamp")" ]; then
        return 0
    fi
    chosen=$(find_python) || exit 1
    if ! install "$chosen"; then
        say "the environment could not be made; the error is above"
        exit 1
    fi
    fingerprint "$root/.venv/bin/python" >"$stamp"
}
