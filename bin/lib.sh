# What bin/dev, bin/test, bin/lock and .ci/run share: the checkout's own Python environment in .venv.
# POSIX sh, sourced with $root set. It needs a Python and what comes with it: no uv, no compiler.
#
# Nothing is resolved when an environment is made: each package of requirements-dev.lock is installed in the version
# and with the hash that the lock names, whatever was released since. pip must be told so (--no-deps): older ones
# resolve a requirement with an extra, such as google-auth[requests], anew even when everything is pinned. Only wheels
# are taken: a source distribution would be built with whatever build tools are newest that day.

# Make or renew .venv, unless it is what the lock says already.
prepare() {
    stamp="$root/.venv/.pumice-stamp"
    if [ -f "$stamp" ] && [ "$(fingerprint "$root/.venv/bin/python" 2>/dev/null)" = "$(cat "$stamp")" ]; then
        return 0
    fi
    chosen=$(find_python) || exit 1
    if ! make_environment "$chosen"; then
        say "The environment could not be made: the error is above. Run $0 again to try again."
        exit 1
    fi
    fingerprint "$root/.venv/bin/python" >"$stamp"
}

# What the environment was made from, and for which folder: scripts in .venv hold its path.
fingerprint() {
    "$1" -c 'import hashlib, sys
print(hashlib.sha256(b"".join(open(name, "rb").read() for name in sys.argv[1:])).hexdigest())
print(sys.argv[1])' "$root/requirements-dev.lock" "$root/pyproject.toml"
}

# Print the path of a Python that suits: PUMICE_PYTHON if it is set, else the newest on PATH, else one of pyenv's.
find_python() {
    if [ -n "${PUMICE_PYTHON:-}" ]; then
        python_behind "$PUMICE_PYTHON" && return 0
        say "PUMICE_PYTHON is $PUMICE_PYTHON, which is no Python 3.11 or newer with venv. Name another, or unset it."
        return 1
    fi
    python_on_path python3.13 python3.12 python3.11 python3 python && return 0
    for candidate in "${PYENV_ROOT:-${HOME:-}/.pyenv}"/versions/*/bin/python3; do
        python_behind "$candidate" && return 0
    done
    say "Python 3.11 or newer with venv is needed, and no python3.13, python3.12, python3.11 or python3 on PATH is one."
    say "Install it (on Debian and Ubuntu: python3 and python3-venv), or name it: PUMICE_PYTHON=/path/to/python3 $0"
    return 1
}

# Print the first of these programs on PATH that suits. It looks in every folder, not only in the first that has the
# name: a version manager's stub, which comes first, may stand for nothing.
python_on_path() (
    IFS=:
    for name; do
        for folder in $PATH; do
            python_behind "$folder/$name" && exit 0
        done
    done
    exit 1
)

# Print the program behind "$1", if that is a Python that Pumice runs on. The one behind: "$1" may belong to an
# environment, even to the one that is about to be replaced.
python_behind() {
    [ -x "$(command -v "$1")" ] && "$1" -c 'import sys
if sys.version_info < (3, 11):
    sys.exit(1)
import ensurepip, venv
print(getattr(sys, "_base_executable", sys.executable))' 2>/dev/null
}

# Make .venv with the Python "$1": the locked packages, and the checkout itself, which is imported from where it is.
make_environment() {
    environment="$root/.venv"
    began=$(date +%s)
    rm -f "$environment/.pumice-stamp"
    say "making .venv with $("$1" --version) (once, and whenever requirements-dev.lock changes)"
    "$1" -m venv --clear "$environment" &&
        install_locked "$environment" "$root/requirements-dev.lock" &&
        pip_in "$environment" --no-deps --no-build-isolation --quiet --editable "$root" &&
        say "made .venv in $(($(date +%s) - began)) s"
}

# Install what the lock "$2" names into the environment "$1", by uv where that can be had: it takes seconds, pip a minute.
install_locked() {
    if fetch_uv "$1"; then
        install_with_uv "$1" "$2" && return 0
        say "uv could not install the lock; pip tries"
    fi
    install_with_pip "$1" "$2"
}

# Fetch uv into the environment "$1": this one version, by hash, whatever other uv the machine has. It is not used where
# pip is configured to look for packages elsewhere, because uv does not read pip's configuration.
fetch_uv() {
    case $("$1/bin/python" -m pip config list 2>/dev/null) in
        *.index-url=* | *.no-index=*) return 1 ;;
    esac
    say "fetching uv, which installs the rest (about 20 MB)"
    pip_in "$1" --no-deps --only-binary :all: --require-hashes --quiet --target "$1/uv" -r "$root/bin/installer.lock" 2>/dev/null
}

# uv says what it fetches, how large that is and when it has come. It starts in $root: it reads its settings from the
# folder in which it starts, and that may be somebody else's project.
install_with_uv() {
    say "fetching and installing the packages of ${2##*/} with uv"
    (
        cd "$root"
        certificates=${SSL_CERT_FILE:-${PIP_CERT:-}}
        if [ -n "$certificates" ]; then
            export SSL_CERT_FILE="$certificates"
        fi
        told_by uv_progress "$1/uv/bin/uv" pip sync --system-certs --python "$1/bin/python" \
            --require-hashes --no-build "$2"
    )
}

uv_progress() {
    grep -v '^ [+-] '
}

install_with_pip() {
    say "fetching and installing the packages of ${2##*/} with pip (a minute or two)"
    packages=$(grep -c '^[a-z0-9].*==' "$2")
    told_by pip_progress pip_in "$1" --no-deps --only-binary :all: --require-hashes --progress-bar off -r "$2"
}

# One line for each package, with how many there are, instead of pip's three or more; errors as they are.
pip_progress() {
    awk -v all="$packages" '
        /^Ignoring .* markers / { all--; next }
        /^(Collecting|Processing) / { sub(".*/", "", $2); printf "pumice: %d of %d: %s\n", ++count, all, $2; next }
        /^Installing collected packages/ { print "pumice: installing them"; next }
        /^ *(Downloading|Using cached) |^Looking in |^Successfully installed |^\[notice\]/ { next }
        { print }'
}

# Run the command that follows with its output through "$1", and return the command's status, which a pipe would lose.
told_by() {
    teller=$1
    shift
    return "$({
        {
            if "$@" 2>&1 3>&-; then echo 0 >&3; else echo 1 >&3; fi
        } | "$teller" >&2
    } 3>&1)"
}

# Run `pip install` in the environment "$1" with the options that follow.
pip_in() {
    python="$1/bin/python"
    shift
    "$python" -m pip --disable-pip-version-check --no-input install "$@"
}

say() {
    printf '%s\n' "pumice: $*" >&2
}
