#!/usr/bin/env bash
# Makes a container image of each program without a container engine: nothing but the program, the certificates that the
# system trusts, a user without rights, and licences. No shell. scripts/package.sh calls it.
# usage: scripts/package.sh image [--arch amd64|arm64] [--programs FOLDER] [--output FOLDER]
#   --programs FOLDER   where both programs are, without shared libraries; by default they are built
#   --output FOLDER     where the images go, build/packages by default: PROGRAM-VERSION-linux-ARCH.oci is an OCI layout;
#                       PROGRAM-VERSION-linux-ARCH.docker.tar is what `docker load` reads, and has the health check, for
#                       which OCI has no place
# Needs root, or a user with subordinate ids (buildah unshare). Two runs on one machine give the same bytes.
set -euo pipefail
cd "$(dirname "$0")/../.."
umask 022

own=$(dpkg --print-architecture)
arch=$own programs='' output=build/packages
while (($#)); do
    case $1 in
        -h | --help) sed -n '2,/^set/{s/^# \?//p}' "$0"; exit ;;
        --arch) arch=${2?}; shift ;;
        --programs) programs=${2?}; shift ;;
        --output) output=${2?}; shift ;;
        *) echo "$0: unknown option $1, see --help" >&2; exit 2 ;;
    esac
    shift
done
if [[ -z $programs ]]; then
    scripts/package/static.sh "$arch" >/dev/null
    programs=build/packages/static/$arch
fi

scripts/install-dependencies.sh binutils buildah ca-certificates jq >/dev/null
VERSION=${VERSION:-$(sed -n 's/^project(.* VERSION \([0-9.]*\) .*/\1/p' CMakeLists.txt)}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export VERSION SOURCE_DATE_EPOCH
uid=65532 # as "nonroot" in other images without a shell

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
buildah=(buildah --root "$work/store" --runroot "$work/run" --storage-driver vfs)
mkdir -p "$output"

# The files of an image, as a tar: its owners and times are those in the image.
make_layer() {
    local program=$1 root=$work/$1 doc=$work/$1/usr/share/doc/$1
    install -D --mode 755 "$programs/$program" "$root/usr/bin/$program"
    install -D --mode 644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
    echo "tunnel:x:$uid:$uid::/:/usr/sbin/nologin" >"$root/etc/passwd"
    echo "tunnel:x:$uid:" >"$root/etc/group"
    echo "hosts: files dns" >"$root/etc/nsswitch.conf"
    install -D --mode 644 LICENSE "$doc/copyright"
    cp -r "$work/parts/." "$doc"
    local tar=(tar --file "$work/$program.layer" --directory "$root" --sort=name --mtime="@$SOURCE_DATE_EPOCH"
        --numeric-owner --format=ustar)
    "${tar[@]}" --create --owner=0 --group=0 etc usr
    # For the socket of the management interface, and for --state-file. A tmpfs that is mounted over the first belongs
    # to root, and runc gives it the mode of what is below.
    install --directory --mode 1777 "$root/run/$program"
    install --directory --mode 700 "$root/var/lib/$program"
    "${tar[@]}" --append --owner="$uid" --group="$uid" "run/$program" "var/lib/$program"
}

# Without what buildah draws by chance, the id and the host name of its container, and without the files for Docker
# before 1.10.
write_docker_archive() {
    local from=$1 to=$2 files=$work/archive sum layers
    mkdir "$files"
    tar --extract --file "$from" --directory "$files"
    jq --compact-output 'del(.container, .container_config, .config.Hostname)' \
        "$files/$(jq --raw-output '.[0].Config' "$files/manifest.json")" >"$files/config"
    sum=$(sha256sum <"$files/config" | cut -d ' ' -f 1)
    mv "$files/config" "$files/$sum.json"
    jq --compact-output --arg config "$sum.json" '.[0].Config = $config' "$files/manifest.json" >"$files/new"
    mv "$files/new" "$files/manifest.json"
    mapfile -t layers < <(jq --raw-output '.[0].Layers[]' "$files/manifest.json")
    tar --create --directory "$files" --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode=0644 \
        --format=ustar --file "$to" manifest.json "$sum.json" "${layers[@]}"
    rm -r "$files" "$from"
}

make_image() {
    local program=$1 container to prefix=${1^^}
    prefix=${prefix/-/_} # REMOTE_PROXY, ORIGIN_PROXY
    make_layer "$program"
    container=$("${buildah[@]}" from --format docker --arch "$arch" scratch)
    "${buildah[@]}" add --quiet "$container" "$work/$program.layer" / >/dev/null
    "${buildah[@]}" config --arch "$arch" --os linux --user "$uid:$uid" --workingdir / --stop-signal SIGTERM \
        --entrypoint "[\"/usr/bin/$program\"]" --cmd '' \
        --env PATH=/usr/bin \
        --env SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
        --env "${prefix}_MANAGEMENT_ADDR=unix:/run/$program/management.sock" \
        --healthcheck "CMD /usr/bin/$program status" --healthcheck-interval 10s --healthcheck-timeout 6s \
        --healthcheck-start-period 10s \
        --label "org.opencontainers.image.title=$program" \
        --label "org.opencontainers.image.version=$VERSION" \
        --label "org.opencontainers.image.licenses=MIT" \
        "$container"

    to=$output/$program-$VERSION-linux-$arch
    rm -rf "$to.oci" "$to.docker.tar"
    # It warns that this format has no health check.
    "${buildah[@]}" commit --quiet --timestamp "$SOURCE_DATE_EPOCH" --format oci "$container" "oci:$to.oci:$VERSION" \
        >/dev/null 2>"$work/log" || { cat "$work/log" >&2; return 1; }
    "${buildah[@]}" commit --quiet --timestamp "$SOURCE_DATE_EPOCH" --format docker "$container" \
        "docker-archive:$work/$program.tar:$program:$VERSION" >/dev/null
    "${buildah[@]}" rm "$container" >/dev/null
    write_docker_archive "$work/$program.tar" "$to.docker.tar"
    printf '%s\n' "$to.oci" "$to.docker.tar"
}

# What is linked in, with what its licences ask to be passed on with it.
mkdir -p "$work/parts/licenses"
scripts/package/sbom.py "$arch" "$programs" "$work/parts/licenses" >"$work/parts/sbom.spdx.json"

for program in remote-proxy origin-proxy; do
    binary=$programs/$program
    [[ -x $binary ]] || { echo "$0: $binary is not there" >&2; exit 1; }
    ! readelf --dynamic "$binary" | grep -q '(NEEDED)' ||
        { echo "$0: $binary needs shared libraries, and the image has none" >&2; exit 1; }
    make_image "$program"
done
