#!/usr/bin/env bash
# Makes a small certificate authority, a certificate for the remote proxy and one for the origin proxy.
# usage: scripts/make-certs.sh [--name NAME] [--renew] [FOLDER] [HOST...]
#   FOLDER    where they go, created if missing; default certs
#   HOST      names and IP addresses by which the origin proxy reaches the remote proxy; default localhost,
#             127.0.0.1 and ::1
#   --name    the name of the origin proxy in the remote proxy's log; default origin
#   --renew   replaces both certificates and keys with new ones from the authority in FOLDER; give the
#             HOSTs again. Without it, existing files are not touched
# The authority's key, ca-key.pem, belongs on neither of the two machines.
set -euo pipefail

name=origin renew=no
while [[ ${1-} == -* ]]; do
    case $1 in
        -h | --help) sed -n '2,/^set/{/^set/d; s/^# \?//p}' "$0"; exit ;;
        --name) name=${2-}; shift ;;
        --renew) renew=yes ;;
        *) echo "$0: unknown option $1, see --help" >&2; exit 2 ;;
    esac
    shift || break
done
folder=${1:-certs}
shift || true
(($# > 0)) || set -- localhost 127.0.0.1 ::1

fail() {
    echo "make-certs: $*" >&2
    exit 1
}

# These characters have a meaning in the subject and in the configuration.
[[ $name =~ ^[A-Za-z0-9._@-]{1,64}$ ]] || fail "\"$name\" is no name: 1 to 64 letters, digits, dots, dashes, underscores, @"
names=()
for host in "$@"; do
    case $host in
        '' | *[!A-Za-z0-9.:*-]*) fail "\"$host\" is neither a name nor an address" ;;
        *:* | *[0-9].*[0-9].*[0-9].*[0-9]) names+=("IP:$host") ;;
        *) names+=("DNS:$host") ;;
    esac
done
command -v openssl >/dev/null || fail "openssl is not installed: apt-get install openssl"

umask 077 # keys are their owner's
mkdir -p "$folder"
if [[ $renew == yes ]]; then
    [[ -e $folder/ca.pem && -e $folder/ca-key.pem ]] || fail "there is no ca.pem with its ca-key.pem in $folder to renew with"
    echo "replacing the certificates and keys in $folder"
else
    for file in "$folder"/{ca,server,client}{,-key}.pem; do
        [[ ! -e $file ]] || fail "$file is there already: take another folder, or --renew"
    done
fi

work=$(mktemp -d "$folder/.new.XXXXXX") # on the same disk, so that moving a file is one step
trap 'rm -rf "$work"' EXIT

cat >"$work/conf" <<END
[req]
distinguished_name = nothing
prompt = no
[nothing]
CN = unused
[ca]
basicConstraints = critical, CA:true, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = $(IFS=,; echo "${names[*]}")
[client]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
END

# certificate KIND SUBJECT DAYS OPTION...
certificate() {
    openssl req -x509 -config "$work/conf" -extensions "$1" -subj "/CN=$2" -days "$3" -sha256 \
        -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -keyout "$work/$1-key.pem" -out "$work/$1.pem" "${@:4}" 2>"$work/said" || fail "$(<"$work/said")"
    chmod 644 "$work/$1.pem" # no secret, and each program may run as a user of its own
}

authority=("$folder/ca.pem" "$folder/ca-key.pem")
if [[ $renew == no ]]; then
    certificate ca "tunnel authority" 3650
    authority=("$work/ca.pem" "$work/ca-key.pem")
fi
certificate server "${1:0:64}" 825 -CA "${authority[0]}" -CAkey "${authority[1]}"
certificate client "$name" 825 -CA "${authority[0]}" -CAkey "${authority[1]}"
mv -f "$work"/*.pem "$folder/"

cat <<END
Made in $folder for $*, good for 825 days.
On the public server, with ca.pem, server.pem and server-key.pem:
  remote-proxy --tls-cert $folder/server.pem --tls-key $folder/server-key.pem --tls-client-ca $folder/ca.pem
On the private machine, with ca.pem, client.pem and client-key.pem:
  origin-proxy --tls-ca $folder/ca.pem --tls-cert $folder/client.pem --tls-key $folder/client-key.pem
After --renew and copying: SIGHUP to both programs.
END
