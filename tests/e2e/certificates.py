"""Certificates for host names, as an authority of this run signs them, and in the layouts in which clients of public
authorities leave them."""

import os
import shutil
import ssl

from support import need, run
from trust import folder

EC = ("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
RSA = ("rsa:2048",)


class Authority:
    """Signs, and knows by which file it is trusted."""

    def __init__(self, name):
        self._folder = folder(name)
        self._count = 0
        self.ca = os.path.join(self._folder, "ca.pem")
        self._ca_key = os.path.join(self._folder, "ca-key.pem")
        self._openssl("req", "-x509", "-newkey", *EC, "-nodes", "-subj", f"/CN={name}", "-days", "30", "-keyout",
                      self._ca_key, "-out", self.ca)

    @staticmethod
    def _openssl(*words):
        run([need("openssl"), *words])

    def sign(self, certificate, key, *names, kind=EC, days=60):
        """Writes both files; a negative number of days is one that has expired."""
        request, extensions = os.path.join(self._folder, "request"), os.path.join(self._folder, "extensions")
        with open(extensions, "w", encoding="ascii") as file:
            file.write("subjectAltName=" + ",".join(f"DNS:{name}" for name in names) + "\n")
        self._openssl("req", "-newkey", *kind, "-nodes", "-subj", f"/CN={names[0]}", "-keyout", key, "-out", request)
        self._openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self._ca_key, "-days", str(days),
                      "-extfile", extensions, "-out", certificate)

    def put(self, place, *names, file=None, **options):
        """NAME.crt and NAME.key, which take the place of former ones at once; gives their paths."""
        base = os.path.join(place, file or names[0].replace("*", "_"))
        self.sign(f"{base}.crt.new", f"{base}.key.new", *names, **options)
        for each in ("key", "crt"):
            os.replace(f"{base}.{each}.new", f"{base}.{each}")
        return f"{base}.crt", f"{base}.key"

    def put_as_certbot(self, place, *names, **options):
        """live/NAME/ with links to archive/NAME/; gives the folder for --certificates. A further time is a renewal."""
        live, archive = os.path.join(place, "live", names[0]), os.path.join(place, "archive", names[0])
        for each in (live, archive):
            os.makedirs(each, exist_ok=True)
        number = 1 + sum(each.startswith("fullchain") for each in os.listdir(archive))
        fullchain, privkey = (os.path.join(archive, f"{each}{number}.pem") for each in ("fullchain", "privkey"))
        self.sign(fullchain, privkey, *names, **options)
        for each, source in (("cert", fullchain), ("chain", self.ca)):
            shutil.copy(source, os.path.join(archive, f"{each}{number}.pem"))
        for each in ("cert", "chain", "fullchain", "privkey"):
            link = os.path.join(live, f"{each}.pem")
            os.symlink(f"../../archive/{names[0]}/{each}{number}.pem", f"{link}.new")
            os.replace(f"{link}.new", link)
        with open(os.path.join(place, "live", "README"), "w", encoding="ascii") as file:
            file.write("This directory contains your keys and certificates.\n")
        return os.path.join(place, "live")

    def put_as_lego(self, place, *names, **options):
        """NAME.crt, NAME.key, NAME.issuer.crt and NAME.json, _.NAME for a wildcard; gives the folder."""
        certificate, _ = self.put(place, *names, **options)
        base = certificate.removesuffix(".crt")
        shutil.copy(self.ca, f"{base}.issuer.crt")
        with open(f"{base}.json", "w", encoding="ascii") as file:
            file.write(f'{{"domain": "{names[0]}", "certUrl": "https://ca.example/1"}}\n')
        return place

    def trusting(self, **attributes):
        """What a visitor needs who trusts this authority."""
        context = ssl.create_default_context(cafile=self.ca)
        for name, value in attributes.items():
            setattr(context, name, value)
        return context

    def serving(self, *names):
        """What a server needs that ends TLS itself."""
        place = folder(f"{os.path.basename(self._folder)}-server-{self._count}")
        self._count += 1
        certificate, key = self.put(place, *names, file="server")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        return context
