"""The configuration examples in the documentation are good as they stand."""

import glob
import os
import re
import unittest

from programs import REPO
from test_configuration import Files
from test_programs import program
from trust import write_secret


class Examples(Files):
    def check(self, name, text):
        """Whosever file it is, that program has nothing to say about it."""
        path = self.write(os.path.join(name, "example.toml"), text)
        code, out, err = program("remote-proxy", "check", path)
        if "this is a file for origin-proxy" in err:
            code, out, err = program("origin-proxy", "check", path)
        self.assertEqual((code, out), (0, "ok\n"), f"{name}: {err}\n{text}")

    def test_every_block_of_toml_in_the_text_passes_check_as_it_stands(self):
        blocks = 0
        for path in ("README.md", *glob.glob("docs/**/*.md", root_dir=REPO, recursive=True)):
            with open(os.path.join(REPO, path), encoding="utf-8") as file:
                for number, text in enumerate(re.findall(r"^```toml\n(.*?)^```", file.read(), re.M | re.S)):
                    self.check(f"{path.replace('/', '-')}-{number}", text)
                    blocks += 1
        self.assertGreaterEqual(blocks, 4)

    def test_every_example_file_passes_check_but_for_the_names_of_files_with_secrets(self):
        secret = os.path.join(self.folder, "secret")
        write_secret(secret)
        paths = glob.glob("docs/examples/**/*.toml", root_dir=REPO, recursive=True)
        self.assertGreaterEqual(len(paths), 10)
        for path in paths:
            with open(os.path.join(REPO, path), encoding="utf-8") as file:
                text = re.sub(r'^secret-file = "[^"]*"', f'secret-file = "{secret}"', file.read(), flags=re.M)
            if os.path.basename(path) == "banned.toml":  # it is to be included
                text = f'control-addr = ":1"\noutside-addr = ":2"\n{text}'
            self.check(path.replace("/", "-"), text)


if __name__ == "__main__":
    unittest.main()
