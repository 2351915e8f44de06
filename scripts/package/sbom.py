#!/usr/bin/env python3
"""Prints the SBOM of both programs without shared libraries (SPDX 2.3, JSON), and copies the licences of what is in them.

usage: sbom.py ARCH PROGRAMS LICENSES
  PROGRAMS   the folder of remote-proxy and origin-proxy
  LICENSES   the folder for Debian's copyright file of each package that was linked or compiled in

VERSION and SOURCE_DATE_EPOCH come from the environment. The same programs give the same bytes.
"""

import datetime
import hashlib
import json
import os
import shutil
import subprocess
import sys

# Debian's package, its licence, and whether its code was linked in or came with its headers.
PARTS = (
    ("libssl-dev", "Apache-2.0", "linked"),
    ("libseccomp-dev", "LGPL-2.1-only", "linked"),
    ("libcap-ng-dev", "LGPL-2.1-or-later", "linked"),
    ("libcrypt-dev", "LGPL-2.1-or-later", "linked"),
    ("libc6-dev", "LGPL-2.1-or-later", "linked"),
    ("libfmt-dev", "MIT", "linked"),
    ("libtomlplusplus-dev", "MIT", "linked"),
    ("prometheus-cpp-dev", "MIT", "linked"),
    ("libasio-dev", "BSL-1.0", "compiled"),
    ("libboost-dev", "BSL-1.0", "compiled"),
    ("libcli11-dev", "BSD-3-Clause", "compiled"),
    ("nlohmann-json3-dev", "MIT", "compiled"),
    ("g++", "GPL-3.0-or-later WITH GCC-exception-3.1", "linked"),
)


def installed(package):
    """The source package of an installed one, and its version."""
    shown = subprocess.run(["dpkg-query", "-W", "-f", "${source:Package} ${source:Version}\n", package],
                           check=True, capture_output=True, text=True).stdout
    return tuple(shown.splitlines()[0].split())


def compiler(arch, is_own):
    """The package with libstdc++.a, and libgcc.a, of the compiler in use."""
    command = "g++" if is_own else {"arm64": "aarch64-linux-gnu-g++"}[arch]
    major = subprocess.run([command, "-dumpversion"], check=True, capture_output=True, text=True).stdout.split(".")[0]
    return f"libstdc++-{major.strip()}-dev" + ("" if is_own else f"-{arch}-cross")


def parts(arch, licenses):
    """(package, source package, its version, licence, how it is in the programs) of each."""
    own = subprocess.run(["dpkg", "--print-architecture"], check=True, capture_output=True, text=True).stdout.strip()
    is_own = arch == own
    root = "/" if is_own else f"build/sysroot/{arch}"
    unpacked = {}
    if not is_own:
        with open(f"{root}/packages", encoding="utf-8") as lines:
            unpacked = {package: tuple(rest) for package, *rest in map(str.split, lines)}
    for package, licence, how in PARTS:
        if package == "libboost-dev":  # it has nothing but the name of the one with the headers
            names = unpacked or subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n"], check=True,
                                               capture_output=True, text=True).stdout.splitlines()
            with open(f"{root}/usr/include/boost/version.hpp", encoding="utf-8") as header:
                version = next(line.split('"')[1] for line in header if line.startswith("#define BOOST_LIB_VERSION"))
            package = f"libboost{version.replace('_', '.')}-dev"
            assert any(package in name for name in names), package
        elif package == "g++":
            package = compiler(arch, is_own)
        source, version = unpacked.get(package) or installed(package)
        copyright_file = os.path.join(root, "usr/share/doc", package, "copyright")
        if not os.path.exists(copyright_file):
            copyright_file = os.path.join("/usr/share/doc", package, "copyright")
        shutil.copyfile(copyright_file, os.path.join(licenses, source))
        yield package, source, version, licence, how


def sum_of(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main(arch, programs, licenses):
    version = os.environ["VERSION"]
    sums = {name: sum_of(os.path.join(programs, name)) for name in ("remote-proxy", "origin-proxy")}
    whole = hashlib.sha256("".join(sums.values()).encode()).hexdigest()
    packages, relations = [], []
    for name, checksum in sums.items():
        packages.append({
            "SPDXID": f"SPDXRef-{name}", "name": name, "versionInfo": version, "downloadLocation": "NOASSERTION",
            "filesAnalyzed": False, "licenseConcluded": "MIT", "licenseDeclared": "MIT", "copyrightText": "NOASSERTION",
            "primaryPackagePurpose": "APPLICATION",
            "checksums": [{"algorithm": "SHA256", "checksumValue": checksum}]})
        relations.append(("SPDXRef-DOCUMENT", "DESCRIBES", f"SPDXRef-{name}"))
    for package, source, its_version, licence, how in parts(arch, licenses):
        spdx = "SPDXRef-" + "".join(c if c.isalnum() or c in ".-" else "-" for c in package)
        packages.append({
            "SPDXID": spdx, "name": source, "versionInfo": its_version, "supplier": "Organization: Debian",
            "downloadLocation": "NOASSERTION", "filesAnalyzed": False, "licenseConcluded": licence,
            "licenseDeclared": licence, "copyrightText": "NOASSERTION", "primaryPackagePurpose": "LIBRARY",
            "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                              "referenceLocator": f"pkg:deb/debian/{package.replace('+', '%2B')}@"
                                                  f"{its_version.replace('+', '%2B').replace(':', '%3A')}?arch={arch}"}]})
        for name in sums if package != "libcrypt-dev" else ("remote-proxy",):
            relations.append((f"SPDXRef-{name}", "STATIC_LINK" if how == "linked" else "CONTAINS", spdx))
    made = datetime.datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), datetime.timezone.utc)
    document = {
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"tunneled-reverse-proxy-{version}-linux-{arch}",
        "documentNamespace": f"https://spdx.org/spdxdocs/tunneled-reverse-proxy-{version}-{arch}-{whole[:32]}",
        "creationInfo": {"created": made.strftime("%Y-%m-%dT%H:%M:%SZ"),
                         "creators": ["Tool: scripts/package/sbom.py"]},
        "packages": packages,
        "relationships": [{"spdxElementId": a, "relationshipType": kind, "relatedSpdxElement": b}
                          for a, kind, b in relations]}
    json.dump(document, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
