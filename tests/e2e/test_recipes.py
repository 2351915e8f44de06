"""The recipes for Homebrew and the AUR, filled in for an archive on this machine, and carried out: by makepkg, and by a
stand-in for brew, which cannot be had here."""

import glob
import os
import shutil
import tempfile
import unittest

from packages_made import VERSION
from programs import HERE, REPO, need, run

PROGRAMS = ("remote-proxy", "origin-proxy")


class Recipes(unittest.TestCase):
    trust = ()
    timeout = 900

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="recipes-")
        self.addCleanup(shutil.rmtree, self.folder)
        os.chmod(self.folder, 0o755)
        name = f"tunneled-reverse-proxy-{VERSION}-linux-{os.uname().machine}.tar.gz"
        made = os.environ.get("TUNNEL_TAR")  # a folder with an archive that is there already
        if not made:
            made = os.path.join(REPO, "build/packages")
            run([os.path.join(REPO, "scripts/package.sh"), "tar"], timeout=900)
        self.archive = os.path.join(self.folder, name)
        # Others make it, too.
        run(["flock", os.path.join(made, "lock"), "cp", os.path.join(made, name), self.archive], timeout=900)
        run([os.path.join(REPO, "scripts/package/recipes.sh"), f"file://{self.folder}", self.folder])

    def test_the_formula_installs_both_programs_and_passes_its_own_test(self):
        formula = os.path.join(self.folder, "homebrew/tunneled-reverse-proxy.rb")
        run([need("ruby"), "-wc", formula])
        place = os.path.join(self.folder, "prefix")
        shown = run(["ruby", os.path.join(HERE, "formula.rb"), formula, self.archive, place]).stdout
        self.assertEqual(shown, f"service {place}/bin/origin-proxy "
                                f"--config {place}/etc/origin-proxy/origin-proxy.toml\n")
        for name in PROGRAMS:
            for file in (f"bin/{name}", f"share/man/man1/{name}.1.gz", f"etc/bash_completion.d/{name}",
                         f"share/zsh/site-functions/_{name}", f"share/fish/vendor_completions.d/{name}.fish"):
                self.assertTrue(os.path.getsize(os.path.join(place, file)), file)

    def test_makepkg_makes_a_package_of_the_recipe_and_srcinfo_is_what_it_prints(self):
        place = os.path.join(self.folder, "aur")
        recipe = os.path.join(place, "PKGBUILD")
        # Variables and functions are makepkg's, which also ends at the first failure.
        run([need("shellcheck"), "--shell=bash", "--exclude=SC2034,SC2154,SC2164", recipe])
        makepkg = [need("makepkg"), "--nodeps"]
        need("pacman")
        if os.geteuid() == 0:  # it refuses to run as root
            for path in (place, *glob.glob(f"{place}/*"), f"{place}/.SRCINFO"):
                os.chown(path, 65534, 65534)
            makepkg = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", *makepkg]
        env = {"HOME": place, "PKGEXT": ".pkg.tar", "PKGDEST": place}
        with open(os.path.join(place, ".SRCINFO"), encoding="utf-8") as file:
            self.assertEqual(run([*makepkg, "--printsrcinfo"], cwd=place, env=env).stdout, file.read())
        run(makepkg, cwd=place, env=env)
        package = os.path.join(place, f"tunneled-reverse-proxy-bin-{VERSION}-1-{os.uname().machine}.pkg.tar")
        files = run(["tar", "-tf", package]).stdout.split("\n")
        for name in PROGRAMS:
            for file in (f"usr/bin/{name}", f"usr/share/man/man1/{name}.1.gz",
                         f"usr/share/bash-completion/completions/{name}", f"usr/share/zsh/site-functions/_{name}",
                         f"usr/share/fish/vendor_completions.d/{name}.fish"):
                self.assertIn(file, files)
        self.assertIn("usr/share/licenses/tunneled-reverse-proxy-bin/LICENSE", files)
